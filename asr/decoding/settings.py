"""Settings of a beam search."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from asr.errors import DecodingError

__all__ = ["WIDE_BEAM", "Settings", "with_numbers"]

# For phones: several words are possible until the last phone of a word.
WIDE_BEAM = {"beam_size": 1500, "beam_threshold": 14.0, "alike_threshold": 1.0}


@dataclass(frozen=True)
class Settings:
    """Settings of a beam search; all scores are natural logarithms.

    Attributes:
        beam_size: prefixes kept after each frame.
        lm_alpha: weight of the language model.
        lm_beta: bonus per word.
        lm_boundary: whether the model scores the beginning and the end of a sentence; without it a
            part of a sentence is scored.
        unk_score: added to every word outside the model, on top of ``lm_alpha * log p(<unk>)``.
        unk_token_score: added to a word outside the model for every token from the one on that no
            known word can continue with; without it one long unknown word would be cheaper than
            several known ones.
        beam_threshold: prefixes worse than the best one by more than this are dropped (``inf``:
            none).
        alike_threshold: of prefixes with the same future (state of the language model and of the
            hotwords, node of the lexicon, last token), those that are worse than the best by more
            than this are dropped: whatever follows, they hardly catch up, and others take their
            places (recombination). ``inf``: none. The smaller, the further a beam reaches, and the
            fewer alternatives it has for N-best lists and confidences.
        token_min_logp: tokens less probable than this are not appended, unless no token of the
            frame is more probable (``-inf``: all are).
        blank_skip: frames whose blank is more probable than this are not searched (1: every frame
            is).
        blank_penalty: subtracted from the blank's log-probability in every frame; fewer words are
            deleted, because an uncertain network prefers the blank to an uncertain word.
        merge: ``"sum"`` sums over the alignments of a prefix; ``"max"`` keeps the best (Viterbi).
        lookahead: score an open word by the best unigram among the words that it can become.
        n_best: hypotheses returned; their texts differ.
        confidence_power: exponent that calibrates word confidences, above 1 for overconfident
            models; see :func:`asr.decoding.tune.fit_confidence`. It is applied to the share of the
            beam that agrees on a word (weights ``exp(score)``) times the geometric mean of the
            probabilities of the word's tokens.

    Raises:
        DecodingError: a setting is out of its range.
    """

    beam_size: int = 100
    lm_alpha: float = 0.5
    lm_beta: float = 1.0
    lm_boundary: bool = True
    unk_score: float = -10.0
    unk_token_score: float = -2.0
    beam_threshold: float = 12.0
    alike_threshold: float = math.inf
    token_min_logp: float = -9.0
    blank_skip: float = 0.999
    blank_penalty: float = 0.0
    merge: str = "sum"
    lookahead: bool = True
    n_best: int = 1
    confidence_power: float = 1.0

    def __post_init__(self) -> None:
        for name, (is_fine, needed) in _RANGES.items():
            value = getattr(self, name)
            if not is_fine(value):
                raise DecodingError(f"{name} is {value!r}.", f"Give {needed}.")


S = TypeVar("S", bound=Settings)


def with_numbers(settings: S, numbers: dict[str, Any]) -> S:
    """Return settings with some values changed, given by name.

    Raises:
        DecodingError: an unknown name, or a value out of its range.
    """
    known = {field.name for field in fields(Settings)}
    for name in numbers:
        if name not in known:
            raise DecodingError(
                f"There is no decoder setting {name!r}.", f"Known are {', '.join(sorted(known))}."
            )
    return replace(settings, **numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.floating, np.integer)) and not math.isnan(value)


def _is_finite(value: Any) -> bool:
    """Return whether a value is a number, and neither infinite nor NaN."""
    return bool(_is_number(value) and math.isfinite(value))


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and bool(value >= 1)


# name -> (check of the value, what to give instead)
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "beam_size": (_is_count, "a whole number >= 1"),
    "lm_alpha": (lambda x: _is_finite(x) and x >= 0, "a finite number >= 0"),
    "lm_beta": (_is_finite, "a finite number"),
    "lm_boundary": (lambda x: isinstance(x, (bool, np.bool_)), "True or False"),
    "unk_score": (_is_finite, "a finite number"),
    "unk_token_score": (lambda x: _is_finite(x) and x <= 0, "a finite number <= 0"),
    "beam_threshold": (lambda x: _is_number(x) and x > 0, "a number > 0, or inf"),
    "alike_threshold": (lambda x: _is_number(x) and x >= 0, "a number >= 0, or inf"),
    "token_min_logp": (lambda x: _is_number(x) and x <= 0, "a number <= 0, or -inf"),
    "blank_skip": (lambda x: _is_number(x) and 0 < x <= 1, "a probability in (0, 1]"),
    "blank_penalty": (lambda x: _is_finite(x) and x >= 0, "a finite number >= 0"),
    "merge": (lambda x: x in ("sum", "max"), '"sum" or "max"'),
    "n_best": (_is_count, "a whole number >= 1"),
    "confidence_power": (lambda x: _is_finite(x) and x > 0, "a finite number > 0"),
}
