"""Forced alignment: when each word and each character of a known text is said in a recording.

It is the most probable path through the text's CTC lattice (Graves et al. 2006, section 3.1;
computed by torchaudio.functional.forced_align).

Legend: T output frames, V vocabulary, L tokens of the text.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from asr.decoding.vocabulary import Vocabulary
from asr.errors import DataError, require
from asr.speech.frames import min_output_frames
from asr.speech.transcript import ctm_name
from asr.text.chinese import join_words

__all__ = [
    "FORMATS",
    "AlignedToken",
    "AlignedWord",
    "ForcedAlignment",
    "TokenFrames",
    "align_tokens",
    "aligned_words",
    "earlier_starts",
    "forced_align",
]

# Natural log a frame. With the model `en`, right texts of read speech have 0.1 to 0.7, texts of
# which half the words are of another recording 2.7 to 4.2, others 4.3 to 8.6.
DOUBTFUL_GAP = 1.5
MIN_TOKEN_S = 0.01  # shortest last token of a word
# A CTC network emits the first token of a word 50 to 70 ms after the word begins, whatever the
# voice, the speed and the model (measured against the word events of synthesised speech:
# benchmarks/transcription/word_times.py).
ONSET_S = 0.055
MAX_CELLS = 1_500_000_000  # of the search, T (2L + 1) of one byte each


@dataclass(frozen=True)
class TokenFrames:
    """Output frames of a token.

    Attributes:
        start: the first of them.
        end: the one after the last.
        log_prob: mean natural log-probability over them.
    """

    start: int
    end: int
    log_prob: float


@dataclass(frozen=True)
class AlignedToken:
    """A character, piece or phone of a word.

    Attributes:
        token: as the vocabulary spells it.
        start: in seconds.
        end: in seconds.
        confidence: 0 to 1.
    """

    token: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class AlignedWord:
    """A word of a known text.

    Attributes:
        word: as the text spells it.
        start: in seconds.
        end: in seconds.
        confidence: geometric mean of its tokens', 0 to 1.
        tokens: in order of time.
    """

    word: str
    start: float
    end: float
    confidence: float
    tokens: tuple[AlignedToken, ...]


_Aligned = TypeVar("_Aligned", AlignedToken, AlignedWord)


@dataclass(frozen=True)
class ForcedAlignment:
    """When the words of a known text were said.

    Attributes:
        text: the words, with blanks between them.
        duration_s: of the recording.
        words: in order of time.
        score: mean natural log-probability of the frames of its tokens; it is low where something
            else was said.
        model: name of the model.
        gap: by how much the path of the text is less probable than the best one, natural log a
            frame with a token; it is large where something else was said.
        unit: what the tokens of words are: characters, pieces or phones.
    """

    text: str
    duration_s: float
    words: tuple[AlignedWord, ...]
    score: float
    model: str
    gap: float = 0.0
    unit: str = "characters"

    @property
    def doubt(self) -> str:
        """What is to be said where the text does not seem to be what is said, else empty."""
        if self.gap < DOUBTFUL_GAP:
            return ""
        return (
            f"something else seems to be said than the text: its path is {self.gap:.2f} less "
            f"probable a frame than the best one (natural log; below {DOUBTFUL_GAP} where the text "
            "is right)"
        )

    def with_words(self, words: Sequence[str]) -> ForcedAlignment:
        """Return the alignment with its words spelled otherwise; ``words`` has as many."""
        pairs = zip(self.words, words, strict=True)
        spelled = tuple(replace(aligned, word=word) for aligned, word in pairs)
        return replace(self, text=join_words(words), words=spelled)

    def later(self, seconds: float) -> ForcedAlignment:
        """Return the alignment by a clock on which the recording begins at ``seconds``."""
        if not seconds:
            return self
        words = tuple(
            replace(_moved(word, seconds), tokens=tuple(_moved(t, seconds) for t in word.tokens))
            for word in self.words
        )
        return replace(self, words=words, duration_s=round(self.duration_s + seconds, 3))

    def to_json(self) -> str:
        """Return JSON of all attributes; each word has its ``tokens``."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1) + "\n"

    def to_ctm(self, name: str = "recording") -> str:
        """Return NIST CTM: recording, channel, start, duration, word, confidence.

        The name of the recording is written as :func:`asr.speech.transcript.ctm_name` says.
        """
        name = ctm_name(name)
        rows = (
            f"{name} 1 {w.start:.2f} {w.end - w.start:.2f} {w.word} {w.confidence:.3f}\n"
            for w in self.words
        )
        return "".join(rows)

    def to_textgrid(self) -> str:
        """Return a TextGrid of Praat with the tiers ``words`` and :attr:`unit`."""
        words = [(w.start, w.end, w.word) for w in self.words]
        characters = [(t.start, t.end, t.token) for w in self.words for t in w.tokens]
        tiers = [
            _tier(1, "words", words, self.duration_s),
            _tier(2, self.unit, characters, self.duration_s),
        ]
        head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        times = f"xmin = 0\nxmax = {self.duration_s:.3f}\n"
        size = f"tiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
        return head + times + size + "".join(tiers)

    def render(self, output_format: str, name: str = "recording") -> str:
        """Return the alignment in one of :data:`FORMATS`; ``name`` is the recording's."""
        if output_format == "ctm":
            return self.to_ctm(name)
        return self.to_json() if output_format == "json" else self.to_textgrid()


