"""The utterances with the most errors, with players."""

from __future__ import annotations

from asr.report.audio import player
from asr.report.markup import alignment, escape, paragraph
from asr.report.run import Absent, Run
from asr.scoring import UtteranceScore

TITLE = "Worst utterances"
TASKS = ("ctc",)


def content(run: Run) -> str:
    if not run.options.worst:
        raise Absent("none were asked for")
    parts = []
    for split in run.scored_splits():
        wrong = [u for u in run.score(split).utterances if u.errors]
        chosen = sorted(wrong, key=lambda u: (-u.errors, u.id))[: run.options.worst]
        parts.append(
            f"<h3>{escape(split)}</h3>"
            + ("" if chosen else paragraph("No utterance has an error."))
        )
        if chosen and run.options.audio != "none" and not any(u.source.audio for u in chosen):
            note = (
                "No players: no manifest (cuts.jsonl.gz) of this split is known; name its "
                "folder with --data."
            )
            parts.append(paragraph(note))
        parts += [_article(run, u) for u in chosen]
    return "".join(parts)


def _article(run: Run, utterance: UtteranceScore) -> str:
    speaker = f", speaker {utterance.speaker}" if utterance.speaker else ""
    plural = "" if utterance.errors == 1 else "s"
    count = f"{utterance.errors} error{plural} in {len(utterance.reference)} words"
    sound = player(utterance.source, run.options.audio, run.page)
    return (
        f"<article><header>{escape(utterance.id + speaker)}: "
        f"{count}</header>{sound}{alignment(utterance)}</article>"
    )
