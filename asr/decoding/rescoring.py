"""Re-ranking N-best lists with a second language model of any kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from asr.decoding.types import Hypothesis
from asr.errors import DecodingError

__all__ = ["rescore"]

Scorer = Callable[[list[str]], Sequence[float]]


def rescore(
    hypotheses: Sequence[Hypothesis], scorer: Scorer, *, weight: float = 0.5, first_pass_weight: float = 1.0
) -> list[Hypothesis]:
    """Hypotheses re-ranked by ``first_pass_weight * score + weight * scorer(text)``, best first; ties keep their order.

    ``score`` of the results is the new one; acoustic and n-gram scores stay as they were.

    Args:
        hypotheses: an N-best list. scorer: texts -> natural-log probabilities, one call for all texts.
        weight: of the scorer. first_pass_weight: of the score of the search.

    Raises:
        DecodingError: a weight is not finite, or the scorer returns another number of scores, or NaN.

    Example:
        >>> best = rescore(decoder(log_probs), lambda texts: [-len(t) for t in texts])[0]  # doctest: +SKIP
    """
    for name, value in (("weight", weight), ("first_pass_weight", first_pass_weight)):
        if not math.isfinite(value):
            raise DecodingError(f"{name} is {value!r}.", "Give a finite number.")
    if not hypotheses:
        return []
    scores = [float(score) for score in scorer([h.text for h in hypotheses])]
    if len(scores) != len(hypotheses):
        problem = f"The scorer returned {len(scores)} scores for {len(hypotheses)} texts."
        raise DecodingError(problem, "It must return one per text.")
    for hypothesis, score in zip(hypotheses, scores, strict=True):
        if math.isnan(score):
            raise DecodingError(f"The scorer returned NaN for {hypothesis.text!r}.", "Look into the scorer.")
    ranked = [
        replace(h, score=first_pass_weight * h.score + weight * score if weight else first_pass_weight * h.score)
        for h, score in zip(hypotheses, scores, strict=True)
    ]
    return sorted(ranked, key=lambda h: h.score, reverse=True)
