"""Break a score down by speaker, by length and by word."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import DataError
from asr.scoring.result import Score, UtteranceScore
from asr.text.tables import read_table

__all__ = [
    "Confusion",
    "GroupScore",
    "by_group",
    "by_length",
    "by_speaker",
    "confusions",
    "read_groups",
]

MANY_NUMBERS, RANGES = 12, 5  # of a column
_LENGTHS = ((0, 0), (1, 5), (6, 10), (11, 20), (21, 40), (41, None))


@dataclass(frozen=True)
class GroupScore:
    """Counts of a group of utterances; rates are fractions, None if the references are empty."""

    name: str
    sentences: int
    words: int
    substitutions: int
    deletions: int
    insertions: int
    sentence_errors: int
    characters: int
    character_errors: int

    @property
    def wer(self) -> float | None:
        errors = self.substitutions + self.deletions + self.insertions
        return errors / self.words if self.words else None

    @property
    def cer(self) -> float | None:
        return self.character_errors / self.characters if self.characters else None


@dataclass(frozen=True)
class Confusion:
    """How often ``reference`` was recognised as ``hypothesis``.

    An empty hypothesis is a deletion, an empty reference an insertion.
    """

    reference: str
    hypothesis: str
    count: int


def by_speaker(score: Score) -> list[GroupScore]:
    """Return one row per speaker, highest word error rate first; empty if no speaker is known."""
    if all(u.speaker is None for u in score.utterances):
        return []
    return by_group(score, {u.id: u.speaker or "" for u in score.utterances})


def by_group(score: Score, groups: Mapping[str, str]) -> list[GroupScore]:
    """Return one row per group of utterances, highest word error rate first.

    Args:
        score: of the utterances.
        groups: id -> name of the group; what has none is of the group ``(unknown)``.
    """
    members: dict[str, list[UtteranceScore]] = {}
    for utterance in score.utterances:
        members.setdefault(groups.get(utterance.id) or "(unknown)", []).append(utterance)
    rows = [_summed(name, utterances) for name, utterances in members.items()]
    return sorted(rows, key=lambda row: (-(row.wer if row.wer is not None else -1.0), row.name))


def read_groups(path: str | Path, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return, for each column of a table, the group of each utterance by id.

    Args:
        path: TSV with a line of names, CSV or JSON lines, with a column ``id``; or a manifest of
            Lhotse cuts, whose columns are those of the cut, of its supervision, and of what both
            hold as ``custom``.
        columns: their names. One of many different numbers, of which some are no whole ones, such
            as durations, is divided into ranges of as many utterances each.

    Raises:
        DataError: the table is damaged, or lacks a column.
    """
    table = read_table(Path(path), ["id", *columns], "a table of groups")
    rows = [_flat(row.values) for row in table.rows]
    known = set().union(*rows) if rows else set()
    if missing := [name for name in ("id", *columns) if name not in known]:
        raise DataError(
            f"{path} has no column {missing[0]!r}.", f"Choose of: {', '.join(sorted(known))}."
        )
    groups = {}
    for name in columns:
        given = {str(row["id"]): str(row[name]) for row in rows if row.get(name) not in (None, "")}
        groups[name] = _in_ranges(given)
    return groups


def _in_ranges(values: dict[str, str]) -> dict[str, str]:
    """Return numbers as the names of their ranges; other values, and few numbers, as they are."""
    if len(set(values.values())) <= MANY_NUMBERS:
        return values
    try:
        numbers = {key: float(value) for key, value in values.items()}
    except ValueError:
        return values
    if not all(map(math.isfinite, numbers.values())) or all(
        number.is_integer() for number in numbers.values()
    ):
        return values  # whole numbers may be names, of speakers for instance
    order = sorted(numbers.values())
    starts = sorted({order[len(order) * place // RANGES] for place in range(RANGES)})
    names = {}
    for key, number in numbers.items():
        place = bisect.bisect_right(starts, number) - 1
        end = starts[place + 1] if place + 1 < len(starts) else order[-1]
        names[key] = f"{starts[place]:g} to {end:g}"
    return names


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the columns of its supervision and custom fields; its own come first."""
    flat: dict[str, Any] = {}
    said = values.get("supervisions") or [{}]
    for part in (said[0].get("custom"), said[0], values.get("custom"), values):
        flat |= part or {}
    return {name: value for name, value in flat.items() if not isinstance(value, (dict, list))}


def by_length(score: Score) -> list[GroupScore]:
    """Return one row per range of reference lengths in words; empty ranges are left out."""
    rows = []
    for low, high in _LENGTHS:
        inside = [
            u
            for u in score.utterances
            if low <= len(u.reference) and (high is None or len(u.reference) <= high)
        ]
        name = f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
        if inside:
            rows.append(_summed(name, inside))
    return rows


def confusions(score: Score, top: int = 10) -> dict[str, list[Confusion]]:
    """Return the ``top`` most frequent substitutions, deletions and insertions; ties by word."""
    counts: dict[str, Counter[tuple[str, str]]] = {"S": Counter(), "D": Counter(), "I": Counter()}
    for utterance in score.utterances:
        for edit, reference, hypothesis in utterance.steps():
            if edit != "=":
                counts[edit][reference, hypothesis] += 1
    names = {"S": "substitutions", "D": "deletions", "I": "insertions"}
    return {names[edit]: _most(counter.items(), top) for edit, counter in counts.items()}


def _most(items: Iterable[tuple[tuple[str, str], int]], top: int) -> list[Confusion]:
    return [
        Confusion(*pair, count)
        for pair, count in sorted(items, key=lambda item: (-item[1], item[0]))[:top]
    ]


def _summed(name: str, utterances: Sequence[UtteranceScore]) -> GroupScore:
    edits = "".join(u.edits for u in utterances)
    return GroupScore(
        name,
        sentences=len(utterances),
        words=sum(len(u.reference) for u in utterances),
        substitutions=edits.count("S"),
        deletions=edits.count("D"),
        insertions=edits.count("I"),
        sentence_errors=sum(u.errors > 0 for u in utterances),
        characters=sum(u.characters for u in utterances),
        character_errors=sum(u.character_errors for u in utterances),
    )
