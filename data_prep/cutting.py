"""An aligned book -> utterances: cut at pauses, and only where text and speech surely agree."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from asr.config import check_range
from asr.speech.alignment import AlignedWord, ForcedAlignment
from asr.text.said import SaidWord

__all__ = ["CuttingConfig", "Passage", "SpokenWord", "cut", "spoken_words"]

SENTENCE_ENDS = ".?!…。？！"
CLOSING = "\"'”’»)]"
BEFORE_S, AFTER_S = 0.25, 0.35  # kept around speech, at most half of the pause
UNSAID, UNKNOWN = "not said", "a word that the model cannot say"
LONG, SHORT = "no pause to cut at", "too short"
DOUBTFUL, EDGE = "something else seems to be said", "next to what does not belong together"
OTHER = "speech that is not in the text"


@dataclass(frozen=True)
class CuttingConfig:
    """How a recording is cut, and what is kept.

    Attributes:
        min_s: shortest utterance in seconds.
        max_s: longest utterance in seconds.
        target_s: length in seconds that is aimed at.
        pause_s: shortest pause in seconds to cut at, as the alignment sees it.
        max_cost: of a word, see :class:`asr.speech.alignment.AlignedWord`; above, what is said may
            not be the text.
        mean_cost: of the words of an utterance.
    """

    min_s: float = 1.0
    max_s: float = 20.0
    target_s: float = 8.0
    pause_s: float = 0.25
    max_cost: float = 25.0
    mean_cost: float = 5.0

    def __post_init__(self) -> None:
        check_range("cutting.min_s", self.min_s, 0, self.max_s)
        check_range("cutting.target_s", self.target_s, self.min_s, self.max_s)
        check_range("cutting.pause_s", self.pause_s, 0, 10)
        check_range("cutting.max_cost", self.max_cost, 0)
        check_range("cutting.mean_cost", self.mean_cost, 0)


@dataclass(frozen=True)
class SpokenWord:
    """A word as it is written, and when it is said.

    Attributes:
        written: with its case and marks.
        start: in seconds; that of the word before it where the word is not said.
        end: in seconds, likewise.
        cost: the highest of what is said for it.
        fault: why it cannot be in an utterance, else empty.
    """

    written: str
    start: float
    end: float
    cost: float
    fault: str = ""


@dataclass(frozen=True)
class Passage:
    """A stretch of a recording, to be kept or dropped.

    Attributes:
        start: in seconds.
        end: in seconds.
        text: as it is written; empty where speech has none.
        reason: why it is dropped; empty where it is kept.
    """

    start: float
    end: float
    text: str
    reason: str = ""


def spoken_words(words: Sequence[SaidWord], alignment: ForcedAlignment) -> list[SpokenWord]:
    """Return the written words of a text with the times of an alignment.

    A dash and whatever else is not said goes with the word before it.

    Args:
        words: of the text.
        alignment: of what is said for them, in their order.
    """
    in_order = _in_order(alignment)
    spoken: list[SpokenWord] = []
    place = 0.0
    for word in words:
        said = list(itertools.islice(in_order, len(word.words)))
        if not said:
            if spoken:
                last = spoken[-1]
                written = f"{last.written} {word.written}"
                spoken[-1] = SpokenWord(written, last.start, last.end, last.cost, last.fault)
            continue
        heard = [part for part in said if part is not None]
        if len(heard) < len(said):
            spoken.append(SpokenWord(word.written, place, place, 0.0, UNSAID))
            continue
        unknown = any(token.token == "*" for part in heard for token in part.tokens)
        place = heard[-1].end
        cost = max(part.cost for part in heard)
        fault = UNKNOWN if unknown else ""
        spoken.append(SpokenWord(word.written, heard[0].start, place, cost, fault))
    return spoken


def _in_order(alignment: ForcedAlignment) -> Iterator[AlignedWord | None]:
    """Yield the words of the text; None stands for one that is not said."""
    unsaid = iter(alignment.unsaid)
    following = next(unsaid, None)
    for place in range(len(alignment.words) + 1):
        while following is not None and following.position == place:
            yield None
            following = next(unsaid, None)
        if place < len(alignment.words):
            yield alignment.words[place]


def cut(
    words: Sequence[SpokenWord], alignment: ForcedAlignment, config: CuttingConfig
) -> list[Passage]:
    """Return the utterances of a recording and what is dropped, in order of time.

    Args:
        words: see :func:`spoken_words`.
        alignment: of the recording.
        config: how it is cut.
    """
    passages = [Passage(s.start, s.end, "", OTHER) for s in alignment.other]
    others = [stretch.start for stretch in alignment.other]
    said = [word for word in words if word.fault != UNSAID]
    # what no utterance may reach into
    ends = sorted([-1.0, *(w.end for w in said), *(s.end for s in alignment.other)])
    starts = sorted([*(w.start for w in said), *others, alignment.duration_s + 1])
    for fault, group in itertools.groupby(words, lambda word: word.fault):
        part = list(group)
        if fault:
            passages.append(Passage(part[0].start, part[-1].end, _text(part), fault))
            continue
        for run in _without_others(part, others):
            before = ends[bisect.bisect_right(ends, run[0].start) - 1]
            after = starts[bisect.bisect_left(starts, run[-1].end)]
            passages += _cut_run(run, before, after, config)
    passages = [replace(p, end=min(p.end, alignment.duration_s)) for p in passages]
    return sorted(passages, key=lambda passage: (passage.start, passage.end))


def _text(words: Sequence[SpokenWord]) -> str:
    return " ".join(word.written for word in words)


def _without_others(
    words: Sequence[SpokenWord], others: Sequence[float]
) -> Iterator[list[SpokenWord]]:
    """Yield runs of words without other speech in between; ``others`` are when it begins."""
    runs = itertools.groupby(words, lambda word: bisect.bisect_left(others, word.end))
    return (list(run) for _, run in runs)


def _cut_run(
    words: Sequence[SpokenWord], before: float, after: float, config: CuttingConfig
) -> Iterator[Passage]:
    """Yield the utterances of words that are said one after the other, and what is dropped.

    Args:
        words: of the run.
        before: when what comes before it ends.
        after: when what comes behind it begins.
        config: how it is cut.
    """
    phrases = _phrases(words, config.pause_s)
    for first, last in _joined(phrases, config):
        own = [word for phrase in phrases[first:last] for word in phrase]
        lead = own[0].start - (phrases[first - 1][-1].end if first else before)
        tail = (phrases[last][0].start if last < len(phrases) else after) - own[-1].end
        reason = EDGE if min(lead, tail) < config.pause_s else _fault(own, config)
        start = max(0.0, own[0].start - min(BEFORE_S, max(0.0, lead) / 2))
        end = own[-1].end + min(AFTER_S, max(0.0, tail) / 2)
        yield Passage(round(start, 3), round(end, 3), _text(own), reason)


def _fault(words: Sequence[SpokenWord], config: CuttingConfig) -> str:
    """Return why words cannot be an utterance, empty where they can."""
    costs = [word.cost for word in words]
    if max(costs) > config.max_cost or sum(costs) > config.mean_cost * len(words):
        return DOUBTFUL
    length = words[-1].end - words[0].start
    return LONG if length > config.max_s else SHORT if length < config.min_s else ""


def _phrases(words: Sequence[SpokenWord], pause_s: float) -> list[list[SpokenWord]]:
    """Words between pauses."""
    phrases = [[words[0]]]
    for before, word in itertools.pairwise(words):
        if word.start - before.end >= pause_s:
            phrases.append([])
        phrases[-1].append(word)
    return phrases


def _joined(
    phrases: Sequence[Sequence[SpokenWord]], config: CuttingConfig
) -> list[tuple[int, int]]:
    """Return which phrases are an utterance, by the cheapest division: of about the wanted length,
    and from sentence to sentence.
    """
    costs, before = [0.0], [0]
    for end in range(1, len(phrases) + 1):
        options = []
        for begin in range(end - 1, -1, -1):
            length = phrases[end - 1][-1].end - phrases[begin][0].start
            if length > config.max_s and begin < end - 1:
                break
            inside = abs(length / config.target_s - 1) + (0 if _ends_sentence(phrases, end) else 1)
            options.append((costs[begin] + inside, begin))
        cost, begin = min(options)
        costs.append(cost)
        before.append(begin)
    cuts, end = list[tuple[int, int]](), len(phrases)
    while end:
        cuts.append((before[end], end))
        end = before[end]
    return cuts[::-1]


def _ends_sentence(phrases: Sequence[Sequence[SpokenWord]], end: int) -> bool:
    last = phrases[end - 1][-1].written.rstrip(CLOSING)
    return end == len(phrases) or last.endswith(tuple(SENTENCE_ENDS))