def _moved(span: _Aligned, seconds: float) -> _Aligned:
    return replace(span, start=round(span.start + seconds, 3), end=round(span.end + seconds, 3))


FORMATS = {"textgrid": ".TextGrid", "ctm": ".ctm", "json": ".json"}


def align_tokens(
    log_probs: npt.NDArray[np.float32],
    ids: Sequence[int],
    vocabulary: Vocabulary,
    *,
    seconds_per_frame: float,
    duration_s: float,
    model: str,
    unit: str = "characters",
) -> ForcedAlignment:
    """Return when the words of a known text are said.

    Args:
        log_probs: of the recording, (T, V).
        ids: tokens of the text, (L,).
        vocabulary: the tokens.
        seconds_per_frame: between two output frames.
        duration_s: of the recording.
        model: name of the model.
        unit: what the tokens are.

    Raises:
        DataError: see :func:`forced_align`.
        MissingDependencyError: torchaudio is not installed.
    """
    tokens = forced_align(log_probs, ids)
    words = aligned_words(tokens, ids, vocabulary, seconds_per_frame, duration_s)
    num_frames = sum(token.end - token.start for token in tokens)
    score = sum(token.log_prob * (token.end - token.start) for token in tokens) / num_frames
    text = join_words(word.word for word in words)
    return ForcedAlignment(
        text,
        round(duration_s, 3),
        words,
        round(score, 4),
        model,
        gap=round(_gap(log_probs, tokens, ids), 4),
        unit=unit,
    )


def _gap(
    log_probs: npt.NDArray[np.float32], tokens: Sequence[TokenFrames], ids: Sequence[int]
) -> float:
    """Return how much less probable the path of the tokens is than the best path.

    It is the mean over the frames in which one of the two has a token: silence tells nothing.
    """
    path = np.zeros(len(log_probs), np.int64)  # the blank between tokens
    for token, frames in zip(ids, tokens, strict=True):
        path[frames.start : frames.end] = token
    finite = np.maximum(log_probs, -1e4)
    best = finite.argmax(1)
    costs = finite.max(1) - finite[np.arange(len(path)), path]
    return float(costs[(best != 0) | (path != 0)].mean())


def forced_align(log_probs: npt.NDArray[np.float32], ids: Sequence[int]) -> list[TokenFrames]:
    """Return where each of the tokens ``ids`` (L,) stands on the most probable path through
    log_probs (T, V).

    Raises:
        DataError: no tokens, more than fit into the frames, or too much to be aligned at once.
        MissingDependencyError: torchaudio is not installed.
    """
    torchaudio = require("torchaudio", "train")
    import torch

    targets = np.asarray(ids, np.int32)
    _check_fit(len(log_probs), targets)
    # an impossible token must not make the whole path undefined
    finite = np.maximum(log_probs, -1e4)
    paths, scores = torchaudio.functional.forced_align(
        torch.from_numpy(finite)[None], torch.from_numpy(targets)[None], blank=0
    )
    return _runs(paths[0].numpy(), scores[0].numpy())


def _check_fit(num_frames: int, targets: npt.NDArray[np.int32]) -> None:
    if not len(targets):
        raise DataError("The text has no words.", "Give the text that is said.")
    needed = min_output_frames(targets)
    if needed > num_frames:
        raise DataError(
            f"The text needs at least {needed} output frames, but the recording has {num_frames}.",
            "The text is longer than what can have been said; check that both belong together.",
        )
    if num_frames * (2 * len(targets) + 1) > MAX_CELLS:
        raise DataError(
            f"{num_frames} output frames and {len(targets)} tokens are too many to align at once.",
            "Cut the recording and its text into parts of some minutes.",
        )


