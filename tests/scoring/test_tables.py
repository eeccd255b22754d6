"""Scores by column of a table or a manifest."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr.cli import app
from asr.errors import DataError
from asr.scoring import score_texts
from asr.scoring.tables import by_group, read_groups

REFERENCES = {"a": "one two", "b": "three four", "c": "five six"}
HYPOTHESES = {"a": "one two", "b": "three for", "c": "five six"}


def test_groups_are_summed() -> None:
    score = score_texts(REFERENCES, HYPOTHESES, samples=0)
    rows = by_group(score, {"a": "x", "b": "y"})
    assert [(row.name, row.words, row.wer) for row in rows] == [
        ("y", 2, 0.5),
        ("(unknown)", 2, 0.0),
        ("x", 2, 0.0),
    ]


def test_columns_of_a_manifest(tmp_path: Path) -> None:
    path = tmp_path / "cuts.jsonl.gz"
    said = {"id": "s", "speaker": "anna", "custom": {"accent": "irish"}}
    cut = {"id": "a", "duration": 2.0, "supervisions": [said], "custom": {"device": "phone"}}
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(cut) + "\n")
    assert read_groups(path, ["accent", "device", "speaker", "duration"]) == {
        "accent": {"a": "irish"},
        "device": {"a": "phone"},
        "speaker": {"a": "anna"},
        "duration": {"a": "2.0"},
    }
    with pytest.raises(DataError, match="no column 'age'"):
        read_groups(path, ["age"])


def test_many_numbers_are_ranges(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    rows = [f"u{n},{n / 2},{n},{n % 3}.5\n" for n in range(20)]
    path.write_text("id,seconds,speaker,few\n" + "".join(rows))
    groups = read_groups(path, ["seconds", "speaker", "few"])
    assert list(groups["seconds"].values()) == [
        name for name in ("0 to 2", "2 to 4", "4 to 6", "6 to 8", "8 to 9.5") for _ in range(4)
    ]
    assert groups["speaker"] == {f"u{n}": f"{n}" for n in range(20)}  # whole numbers are names
    assert set(groups["few"].values()) == {"0.5", "1.5", "2.5"}


def test_the_command(tmp_path: Path) -> None:
    for name, texts in (("r", REFERENCES), ("h", HYPOTHESES)):
        rows = [f"{key}\t{text}\n" for key, text in texts.items()]
        (tmp_path / f"{name}.tsv").write_text("".join(rows))
    (tmp_path / "g.csv").write_text("id,accent,device\na,irish,phone\nb,welsh,\n")
    line = ["score", "-r", tmp_path / "r.tsv", "-y", tmp_path / "h.tsv", "--samples", 0]
    line += ["--by", "accent,device", "--groups", tmp_path / "g.csv"]
    done = CliRunner().invoke(app, list(map(str, [*line, "--json"])))
    assert done.exit_code == 0, done.output
    groups = json.loads(done.stdout)["groups"]
    assert [row["name"] for row in groups["accent"]] == ["welsh", "(unknown)", "irish"]
    assert [row["wer"] for row in groups["device"]] == [0.25, 0.0]
    shown = CliRunner().invoke(app, list(map(str, line)))
    assert "By accent" in shown.stdout
    refused = CliRunner().invoke(app, ["score", "-r", "x", "-y", "y", "--groups", "z"])
    assert refused.exit_code == 2
