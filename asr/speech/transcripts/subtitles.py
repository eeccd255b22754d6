"""Words with times -> subtitle cues that keep to broadcasters' rules, as SRT and WebVTT.

Defaults are those of Netflix's Timed Text Style Guides (general requirements, and English): lines
of at most 42 characters, two lines, 20 characters a second, 5/6 to 7 seconds, two frames of 24 a
second between cues, and no gap of less than half a second but that. Where to break follows them and
the BBC's Subtitle Guidelines: at marks and pauses, not after an article or a preposition. Chinese
characters count as two: 21 a line, ten a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from unicodedata import east_asian_width

from asr.errors import ConfigError
from asr.text.chinese import join_words

__all__ = ["Cue", "Piece", "SubtitleConfig", "arrange", "to_srt", "to_vtt"]

LONG_PAUSE = 2000  # ms; a pause that no cue goes across
CHAIN = 500  # ms; a shorter gap is closed down to the least one, as it would flicker
SENTENCE, CLAUSE = ".?!…。？！", ",;:，；：、"
# What a line or cue had better not end with: it belongs to the next word.
_LEANING = {
    "a",
    "an",
    "the",
    "of",
    "to",
    "in",
    "on",
    "at",
    "by",
    "for",
    "from",
    "with",
    "and",
    "or",
}
_LEANING |= {
    "but",
    "that",
    "as",
    "if",
    "my",
    "your",
    "his",
    "her",
    "its",
    "our",
    "their",
    "i",
    "mr",
}
_LEANING |= {
    "he",
    "she",
    "we",
    "they",
    "is",
    "are",
    "was",
    "were",
    "not",
    "no",
    "very",
    "mrs",
    "dr",
}
_LEANING |= set("在和与及或把被对从向为是不没很最更这那每一第其")
_CLINGING = set("的地得了着过吗呢吧啊们个年月日")  # a line or cue had better not begin with it
# Costs of a division into cues, in units of one more cue.
_BROKEN, _NO_MARK, _CLAUSE_END, _LEANS, _SENTENCE_INSIDE = 1000.0, 3.0, 1.0, 3.0, 1.5


@dataclass(frozen=True)
class SubtitleConfig:
    """Rules of subtitles.

    A word longer than a line has a line of its own. Where somebody speaks faster than the reading
    speed for long, the cues follow the speech: no word is left out.

    Attributes:
        max_line_width: characters.
        max_line_count: lines of a cue.
        max_words_per_line: None for as many as fit; a written number is one word.
        highlight_words: mark each word as it is said; in WebVTT by times within the cue, in SRT by
            a cue for each word, underlined.
        max_characters_per_second: that a viewer reads, spaces included.
        min_seconds: of a cue.
        max_seconds: of a cue.
        gap_seconds: between the end of a cue and the start of the next one.
    """

    max_line_width: int = 42
    max_line_count: int = 2
    max_words_per_line: int | None = None
    highlight_words: bool = False
    max_characters_per_second: float = 20.0
    min_seconds: float = 0.833
    max_seconds: float = 7.0
    gap_seconds: float = 0.083

    def __post_init__(self) -> None:
        for name in ("max_line_width", "max_line_count", "max_words_per_line"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} of subtitles is {value}.", "It is at least 1.")
        if self.max_characters_per_second <= 0 or self.gap_seconds < 0:
            raise ConfigError(
                "The reading speed of subtitles is "
                f"{self.max_characters_per_second:g} characters a second, the gap "
                f"{self.gap_seconds:g} s.",
                "The speed is more than 0, the gap at least 0.",
            )
        if not 0 < self.min_seconds <= self.max_seconds:
            raise ConfigError(
                f"Subtitles last from {self.min_seconds:g} to {self.max_seconds:g} s.",
                "The first is more than 0 and at most the second.",
            )


@dataclass(frozen=True)
class Piece:
    """A word or written number of a subtitle.

    Attributes:
        text: with the mark after it.
        start: in ms.
        end: in ms.
        mark: that ``text`` ends with, empty if none.
    """

    text: str
    start: int
    end: int
    mark: str = ""


@dataclass(frozen=True)
class Cue:
    """What is on the screen for a while.

    Attributes:
        start: in ms.
        end: in ms.
        lines: from the top.
        label: before the first line, such as ``0: `` for a channel.
        voice: who speaks, for formats that have a field for it.
    """

    start: int
    end: int
    lines: tuple[tuple[Piece, ...], ...]
    label: str = ""
    voice: str = ""


def arrange(
    pieces: Sequence[Piece], config: SubtitleConfig, label: str = "", voice: str = ""
) -> list[Cue]:
    """Return the cues of one speaker or channel, in order of time, none over another.

    Args:
        pieces: in order of time.
        config: the rules.
        label: see :class:`Cue`; it counts as part of the first line.
        voice: see :class:`Cue`.
    """
    units = _units(pieces, config.max_line_width)
    layout = _Layout(config, len(label))
    groups = _Division(units, layout).groups()
    cues: list[Cue] = []
    earliest = 0
    for place, group in enumerate(groups):
        following = groups[place + 1][0].start if place + 1 < len(groups) else None
        start = max(group[0].start, earliest)
        end = layout.end(group, start, following)
        lines = tuple(
            tuple(p for unit in line for p in unit.pieces) for line in layout.lines(group)
        )
        cues.append(Cue(start, end, lines, label, voice))
        earliest = end + layout.gap
    return cues


# --------------------------------------------------------------------------------------------------
# what is not divided


@dataclass(frozen=True)
class _Unit:
    """Pieces that stay together: one, or the parts of a name.

    Attributes:
        pieces: in order of time.
        space: between the unit before it and this one, where both are on a line: 1, or 0 in
            Chinese.
        leans: a break after it parts what belongs together.
    """

    pieces: tuple[Piece, ...]
    space: int = 1
    leans: bool = False

    @cached_property
    def width(self) -> int:
        return _columns(join_words(piece.text for piece in self.pieces))

    @property
    def start(self) -> int:
        return self.pieces[0].start

    @property
    def end(self) -> int:
        return self.pieces[-1].end

    @cached_property
    def break_cost(self) -> float:
        """What it costs to end a line or cue after it."""
        last = self.pieces[-1]
        if last.mark and last.mark[-1] in SENTENCE:
            return 0.0
        if last.mark and last.mark[-1] in CLAUSE:
            return _CLAUSE_END
        return _NO_MARK + _LEANS * self.leans

    @property
    def ends_sentence(self) -> bool:
        return self.break_cost == 0


def _units(pieces: Sequence[Piece], width: int) -> list[_Unit]:
    """Join the parts of a name: words with capitals in a row, as far as they fit on a line."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        joined = _Unit((*groups[-1], piece)) if groups else None
        if joined and _same_name(groups[-1][-1], piece) and joined.width <= width:
            groups[-1].append(piece)
        else:
            groups.append([piece])
    units: list[_Unit] = []
    for before, group, after in zip([[], *groups], groups, [*groups[1:], []], strict=False):
        space = _space(before[-1], group[0]) if before else 0
        leans = group[-1].text.lower() in _LEANING or bool(after and after[0].text in _CLINGING)
        units.append(_Unit(tuple(group), space, leans))
    return units


