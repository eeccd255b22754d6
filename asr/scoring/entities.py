"""Precision, recall and F1 of entities in tagged sentences, as CoNLL's script and seqeval count
them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from asr.errors import ScoringError, require

__all__ = ["EntityScore", "score_entities"]


@dataclass(frozen=True)
class EntityScore:
    """Figures of whole entities: right means right in type, beginning and end; fractions.

    Attributes:
        precision: over all entities.
        recall: over all entities.
        f1: over all entities.
        entities: in the reference.
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
        ScoringError: sentences or their lengths differ in number. MissingDependencyError: seqeval
        is not installed.
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

    gold, found = [list(tags) for tags in references], [list(tags) for tags in predictions]
    types = sorted({name for name, _, _ in [*get_entities(gold), *get_entities(found)]})
    if not types:
        accuracy = float(accuracy_score(gold, found)) if any(gold) else 1.0
        return EntityScore(
            precision=1.0, recall=1.0, f1=1.0, entities=0, accuracy=accuracy, by_type={}
        )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a type that is never predicted has precision 0, which is meant
        overall = precision_recall_fscore_support(gold, found, average="micro", zero_division=0)
        columns = precision_recall_fscore_support(gold, found, average=None, zero_division=0)
    rows = zip(types, *(column.tolist() for column in columns), strict=True)
    by_type = {name: (p, r, f, int(n)) for name, p, r, f, n in rows}
    entities, (precision, recall, f1) = (
        sum(n for *_, n in by_type.values()),
        map(float, overall[:3]),
    )
    return EntityScore(
        precision=precision,
        recall=recall,
        f1=f1,
        entities=entities,
        accuracy=float(accuracy_score(gold, found)),
        by_type=by_type,
    )