def _runs(path: npt.NDArray[np.int32], scores: npt.NDArray[np.float32]) -> list[TokenFrames]:
    """Runs of equal tokens on a path (T,), without the blank.

    Equal neighbours of the text are two runs, since a blank stands between them.
    """
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.append(starts[1:], len(path))
    return [
        TokenFrames(start, end, float(scores[start:end].mean()))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if path[start] != 0
    ]


def aligned_words(
    frames: Sequence[TokenFrames],
    ids: Sequence[int],
    vocabulary: Vocabulary,
    seconds_per_frame: float,
    duration_s: float,
) -> tuple[AlignedWord, ...]:
    """Return the words of tokens ``ids`` (L,) with the times of ``frames`` (L)."""
    starts = [frame.start * seconds_per_frame for frame in frames]
    ends = [frame.end * seconds_per_frame for frame in frames]
    groups = vocabulary.groups(ids)
    spans = [(starts[p[0]], ends[p[-1]]) for _, p in groups]
    # a word may end earlier where the next one begins, but not before its own last token
    latest_ends = [starts[p[-1]] + MIN_TOKEN_S for _, p in groups]
    words = []
    for (word, positions), (start, end) in zip(
        groups, earlier_starts(spans, latest_ends), strict=True
    ):
        # each token ends where the next one begins at the latest, the last one with the word
        begins = [start, *(starts[p] for p in positions[1:])]
        stops = [min(ends[p], b) for p, b in zip(positions, begins[1:], strict=False)]
        tokens = tuple(
            AlignedToken(
                token=vocabulary.pieces[ids[p]],
                start=_rounded(begin, duration_s),
                end=_rounded(stop, duration_s),
                confidence=round(math.exp(min(0.0, frames[p].log_prob)), 4),
            )
            for p, begin, stop in zip(positions, begins, [*stops, end], strict=True)
        )
        mean = sum(min(0.0, frames[p].log_prob) for p in positions) / len(positions)
        confidence = round(math.exp(mean), 4)
        words.append(AlignedWord(word, tokens[0].start, tokens[-1].end, confidence, tokens))
    return tuple(words)


def _rounded(seconds: float, duration_s: float) -> float:
    return round(min(seconds, duration_s), 3)


def _tier(
    number: int, name: str, spans: Sequence[tuple[float, float, str]], duration_s: float
) -> str:
    """An interval tier; Praat wants no gaps, so silence becomes intervals without text."""
    intervals, place = [], 0.0
    for start, end, text in spans:
        if start > place:
            intervals.append((place, start, ""))
        if end > start:
            intervals.append((start, end, text))
        place = max(place, end)
    if place < duration_s or not intervals:
        intervals.append((place, duration_s, ""))
    rows = "".join(
        f"        intervals [{i}]:\n            xmin = {start:.3f}\n            xmax = {end:.3f}\n"
        f"            text = {_quoted(text)}\n"
        for i, (start, end, text) in enumerate(intervals, 1)
    )
    indent = " " * 8
    head = [
        f"    item [{number}]:",
        f'{indent}class = "IntervalTier"',
        f'{indent}name = "{name}"',
        f"{indent}xmin = 0",
        f"{indent}xmax = {duration_s:.3f}",
        f"{indent}intervals: size = {len(intervals)}",
    ]
    return "\n".join(head) + "\n" + rows


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def earlier_starts(
    spans: Sequence[tuple[float, float]], latest_ends: Sequence[float] | None = None
) -> list[tuple[float, float]]:
    """Return the times of words, each start moved from its first token to where the word begins.

    Where the new start lies within the word before, that word ends there, but not before its
    middle. Words in order of time stay so, without overlap.

    Args:
        spans: (start, end) in seconds of the tokens of each word.
        latest_ends: times before which each word must not be ended, instead of its middle.
    """
    moved: list[tuple[float, float]] = []
    for number, (start, end) in enumerate(spans):
        begin = max(0.0, start - ONSET_S)
        if moved:
            first, last = moved[-1]
            bound = (first + last) / 2 if latest_ends is None else latest_ends[number - 1]
            begin = min(start, max(begin, bound))
            moved[-1] = (first, min(last, begin))
        moved.append((begin, end))
    return moved
