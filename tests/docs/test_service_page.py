"""docs/reference/service.md names every option, route and status of the service."""

from __future__ import annotations

import re
from pathlib import Path

from asr.serve.errors import STATUSES
from asr.serve.openai import OWN
from asr.serve.options import RECORDING, STREAM, RequestOptions
from asr.serve.vosk import READERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/service.md").read_text("utf-8")
COLUMNS = ("option", "what", "recordings", "stream", "openai", "vosk")


def options() -> dict[str, dict[str, str]]:
    """Return the table of options: name -> column -> cell."""
    section = PAGE.split("## Options of a request")[1].split("\n## ")[0]
    rows = [re.split(r" *\| *", line)[1:-1] for line in section.splitlines() if line[:2] == "| "]
    return {row[0].strip("`"): dict(zip(COLUMNS, row, strict=True)) for row in rows[1:]}


def test_every_option_is_in_the_table() -> None:
    table = options()
    assert set(table) == set(RequestOptions.model_fields)
    for name, row in table.items():
        assert bool(row["recordings"]) == (name in RECORDING), name
        assert bool(row["stream"]) == (name in STREAM), name
        translated = row["openai"].startswith("`") or name == "model"
        assert bool(row["openai"]) == (name in OWN or translated), name
        if row["vosk"] == "✓":
            assert name in READERS
        elif row["vosk"]:
            assert row["vosk"].strip("`") in READERS


def test_every_status_is_in_the_table() -> None:
    section = PAGE.split("## Refusals")[1]
    named = {int(status) for status in re.findall(r"\b[45]\d\d\b", section)}
    assert {status for _, status, _ in STATUSES} <= named


def test_every_route_is_in_the_table() -> None:
    source = "".join(
        file.read_text("utf-8")
        for file in (ROOT / "asr/serve").glob("*.py")
        if file.name != "app.py"
    )
    paths = set(re.findall(r'"(/v1/[\w/]+)', source)) - {"/v1/audio/translations", "/v1/audio/"}
    assert {"/v1/render", "/v1/transcribe", "/v1/jobs"} <= paths
    assert all(path.rstrip("/") in PAGE for path in paths)
