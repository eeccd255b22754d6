"""Read transcripts with times in NIST's formats: CTM (words) and STM (segments)."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

from asr.errors import DataError
from asr.scoring.utterances import Collector, TimedWord, Transcripts, Utterance, read_lines

__all__ = ["read_ctm", "read_stm"]

# Starts and durations are rounded to 10 ms each, which can cause this much overlap.
_ROUNDING_S = 0.0105


def _seconds(path: Path, number: int, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]*)?|\.[0-9]+", value):
        raise DataError(f"{path}, line {number}: needed a time in seconds, found {value!r}.")
    return float(value)


def _refuse_further(path: Path, number: int, columns: list[str]) -> None:
    """Raise DataError where a word with a blank would lose its end."""
    odd = columns[5:6] and not re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?|NA", columns[5])
    if odd or len(columns) > 8:
        raise DataError(
            f"{path}, line {number}: needed a confidence behind the word {columns[4]!r}, found "
            f"{' '.join(columns[5:])[:60]!r}.",
            "Give one word a line, without blanks.",
        )


def _stm_text(path: Path, number: int, rest: str) -> str:
    """Return the text of a segment without its label, which is one ``<...>`` at its head.

    Words may begin with ``<`` too, as in Buckwalter's transliteration of Arabic.
    """
    label = re.match(r"<([^<>]*)>(?=\s|$)", rest)
    if label and re.search(r"(?<!,)\s", label[1].strip()):
        raise DataError(
            f"{path}, line {number}: {label[0]!r} may be a label or words.",
            "Write a label without blanks, such as <o,f0>; before such words, write the label <>.",
        )
    text = rest[label.end() :].strip() if label else rest
    if odd := next((word for word in text.split() if re.fullmatch(r"[{}]|\(.+\)", word)), None):
        raise DataError(
            f"{path}, line {number}: alternatives and optional words, such as {odd!r}, are not "
            "scored.",
            "Write the one reading that was said; leave optional words out.",
        )
    return text


def read_ctm(path: Path, name: str, role: str) -> Transcripts:
    """Read lines of ``recording channel start duration word [confidence]``.

    Words whose times overlap are an error.
    """
    words: dict[tuple[str, str], list[TimedWord]] = {}
    for number, line in read_lines(path, comment=";;"):
        columns = line.split()
        if len(columns) < 5 or columns[4].startswith("<ALT"):
            needed = "RECORDING CHANNEL START DURATION WORD [CONFIDENCE]"
            raise DataError(
                f"{path}, line {number}: needed {needed}, without alternatives; found "
                f"{line[:80]!r}."
            )
        _refuse_further(path, number, columns)
        start, duration = _seconds(path, number, columns[2]), _seconds(path, number, columns[3])
        timed = TimedWord(columns[4], start, start + duration, number)
        words.setdefault((columns[0], columns[1]), []).append(timed)
    for sequence in words.values():
        sequence.sort(key=lambda word: (word.start, word.end))
        _refuse_overlap(path, sequence)
    channels: dict[str, int] = {}
    for recording, _ in words:
        channels[recording] = channels.get(recording, 0) + 1
    utterances = {}
    for (recording, channel), sequence in words.items():
        utterance_id = recording if channels[recording] == 1 else f"{recording}-{channel}"
        text = " ".join(word.word for word in sequence)
        utterances[utterance_id] = Utterance(
            utterance_id, text, recording=recording, channel=channel
        )
    return Transcripts(path, name, utterances, words)


def _refuse_overlap(path: Path, words: list[TimedWord]) -> None:
    for left, right in itertools.pairwise(words):
        if right.start < left.end - _ROUNDING_S:
            raise DataError(
                f"{path}: line {left.line} ({left.word!r}, {left.start:.2f}-{left.end:.2f} s) and "
                f"line {right.line} "
                f"({right.word!r}, {right.start:.2f}-{right.end:.2f} s) overlap in time.",
                "In a CTM a channel has one word at a time: check the start and duration columns.",
            )


def read_stm(path: Path, name: str, role: str) -> Transcripts:
    """Read lines of ``recording channel speaker start end [<labels>] text``.

    Alternatives ``{ a / b }`` and optional words ``(uh)`` are an error.

    The id of a segment is ``recording-channel-start-end``, or ``recording`` if it has only one.
    """
    segments: list[tuple[int, Utterance]] = []
    for number, line in read_lines(path, comment=";;"):
        columns = line.split(maxsplit=5)
        if len(columns) < 5:
            raise DataError(
                f"{path}, line {number}: needed RECORDING CHANNEL SPEAKER START END [<LABEL>] TEXT."
            )
        recording, channel, speaker = columns[:3]
        start, end = (_seconds(path, number, value) for value in columns[3:5])
        if end < start:
            raise DataError(
                f"{path}, line {number}: the segment ends at {end:.2f} s, before it starts at "
                f"{start:.2f} s."
            )
        text = _stm_text(path, number, columns[5]) if len(columns) == 6 else ""
        segments.append(
            (
                number,
                Utterance(
                    id="",
                    text=text,
                    speaker=speaker,
                    recording=recording,
                    channel=channel,
                    start=start,
                    end=end,
                ),
            )
        )
    return _with_segment_ids(path, name, segments)


def _with_segment_ids(path: Path, name: str, segments: list[tuple[int, Utterance]]) -> Transcripts:
    ignored = tuple(u for _, u in segments if "IGNORE_TIME_SEGMENT_IN_SCORING" in u.text.upper())
    scored = [(n, u) for n, u in segments if u not in ignored]
    counts: dict[str | None, int] = {}
    for _, segment in segments:
        counts[segment.recording] = counts.get(segment.recording, 0) + 1
    utterances = Collector(path)
    for number, u in scored:
        long_id = f"{u.recording}-{u.channel}-{u.start:.2f}-{u.end:.2f}"
        utterance_id = str(u.recording) if counts[u.recording] == 1 else long_id
        utterances.add(replace(u, id=utterance_id), number)
    return Transcripts(path, name, utterances.utterances, ignored=ignored)
