"""Tune lm_alpha, lm_beta, blank_penalty, beam size and confidences on a development set.

The set is decoded once with many hypotheses per utterance. All pairs of weights of a grid re-rank
these hypotheses, which costs almost nothing, and only the best pairs are decoded. Then the same is
done around the winner with half the step, several times. Only decoded pairs can win. At last the
blank penalty is raised as long as that helps, with the pairs around the winner for each value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.beam import BeamDecoder
from asr.decoding.types import Hypothesis
from asr.decoding.word_errors import word_errors
from asr.errors import DecodingError

__all__ = ["Tuned", "fit_confidence", "smallest_beam", "tune", "with_weights"]

ErrorCount = Callable[[str, str], tuple[int, int]]
_N_BEST = 50


@dataclass(frozen=True)
class Tuned:
    """The best weights, and their word error rate (a fraction) on the development set."""

    lm_alpha: float
    lm_beta: float
    blank_penalty: float
    wer: float
    tried: tuple[tuple[float, float, float, float], ...]
    """(lm_alpha, lm_beta, blank_penalty, wer) of every decoding, in order."""


def tune(
    decoder: BeamDecoder,
    log_probs: Sequence[npt.NDArray[Any]],
    references: Sequence[str],
    *,
    alphas: Iterable[float] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
    betas: Iterable[float] = (-1.0, 0.0, 1.0, 2.0, 3.0),
    blank_penalties: Iterable[float] = (0.5, 1.0, 1.5, 2.0),
    rounds: int = 3,
    count_errors: ErrorCount = word_errors,
) -> Tuned:
    """Return the lm_alpha, lm_beta and blank_penalty with the fewest word errors.

    Args:
        decoder: its own weights are tried first. Without a language model lm_alpha is not tuned.
        log_probs: one array (T, V) per utterance of the development set.
        references: the text of each utterance.
        alphas: values of lm_alpha in the first grid.
        betas: values of lm_beta in the first grid.
        blank_penalties: tried afterwards in rising order, until one does not help; if empty, the
            decoder's own is kept.
        rounds: number of further grids around the best pair, each with half the step.
        count_errors: (reference, hypothesis) -> (errors, reference words).

    Raises:
        DecodingError: there are no utterances, counts differ, or the references have no words.
    """
    spoken, texts = list(log_probs), list(references)
    search = _Search(decoder, spoken, texts, count_errors)
    grid_a = sorted(set(alphas)) if decoder.lm is not None else [decoder.settings.lm_alpha]
    grid_b = sorted(set(betas))
    steps = [(_step(grid_a) / 2**k, _step(grid_b) / 2**k) for k in range(1, rounds + 1)]
    search.decode(decoder.settings.lm_alpha, decoder.settings.lm_beta)
    search.decode_best(grid_a, grid_b)
    for step in steps:
        search.decode_around(search.best, step)
    best, tried = search, search.all_tried
    for penalty in sorted(p for p in blank_penalties if p > decoder.settings.blank_penalty):
        search = _Search(decoder.replace(blank_penalty=penalty), spoken, texts, count_errors)
        search.decode(*best.best[:2])
        if steps:
            search.decode_around(best.best, steps[0])
        tried += search.all_tried
        if search.best[2] >= best.best[2]:
            break
        best = search
    alpha, beta, wer = best.best
    return Tuned(alpha, beta, best.penalty, wer, tuple(tried))


def _step(grid: Sequence[float]) -> float:
    return (grid[-1] - grid[0]) / max(len(grid) - 1, 1)


class _Search:
    """The decodings so far, and all their hypotheses for re-ranking."""

    def __init__(
        self,
        decoder: BeamDecoder,
        log_probs: list[Any],
        references: list[str],
        count_errors: ErrorCount,
    ) -> None:
        if not log_probs or len(log_probs) != len(references):
            given = f"{len(log_probs)} utterances and {len(references)} references"
            raise DecodingError(
                f"Tuning was given {given}.", "Give as many references as utterances, at least one."
            )
        self.decoder = decoder.replace(n_best=_N_BEST)
        self.log_probs, self.references, self.count_errors = log_probs, references, count_errors
        self.n_words = sum(count_errors(text, "")[1] for text in references)
        if self.n_words == 0:
            raise DecodingError(
                "The references have no words.", "Tune on utterances with transcripts."
            )
        self.tried: dict[tuple[float, float], float] = {}
        self.pool: list[dict[str, tuple[Hypothesis, int, float]]] = [{} for _ in references]

    @property
    def best(self) -> tuple[float, float, float]:
        (alpha, beta), wer = min(self.tried.items(), key=lambda item: item[1])
        return alpha, beta, wer

    @property
    def penalty(self) -> float:
        return self.decoder.settings.blank_penalty

    @property
    def all_tried(self) -> list[tuple[float, float, float, float]]:
        return [(alpha, beta, self.penalty, wer) for (alpha, beta), wer in self.tried.items()]

    def decode(self, alpha: float, beta: float) -> None:
        """Decode with a pair of weights, unless that was done before."""
        if (alpha, beta) in self.tried:
            return
        results = self.decoder.replace(lm_alpha=alpha, lm_beta=beta)(self.log_probs)
        errors = 0
        for pool, reference, hypotheses in zip(self.pool, self.references, results, strict=True):
            for h in hypotheses:
                if h.text not in pool:
                    # The part of the score that depends on neither weight: hotwords, unknown words.
                    rest = h.score - h.acoustic_score - alpha * h.lm_score - beta * len(h.words)
                    pool[h.text] = (h, self.count_errors(reference, h.text)[0], rest)
            errors += pool[hypotheses[0].text][1]
        self.tried[(alpha, beta)] = errors / self.n_words

    def decode_around(self, centre: tuple[float, float, float], step: tuple[float, float]) -> None:
        """Decode with the best of the pairs that are one step away from ``centre``."""
        (a, b), (step_a, step_b) = centre[:2], step
        self.decode_best(
            [max(a + step_a * k, 0.0) for k in (-1, 0, 1)], [b + step_b * k for k in (-1, 0, 1)]
        )

    def decode_best(self, alphas: Sequence[float], betas: Sequence[float], keep: int = 3) -> None:
        """Decode with the ``keep`` pairs of the grid that re-rank the hypotheses best."""
        pairs = [(a, b) for a in alphas for b in betas if (a, b) not in self.tried]
        for a, b in sorted(pairs, key=lambda pair: self._reranked(*pair))[:keep]:
            self.decode(a, b)

    def _reranked(self, alpha: float, beta: float) -> int:
        """Return the errors of the best-ranked hypotheses; among equal scores the fewest."""
        errors = 0
        for pool in self.pool:
            scored = (
                (h.acoustic_score + alpha * h.lm_score + beta * len(h.words) + rest, -e)
                for h, e, rest in pool.values()
            )
            errors -= max(scored)[1]
        return errors


def smallest_beam(
    decoder: BeamDecoder,
    log_probs: Sequence[npt.NDArray[Any]],
    references: Sequence[str],
    *,
    beam_sizes: Iterable[int] = (10, 25, 50, 100, 200),
    tolerance: float = 0.001,
    count_errors: ErrorCount = word_errors,
) -> int:
    """Return the smallest beam whose word error rate is within ``tolerance`` of the best.

    Raises:
        DecodingError: as :func:`tune`.
    """
    wers: dict[int, float] = {}
    for beam_size in sorted(set(beam_sizes)):
        search = _Search(
            decoder.replace(beam_size=beam_size), list(log_probs), list(references), count_errors
        )
        search.decode(decoder.settings.lm_alpha, decoder.settings.lm_beta)
        wers[beam_size] = search.best[2]
    if not wers:
        raise DecodingError("beam_sizes is empty.", "Give at least one beam size.")
    return min(size for size, wer in wers.items() if wer <= min(wers.values()) + tolerance)


def fit_confidence(
    decoder: BeamDecoder, log_probs: Sequence[npt.NDArray[Any]], references: Sequence[str]
) -> float:
    """Return the ``confidence_power`` that calibrates word confidences best.

    It minimises the negative log-likelihood of the words being right or wrong; the power is a
    temperature of the log-confidence.

    Raises:
        DecodingError: as :func:`tune`, or the decoder finds no words.
    """
    if len(log_probs) != len(references):
        raise DecodingError(
            "Counts of utterances and references differ.", "Give as many references as utterances."
        )
    confidences: list[float] = []
    right: list[bool] = []
    for hypotheses, reference in zip(
        decoder.replace(confidence_power=1.0)(list(log_probs)), references, strict=True
    ):
        words = hypotheses[0].words
        right += right_words(reference.split(), [span.word for span in words])
        confidences += [span.confidence for span in words]
    if not confidences:
        raise DecodingError("The decoder found no words.", "Give utterances with speech.")
    logs, hits = np.log(np.clip(confidences, 1e-9, 1 - 1e-6)), np.array(right)

    def loss(power: float) -> float:
        p = np.clip(np.exp(power * logs), 1e-9, 1 - 1e-9)
        return float(-np.where(hits, np.log(p), np.log1p(-p)).mean())

    return min((math.exp(x) for x in np.linspace(-4.0, 4.0, 161)), key=loss)


def right_words(reference: Sequence[str], words: Sequence[str]) -> list[bool]:
    """Return, for each word of a hypothesis, whether the best alignment finds it right."""
    n, m = len(words), len(reference)
    cost = np.zeros((n + 1, m + 1), np.int64)
    cost[:, m], cost[n, :] = np.arange(n, -1, -1), np.arange(m, -1, -1)
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            match = cost[i + 1, j + 1] + (words[i] != reference[j])
            cost[i, j] = min(match, cost[i + 1, j] + 1, cost[i, j + 1] + 1)
    right, i, j = [False] * n, 0, 0
    while i < n and j < m:
        if cost[i, j] == cost[i + 1, j + 1] + (words[i] != reference[j]):
            right[i] = words[i] == reference[j]
            i, j = i + 1, j + 1
        elif cost[i, j] == cost[i + 1, j] + 1:
            i += 1
        else:
            j += 1
    return right


def with_weights(decoder: BeamDecoder, tuned: Tuned) -> BeamDecoder:
    """Return the decoder with tuned weights."""
    return decoder.replace(
        lm_alpha=tuned.lm_alpha, lm_beta=tuned.lm_beta, blank_penalty=tuned.blank_penalty
    )
