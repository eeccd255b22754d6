"""Pair references with hypotheses: by id, by line, or by time."""

from __future__ import annotations

import bisect
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from asr.errors import ScoringError
from asr.scoring.utterances import TimedWord, Transcripts, Utterance

__all__ = ["Pair", "pair", "with_speakers"]

_LIBRISPEECH_ID = re.compile(r"([A-Za-z0-9]+)-([A-Za-z0-9]+)-\d+")


@dataclass(frozen=True)
class Pair:
    """One utterance: its reference, with speaker, times and audio if known, and its hypothesis."""

    reference: Utterance
    hypothesis: str


def pair(references: Transcripts, hypotheses: Transcripts) -> list[Pair]:
    """Return the pairs in the order of the references.

    Utterances are paired by id, in any order; files of lines without ids are paired line by line;
    the words of a CTM are assigned to the segments of an STM by the middle of their time.

    Raises:
        ScoringError: the numbers of lines differ, only one file has ids, ids are missing on either
            side, or there are no references.
    """
    if not references.utterances:
        raise ScoringError(
            f"{references.path} holds no references.", "Give a file with at least one utterance."
        )
    if references.format == "stm" and hypotheses.format == "ctm":
        return _pair_by_time(references, hypotheses)
    if (references.format == "txt") != (hypotheses.format == "txt"):
        bare, named = (
            (references, hypotheses) if references.format == "txt" else (hypotheses, references)
        )
        raise ScoringError(
            f"{bare.path} has lines without ids ({len(bare)}), {named.path} has ids "
            f"({len(named)}).",
            "Give both as lines in the same order, or both with ids.",
        )
    if references.format == "txt":
        _refuse_unequal_lines(references, hypotheses)
    else:
        _refuse_unequal_ids(references, hypotheses)
    return [Pair(u, hypotheses.utterances[u.id].text) for u in references.utterances.values()]


def _refuse_unequal_lines(references: Transcripts, hypotheses: Transcripts) -> None:
    if len(references) != len(hypotheses):
        raise ScoringError(
            f"{references.path} has {len(references)} lines, {hypotheses.path} has "
            f"{len(hypotheses)}.",
            "Lines are paired by number: both files need the same number of lines, with an empty "
            "line for an empty utterance.",
        )


def _refuse_unequal_ids(references: Transcripts, hypotheses: Transcripts) -> None:
    missing = [key for key in references.utterances if key not in hypotheses.utterances]
    extra = [key for key in hypotheses.utterances if key not in references.utterances]
    if not missing and not extra:
        return
    parts = []
    if missing:
        parts.append(f"{len(missing)} in the references only ({_some(missing)})")
    if extra:
        parts.append(f"{len(extra)} in the hypotheses only ({_some(extra)})")
    raise ScoringError(
        f"{references.path} has {len(references)} utterances, {hypotheses.path} has "
        f"{len(hypotheses)}; "
        f"{' and '.join(parts)}.",
        "Both need the same ids; give an empty text if nothing was recognised in an utterance.",
    )


def _some(ids: list[str], shown: int = 5) -> str:
    return ", ".join(ids[:shown]) + (f", ... {len(ids) - shown} more" if len(ids) > shown else "")


def _pair_by_time(references: Transcripts, hypotheses: Transcripts) -> list[Pair]:
    """Assign every word of the CTM to the segment that contains its middle.

    A word between segments belongs to the next one, as in sclite. Words inside ignored segments are
    dropped.
    """
    channels: dict[tuple[str, str], list[Utterance]] = {}
    for segment in [*references.utterances.values(), *references.ignored]:
        channels.setdefault((str(segment.recording), str(segment.channel)), []).append(segment)
    unknown = [
        f"{recording} {channel}"
        for recording, channel in hypotheses.words
        if (recording, channel) not in channels
    ]
    if unknown:
        raise ScoringError(
            f"{len(unknown)} of the {len(hypotheses.words)} channels in {hypotheses.path} are not "
            f"in {references.path} "
            f"({_some(unknown)}).",
            "The first two columns, recording and channel, have to agree.",
        )
    texts: dict[int, list[str]] = {}
    for key, segments in channels.items():
        _distribute(sorted(segments, key=_end), hypotheses.words.get(key, []), texts)
    return [Pair(u, " ".join(texts.get(id(u), []))) for u in references.utterances.values()]


def _end(segment: Utterance) -> float:
    return segment.end or 0.0


def _distribute(
    segments: list[Utterance], words: list[TimedWord], texts: dict[int, list[str]]
) -> None:
    ends = [_end(segment) for segment in segments]
    for word in words:
        place = min(bisect.bisect_left(ends, word.middle), len(ends) - 1)
        texts.setdefault(id(segments[place]), []).append(word.word)


def with_speakers(pairs: list[Pair], speakers: Mapping[str, str] | None = None) -> list[Pair]:
    """Return the pairs with the speaker of each utterance, as far as it is known.

    Taken from the first of: the given map; the manifest or STM; ids of the form
    SPEAKER-CHAPTER-UTTERANCE, if all ids have it.

    Raises:
        ScoringError: ids are missing in the map.
    """
    if speakers is not None:
        missing = [p.reference.id for p in pairs if p.reference.id not in speakers]
        if missing:
            raise ScoringError(
                f"The speaker map lacks {len(missing)} of the {len(pairs)} utterances "
                f"({_some(missing)}).",
                "Add a line with id and speaker for each.",
            )
        return [_spoken_by(p, speakers[p.reference.id]) for p in pairs]
    if any(p.reference.speaker is not None for p in pairs):
        return pairs
    matches = [_LIBRISPEECH_ID.fullmatch(p.reference.id) for p in pairs]
    if not all(matches):
        return pairs
    return [_spoken_by(p, m[1]) for p, m in zip(pairs, matches, strict=True) if m]


def _spoken_by(item: Pair, speaker: str) -> Pair:
    return replace(item, reference=replace(item.reference, speaker=speaker))
