"""Re-rank N-best lists with a second language model of any kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from asr.decoding.beam import BeamDecoder
from asr.decoding.stream import Stream
from asr.decoding.types import Hypothesis
from asr.decoding.word_errors import word_errors
from asr.errors import DecodingError

__all__ = [
    "N_BEST",
    "RescoringDecoder",
    "RescoringStream",
    "Scorer",
    "TunedRescoring",
    "rescore",
    "tune_rescoring",
]

N_BEST = 50  # hypotheses that a second pass re-ranks

Scorer = Callable[[list[str]], Iterable[float]]
ErrorCount = Callable[[str, str], tuple[int, int]]


def rescore(
    hypotheses: Sequence[Hypothesis],
    scorer: Scorer,
    *,
    weight: float = 0.5,
    first_pass_weight: float = 1.0,
    word_bonus: float = 0.0,
) -> list[Hypothesis]:
    """Return the hypotheses with combined scores, best first.

    The new ``score`` is ``first_pass_weight * score + weight * scorer(text) + word_bonus * words``.
    Ties keep their order. Acoustic and n-gram scores do not change.

    Args:
        hypotheses: an N-best list.
        scorer: texts -> natural-log probabilities, one call for all texts.
        weight: of the scorer.
        first_pass_weight: of the score of the search.
        word_bonus: added for every word.

    Raises:
        DecodingError: a weight is not finite, or the scorer returns NaN or too few or many scores.

    Example:
        >>> score = lambda texts: [-len(text) for text in texts]
        >>> best = rescore(decoder(log_probs), score)[0]  # doctest: +SKIP
    """
    weights = {"weight": weight, "first_pass_weight": first_pass_weight, "word_bonus": word_bonus}
    for name, value in weights.items():
        if not math.isfinite(value):
            raise DecodingError(f"{name} is {value!r}.", "Give a finite number.")
    if not hypotheses:
        return []
    scores = _scores([h.text for h in hypotheses], scorer)
    ranked = [
        replace(h, score=_combined(h, score, weight, first_pass_weight, word_bonus))
        for h, score in zip(hypotheses, scores, strict=True)
    ]
    return sorted(ranked, key=lambda h: h.score, reverse=True)


def _combined(
    h: Hypothesis, score: float, weight: float, first_pass_weight: float, word_bonus: float
) -> float:
    # A scorer may return -inf, and 0 * -inf is NaN.
    second = weight * score if weight else 0.0
    return first_pass_weight * h.score + second + word_bonus * len(h.text.split())


def _scores(texts: list[str], scorer: Scorer) -> list[float]:
    scores = [float(score) for score in scorer(texts)]
    if len(scores) != len(texts):
        problem = f"The scorer returned {len(scores)} scores for {len(texts)} texts."
        raise DecodingError(problem, "It must return one per text.")
    for text, score in zip(texts, scores, strict=True):
        if math.isnan(score):
            raise DecodingError(f"The scorer returned NaN for {text!r}.", "Look into the scorer.")
    return scores


def _known_scores(lists: Sequence[Sequence[Hypothesis]], scorer: Scorer) -> dict[str, float]:
    texts = list(dict.fromkeys(h.text for hypotheses in lists for h in hypotheses))
    return dict(zip(texts, _scores(texts, scorer), strict=True)) if texts else {}


@dataclass(frozen=True)
class TunedRescoring:
    """The weights with the fewest word errors on a development set; rates are fractions.

    Attributes:
        weight: for :func:`rescore`.
        word_bonus: for :func:`rescore`.
        wer: word error rate with these weights.
        wer_before: word error rate of the search alone.
        oracle: word error rate of the best hypothesis of every list, a lower bound of ``wer``.
    """

    weight: float
    word_bonus: float
    wer: float
    wer_before: float
    oracle: float


def tune_rescoring(
    n_best: Sequence[Sequence[Hypothesis]],
    references: Sequence[str],
    scorer: Scorer,
    *,
    weights: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0),
    word_bonuses: Sequence[float] = (0.0, 0.5, 1.0, 1.5, 2.0),
    count_errors: ErrorCount = word_errors,
) -> TunedRescoring:
    """Return the weight and word bonus with the fewest errors; every text is scored once.

    Args:
        n_best: one list of hypotheses per utterance, best first.
        references: the text of each utterance.
        scorer: see :func:`rescore`.
        weights: values to try; among equally good ones the first wins.
        word_bonuses: values to try; among equally good ones the first wins.
        count_errors: (reference, hypothesis) -> (errors, reference words).

    Raises:
        DecodingError: there are no utterances, a list is empty, counts differ, or the references
            have no words.
    """
    if not n_best or len(n_best) != len(references) or not all(n_best):
        given = f"{len(n_best)} N-best lists and {len(references)} references"
        raise DecodingError(
            f"Tuning was given {given}.",
            "Give a list of at least one hypothesis for each reference.",
        )
    score = _known_scores(n_best, scorer)
    errors = [
        [count_errors(r, h.text)[0] for h in hyps]
        for r, hyps in zip(references, n_best, strict=True)
    ]
    words = sum(count_errors(reference, "")[1] for reference in references)
    if not words:
        raise DecodingError("The references have no words.", "Tune on utterances with transcripts.")

    def total(weight: float, bonus: float) -> int:
        n_errors = 0
        for hypotheses, wrong in zip(n_best, errors, strict=True):
            ranks = [_combined(h, score[h.text], weight, 1.0, bonus) for h in hypotheses]
            n_errors += wrong[max(range(len(ranks)), key=ranks.__getitem__)]
        return n_errors

    pairs = [(0.0, 0.0), *((w, b) for w in weights for b in word_bonuses)]
    counts = [total(*pair) for pair in pairs]
    best = min(range(len(pairs)), key=counts.__getitem__)
    oracle = sum(min(wrong) for wrong in errors)
    return TunedRescoring(*pairs[best], counts[best] / words, counts[0] / words, oracle / words)


class RescoringDecoder:
    """Beam search with re-ranked N-best lists, with the interface of the search.

    Args:
        decoder: the search; its own ``n_best`` is the number of hypotheses returned.
        scorer: see :func:`rescore`.
        weight: see :func:`rescore`.
        word_bonus: see :func:`rescore`.
        n_best: number of hypotheses that are re-ranked.

    Attributes:
        vocabulary: the tokens of the search.
    """

    def __init__(
        self,
        decoder: BeamDecoder,
        scorer: Scorer,
        weight: float,
        word_bonus: float = 0.0,
        n_best: int = N_BEST,
    ) -> None:
        self.kept = decoder.settings.n_best
        self.decoder = decoder.replace(n_best=max(n_best, self.kept))
        self.vocabulary = decoder.vocabulary
        self.scorer, self.weight, self.word_bonus = scorer, weight, word_bonus

    def __call__(self, log_probs: Sequence[Any]) -> list[list[Hypothesis]]:
        """Return the re-ranked hypotheses of each array (T, V) of natural-log probabilities."""
        return self.rank(self.decoder(list(log_probs)))

    def rank(self, lists: Sequence[Sequence[Hypothesis]]) -> list[list[Hypothesis]]:
        """Return the re-ranked N-best lists; all texts are scored in one call, each text once."""
        known = _known_scores(lists, self.scorer)
        scorer = partial(map, known.__getitem__)
        best = (rescore(n, scorer, weight=self.weight, word_bonus=self.word_bonus) for n in lists)
        return [hypotheses[: self.kept] for hypotheses in best]

    def stream(self) -> RescoringStream:
        """Return a stream, which decodes an utterance in chunks."""
        return RescoringStream(self.decoder.stream(), self)


class RescoringStream:
    """A :class:`asr.decoding.stream.Stream` whose final hypotheses are re-ranked."""

    def __init__(self, stream: Stream, decoder: RescoringDecoder) -> None:
        self.stream, self.decoder = stream, decoder

    def push(self, log_probs: Any) -> Hypothesis:
        """Take frames (t, V); return the best hypothesis of the search so far."""
        return self.stream.push(log_probs)

    def finish(self) -> list[Hypothesis]:
        """End the stream and return the re-ranked hypotheses of all frames."""
        return self.decoder.rank([self.stream.finish()])[0]
