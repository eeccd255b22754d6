"""Training of a speaker embedding, judged on pairs of recordings of other speakers.

Legend: N recordings, T frames, F mel bands, E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.config import check_files, config_yaml
from asr.files import files_below
from asr.run_folder import record_split
from asr.scoring.verification import VerificationScore, pair_scores, score_pairs
from asr.speakers.batches import CropLoader
from asr.speakers.config import SpeakerConfig
from asr.speakers.data import SpokenFile, read_recordings
from asr.speakers.model import FittedSpeakers
from asr.speakers.network import EmbeddingNetwork, levelled
from asr.speakers.store import VoiceStore, decode, write_voices
from asr.speakers.task import SpeakerTask
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, load_weights

__all__ = ["build_experiment", "judge", "train_speakers"]

AT_ONCE = 64  # windows that are embedded together
MEASURED_ROWS = 200_000  # frames from which mean and deviation are estimated


def train_speakers(config: SpeakerConfig, resume: bool = True) -> Path:
    """Train on the tables that ``config`` names, score the test tables; return the model folder.

    Raises:
        ConfigError: no train or dev table is named.
        DataError: a table is missing or has no speakers.
        AudioError: a recording cannot be read.
    """
    check_files(config.data, ["train", "dev"], "TABLE.tsv with audio and speaker")
    run_dir = Path(config.output_dir)
    folder = Path(config.data.features) if config.data.features else run_dir / "features"
    stores = {
        "train": _store(config, folder / "train", config.data.train, config.data.speeds),
        "dev": _store(config, folder / "dev", config.data.dev),
        **{
            name: _store(config, folder / name, (table,))
            for name, table in config.data.test.items()
        },
    }
    noise = _noise(config, folder / "noise")
    fit(
        build_experiment(config, stores["train"], stores["dev"], noise),
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    best = FittedSpeakers.load(run_dir / "model")
    for name in config.data.test:
        score = judge(best, stores[name], config.data.judged_s, config.data.judged_recordings)
        record_split(run_dir, name, {"eer": score.eer, "min_dcf": score.min_dcf})
    return run_dir / "model"


def _store(
    config: SpeakerConfig, folder: Path, tables: Sequence[str], speeds: Sequence[float] = (1.0,)
) -> VoiceStore:
    return write_voices(folder, read_recordings(tables), config.features, speeds)


def _noise(config: SpeakerConfig, folder: Path) -> VoiceStore | None:
    if not config.data.noise:
        return None
    files = [SpokenFile(path, "noise") for part in config.data.noise for path in files_below(part)]
    return write_voices(folder, files, config.features, shortest_s=0.1)


def build_experiment(
    config: SpeakerConfig, train: VoiceStore, dev: VoiceStore, noise: VoiceStore | None
) -> Experiment:
    """Make network, losses and batches.

    Normalisation comes from ``train`` alone, or with the weights of ``init_from``.
    """
    torch.manual_seed(config.seed)
    frame_shift_s = config.features.frame_shift_ms / 1000
    network = EmbeddingNetwork(config.model, config.features.n_mels)
    loader = CropLoader(train, config.data, frame_shift_s, noise=noise, seed=config.seed)
    if config.init_from:
        start = FittedSpeakers.load(config.init_from)
        load_weights(network, start.network.state_dict(), config.init_from)
    else:
        network.set_statistics(*_statistics(loader, config))
    task = SpeakerTask(network, len(train.names), config.loss, config.augment, frame_shift_s)
    if config.init_from:
        task.classes.weight.data.copy_(_class_means(start, train, config))

    def model_of(trained: Task) -> FittedSpeakers:
        assert isinstance(trained, SpeakerTask)
        return FittedSpeakers(trained.network, config.features, config_yaml(config))

    def figures(trained: Task) -> dict[str, float]:
        data = config.data
        score = judge(model_of(trained), dev, data.judged_s, data.judged_recordings)
        return {"eer": score.eer, "min_dcf": score.min_dcf}

    return Experiment(
        task=task,
        train=loader,
        evaluate=figures,
        monitor="eer",
        save_model=lambda trained, folder: _save(model_of(trained), folder),
        speed=lambda batch: batch.x.size(0) * batch.x.size(1) * frame_shift_s,
        speed_unit="s of speech/s",
    )


def _class_means(model: FittedSpeakers, store: VoiceStore, config: SpeakerConfig) -> torch.Tensor:
    """Return a class weight (C, E) for each speaker: the mean of some crops' embeddings."""
    length = round(config.data.longest_s * 1000 / config.features.frame_shift_ms)
    rng = np.random.default_rng(config.seed)
    means = np.zeros((len(store.names), config.model.dim), np.float32)
    order = rng.permutation(len(store.lengths))
    firsts = [order[np.unique(store.speakers[order], return_index=True)[1]]]
    rest = np.setdiff1d(order, firsts[0])
    rest = rest[rng.permutation(len(rest))]
    firsts.append(rest[np.unique(store.speakers[rest], return_index=True)[1]])
    for items in np.array_split(np.concatenate(firsts), -(-sum(map(len, firsts)) // AT_ONCE)):
        crops = np.stack([store.crop(int(item), 0, length) for item in items])
        np.add.at(means, store.speakers[items], model.embed(decode(crops)))
    return torch.from_numpy(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6))


def _save(model: FittedSpeakers, folder: Path) -> None:
    model.save(folder)


def _statistics(
    loader: CropLoader, config: SpeakerConfig
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and deviation (F,) of levelled features, from some batches."""
    rows: list[npt.NDArray[np.float32]] = []
    position = 0
    while sum(map(len, rows)) < MEASURED_ROWS and position < 10:
        x = loader.load(0, position).x
        lens = torch.full((len(x),), x.size(1))
        rows.append(levelled(x, lens, config.model.range_nepers).flatten(0, 1).numpy())
        position += 1
    every = np.concatenate(rows).astype(np.float64)
    return every.mean(0), every.std(0)


def judge(
    model: FittedSpeakers, store: VoiceStore, length_s: float, per_speaker: int
) -> VerificationScore:
    """Return how well the middles of recordings tell speakers apart, over all pairs.

    Args:
        model: the embedding.
        store: of the recordings.
        length_s: of the stretch of each recording that is looked at.
        per_speaker: recordings of each speaker, at most, spread over what there are.
    """
    length = round(1000 * length_s / model.features.frame_shift_ms)
    items = np.concatenate(
        [
            own[np.linspace(0, len(own) - 1, min(per_speaker, len(own))).astype(int)]
            for own in (np.flatnonzero(store.speakers == n) for n in np.unique(store.speakers))
        ]
    )
    rows = []
    for first in range(0, len(items), AT_ONCE):
        middles = [
            store.crop(int(item), max(0, (int(store.lengths[item]) - length) // 2), length)
            for item in items[first : first + AT_ONCE]
        ]
        rows.append(model.embed(decode(np.stack(middles))))
    return score_pairs(*pair_scores(np.concatenate(rows), store.speakers[items]))
