"""Prefix beam search in plain Python: slow, readable, and the oracle of the fast one. T frames, V
vocabulary.

Hannun et al. 2014, "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional
Recurrent DNNs", algorithm 1: every prefix keeps the probability of its alignments that end in a
blank and of those that do not, so all alignments of one token sequence are added up. The word model
is fused where a word ends; until then the best unigram score that the open word can still reach
stands in for it (look-ahead; Ortmanns et al. 1996).

The rules that both searches follow:

* A prefix is ranked by ``acoustic + lm_alpha * lm + lm_beta * words + hotwords``. An open word
  counts as a word, with the look-ahead as its model score.
* A word outside the model scores ``lm_alpha * log p(<unk>) + unk_score``, and ``unk_token_score``
  for each of its tokens from the first one on that leads beyond the beginning of any known word; a
  closed lexicon admits no other words.
* A token is not appended to a prefix if its log-probability is below ``token_min_logp``, unless it
  is the frame's best token or the longer prefix is in the beam already. The blank is always
  considered.
* A frame keeps the ``beam_size`` best prefixes within ``beam_threshold`` of the best one. Of these,
  those go that are more than ``alike_threshold`` behind one with the same future.
* A frame whose blank is more probable than ``blank_skip`` only ends the open runs of repeated
  tokens.
* Of words that sound alike, where tokens are phones, the one that the model likes best after what
  came before counts.
* At the end open words are closed, the end of the sentence is scored, and equal texts are merged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from asr.decoding.inputs import check_log_probs
from asr.decoding.vocabulary import BLANK_ID, Vocabulary

__all__ = ["LanguageModel", "ReferenceDecoder", "ReferenceHypothesis"]

_NEVER = -math.inf


class LanguageModel(Protocol):
    """An n-gram model as the search sees it; log-probabilities are natural."""

    def begin(self) -> Hashable:
        """State at the beginning of a sentence."""

    def step(self, state: Any, word: str) -> tuple[float, Hashable]:
        """Log-probability of ``word`` (or ``"</s>"``, or ``"<unk>"``) after ``state``, and the
        state after it.
        """

    def __contains__(self, word: str) -> bool: ...


@dataclass(frozen=True)
class ReferenceHypothesis:
    """Text, tokens and scores of one hypothesis; see :class:`asr.decoding.Hypothesis`."""

    text: str
    score: float
    acoustic_score: float
    lm_score: float
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class _Words:
    """What the language side knows about a token sequence."""

    open_word: str  # "" between words
    lm_state: Hashable
    lm_score: float
    n_words: int


class ReferenceDecoder:
    """Readable prefix beam search; arguments as :class:`asr.decoding.BeamDecoder`, ``lm`` as
    :class:`LanguageModel`.

    Args:
        words: the words that a closed lexicon admits, or the known words that the look-ahead
            covers. Where words are known by their sound: sound, in characters of the tokens -> the
            words that have it; texts are then sounds.
        closed: admit no word outside ``words``.
        unit: ``"word"`` or ``"token"``, what the language model predicts.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        lm: LanguageModel | None = None,
        words: Collection[str] | Mapping[str, Collection[str]] = (),
        *,
        closed: bool = False,
        unit: str = "word",
        beam_size: int = 100,
        lm_alpha: float = 0.5,
        lm_beta: float = 1.0,
        unk_score: float = -10.0,
        unk_token_score: float = -2.0,
        beam_threshold: float = math.inf,
        alike_threshold: float = math.inf,
        token_min_logp: float = -math.inf,
        blank_skip: float = 1.0,
        merge: str = "sum",
        hotwords: Mapping[str, float] | None = None,
    ) -> None:
        self.vocabulary = Vocabulary(tokens)
        self.lm, self.words, self.closed, self.unit = lm, frozenset(words), closed, unit
        self.alike = words if isinstance(words, Mapping) else {}
        self.beam_size, self.beam_threshold, self.token_min_logp = (
            beam_size,
            beam_threshold,
            token_min_logp,
        )
        self.alike_threshold = alike_threshold
        self.lm_alpha, self.lm_beta, self.unk_score = lm_alpha, lm_beta, unk_score
        self.unk_token_score = unk_token_score if lm is not None and unit == "word" else 0.0
        self.blank_skip, self.hotwords = blank_skip, dict(hotwords or {})
        self.add: Callable[[float, float], float] = max if merge == "max" else _log_add
        self._lookahead = self._best_unigrams()

    def _best_unigrams(self) -> dict[str, float]:
        """Best score of a word that begins so, for every beginning of a known word."""
        best: dict[str, float] = {}
        for word in self.words:
            score, _, extra = self._word_score(None, word)
            for end in range(1, len(word) + 1):
                best[word[:end]] = max(best.get(word[:end], _NEVER), self.lm_alpha * score + extra)
        return best

    def _word_score(self, state: Hashable, word: str) -> tuple[float, Hashable, float]:
        """Model score, next state and extra score of a word; ``state`` None: its unigram."""
        if self.lm is None or self.unit == "token":
            return 0.0, state, 0.0
        known = [name for name in self.alike.get(word, [word]) if name in self.lm]
        unigram = getattr(self.lm, "unigram", None)
        scored: list[tuple[float, Hashable]] = [
            (unigram(name), None) if state is None and unigram else self.lm.step(state, name)
            for name in known or ["<unk>"]
        ]
        score, after = max(scored, key=lambda pair: pair[0])
        return score, after, 0.0 if known else self.unk_score

    # -- the language side
    # ---------------------------------------------------------------------------------------

    @cache  # noqa: B019 - the decoder lives as long as its test
    def _language(self, tokens: tuple[int, ...]) -> tuple[_Words, float] | None:
        """Language side of a prefix and its extra score (unknown words), or None if the lexicon
        forbids it.
        """
        if not tokens:
            return _Words("", self.lm.begin() if self.lm else None, 0.0, 0), 0.0
        before = self._language(tokens[:-1])
        if before is None:
            return None
        token, extra = tokens[-1], before[1]
        words = before[0]
        if self.lm is not None and self.unit == "token":
            score, state = self.lm.step(words.lm_state, self.vocabulary.tokens[token])
            words = _Words(words.open_word, state, words.lm_score + score, words.n_words)
        if self.vocabulary.starts_word[token] and words.open_word:
            closed = self._close(words)
            if closed is None:
                return None
            words, extra = closed[0], extra + closed[1]
        open_word = words.open_word + self.vocabulary.pieces[token]
        if self.closed and open_word and open_word not in self._lookahead:
            return None
        if self.vocabulary.pieces[token] and open_word not in self._lookahead:
            extra += self.unk_token_score
        return _Words(open_word, words.lm_state, words.lm_score, words.n_words), extra

    def _close(self, words: _Words) -> tuple[_Words, float] | None:
        if self.closed and words.open_word not in self.words:
            return None
        score, state, extra = self._word_score(words.lm_state, words.open_word)
        return _Words("", state, words.lm_score + score, words.n_words + 1), extra

    def _rank(self, tokens: tuple[int, ...], acoustic: float) -> float:
        language = self._language(tokens)
        assert language is not None
        words, extra = language
        score = acoustic + self.lm_alpha * words.lm_score + self.lm_beta * words.n_words + extra
        if words.open_word:
            unknown, _, penalty = self._word_score(None, "")
            score += self.lm_beta + self._lookahead.get(
                words.open_word, self.lm_alpha * unknown + penalty
            )
        return score + self.hotword_score(tokens)

    def hotword_score(self, tokens: tuple[int, ...], ended: bool = False) -> float:
        """Weights of the phrases in the text, plus the share earned so far of the longest phrase
        that is under way.
        """
        if not self.hotwords:
            return 0.0
        text = self._bounded(tokens, ended)
        patterns = {" " + phrase + " ": weight for phrase, weight in self.hotwords.items()}
        score = sum(weight * _occurrences(text, pattern) for pattern, weight in patterns.items())
        if ended:
            return score
        for start in range(len(text)):  # the longest end of the text that begins a phrase
            under_way = text[start:]
            shares = [
                weight * (len(under_way) - 1) / (len(pattern) - 2)
                for pattern, weight in patterns.items()
                if pattern.startswith(under_way) and pattern != under_way
            ]
            if shares or under_way in patterns:
                return score + max(shares, default=0.0)
        return score

    def _bounded(self, tokens: tuple[int, ...], ended: bool = False) -> str:
        """The text, with a space before it and after every word that is complete."""
        words = [word for word, _ in self.vocabulary.groups(tokens)]
        complete = words and (ended or self.vocabulary.tokens[tokens[-1]] in ("▁", " ", "|"))
        return " " + " ".join(words) + (" " if complete else "")

    # -- the search
    # ----------------------------------------------------------------------------------------------

    def __call__(self, log_probs: Any) -> list[ReferenceHypothesis]:
        """Hypotheses of ``log_probs`` (T, V), best first: every different text that the last beam
        holds.
        """
        frames = check_log_probs(log_probs, len(self.vocabulary))
        beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, _NEVER)}
        for frame in frames:
            beam = self._advance(beam, [float(x) for x in frame])
        return self._finish(beam)

    def _advance(
        self, beam: dict[tuple[int, ...], tuple[float, float]], frame: list[float]
    ) -> dict[tuple[int, ...], tuple[float, float]]:
        if frame[BLANK_ID] > (math.log(self.blank_skip) if self.blank_skip < 1 else 0.1):
            return {
                p: (self.add(blank, other) + frame[BLANK_ID], _NEVER)
                for p, (blank, other) in beam.items()
            }
        best = max(range(1, len(frame)), key=lambda token: frame[token], default=None)
        following: dict[tuple[int, ...], tuple[float, float]] = {}
        for prefix, (blank, other) in beam.items():
            total = self.add(blank, other)
            repeat = other + frame[prefix[-1]] if prefix else _NEVER
            self._gain(following, prefix, total + frame[BLANK_ID], repeat)
            for token in range(1, len(frame)):
                longer = (*prefix, token)
                if frame[token] < self.token_min_logp and token != best and longer not in beam:
                    continue
                source = blank if prefix and prefix[-1] == token else total
                if source + frame[token] > _NEVER and self._language(longer) is not None:
                    self._gain(following, longer, _NEVER, source + frame[token])
        return self._prune(following)

    def _gain(
        self,
        beam: dict[tuple[int, ...], tuple[float, float]],
        prefix: tuple[int, ...],
        blank: float,
        other: float,
    ) -> None:
        old_blank, old_other = beam.get(prefix, (_NEVER, _NEVER))
        beam[prefix] = self.add(old_blank, blank), self.add(old_other, other)

    def _prune(
        self, beam: dict[tuple[int, ...], tuple[float, float]]
    ) -> dict[tuple[int, ...], tuple[float, float]]:
        ranked = sorted(
            ((self._rank(p, self.add(*s)), p) for p, s in beam.items() if max(s) > _NEVER),
            reverse=True,
        )
        best: dict[Hashable, float] = {}  # by future; the first one is the best
        kept = [
            p
            for rank, p in ranked[: self.beam_size]
            if rank >= ranked[0][0] - self.beam_threshold
            and rank >= best.setdefault(self._future(p), rank) - self.alike_threshold
        ]
        return {prefix: beam[prefix] for prefix in kept}

    def _future(self, prefix: tuple[int, ...]) -> Hashable:
        """What the scores of a prefix's continuations depend on."""
        language = self._language(prefix)
        assert language is not None
        words = language[0]
        known = not words.open_word or words.open_word in self._lookahead
        text = self._bounded(prefix)
        begun = next(
            (
                text[start:]
                for start in range(len(text))
                if any(f" {phrase} ".startswith(text[start:]) for phrase in self.hotwords)
            ),
            "",
        )
        return words.open_word if known else None, words.lm_state, prefix[-1:], begun

    def _finish(
        self, beam: dict[tuple[int, ...], tuple[float, float]]
    ) -> list[ReferenceHypothesis]:
        merged: dict[str, ReferenceHypothesis] = {}
        for prefix, states in beam.items():
            hypothesis = self._ended(prefix, self.add(*states))
            if hypothesis is None:
                continue
            old = merged.get(hypothesis.text)
            if old is not None:
                best = max(old, hypothesis, key=lambda h: (h.score, h.tokens))
                gain = self.add(old.score, hypothesis.score) - best.score
                hypothesis = ReferenceHypothesis(
                    best.text,
                    best.score + gain,
                    best.acoustic_score + gain,
                    best.lm_score,
                    best.tokens,
                )
            merged[hypothesis.text] = hypothesis
        return sorted(merged.values(), key=lambda h: h.score, reverse=True)

    def _ended(self, prefix: tuple[int, ...], acoustic: float) -> ReferenceHypothesis | None:
        language = self._language(prefix)
        assert language is not None
        words, extra = language
        if words.open_word:
            closed = self._close(words)
            if closed is None:
                return None
            words, extra = closed[0], extra + closed[1]
        lm_score = words.lm_score + (self.lm.step(words.lm_state, "</s>")[0] if self.lm else 0.0)
        score = acoustic + self.lm_alpha * lm_score + self.lm_beta * words.n_words + extra
        score += self.hotword_score(prefix, ended=True)
        return ReferenceHypothesis(self.vocabulary.text(prefix), score, acoustic, lm_score, prefix)


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))


def _occurrences(text: str, pattern: str) -> int:
    return sum(text.startswith(pattern, start) for start in range(len(text)))
