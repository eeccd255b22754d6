"""Accuracy, F1, AUC and confusions of class predictions. N items, C classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import ScoringError

__all__ = [
    "ClassScore",
    "ClassificationScore",
    "area_under_curve",
    "best_classes",
    "score_classes",
]

DIGITS = 6  # of a probability, as predictions give it


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class against the rest.

    Attributes:
        name: of the class.
        support: number of items of the class.
        precision: a fraction.
        recall: a fraction.
        f1: harmonic mean of precision and recall.
        auc: area under the ROC curve; None if all items, or none, are of this class.
    """

    name: str
    support: int
    precision: float
    recall: float
    f1: float
    auc: float | None


@dataclass(frozen=True)
class ClassificationScore:
    """Scores of a set of predictions.

    Attributes:
        confusion: (C, C) counts; rows are the truth, columns the prediction.
        per_class: scores of each class, in the order of the classes.
        accuracy: fraction of correct predictions.
    """

    confusion: npt.NDArray[np.int64]
    per_class: tuple[ClassScore, ...]
    accuracy: float

    @property
    def macro_f1(self) -> float:
        """Return the mean F1 of the classes that occur in truth or prediction."""
        seen = (self.confusion.sum(0) + self.confusion.sum(1)) > 0
        scores = [score.f1 for score, occurs in zip(self.per_class, seen, strict=True) if occurs]
        return float(np.mean(scores))

    @property
    def macro_auc(self) -> float | None:
        """Return the mean AUC of the classes for which it is defined; None if there are none."""
        areas = [score.auc for score in self.per_class if score.auc is not None]
        return float(np.mean(areas)) if areas else None

    def macro_f1_over(self, names: Sequence[str]) -> float:
        """Return the mean F1 of some classes; other items count if they are mistaken for these."""
        by_name = {score.name: score.f1 for score in self.per_class}
        return float(np.mean([by_name[name] for name in names]))

    def most_confused(self, count: int = 10) -> list[tuple[str, str, int]]:
        """Return (truth, prediction, count) of the most frequent mistakes, most frequent first."""
        names = [row.name for row in self.per_class]
        mistakes = [
            (names[i], names[j], int(n))
            for (i, j), n in np.ndenumerate(self.confusion)
            if i != j and n
        ]
        return sorted(mistakes, key=lambda row: (-row[2], row[:2]))[:count]

    def figures(self) -> dict[str, float]:
        """Return all scores by name, as they are written to ``metrics.json``."""
        figures = {"accuracy": self.accuracy, "macro_f1": self.macro_f1}
        if self.macro_auc is not None:
            figures["macro_auc"] = self.macro_auc
        for score in self.per_class:
            figures |= {f"f1_{score.name}": score.f1, f"recall_{score.name}": score.recall}
            if score.auc is not None:
                figures[f"auc_{score.name}"] = score.auc
        return figures

    def __str__(self) -> str:
        rows = [
            f"{'class':>12} {'n':>7} {'precision':>9} {'recall':>7} {'F1':>7} {'AUC':>7}   "
            "predicted as"
        ]
        for score, counts in zip(self.per_class, self.confusion, strict=True):
            auc = "" if score.auc is None else f"{score.auc:.4f}"
            figures = f"{score.precision:>9.4f} {score.recall:>7.4f} {score.f1:>7.4f} {auc:>7}"
            rows.append(
                f"{score.name:>12} {score.support:>7} {figures}   "
                f"{' '.join(f'{n:>6}' for n in counts)}"
            )
        return "\n".join([*rows, f"accuracy {self.accuracy:.4f}, macro-F1 {self.macro_f1:.4f}"])


def best_classes(
    probabilities: npt.NDArray[np.floating], classes: Sequence[str]
) -> list[tuple[str, float]]:
    """Return the likeliest class of each item and its probability, as predictions give them.

    Args:
        probabilities: (N, C).
        classes: C names.
    """
    return [(classes[int(row.argmax())], round(float(row.max()), DIGITS)) for row in probabilities]


def area_under_curve(
    positive: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]
) -> float | None:
    """Return the area under the ROC curve; None if all items are positive, or all negative.

    It is the probability that a positive item scores above a negative one, ties counted half;
    computed from ranks (Mann & Whitney 1947; Hanley & McNeil 1982).
    """
    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    if not num_positive or not num_negative:
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    wins = ranks[positive].sum() - num_positive * (num_positive + 1) / 2
    return float(wins / (num_positive * num_negative))


def score_classes(
    truth: npt.NDArray[np.int64], probabilities: npt.NDArray[np.floating], classes: Sequence[str]
) -> ClassificationScore:
    """Return the scores of predictions.

    Args:
        truth: (N,) class numbers.
        probabilities: (N, C), or any scores that are higher for more probable classes.
        classes: C names.

    Raises:
        ScoringError: there are no items, or the shapes do not match.

    Example:
        >>> truth, scores = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> score_classes(truth, scores, ["no", "yes"]).accuracy
        0.6666666666666666
    """
    if not len(truth):
        raise ScoringError("There is nothing to score.", "Give at least one labelled item.")
    if probabilities.shape != (len(truth), len(classes)):
        raise ScoringError(
            f"Scores have shape {probabilities.shape} but must have ({len(truth)}, "
            f"{len(classes)}): items, classes."
        )
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (truth, probabilities.argmax(1)), 1)
    per_class = tuple(
        _class_score(
            name, confusion, number, area_under_curve(truth == number, probabilities[:, number])
        )
        for number, name in enumerate(classes)
    )
    return ClassificationScore(confusion, per_class, float(np.trace(confusion) / len(truth)))


def _class_score(
    name: str, confusion: npt.NDArray[np.int64], number: int, auc: float | None
) -> ClassScore:
    hits = confusion[number, number]
    support, predicted = confusion[number].sum(), confusion[:, number].sum()
    precision, recall = hits / max(1, predicted), hits / max(1, support)
    f1 = 2 * hits / max(1, support + predicted)
    return ClassScore(
        name=name,
        support=int(support),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        auc=auc,
    )
