"""Significance of the difference of two systems: paired bootstrap and matched pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from asr.errors import ScoringError
from asr.scoring.align import align_words
from asr.scoring.intervals import groups_of, resample
from asr.scoring.pairing import Pair
from asr.scoring.result import Score, score_pairs

__all__ = [
    "Comparison",
    "MatchedPairs",
    "PairedBootstrap",
    "compare_pairs",
    "matched_pairs",
    "segment_errors",
]

# This many adjacent words that both systems have right end a segment (default of sc_stats).
_GOOD_WORDS = 2


@dataclass(frozen=True)
class PairedBootstrap:
    """Bootstrap of WER of B - WER of A; both systems are resampled alike.

    Attributes:
        difference: WER of B - WER of A, a fraction; below 0 if B is better.
        low: lower end of its 95 % interval.
        high: upper end of its 95 % interval.
        p_value: two-sided.
        share_b_better: fraction of the resamples in which B has the lower rate, ties counted half
            (Bisani & Ney 2004).
        unit: what was resampled: ``speaker`` or ``utterance``.
        units: number of units.
    """

    difference: float
    low: float
    high: float
    p_value: float
    share_b_better: float
    unit: str
    units: int


@dataclass(frozen=True)
class MatchedPairs:
    """Matched-pairs sentence-segment word error test, MAPSSWE, as in NIST's sc_stats.

    Gillick & Cox 1989, section 3.

    Attributes:
        segments: number of segments with an error of either system.
        errors_a: errors of A in these segments.
        errors_b: errors of B in these segments.
        mean: mean of errors of A - errors of B over the segments.
        std: standard deviation of this difference (n - 1).
        z: mean / (std / sqrt(segments)), standard normal if the systems are equally good; null in
            JSON if infinite.
        p_value: two-sided; from the sign test if all segments differ by the same number; 1 if no
            segment differs. sc_stats reads it from a table, at |z| truncated to two decimals.
    """

    segments: int
    errors_a: int
    errors_b: int
    mean: float
    std: float
    z: float
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same references.

    Attributes:
        a: score of the first system.
        b: score of the second system, with utterances in the same order.
        bootstrap: None if the systems make the same number of errors in every unit, or if there is
            only one unit.
        mapsswe: matched pairs; swapping the systems only changes signs.
    """

    a: Score
    b: Score
    bootstrap: PairedBootstrap | None
    mapsswe: MatchedPairs

    def to_json(self) -> dict[str, Any]:
        """Return everything but the utterances, ready for `json.dumps`."""
        mapsswe = asdict(self.mapsswe)
        if math.isinf(self.mapsswe.z):
            mapsswe["z"] = None  # JSON has no infinity
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "difference": self.b.wer - self.a.wer,
            "normalizer": self.a.normalizer,
            "bootstrap": None if self.bootstrap is None else asdict(self.bootstrap),
            "mapsswe": mapsswe,
        }


