"""A known text and a recording's log-probabilities -> when each word and each character of it is
said.

The most probable path through the text's CTC lattice (Graves et al. 2006, section 3.1; computed by
torchaudio.functional.forced_align). Legend: T output frames, V vocabulary, L tokens of the text.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.decoding.vocabulary import Vocabulary
from asr.errors import DataError, require

__all__ = [
    "FORMATS",
    "AlignedToken",
    "AlignedWord",
    "Alignment",
    "TokenFrames",
    "aligned_words",
    "earlier_starts",
    "forced_align",
]

MIN_TOKEN_S = 0.01
# A CTC network emits the first token of a word 50 to 70 ms after the word begins, whatever the
# voice, the speed and the model (measured against the word events of synthesised speech:
# benchmarks/transcription/word_times.py); the last token ends where the next word begins.
ONSET_S = 0.055
MAX_CELLS = 1_500_000_000  # T (2L + 1): bytes that the search takes


@dataclass(frozen=True)
class TokenFrames:
    """Output frames ``start`` to ``end`` (exclusive) of a token, and the mean natural
    log-probability over them.
    """

    start: int
    end: int
    log_prob: float


@dataclass(frozen=True)
class AlignedToken:
    """A character (or piece) with its times in seconds and its confidence, 0 to 1."""

    token: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class AlignedWord:
    """A word with its times in seconds, its confidence (geometric mean of its tokens'), and its
    tokens.
    """

    word: str
    start: float
    end: float
    confidence: float
    tokens: tuple[AlignedToken, ...]


@dataclass(frozen=True)
class Alignment:
    """When a known text was said.

    Attributes:
        text: words of :attr:`words`.
        duration_s: of the recording.
        words: in order of time.
        score: mean natural log-probability of the frames of its tokens; a text that was not said
            has a low one.
        model: name of the model.
    """

    text: str
    duration_s: float
    words: tuple[AlignedWord, ...]
    score: float
    model: str

    def to_json(self) -> str:
        """Return JSON with ``text``, ``duration_s``, ``words`` (with ``tokens``), ``score`` and
        ``model``.
        """
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1) + "\n"

    def to_ctm(self, name: str = "recording") -> str:
        """Return NIST CTM: recording, channel, start, duration, word, confidence; blanks in the
        name become _.
        """
        name = "_".join(name.split())
        rows = (
            f"{name} 1 {w.start:.2f} {w.end - w.start:.2f} {w.word} {w.confidence:.3f}\n"
            for w in self.words
        )
        return "".join(rows)

    def to_textgrid(self) -> str:
        """Return a TextGrid of Praat with the tiers ``words`` and ``characters``."""
        words = [(w.start, w.end, w.word) for w in self.words]
        characters = [(t.start, t.end, t.token) for w in self.words for t in w.tokens]
        tiers = [
            _tier(1, "words", words, self.duration_s),
            _tier(2, "characters", characters, self.duration_s),
        ]
        head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        size = f"xmin = 0\nxmax = {self.duration_s:.3f}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
        return head + size + "".join(tiers)

    def render(self, output_format: str, name: str = "recording") -> str:
        """Return the alignment in one of :data:`FORMATS`; ``name`` is the recording's."""
        if output_format == "ctm":
            return self.to_ctm(name)
        return self.to_json() if output_format == "json" else self.to_textgrid()


FORMATS = {"textgrid": ".TextGrid", "ctm": ".ctm", "json": ".json"}


def forced_align(log_probs: npt.NDArray[np.float32], ids: Sequence[int]) -> list[TokenFrames]:
    """Return where each of the tokens ``ids`` (L,) stands on the most probable path through
    log_probs (T, V).

    Raises:
        DataError: no tokens, more than fit into the frames, or both are too long to be aligned at
        once. MissingDependencyError: torchaudio is not installed.
    """
    torchaudio = require("torchaudio", "train")
    import torch

    targets = np.asarray(ids, np.int32)
    if not len(targets):
        raise DataError("The text has no words.", "Give the text that is said.")
    needed = len(targets) + int((targets[1:] == targets[:-1]).sum())
    if needed > len(log_probs):
        raise DataError(
            f"The text needs at least {needed} output frames, but the recording has {len(log_probs)}.",
            "The text is longer than what can have been said; check that both belong together.",
        )
    if len(log_probs) * (2 * len(targets) + 1) > MAX_CELLS:
        raise DataError(
            f"{len(log_probs)} output frames and {len(targets)} tokens are too many to align at once.",
            "Cut the recording and its text into parts of some minutes.",
        )
    finite = np.maximum(
        log_probs, -1e4
    )  # an impossible token must not make the whole path undefined
    paths, scores = torchaudio.functional.forced_align(
        torch.from_numpy(finite)[None], torch.from_numpy(targets)[None], blank=0
    )
    return _runs(paths[0].numpy(), scores[0].numpy())


def _runs(path: npt.NDArray[np.int32], scores: npt.NDArray[np.float32]) -> list[TokenFrames]:
    """Runs of equal tokens on a path (T,); equal neighbours of the text have a blank between them."""
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

    groups = vocabulary.groups(ids)
    spans = [
        (frames[p[0]].start * seconds_per_frame, frames[p[-1]].end * seconds_per_frame)
        for _, p in groups
    ]
    last_tokens = [frames[p[-1]].start * seconds_per_frame + MIN_TOKEN_S for _, p in groups]
    words = []
    for (word, positions), (start, end) in zip(
        groups, earlier_starts(spans, last_tokens), strict=True
    ):
        borders = [start, *(frames[p].start * seconds_per_frame for p in positions[1:]), end]
        ends = [
            min(frames[p].end * seconds_per_frame, b)
            for p, b in zip(positions, borders[1:], strict=True)
        ]
        ends[-1] = end
        tokens = tuple(
            AlignedToken(
                vocabulary.pieces[ids[p]],
                _rounded(begin, duration_s),
                _rounded(stop, duration_s),
                round(math.exp(min(0.0, frames[p].log_prob)), 4),
            )
            for p, begin, stop in zip(positions, borders, ends, strict=False)
        )
        mean = sum(min(0.0, frames[p].log_prob) for p in positions) / len(positions)
        words.append(
            AlignedWord(word, tokens[0].start, tokens[-1].end, round(math.exp(mean), 4), tokens)
        )
    return tuple(words)


def _rounded(seconds: float, duration_s: float) -> float:
    return round(min(seconds, duration_s), 3)


def _tier(
    number: int, name: str, spans: Sequence[tuple[float, float, str]], duration_s: float
) -> str:
    """An interval tier; Praat wants intervals without gaps, so that silence becomes intervals
    without text.
    """
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
    return (
        f'    item [{number}]:\n        class = "IntervalTier"\n        name = "{name}"\n        xmin = 0\n'
        f"        xmax = {duration_s:.3f}\n        intervals: size = {len(intervals)}\n{rows}"
    )


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def earlier_starts(
    spans: Sequence[tuple[float, float]], latest_ends: Sequence[float] | None = None
) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of words, in order, with each start moved to where the word
    begins.

    A word that would begin within the one before it ends that one, but not before the middle of it.
    Spans that neither overlap nor go back in time still do not.

    Args:
        spans: of the tokens of each word.
        latest_ends: time before which a word must not be ended, instead of its middle.
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
