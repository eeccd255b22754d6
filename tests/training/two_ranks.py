"""A tiny speech training under torchrun: ``two_ranks.py FOLDER joined|ranked [key=value ...]``.

``joined`` is one process with the double batch: at each step it takes what the two ranks would
take.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from asr.config import build_config, parse_overrides
from asr.errors import AsrError
from asr.speech.data.batches import SpeechBatch, SpeechLoader, collate_speech
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import build_experiment
from asr.training.loop import fit

PLAIN: dict[str, Any] = {
    "optimizer": {"lr": 0.003},
    "trainer": {
        "max_epochs": 3,
        "precision": "fp32",
        "threads": 1,
        "accelerator": "cpu",
        "pictures_every": 0,
    },
    "model": {
        "hidden_dim": 8,
        "num_layers": 2,
        "conv_channels": 4,
        "conv_norm": "layer",
        "dropout": 0.0,
    },
    "specaugment": {"freq_masks": 0, "time_masks": 0},
}


class Joined:
    """Batches of two ranks put together."""

    def __init__(self, loader: SpeechLoader) -> None:
        self.ranks = [loader.for_rank(rank, 2) for rank in range(2)]

    def for_rank(self, rank: int, world_size: int) -> Joined:
        assert world_size == 1
        return self

    def num_batches(self, epoch: int) -> int:
        return self.ranks[0].num_batches(epoch)

    def load(self, epoch: int, position: int) -> SpeechBatch:
        items = np.concatenate([rank.item_numbers(epoch)[position] for rank in self.ranks])
        store, labels = self.ranks[0].store, self.ranks[0].labels
        return collate_speech(
            [store.features(i) for i in items],
            [labels[i] for i in items],
            [store.ids[i] for i in items],
        )


def main(folder: Path, kind: str, *overrides: str) -> None:
    data = {
        "data": {"train": str(folder / "train"), "dev": str(folder / "dev"), "max_batch_size": 2}
    }
    config = build_config(SpeechConfig, PLAIN, data, parse_overrides(overrides))
    experiment = build_experiment(config, folder / kind)
    if kind == "joined":
        assert isinstance(experiment.train, SpeechLoader)
        experiment = replace(experiment, train=Joined(experiment.train))
    try:
        fit(experiment, config.trainer, config.optimizer, folder / kind, seed=config.seed)
    except AsrError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
