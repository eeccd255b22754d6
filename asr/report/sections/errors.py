"""Errors by speaker, by length and by word."""

from __future__ import annotations

from collections.abc import Sequence

from asr.report.markup import escape, fold, percent, table
from asr.report.run import Run
from asr.scoring import GroupScore, Score, by_length, by_speaker, confusions

TITLE = "Errors"
TASKS = ("ctc",)


def content(run: Run) -> str:
    return "".join(
        f"<h3>{escape(split)}</h3>{_tables(run.score(split))}" for split in run.scored_splits()
    )


def _tables(score: Score) -> str:
    parts = []
    for kind, entries in confusions(score, 15).items():
        rows = [(c.reference or "-", c.hypothesis or "-", c.count) for c in entries]
        if rows:
            columns = ["said", "heard", "count"]
            parts.append(
                fold(f"Most frequent {kind}", table(columns, rows), is_open=kind == "substitutions")
            )
    if speakers := by_speaker(score):
        parts.append(fold("By speaker", _groups("speaker", speakers)))
    parts.append(fold("By length of the reference", _groups("words", by_length(score))))
    return "".join(parts)


def _groups(name: str, groups: Sequence[GroupScore]) -> str:
    columns = [name, "sentences", "words", "WER %", "CER %", "sub", "del", "ins"]
    rows = [
        (
            g.name,
            g.sentences,
            g.words,
            percent(g.wer),
            percent(g.cer),
            g.substitutions,
            g.deletions,
            g.insertions,
        )
        for g in groups
    ]
    return table(columns, rows)
