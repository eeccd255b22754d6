"""The configuration, and the utterances left out of training."""

from __future__ import annotations

from asr.report.markup import fold, preformatted
from asr.report.run import Absent, Run

TITLE = "Configuration"
_MAX_ROWS = 200


def content(run: Run) -> str:
    files = [
        run.path / "config.yaml",
        run.path / "decoding.yaml",
        run.model / "training.yaml",
        run.model / "config.yaml",
    ]
    parts = [
        fold(
            str(file.relative_to(run.path)),
            preformatted(file.read_text(encoding="utf-8")),
            is_open=place == 0,
        )
        for place, file in enumerate(file for file in files if file.is_file())
    ]
    left_out = run.path / "left_out.tsv"
    if left_out.is_file():
        rows = left_out.read_text(encoding="utf-8").splitlines()
        more = (
            ""
            if len(rows) <= _MAX_ROWS
            else f"\n... {len(rows) - _MAX_ROWS} more rows in left_out.tsv"
        )
        parts.append(
            fold(
                f"{len(rows) - 1} utterances left out",
                preformatted("\n".join(rows[:_MAX_ROWS]) + more),
            )
        )
    if not parts:
        raise Absent("there is no config.yaml")
    return "".join(parts)
