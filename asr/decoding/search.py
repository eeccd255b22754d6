"""One running search: its memory, the loop around the kernel, and its hypotheses.

T frames, V vocabulary, B beam size, L tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.inputs import check_log_probs, penalise_blank
from asr.decoding.kernels import beam, finish
from asr.decoding.kernels import layout as kernels
from asr.decoding.kernels.finish import Alignment, Spelling, Texts
from asr.decoding.settings import Settings
from asr.decoding.sounds import Speller, written
from asr.decoding.types import Hypothesis, WordSpan
from asr.decoding.vocabulary import Vocabulary, word_spans
from asr.errors import DecodingError

__all__ = ["Compiled", "SearchSpace"]

_MISSES = 1 << 14  # queries that are collected before a lazily filled model answers them
_FLOOR = 1e-12  # smallest share of agreement, so that its logarithm is finite


@dataclass(frozen=True, eq=False)
class Compiled:
    """All that a search reads: options, arrays, and its first states."""

    vocabulary: Vocabulary
    speller: Speller | None
    """Turns sounds into words, if the tokens are phones."""
    options: kernels.Options
    language: Callable[[], kernels.Language]
    hotwords: kernels.Hotwords
    spelling: Spelling
    bos_state: int
    hot_state: int
    resolve: Callable[[npt.NDArray[np.int32]], None]
    """Answers the queries that a lazily filled model could not answer."""
    settings: Settings

    def frames(
        self, log_probs: Any, *, kind: str = "log_probs", allow_empty: bool = False
    ) -> npt.NDArray[np.float32]:
        """Return the log-probabilities of the tokens (T, N), from checked ones of outputs (T, V).

        Raises:
            DecodingError: see :func:`asr.decoding.inputs.check_log_probs`.
        """
        size = self.vocabulary.size
        checked = check_log_probs(log_probs, size, kind=kind, allow_empty=allow_empty)
        frames = self.vocabulary.arrange(checked)
        penalty = self.settings.blank_penalty
        return penalise_blank(frames, float(penalty)) if penalty else frames

    def words(self, ids: Sequence[int], ended: bool = True) -> list[tuple[str, list[int]]]:
        """Return the words of a token sequence, each with the positions in ``ids`` of its tokens.

        Unless ``ended``, the last word may be incomplete; among phones it is left out until it
        sounds like a word.
        """
        groups = self.vocabulary.groups(ids)
        if self.speller and groups and not ended and not self.speller.sounds.words(groups[-1][0]):
            groups.pop()
        return written(groups, self.speller)


def _new_space(B: int, V: int, K: int, A: int) -> kernels.Search:
    table = 1 << (4 * B).bit_length()
    mass = np.zeros(K)
    return kernels.Search(
        floats=np.zeros((2, B, kernels.N_FLOATS)),
        ints=np.zeros((2, B, kernels.N_INTS), np.int64),
        counters=np.zeros(kernels.N_COUNTERS, np.int64),
        scale=np.zeros(kernels.N_SCALES),
        arena=np.zeros((A, 3), np.int32),
        arena_map=np.zeros(A, np.int32),
        misses=np.zeros((_MISSES, 2), np.int32),
        cand_mass=mass,
        cand_bits=mass.view(np.int64),
        cand_ints=np.zeros((K, kernels.N_CANDIDATE), np.int32),
        cand_gain=np.zeros(K),
        stay=np.zeros((B, 2)),
        child_first=np.zeros(B, np.int32),
        child_next=np.zeros(B, np.int32),
        child_mask=np.zeros(B, np.uint64),
        table=np.zeros(table, np.int32),
        histogram=np.zeros(kernels.BUCKETS, np.int32),
        chosen=np.zeros(K, np.int32),
        tied=np.zeros(K, np.int32),
        masses=np.zeros(K),
        futures=np.zeros(B, np.int64),
        best_alike=np.zeros(table, np.int32),
        inner=np.zeros(V, np.int32),
        inner_p=np.zeros(V),
        starting=np.zeros(V, np.int32),
        starting_p=np.zeros(V),
    )


class SearchSpace:
    """Memory and state of one search; reusable for the next utterance, but not thread-safe."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        B, V = compiled.options.beam_size, len(compiled.vocabulary)
        self.space = _new_space(B, V, 2 * B + 1024, max(4 * B, 4096))
        self.reset()

    def reset(self, first_state: int | None = None) -> None:
        """Begin a new utterance, in another state of the language model if one is given."""
        state = self.compiled.bos_state if first_state is None else first_state
        beam.start(self.space, state, self.compiled.hot_state)

    def push(self, log_probs: npt.NDArray[np.float32]) -> None:
        """Search the frames of ``log_probs`` (T, V), checked already.

        Raises:
            DecodingError: every prefix that the lexicon allows has probability zero at a frame.
        """
        c = self.compiled
        # The kernel stops where it needs help from here, and continues with the same frame.
        done = 0
        while True:
            status, frames = beam.advance(
                c.options, c.language(), c.hotwords, self.space, log_probs[done:]
            )
            done += int(frames)
            if status == kernels.DONE:
                return
            if status == kernels.MISSING:
                self._resolve()
            elif status == kernels.DEAD:
                frame = int(self.space.counters[kernels.FRAME])
                raise DecodingError(
                    f"No hypothesis is possible at frame {frame}.", "Add words to the lexicon."
                )
            else:
                self._grow(status)

    def _resolve(self) -> None:
        self.compiled.resolve(self.space.misses[: int(self.space.counters[kernels.MISSES])])
        self.space.counters[kernels.MISSES] = 0

    def _grow(self, status: int) -> None:
        """Double the memory that ran out: of the candidates or of the arena."""
        old = self.space
        K, A = len(old.cand_mass), len(old.arena)
        more_candidates = status == kernels.NO_ROOM
        new = _new_space(
            len(old.stay), len(old.inner), K * (1 + more_candidates), A * (2 - more_candidates)
        )
        for name in ("floats", "ints", "counters", "scale"):
            getattr(new, name)[:] = getattr(old, name)
        new.arena[:A] = old.arena
        self.space = new

    # hypotheses ----------------------------------------------------------------------------------

    def partial(self) -> Hypothesis:
        """Return the best prefix so far, with its open word not closed yet.

        Token frames are those at which the search first appended the tokens.
        """
        s = self.space
        current, count = int(s.counters[kernels.CURRENT]), int(s.counters[kernels.COUNT])
        rows = s.floats[current, :count]
        row = int(np.argmax(rows[:, kernels.BLANK] + rows[:, kernels.OTHER]))
        tokens, frames = self._trace(row)
        mass = float(rows[row, kernels.BLANK] + rows[row, kernels.OTHER])
        score = float(s.scale[kernels.LOG_SCALE] + np.log(mass))
        weight = float(finish.weight_of(*self._arrays(), s, row))
        words = self.compiled.words(tokens, ended=False)
        spans = word_spans(words, frames, [f + 1 for f in frames], [1.0] * len(tokens))
        text, lm_score = " ".join(word for word, _ in words), float(rows[row, kernels.LM])
        return Hypothesis(
            text=text,
            score=score,
            acoustic_score=score - weight,
            lm_score=lm_score,
            tokens=self.compiled.vocabulary.outputs(tokens),
            token_frames=tuple(frames),
            words=spans,
        )

    def finish(
        self, log_probs: npt.NDArray[np.float32], margin: float = math.inf
    ) -> list[Hypothesis]:
        """Return hypotheses, best first.

        Args:
            log_probs: (T, V), all frames that were pushed.
            margin: hypotheses worse than the best one by more than this are left out.
        """
        s, c = self.space, self.compiled
        B = int(s.counters[kernels.COUNT])
        scores = np.full((B, 3), -np.inf)
        while finish.close(*self._arrays(), s, scores) > 0:
            self._resolve()
        if not np.isfinite(scores[:, finish.SCORE]).any():
            return self._cut_off()
        texts = self._texts()
        order = np.empty(B, np.int64)
        workspace = np.empty(B, np.int64), np.empty(B, np.uint64)
        order = order[: int(finish.merge(scores, texts, c.options.use_max, order, workspace))]
        weights = np.exp(scores[order, finish.SCORE] - scores[order[0], finish.SCORE])
        weights /= weights.sum()
        # Different sounds may be written as the same words, so texts are compared once more.
        best: dict[str, Hypothesis] = {}
        for row in order.tolist():
            if scores[row, finish.SCORE] < scores[order[0], finish.SCORE] - margin:
                break
            tokens, met = self._trace(row)
            words = c.words(tokens)
            text = " ".join([word for word, _ in words])
            if text in best:
                continue
            agreed = _agreement(texts, (order, weights), row)
            aligned = _align(log_probs, tokens, met)
            score, acoustic, lm = scores[row].tolist()
            best[text] = Hypothesis(
                text=text,
                score=score,
                acoustic_score=acoustic,
                lm_score=lm,
                tokens=c.vocabulary.outputs(tokens),
                token_frames=tuple(aligned.starts.tolist()),
                words=self._spans(words, aligned, agreed),
            )
            if len(best) == c.settings.n_best:
                break
        return list(best.values())

    def _texts(self) -> Texts:
        """Return the texts of all rows of the beam."""
        counters = self.space.counters
        B, frames = int(counters[kernels.COUNT]), int(counters[kernels.FRAME])
        longest = B * (frames + 1)  # a word takes at least one frame
        texts = Texts(np.empty(longest, np.uint64), np.empty(B + 1, np.int64))
        workspace = np.empty(frames + 1, np.int32), np.empty(frames + 1, np.int32)
        finish.texts(self.space, self.compiled.spelling, texts, *workspace)
        return texts

    def _arrays(self) -> tuple[Any, ...]:
        c = self.compiled
        return c.options, c.language(), c.hotwords

    def _trace(self, row: int) -> tuple[list[int], list[int]]:
        # The first call only counts the tokens.
        tokens, frames = np.empty(0, np.int32), np.empty(0, np.int32)
        length = finish.trace(self.space, row, tokens, frames)
        tokens, frames = np.empty(length, np.int32), np.empty(length, np.int32)
        finish.trace(self.space, row, tokens, frames)
        return tokens.tolist(), frames.tolist()

    def _spans(
        self,
        words: list[tuple[str, list[int]]],
        aligned: Alignment,
        agreed: npt.NDArray[np.float64],
    ) -> tuple[WordSpan, ...]:
        """Return words with frames and confidences.

        A confidence is the agreement of the hypotheses on the word times the geometric mean of its
        tokens' probabilities, raised to ``confidence_power``.
        """
        power = self.compiled.settings.confidence_power
        peaks = np.minimum(aligned.peaks, 0.0).tolist()
        spans = []
        for word, (text, positions) in enumerate(words):
            mean = sum(peaks[p] for p in positions) / len(positions)
            log = math.log(min(max(float(agreed[word]), _FLOOR), 1.0)) + mean
            start, end = int(aligned.starts[positions[0]]), int(aligned.ends[positions[-1]])
            spans.append(WordSpan(text, start, end, math.exp(power * log)))
        return tuple(spans)

    def _cut_off(self) -> list[Hypothesis]:
        """Return the best row without its last word, which the end of the audio cut off.

        For a beam in which no open word is in the lexicon.
        """
        best = self.partial()
        starts_word = self.compiled.vocabulary.starts_word
        length = len(best.tokens) - 1
        while length > 0 and not starts_word[best.tokens[length]]:
            length -= 1
        tokens, frames = best.tokens[:length], best.token_frames[:length]
        spans = word_spans(
            self.compiled.words(tokens), frames, [f + 1 for f in frames], [0.0] * length
        )
        text = " ".join(span.word for span in spans)
        return [replace(best, text=text, tokens=tokens, token_frames=frames, words=spans)]


def _agreement(
    texts: Texts, weighted: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], row: int
) -> npt.NDArray[np.float64]:
    """Return how much of the rows' weight agrees with each word of a row, and one value more."""
    agreed = np.empty(int(texts.bounds[row + 1] - texts.bounds[row]) + 1)
    cells = 1024
    while cells:
        cells = int(finish.agreement(texts, weighted, row, agreed, np.empty(cells, np.int32)))
    return agreed


def _align(log_probs: npt.NDArray[np.float32], tokens: list[int], met: list[int]) -> Alignment:
    """Return the best alignment of tokens to ``log_probs`` (T, V)."""
    T, L = len(log_probs), len(tokens)
    aligned = Alignment(
        score=np.empty(2 * L + 1, np.float32),
        back=np.empty((T, 2 * L + 1), np.uint8),
        starts=np.empty(L, np.int32),
        ends=np.empty(L, np.int32),
        peaks=np.empty(L),
    )
    if L:
        ids, first_met = np.array(tokens, np.int32), np.array(met, np.int32)
        fits = finish.align(log_probs, ids, first_met, aligned)
        assert fits, "a hypothesis of the beam has an alignment"
    return aligned
