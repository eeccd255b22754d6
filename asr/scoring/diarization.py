"""Errors of diarization: DER and JER, with the best assignment of found speakers to true ones.

DER: Fiscus et al. 2006 (NIST Rich Transcription). JER: Ryant et al. 2019 (DIHARD II), section 3.
Legend: n pieces between two boundaries, R true speakers, H found ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from asr.errors import DataError, require
from asr.text.rttm import SpeakerTurn

__all__ = ["DiarizationScore", "score_diarization", "score_turns"]

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DiarizationScore:
    """Seconds that were found wrong; scores of several recordings add up.

    Attributes:
        total: seconds of speech of the reference, each speaker's counted.
        missed: seconds of speech that nobody was found for.
        false_alarm: seconds where somebody was found who does not speak.
        confusion: seconds of speech with another speaker.
        jaccard: of each true speaker, the share of wrong time, 0 to 1, by the same assignment
            (JER is its mean).
        speakers: true speakers.
        found: speakers that were found.
        assignment: true speaker -> found one.
    """

    total: float
    missed: float
    false_alarm: float
    confusion: float
    jaccard: tuple[float, ...] = ()
    speakers: int = 0
    found: int = 0
    assignment: dict[str, str] = field(default_factory=dict)

    @property
    def der(self) -> float:
        """Diarization error rate; NaN where the reference has no speech."""
        wrong = self.missed + self.false_alarm + self.confusion
        return wrong / self.total if self.total else float("nan")

    @property
    def jer(self) -> float:
        """Jaccard error rate; NaN where the reference has no speaker."""
        return sum(self.jaccard) / len(self.jaccard) if self.jaccard else float("nan")

    def __add__(self, other: DiarizationScore) -> DiarizationScore:
        """Both together; assignments are of one recording each, and are left out."""
        return DiarizationScore(
            total=self.total + other.total,
            missed=self.missed + other.missed,
            false_alarm=self.false_alarm + other.false_alarm,
            confusion=self.confusion + other.confusion,
            jaccard=self.jaccard + other.jaccard,
            speakers=self.speakers + other.speakers,
            found=self.found + other.found,
        )

    def figures(self) -> dict[str, float]:
        """Return rates as fractions and times in seconds, by name."""
        return {
            "der": self.der,
            "jer": self.jer,
            "missed": self.missed / self.total if self.total else float("nan"),
            "false_alarm": self.false_alarm / self.total if self.total else float("nan"),
            "confusion": self.confusion / self.total if self.total else float("nan"),
            "speech_s": self.total,
        }


def score_turns(
    reference: Sequence[SpeakerTurn],
    hypothesis: Sequence[SpeakerTurn],
    collar_s: float = 0.0,
    skip_overlap: bool = False,
) -> DiarizationScore:
    """Return the errors of a recording.

    Args:
        reference: true turns; those of different speakers may overlap.
        hypothesis: turns that were found.
        collar_s: on each side of every boundary of the reference, is not scored.
        skip_overlap: time where several true speakers speak is not scored.

    Raises:
        MissingDependencyError: scipy is not installed.
    """
    durations, true, found, names = _pieces(reference, hypothesis, collar_s)
    if skip_overlap:
        durations = durations * (true.sum(1) <= 1)
    together = (true * durations[:, None]).T @ found.astype(np.float64)
    pairs = _best_pairs(together)
    right = sum(together[pair] for pair in pairs)
    speaking, hearing = true.sum(1), found.sum(1)
    total = float(durations @ speaking)
    both = float(durations @ np.minimum(speaking, hearing))
    return DiarizationScore(
        total=total,
        missed=float(durations @ np.maximum(speaking - hearing, 0)),
        false_alarm=float(durations @ np.maximum(hearing - speaking, 0)),
        confusion=max(0.0, both - float(right)),
        jaccard=_jaccard(durations, true, found, together=together, pairs=pairs),
        speakers=true.shape[1],
        found=found.shape[1],
        assignment={names[0][one]: names[1][other] for one, other in pairs},
    )


def _pieces(
    reference: Sequence[SpeakerTurn], hypothesis: Sequence[SpeakerTurn], collar_s: float
) -> tuple[Floats, Bools, Bools, tuple[list[str], list[str]]]:
    """Return durations (n,), who speaks (n, R), who was found (n, H), and the names."""
    edges = {time for t in (*reference, *hypothesis) for time in (t.start, t.end)}
    borders = sorted({time for t in reference for time in (t.start, t.end)})
    around = {b + side for b in borders for side in (-collar_s, collar_s)} if collar_s else set()
    times = np.array(sorted(edges | around))
    durations, middles = np.diff(times), (times[1:] + times[:-1]) / 2
    if collar_s and len(middles):
        places = np.searchsorted(borders, middles)
        padded = np.array([-np.inf, *borders, np.inf])
        nearest = np.minimum(middles - padded[places], padded[places + 1] - middles)
        durations = durations * (nearest >= collar_s)
    names = tuple(sorted({t.speaker for t in turns}) for turns in (reference, hypothesis))
    active = []
    for turns, known in zip((reference, hypothesis), names, strict=True):
        table = np.zeros((len(middles), len(known)), np.bool_)
        for turn in turns:
            first, last = np.searchsorted(middles, (turn.start, turn.end))
            table[first:last, known.index(turn.speaker)] = True
        active.append(table)
    return durations, active[0], active[1], (names[0], names[1])


def _best_pairs(together: Floats) -> list[tuple[int, int]]:
    """Return the assignment with the most common time, without pairs that have none."""
    require("scipy", "train")
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(together, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [pair for pair in pairs if together[pair] > 0]


def _jaccard(
    durations: Floats,
    true: Bools,
    found: Bools,
    together: Floats,
    pairs: Sequence[tuple[int, int]],
) -> tuple[float, ...]:
    """Return the share of wrong time of each true speaker who speaks at all."""
    own, other = durations @ true, durations @ found
    wrong = np.ones(len(own))
    for one, found_one in pairs:
        both = together[one, found_one]
        wrong[one] = 1 - both / (own[one] + other[found_one] - both)
    return tuple(wrong[own > 0].tolist())


def score_diarization(
    references: Mapping[str, Sequence[SpeakerTurn]],
    hypotheses: Mapping[str, Sequence[SpeakerTurn]],
    collar_s: float = 0.0,
    skip_overlap: bool = False,
) -> dict[str, DiarizationScore]:
    """Return the errors of each recording.

    Args:
        references: recording -> true turns.
        hypotheses: recording -> turns that were found; a recording without turns may lack.
        collar_s: see :func:`score_turns`.
        skip_overlap: see :func:`score_turns`.

    Raises:
        DataError: the hypotheses have a recording that the references lack.
    """
    if unknown := sorted(hypotheses.keys() - references.keys()):
        raise DataError(
            f"The recording {unknown[0]!r} is in the hypotheses alone.",
            "Give files of the same recordings.",
        )
    return {
        name: score_turns(turns, hypotheses.get(name, ()), collar_s, skip_overlap)
        for name, turns in references.items()
    }
