"""Precision, recall and F1 of entities in tagged sentences, as in conlleval and seqeval."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from asr.errors import ScoringError, require

__all__ = ["EntityScore", "score_entities"]


@dataclass(frozen=True)
class EntityScore:
    """Scores of whole entities, as fractions; type, beginning and end must be correct.

    Attributes:
        precision: over all entities.
        recall: over all entities.
        f1: over all entities.
        entities: number of entities in the reference.
        accuracy: of single tags.
        by_type: type -> (precision, recall, f1, entities).
    """

    precision: float
    recall: float
    f1: float
    entities: int
    accuracy: float
    by_type: dict[str, tuple[float, float, float, int]]


def score_entities(
    references: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> EntityScore:
    """Return the entity scores of predicted BIO tags (micro-averaged; seqeval's default mode).

    Raises:
        ScoringError: the numbers of sentences, or the lengths of a sentence, differ.
        MissingDependencyError: seqeval is not installed.
    """
    if len(references) != len(predictions):
        raise ScoringError(
            f"{len(references)} tagged sentences were given, and {len(predictions)} predictions."
        )
    for number, (reference, prediction) in enumerate(zip(references, predictions, strict=True), 1):
        if len(reference) != len(prediction):
            raise ScoringError(
                f"Sentence {number} has {len(reference)} tags, its prediction {len(prediction)}."
            )
    require("seqeval", "train")
    from seqeval.metrics.sequence_labeling import (
        accuracy_score,
        get_entities,
        precision_recall_fscore_support,
    )

    gold, predicted = [list(tags) for tags in references], [list(tags) for tags in predictions]
    types = sorted({name for name, _, _ in [*get_entities(gold), *get_entities(predicted)]})
    if not types:
        accuracy = float(accuracy_score(gold, predicted)) if any(gold) else 1.0
        return EntityScore(
            precision=1.0, recall=1.0, f1=1.0, entities=0, accuracy=accuracy, by_type={}
        )
    with warnings.catch_warnings():
        # A type that is never predicted has precision 0, as intended.
        warnings.simplefilter("ignore")
        overall = precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0)
        columns = precision_recall_fscore_support(gold, predicted, average=None, zero_division=0)
    rows = zip(types, *(column.tolist() for column in columns), strict=True)
    by_type = {name: (p, r, f, int(n)) for name, p, r, f, n in rows}
    precision, recall, f1 = map(float, overall[:3])
    return EntityScore(
        precision=precision,
        recall=recall,
        f1=f1,
        entities=sum(n for *_, n in by_type.values()),
        accuracy=float(accuracy_score(gold, predicted)),
        by_type=by_type,
    )
