"""Print scores and comparisons to standard output, as tables or JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from asr.scoring.cpwer import CpWer
from asr.scoring.diarization import DiarizationScore
from asr.scoring.pairing import Pair
from asr.scoring.result import Score, UtteranceScore
from asr.scoring.significance import Comparison
from asr.scoring.tables import GroupScore, by_group, by_length, by_speaker
from asr.scoring.terminal import (
    print_alignments,
    print_comparison,
    print_confusions,
    print_groups,
    print_score,
)
from asr.scoring.written import WrittenScore

__all__ = [
    "case_note",
    "print_comparison_json",
    "print_comparison_report",
    "print_cpwer",
    "print_diarization",
    "print_json",
    "print_report",
    "print_written",
]

_RATES = {
    "plain": "word error rate, no capitals or marks",
    "cased": "with capitals",
    "marked": "with marks as words",
    "written": "with capitals and marks",
}
Groups = Mapping[str, Mapping[str, str]]  # column -> id of an utterance -> its group


def print_report(
    score: Score,
    *,
    per_speaker: bool = False,
    per_length: bool = False,
    groups: Groups | None = None,
    alignment: bool = False,
    limit: int = 20,
    top: int = 10,
) -> None:
    """Print a score to standard output as tables."""
    console = Console(file=sys.stdout)
    print_score(score, console)
    if top:
        print_confusions(score, console, top)
    print_groups(score, console, speakers=per_speaker, lengths=per_length, groups=groups)
    if alignment:
        print_alignments(score, console, limit)


def print_json(
    score: Score,
    *,
    per_speaker: bool = False,
    per_length: bool = False,
    groups: Groups | None = None,
    alignment: bool = False,
    limit: int = 20,
) -> None:
    """Print a score to standard output as one JSON object; rates are fractions."""
    out = score.to_json()
    if per_speaker:
        out["speakers"] = [_group(row) for row in by_speaker(score)]
    if per_length:
        out["lengths"] = [_group(row) for row in by_length(score)]
    if groups:
        out["groups"] = {
            name: [_group(row) for row in by_group(score, group_of)]
            for name, group_of in groups.items()
        }
    if alignment:
        wrong = sorted((u for u in score.utterances if u.errors), key=lambda u: -u.errors)
        out["utterances"] = [_utterance(u) for u in wrong[:limit]]
    print(json.dumps(out, ensure_ascii=False, indent=2))


def print_comparison_report(result: Comparison, names: tuple[str, str]) -> None:
    """Print a comparison to standard output as a table and in words."""
    print_comparison(result, names, Console(file=sys.stdout))


def print_comparison_json(result: Comparison, names: tuple[str, str]) -> None:
    """Print a comparison to standard output as one JSON object."""
    print(json.dumps({"names": list(names), **result.to_json()}, ensure_ascii=False, indent=2))


def print_cpwer(recordings: Mapping[str, CpWer], as_json: bool) -> None:
    """Print cpWER of each recording and of all to standard output, as lines or as JSON."""
    errors = sum(result.errors for result in recordings.values())
    words = sum(result.words for result in recordings.values())
    if as_json:
        rows = {name: asdict(result) for name, result in recordings.items()}
        out = {"cpwer": errors / words if words else None, "errors": errors, "words": words}
        print(json.dumps({**out, "recordings": rows}, ensure_ascii=False, indent=2))
        return
    for name, result in recordings.items():
        pairs = ", ".join(f"{who}: {channel or '-'}" for who, channel in result.assignment.items())
        print(f"{name}\t{100 * result.wer:.2f} %\t{result.errors} of {result.words}\t{pairs}")
    if words:
        print(f"cpWER {100 * errors / words:.2f} %, {errors} errors in {words} words")


def print_written(score: WrittenScore, as_json: bool) -> None:
    """Print the scores of written text to standard output, as lines or as JSON."""
    if as_json:
        print(json.dumps(score.to_json(), ensure_ascii=False, indent=2))
        return
    for name, rate in score.rates.items():
        interval = rate.wer_interval
        between = f" ({100 * interval.low:.2f} - {100 * interval.high:.2f})" if interval else ""
        print(f"{_RATES[name]}: {100 * rate.wer:.2f} %{between}, {rate.errors} of {rate.words}")
    if score.mark_error_rate == score.mark_error_rate:
        print(f"error rate of marks: {100 * score.mark_error_rate:.2f} %")
    for name, mark in score.marks.items():
        figures = f"precision {100 * mark.precision:.1f} %, recall {100 * mark.recall:.1f} %"
        print(f"{name}\t{mark.reference}\tF1 {100 * mark.f1:.1f} %\t{figures}")


def print_diarization(recordings: Mapping[str, DiarizationScore], as_json: bool) -> None:
    """Print the errors of diarization of each recording and of all, as lines or as JSON."""
    together = sum(recordings.values(), DiarizationScore(0.0, 0.0, 0.0, 0.0))
    if as_json:
        rows = {
            name: {
                **_finite(result.figures()),
                "speakers": result.speakers,
                "found": result.found,
                "assignment": result.assignment,
            }
            for name, result in recordings.items()
        }
        out = {**_finite(together.figures()), "recordings": rows}
        print(json.dumps(out, ensure_ascii=False, indent=2))
        return
    for name, result in recordings.items():
        counts = f"{result.found} speakers found of {result.speakers}"
        print(f"{name}\tDER {100 * result.der:.2f} %\tJER {100 * result.jer:.2f} %\t{counts}")
    figures = {name: 100 * value for name, value in together.figures().items()}
    print(
        f"DER {figures['der']:.2f} % (missed {figures['missed']:.2f}, false alarm "
        f"{figures['false_alarm']:.2f}, confusion {figures['confusion']:.2f}), JER "
        f"{figures['jer']:.2f} %, of {together.total:.1f} s of speech"
    )


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}


def case_note(pairs: Sequence[Pair], score: Score) -> str | None:
    """Return a note if only one side is in capitals, which alone makes every word wrong."""
    references = "".join(p.reference.text for p in pairs)
    hypotheses = "".join(p.hypothesis for p in pairs)
    opposed = (references.isupper() and hypotheses.islower()) or (
        references.islower() and hypotheses.isupper()
    )
    if score.normalizer != "none" or not opposed:
        return None
    return (
        "note: one side is in capitals, the other in lower case; use --normalizer basic or "
        "librispeech"
    )


def _group(row: GroupScore) -> dict[str, Any]:
    return {**asdict(row), "wer": row.wer, "cer": row.cer}


def _utterance(u: UtteranceScore) -> dict[str, Any]:
    alignment = [
        {"edit": edit, "reference": left, "hypothesis": right} for edit, left, right in u.steps()
    ]
    return {
        "id": u.id,
        "speaker": u.speaker,
        "errors": u.errors,
        "words": len(u.reference),
        "alignment": alignment,
    }
