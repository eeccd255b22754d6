"""Scores of written text, against counts by hand and jiwer."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jiwer
import pytest
from typer.testing import CliRunner

from asr.cli import app
from asr.scoring import Pair, Utterance
from asr.scoring.written import score_written, written_words


def scored(*texts: tuple[str, str]):
    return score_written(
        [Pair(Utterance(str(i), said), heard) for i, (said, heard) in enumerate(texts)], samples=0
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, world!", [("Hello", ","), ("world", "!")]),
        ('"Is it?" he said.', [("Is", ""), ("it", "?"), ("he", ""), ("said", ".")]),
        ("at 7:30 for $1,000.50 ...", [("at", ""), ("7:30", ""), ("for", ""), ("$1,000.50", ".")]),
        ("don't well-known (yes)", [("don't", ""), ("well-known", ""), ("yes", "")]),
        ("他说，好吗？", [("他", ""), ("说", ","), ("好", ""), ("吗", "?")]),
        ("What?! -- , no", [("What", "?"), ("no", "")]),
        (". ,", []),
        ("", []),
    ],
)
def test_words_and_marks(text: str, words: list[tuple[str, str]]) -> None:
    assert written_words(text) == words


def test_counts_by_hand() -> None:
    score = scored(("Yes, I came. Did you?", "yes I came, did you?"), ("He left.", "He has left."))
    assert {name: (m.reference, m.hypothesis, m.hits) for name, m in score.marks.items()} == {
        ",": (1, 1, 0),
        ".": (2, 1, 1),
        "?": (1, 1, 1),
        "capital": (4, 2, 2),
    }
    assert score.mark_errors == 2
    assert score.mark_error_rate == pytest.approx(2 / 4)
    assert score.marks["."].precision == 1
    assert score.marks["."].recall == 0.5
    assert score.marks["."].f1 == pytest.approx(2 / 3)
    assert math.isnan(scored(("no marks", "no marks")).mark_error_rate)


def test_error_rates_are_those_of_jiwer() -> None:
    said, heard = "Well, Anna came. Did she?", "well Anna, came did he?"
    rates = scored((said, heard)).rates
    assert rates["plain"].wer == jiwer.wer("well anna came did she", "well anna came did he")
    assert rates["cased"].wer == jiwer.wer("Well Anna came Did she", "well Anna came did he")
    assert rates["marked"].wer == jiwer.wer(
        "well , anna came . did she ?", "well anna , came did he ?"
    )
    assert rates["written"].wer == jiwer.wer(
        "Well , Anna came . Did she ?", "well Anna , came did he ?"
    )


def test_command_line(tmp_path: Path) -> None:
    (tmp_path / "said.tsv").write_text("id\ttext\na\tYes, sir.\n", encoding="utf-8")
    (tmp_path / "heard.tsv").write_text("id\ttext\na\tyes, sir\n", encoding="utf-8")
    files = ["-r", str(tmp_path / "said.tsv"), "-y", str(tmp_path / "heard.tsv")]
    shown = CliRunner().invoke(app, ["score", *files, "--written"])
    assert shown.exit_code == 0
    assert "with capitals: 50.00 %" in shown.stdout
    assert "error rate of marks: 50.00 %" in shown.stdout
    out = json.loads(CliRunner().invoke(app, ["score", *files, "--written", "--json"]).stdout)
    assert out["marks"]["."]["recall"] == 0
    assert out["rates"]["plain"]["wer"] == 0
    refused = CliRunner().invoke(app, ["score", *files, "--written", "--normalizer", "basic"])
    assert refused.exit_code == 2
