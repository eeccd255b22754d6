"""A trained punctuation network with its words: prediction on torch, the model folder.

Legend: N words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config
from asr.language.folders import training_of, write_text_model
from asr.language.punctuation.config import PunctuationConfig
from asr.language.punctuation.network import PunctuationTask
from asr.language.punctuation.units import WordUnits
from asr.language.punctuation.windows import windows
from asr.model_folder import Bundle, open_model
from asr.training.batching.padding import pad_sequences
from asr.training.task import load_weights

__all__ = ["FittedPunctuation", "SavedConfig"]

Ints = npt.NDArray[np.int64]
Scores = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
ROWS = 32  # windows side by side


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder.

    Attributes:
        task: ``punctuate``.
        network: its shape.
        language: of the text that it was trained on.
        export: format, where it was exported.
        pauses: see :class:`asr.language.punctuation.pauses.PauseTable`; may be empty.
    """

    task: str = "punctuate"
    network: PunctuationConfig = field(default_factory=PunctuationConfig)
    language: str = "en"
    export: dict[str, Any] = field(default_factory=dict)
    pauses: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FittedPunctuation:
    """The content of a model folder.

    Attributes:
        network: the network.
        units: words to ids.
        language: see :class:`SavedConfig`.
        training: the configuration of its training, as YAML.
    """

    network: PunctuationTask
    units: WordUnits
    language: str = "en"
    training: str = ""

    @torch.inference_mode()
    def scores(self, tokens: Ints) -> Scores:
        """Return the logits of marks and of shapes, (N, 4) each, of ids (N,)."""
        self.network.eval()
        device = self.network.embedding.weight.device
        scores = np.zeros((2, len(tokens), 4), np.float32)
        cuts = list(windows(len(tokens)))
        for first in range(0, len(cuts), ROWS):
            part = cuts[first : first + ROWS]
            padded, lens = pad_sequences([tokens[w.start : w.end] for w in part], np.int64)
            logits = self.network(padded.to(device), lens.to(device))
            for output, rows in zip(scores, logits, strict=True):
                for window, row in zip(part, rows.float().cpu().numpy(), strict=True):
                    inside = slice(window.keep_start - window.start, window.keep_end - window.start)
                    output[window.keep_start : window.keep_end] = row[inside]
        return scores[0], scores[1]

    def predict(self, words: Sequence[str]) -> tuple[Ints, Ints]:
        """Return the classes of mark and shape (N,) of running text in lower case."""
        marks, shapes = self.scores(self.units.encode(words))
        return marks.argmax(1), shapes.argmax(1)

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; return its path."""
        return write_text_model(
            folder,
            SavedConfig(network=self.network.config, language=self.language),
            self.units,
            self.network.state_dict(),
            training=self.training,
        )

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedPunctuation:
        """Return the model in a model folder, or in a run folder that holds one.

        Raises:
            ModelError: no trained model there, a damaged one, or one of another task.
        """
        bundle = open_model(folder, task="punctuate")
        config = build_config(SavedConfig, bundle.config, where=str(bundle.path))
        units = WordUnits.load(bundle.path)
        network = PunctuationTask(config.network, len(units))
        load_weights(network, bundle.weights(), bundle.path)
        return cls(network.eval(), units, config.language, training_of(bundle))