def compare_pairs(
    a: Sequence[Pair],
    b: Sequence[Pair],
    *,
    normalizer: str = "none",
    aligner: str = "jiwer",
    samples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two systems on the same references.

    Args:
        a: pairs of the first system.
        b: pairs of the second system, with the same references in the same order.
        normalizer: applied to references and hypotheses.
        aligner: for the counts; matched pairs always use sclite's alignment, as sc_stats does.
        samples: number of bootstrap samples.
        seed: of the bootstrap.

    Raises:
        ScoringError: the references differ.
    """
    if [(p.reference.id, p.reference.text) for p in a] != [
        (p.reference.id, p.reference.text) for p in b
    ]:
        raise ScoringError(
            "The two systems were not scored on the same references.",
            "Give both the same references.",
        )
    options: dict[str, Any] = {
        "normalizer": normalizer,
        "aligner": aligner,
        "samples": samples,
        "seed": seed,
    }
    left, right = score_pairs(a, **options), score_pairs(b, **options)
    references = [u.reference for u in left.utterances]
    edits_a = align_words(references, [u.hypothesis for u in left.utterances], "sclite")
    edits_b = align_words(references, [u.hypothesis for u in right.utterances], "sclite")
    return Comparison(
        left,
        right,
        _paired_bootstrap(left, right, samples, seed),
        matched_pairs(edits_a, edits_b),
    )


def _paired_bootstrap(a: Score, b: Score, samples: int, seed: int) -> PairedBootstrap | None:
    groups, unit = groups_of([u.speaker for u in a.utterances])
    sums = np.zeros((int(groups.max()) + 1, 2))
    differences = [
        (right.errors - left.errors, len(left.reference))
        for left, right in zip(a.utterances, b.utterances, strict=True)
    ]
    np.add.at(sums, groups, np.array(differences, dtype=float))
    bootstrap = resample(sums[:, 0], sums[:, 1], samples, seed, symmetric=True)
    if bootstrap is None:
        return None
    return PairedBootstrap(
        difference=b.wer - a.wer,
        low=bootstrap.low,
        high=bootstrap.high,
        p_value=bootstrap.p_value,
        share_b_better=bootstrap.share_below,
        unit=unit,
        units=len(sums),
    )


# --------------------------------------------------------------------------------------------------
# MAPSSWE


def matched_pairs(edits_a: Sequence[str], edits_b: Sequence[str]) -> MatchedPairs:
    """Return the matched-pairs test on two systems' alignments with the same references.

    Args:
        edits_a: alignment of each sentence by the first system, see `asr.scoring.align`.
        edits_b: alignment of each sentence by the second system.

    Source:
        Gillick & Cox (1989), Some statistical issues in the comparison of speech recognition
        algorithms, ICASSP, section 3.
    """
    counts = [c for a, b in zip(edits_a, edits_b, strict=True) for c in segment_errors(a, b)]
    errors = np.array(counts, dtype=np.int64).reshape(-1, 2)
    differences = errors[:, 0] - errors[:, 1]
    n = len(differences)
    mean = float(differences.mean()) if n else 0.0
    std = float(differences.std(ddof=1)) if n > 1 else 0.0
    if std > 0 or mean == 0 or n < 2:
        z = mean / (std / math.sqrt(n)) if std > 0 else 0.0
        p_value = math.erfc(abs(z) / math.sqrt(2))
    else:  # all segments differ by the same number, so there is no variance: the sign test
        z, p_value = math.copysign(math.inf, mean), 0.5 ** (n - 1)
    return MatchedPairs(
        segments=n,
        errors_a=int(errors[:, 0].sum()),
        errors_b=int(errors[:, 1].sum()),
        mean=mean,
        std=std,
        z=z,
        p_value=p_value,
    )


def segment_errors(a: str, b: str) -> list[tuple[int, int]]:
    """Return (errors of A, errors of B) for each segment of one sentence that has errors.

    A segment ends where both systems have two adjacent reference words right, without an insertion
    in between, or at the end of the sentence. Errors on the two sides of such a place are
    considered independent.
    """
    wrong_a, wrong_b = _errors_by_slot(a), _errors_by_slot(b)
    segments, current, good = [], (0, 0), 0
    for (before_a, at_a), (before_b, at_b) in zip(wrong_a, wrong_b, strict=True):
        if before_a or before_b:
            good = 0
        good = 0 if at_a or at_b else good + 1
        current = (current[0] + before_a + at_a, current[1] + before_b + at_b)
        if good >= _GOOD_WORDS and any(current):
            segments.append(current)
            current = (0, 0)
    return [*segments, current] if any(current) else segments


def _errors_by_slot(edits: str) -> list[tuple[int, int]]:
    """Return, for each reference word, (insertions before it, 1 if it is wrong).

    The last slot is for insertions at the end.
    """
    slots, insertions = [], 0
    for edit in edits:
        if edit == "I":
            insertions += 1
        else:
            slots.append((insertions, int(edit != "=")))
            insertions = 0
    return [*slots, (insertions, 0)]