def _columns(text: str) -> int:
    """Return the width of a text in Latin characters; a Chinese one is as wide as two."""
    return len(text) + sum(east_asian_width(char) in "WF" for char in text)


def _space(left: Piece, right: Piece) -> int:
    return len(join_words((left.text, right.text))) - len(left.text) - len(right.text)


def _same_name(left: Piece, right: Piece) -> bool:
    capitals = left.text[:1].isupper() and right.text[:1].isupper()
    shouted = left.text.isupper() and right.text.isupper()  # text of capitals has no names
    near = right.start - left.end < LONG_PAUSE
    return capitals and near and not shouted and not left.mark and left.text not in ("I", "A")


# --------------------------------------------------------------------------------------------------
# one cue


@dataclass
class _Layout:
    """How units fill a cue, and how long it has to stay."""

    config: SubtitleConfig
    label: int
    gap: int = field(init=False)
    least: int = field(init=False)
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        self.gap = round(self.config.gap_seconds * 1000)
        self.least = round(self.config.min_seconds * 1000)
        self.longest = round(self.config.max_seconds * 1000)

    def needs(self, characters: int) -> int:
        """Return the ms that it takes to read so many characters, within those of a cue."""
        reading = -(-characters * 1000 // self.config.max_characters_per_second)
        return min(max(self.least, int(reading)), self.longest)

    def fits(self, line: tuple[int, int], unit: _Unit) -> bool:
        """Whether a unit fits behind a line of so many characters and words."""
        most = self.config.max_words_per_line
        words = line[1] + len(unit.pieces)
        return line[0] + unit.space + unit.width <= self.config.max_line_width and (
            most is None or words <= most
        )

    def end(self, units: Sequence[_Unit], start: int, following: int | None) -> int:
        """Return when a cue ends: when it has been said and read, before the next one begins."""
        characters = self.label + sum(u.width + u.space for u in units) - units[0].space
        end = max(units[-1].end, start + self.needs(characters))
        if following is not None:
            if following - end < CHAIN:
                end = following - self.gap
            end = min(end, following - self.gap)
        return max(start + 1, min(end, start + self.longest))

    def lines(self, units: Sequence[_Unit]) -> list[list[_Unit]]:
        """Divide a cue into the fewest lines, of about equal width, broken at good places."""
        count = len(self._greedy(units))
        mean = (self.label + sum(unit.width + unit.space for unit in units)) / count
        best: list[dict[int, tuple[float, list[list[_Unit]]]]] = [{0: (0.0, [])}]
        for _ in range(count):
            row: dict[int, tuple[float, list[list[_Unit]]]] = {}
            for begin, (cost, lines) in best[-1].items():
                for end, width in self._line_ends(units, begin):
                    uneven = 10 * ((width - mean) / mean) ** 2
                    total = cost + uneven + (units[end - 1].break_cost if end < len(units) else 0)
                    if end not in row or total < row[end][0]:
                        row[end] = total, [*lines, list(units[begin:end])]
            best.append(row)
        return best[-1][len(units)][1]

    def _greedy(self, units: Sequence[_Unit]) -> list[int]:
        begin, ends = 0, []
        while begin < len(units):
            begin = max(end for end, _ in self._line_ends(units, begin))
            ends.append(begin)
        return ends

    def _line_ends(self, units: Sequence[_Unit], begin: int) -> Iterator[tuple[int, int]]:
        """Yield where a line that begins here may end, and its width; one unit always fits."""
        line = (0, 0)
        for place in range(begin, len(units)):
            unit = units[place]
            if place > begin and not self.fits(line, unit):
                return
            lead = self.label if place == 0 else 0
            before = line[0] + unit.space if place > begin else lead
            line = before + unit.width, line[1] + len(unit.pieces)
            yield place + 1, line[0]


# --------------------------------------------------------------------------------------------------
# all cues


class _Division:
    """Divides units into cues at the least cost, by dynamic programming."""

    def __init__(self, units: Sequence[_Unit], layout: _Layout) -> None:
        self.units, self.layout = units, layout

    def groups(self) -> list[Sequence[_Unit]]:
        """Return the units of each cue."""
        count = len(self.units)
        best, origin = [0.0] + [float("inf")] * count, [0] * (count + 1)
        for begin in range(count):
            for end, cost in self._cues(begin):
                if best[begin] + cost < best[end]:
                    best[end], origin[end] = best[begin] + cost, begin
        groups, end = [], count
        while end:
            groups.append(self.units[origin[end] : end])
            end = origin[end]
        return groups[::-1]

    def _cues(self, begin: int) -> Iterator[tuple[int, float]]:
        """Yield where a cue that begins here may end, and what it costs; one unit may always."""
        first, layout = self.units[begin], self.layout
        line, lines = (layout.label + first.width, len(first.pieces)), 1
        characters, inside = layout.label + first.width, 0.0
        for end in range(begin + 1, len(self.units) + 1):
            yield end, inside + self._cost(begin, end, characters)
            if end == len(self.units):
                return
            before, unit = self.units[end - 1], self.units[end]
            if unit.start - before.end >= LONG_PAUSE or unit.end - first.start > layout.longest:
                return
            if layout.fits(line, unit):
                line = line[0] + unit.space + unit.width, line[1] + len(unit.pieces)
            else:
                line, lines = (unit.width, len(unit.pieces)), lines + 1
            if lines > layout.config.max_line_count:
                return
            characters += unit.space + unit.width
            inside += _SENTENCE_INSIDE * before.ends_sentence + self._pause(end)

    def _pause(self, place: int) -> float:
        """The pause before a unit in seconds."""
        gap = self.units[place].start - self.units[place - 1].end
        return min(max(gap, 0), LONG_PAUSE) / 1000

    def _cost(self, begin: int, end: int, characters: int) -> float:
        """What a cue costs: itself, the place where it ends, and rules that cannot be kept."""
        layout, start = self.layout, self.units[begin].start
        if end == len(self.units):
            return 1.0
        cost = 1.0 + max(0.0, self.units[end - 1].break_cost - 4 * self._pause(end))
        needs, has = layout.needs(characters), self.units[end].start - layout.gap - start
        return cost if has >= needs else cost + _BROKEN * (1 + (needs - has) / needs)


# --------------------------------------------------------------------------------------------------
# formats


def to_srt(cues: Iterable[Cue], config: SubtitleConfig) -> str:
    """Return cues as SubRip."""
    shown = (part for cue in cues for part in _srt_parts(cue, config.highlight_words))
    return "\n".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(shown, 1)
    )


