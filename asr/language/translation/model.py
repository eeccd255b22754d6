"""A trained translator: translations of any length, attention, and the model folder.

Legend: S source pieces, L target pieces.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config
from asr.errors import DataError
from asr.language.folders import training_of, write_text_model
from asr.language.subwords import Subwords
from asr.language.translation.network import (
    END,
    SearchConfig,
    TranslateModelConfig,
    TranslateTask,
)
from asr.language.translation.parts import split_long
from asr.model_folder import Bundle, open_model
from asr.training.batching.buckets import BucketSampler
from asr.training.task import load_weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["AttentionMap", "FittedTranslator", "Translation", "encode_text"]

BATCH_SIZE, BATCH_PIECES = 64, 2048  # of a search


@dataclass(frozen=True)
class Translation:
    """One translation of a text.

    Attributes:
        text: the translation.
        score: log-probability divided by length ** alpha; of a long text the mean of its parts.
    """

    text: str
    score: float


@dataclass(frozen=True)
class AttentionMap:
    """What the network attended to while it wrote.

    Attributes:
        source: pieces; the last one is the end.
        target: pieces; the last one is the end.
        weights: (L, S), one row a target piece; rows sum to 1.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: npt.NDArray[np.float32]

    def plot(self) -> Figure:
        """Return the weights as a picture."""
        from asr import plots

        return plots.attention(self.weights, self.source, self.target)


@dataclass(frozen=True)
class TranslateTaskConfig:
    """Shape of the network and settings of the search."""

    model: TranslateModelConfig = field(default_factory=TranslateModelConfig)
    search: SearchConfig = field(default_factory=SearchConfig)


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder."""

    task: str = "translate"
    network: TranslateTaskConfig = field(default_factory=TranslateTaskConfig)


@dataclass(frozen=True)
class FittedTranslator:
    """A network with its pieces and search settings: the content of a model folder.

    Attributes:
        network: the network.
        subwords: pieces of both languages.
        search: settings of the beam search.
        training: the configuration of its training, as YAML.
    """

    network: TranslateTask
    subwords: Subwords
    search: SearchConfig
    training: str = ""

    def with_search(self, beam_size: int, alpha: float) -> FittedTranslator:
        """Return the same translator with other settings of the search."""
        return replace(self, search=replace(self.search, beam_size=beam_size, alpha=alpha))

    def translate(self, texts: Sequence[str], num_best: int = 1) -> list[list[Translation]]:
        """Return up to ``num_best`` translations of each text, best first.

        A text longer than any in training is cut at ends of sentences where there are any; it has
        one translation, the best of each part. A warning counts texts with unknown characters.
        """
        self._warn_of_unknown(texts)
        longest = self.search.max_source_len - 1  # the end takes one
        parts_of = [
            split_long(text, lambda part: len(self.subwords.encode(part)), longest)
            for text in texts
        ]
        written = [part for parts in parts_of for part in parts if part.strip()]
        outputs = iter(self._search(written))
        results = []
        for parts in parts_of:
            nbests = [next(outputs) if part.strip() else [Translation("", 0.0)] for part in parts]
            if len(parts) == 1:
                results.append(nbests[0][:num_best])
            else:
                results.append([_joined([nbest[0] for nbest in nbests])])
        return results

    @torch.inference_mode()
    def _search(self, texts: Sequence[str]) -> list[list[Translation]]:
        sources = [encode_text(self.subwords, text).tolist() for text in texts]
        lengths = np.array([len(source) for source in sources], np.int64)
        translations: list[list[Translation]] = [[] for _ in texts]
        for items in BucketSampler(lengths, BATCH_PIECES, BATCH_SIZE, shuffle=False).batches(0):
            outputs = self.network.search([sources[i] for i in items], self.search)
            for item, nbest in zip(items, outputs, strict=True):
                translations[item] = [
                    Translation(self.subwords.decode(h.tokens), h.score) for h in nbest
                ]
        return translations

    @torch.inference_mode()
    def attention(self, source: str, target: str | None = None) -> AttentionMap:
        """Return the attention weights while ``target`` is written, by default its translation.

        Raises:
            DataError: a piece of ``target`` is in no target of the training.
        """
        ids = encode_text(self.subwords, source).tolist()
        if target is None:
            pieces = self.network.search([ids], self.search)[0][0].tokens
        else:
            pieces = self.subwords.encode(target)
        names = self.subwords.tokens
        if missing := set(pieces) - set(self.network.target_pieces.tolist()):
            shown = ", ".join(names[i] for i in sorted(missing)[:5])
            raise DataError(
                f"Training has seen no target with {shown}.",
                "Give a text like the training targets.",
            )
        weights = self.network.attention(ids, pieces).float().cpu().numpy()
        return AttentionMap(
            source=tuple(names[i] for i in ids),
            target=tuple(names[i] for i in [*pieces, END]),
            weights=weights.astype(np.float32),
        )

    def _warn_of_unknown(self, texts: Sequence[str]) -> None:
        unknown = [n for n, text in enumerate(texts) if self.subwords.num_unknown(text)]
        if unknown:
            warnings.warn(
                f"{len(unknown)} of {len(texts)} texts hold characters that training did not show; "
                f"the first is text {unknown[0]}: {texts[unknown[0]][:40]!r}. What they say there "
                "is lost to the translation.",
                stacklevel=4,
            )

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; return its path."""
        config = SavedConfig(network=TranslateTaskConfig(self.network.config, self.search))
        weights = self.network.state_dict()
        return write_text_model(folder, config, self.subwords, weights, training=self.training)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedTranslator:
        """Return the translator of a model folder.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        bundle = open_model(folder, task="translate")
        saved = build_config(SavedConfig, bundle.config, where=str(bundle.path / "config.yaml"))
        subwords, weights = Subwords.load(bundle.path), bundle.weights()
        target_pieces = weights["target_pieces"].tolist()
        network = TranslateTask(saved.network.model, len(subwords), target_pieces)
        load_weights(network, weights, bundle.path)
        return cls(network.eval(), subwords, saved.network.search, training_of(bundle))


def encode_text(subwords: Subwords, text: str) -> npt.NDArray[np.int64]:
    """Return the piece ids of a text and the id of its end."""
    return np.array([*subwords.encode(text), END], np.int64)


def _joined(parts: Sequence[Translation]) -> Translation:
    text = " ".join(part.text for part in parts if part.text)
    return Translation(text, float(np.mean([part.score for part in parts])))
