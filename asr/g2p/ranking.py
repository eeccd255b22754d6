"""Which of the n-gram model's best pronunciations is right: a log-linear model of their features.

It learns from mistakes that an n-gram model makes on words that it has not seen: the dictionary is
cut in parts, and each part is said by a model of the others. Source: Collins & Koo 2005,
"Discriminative Reranking for Natural Language Parsing".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_LZMA, ZipFile, ZipInfo

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.files import atomic_path
from asr.g2p import features
from asr.g2p.features import F64, I8, U8, Choices, Pieces
from asr.g2p.hashing import BITS
from asr.g2p.neighbours import Known

__all__ = ["CHOICES", "RANKING_FILE", "Lesson", "Ranking", "learn_ranking"]

RANKING_FILE = "g2p.ranking.npz"  # beside g2p.lmz
CHOICES = 8  # pronunciations that are looked at
RARE = 20  # a feature has a weight if at least so many words have it
RATE = 0.1
EPOCHS = 3
LARGEST = 127


@dataclass(frozen=True)
class Lesson:
    """Words said by a model that has not seen them.

    Attributes:
        choices: W words with N pronunciations each.
        pieces: the chunks of the model.
        known: words that the model has seen.
        right: (W, N) 1 for pronunciations of the dictionary.
    """

    choices: Choices
    pieces: Pieces
    known: Known
    right: U8


@dataclass(frozen=True)
class Ranking:
    """Weights of features, in 8 bits.

    Attributes:
        weights: (2 ** BITS,).
        scales: (2,) what multiplies the n-grams' logarithm, and the weights.
        trusted: which entries of a dictionary are to be followed, from
            :func:`asr.g2p.neighbours.trusted_entries`; None: all.
    """

    weights: I8
    scales: F64
    trusted: U8 | None = None

    def scores(self, choices: Choices, pieces: Pieces, known: Known) -> F64:
        """Return natural log-scores (W, N) of pronunciations; -inf where there is none."""
        scores = np.empty(choices.lengths.shape)
        room = features.room_for(choices)
        features.rescore(choices, pieces, known, (self.weights, self.scales), (room, scores))
        return scores

    def save(self, path: str | Path) -> None:
        """Write them: which places have a weight, and the weights of these."""
        content = {
            "places": np.packbits(self.weights != 0),
            "values": self.weights[self.weights != 0],
            "scales": self.scales,
        }
        if self.trusted is not None:
            content["trusted"] = self.trusted
        with atomic_path(path) as temporary, ZipFile(temporary, "w") as archive:
            for name, array in content.items():  # as numpy does, but smaller by LZMA
                buffer = BytesIO()
                np.save(buffer, array)
                archive.writestr(ZipInfo(f"{name}.npy"), buffer.getvalue(), ZIP_LZMA)

    @classmethod
    def load(cls, path: str | Path) -> Ranking:
        """Return what :meth:`save` wrote.

        Raises:
            LanguageModelError: the file is missing or damaged.
        """
        try:
            with np.load(path) as content:
                weights = np.unpackbits(content["places"]).astype(np.int8)
                weights[weights != 0] = content["values"]
                scales = content["scales"].astype(np.float64)
                trusted = content.get("trusted")
            if weights.shape != (1 << BITS,) or scales.shape != (2,):
                raise ValueError("its arrays have a wrong shape")
        except Exception as error:  # a damaged archive raises errors of several modules
            raise LanguageModelError(
                f"{path} holds no weights of pronunciations: {error}.", "Copy the folder again."
            ) from error
        return cls(weights, scales, trusted)


def learn_ranking(lessons: Iterable[Lesson], seed: int = 0) -> Ranking:
    """Return the weights with which right pronunciations come before wrong ones.

    Words that have no right one among their choices, or no wrong one, teach nothing.
    """
    lessons = list(lessons)
    orders = [np.flatnonzero(_teaches(lesson)) for lesson in lessons]
    counts = np.zeros(1 << BITS, np.uint8)
    for lesson in lessons:
        room = features.room_for(lesson.choices)
        features.count_features(lesson.choices, lesson.pieces, lesson.known, room, counts)
    by = features.Learning(
        weights=np.zeros(1 << BITS, np.float32),
        squares=np.zeros(1 << BITS, np.float32),
        used=(counts >= RARE).astype(np.uint8),
        scale=np.array([1.0, 0.0]),
    )
    rng = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        rate = RATE * (1 - epoch / EPOCHS)
        for lesson, order in zip(lessons, orders, strict=True):
            shuffled = lesson.right, rng.permutation(order)
            room, known = features.room_for(lesson.choices), (lesson.pieces, lesson.known)
            features.learn(lesson.choices, known, shuffled, room, (by, rate))
    step = max(float(np.abs(by.weights).max()), 1e-9) / LARGEST
    weights = np.round(by.weights / step).astype(np.int8)
    return Ranking(weights, np.array([by.scale[0], step]))


def _teaches(lesson: Lesson) -> npt.NDArray[np.bool_]:
    """Which words have a right and a wrong pronunciation."""
    there, right = lesson.choices.lengths >= 0, lesson.right > 0
    has_right = np.logical_or.reduce(there & right, axis=1)
    has_wrong = np.logical_or.reduce(there & ~right, axis=1)
    teaches: npt.NDArray[np.bool_] = np.logical_and(has_right, has_wrong)
    return teaches