def _srt_parts(cue: Cue, highlight: bool) -> Iterator[tuple[int, int, str]]:
    if not highlight:
        yield cue.start, cue.end, _srt_text(cue)
        return
    pieces = [piece for line in cue.lines for piece in line]
    times = [cue.start, *(min(max(p.start, cue.start), cue.end) for p in pieces[1:]), cue.end]
    for piece, start, end in zip(pieces, times, times[1:], strict=False):
        if end > start:
            yield start, end, _srt_text(cue, piece)


def _srt_text(cue: Cue, said: Piece | None = None) -> str:
    lines = (
        _line(line, [f"<u>{p.text}</u>" if p is said else p.text for p in line])
        for line in cue.lines
    )
    return (cue.label + "\n".join(lines)).replace("-->", "->")


def to_vtt(cues: Iterable[Cue], config: SubtitleConfig) -> str:
    """Return cues as WebVTT."""
    return "WEBVTT\n" + "".join(
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_vtt_text(cue, config)}\n"
        for cue in cues
    )


def _vtt_text(cue: Cue, config: SubtitleConfig) -> str:
    voice = f"<v {cue.voice}>" if cue.voice else ""
    last, lines = cue.start, []
    for line in cue.lines:
        words = []
        for piece in line:
            text = piece.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            if config.highlight_words and last < piece.start < cue.end:
                text, last = f"<{_clock(piece.start, '.')}><c>{text}</c>", piece.start
            words.append(text)
        lines.append(_line(line, words))
    return voice + "\n".join(lines)


def _line(pieces: Sequence[Piece], shown: Sequence[str]) -> str:
    """Return a line of pieces as they are shown, with the spaces that their texts have."""
    spaces = (" " * _space(left, right) for left, right in pairwise(pieces))
    return "".join(map("".join, zip(("", *spaces), shown, strict=True)))


def _clock(milliseconds: int, point: str) -> str:
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"
