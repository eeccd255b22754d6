"""Recordings and their texts in, alignments out: tables, names, failures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import soundfile
from tiny_models import RATE, noise, random_model
from typer.testing import CliRunner

from asr.cli import app
from asr.errors import ConfigError, DataError
from asr.speech.jobs.align import read_items


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("models") / "tiny")


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["align", *map(str, arguments)])


def test_command_line(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("a.wav", "x/b.flac"):
        soundfile.write(tmp_path / name, noise(1.5), RATE)
    one = run(tmp_path / "a.wav", "a cab", "--model", model)
    assert one.exit_code == 0, one.output
    assert one.stdout.splitlines()[0].split()[:2] == ["a", "1"]
    (tmp_path / "a.txt").write_text("a cab\n")
    assert run(tmp_path / "a.wav", tmp_path / "a.txt", "--model", model).stdout == one.stdout
    with (tmp_path / "all.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(
            [("path", "text"), ("a.wav", "a cab"), ("x/b.flac", "dad")]
        )
    out = tmp_path / "out"
    done = run(tmp_path / "all.tsv", "--model", model, "-o", out, "-f", "textgrid,ctm,json")
    assert done.exit_code == 0, done.output
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*"))
    assert names == ["a.TextGrid", "a.ctm", "a.json", "x/b.TextGrid", "x/b.ctm", "x/b.json"]
    assert json.loads((out / "x/b.json").read_text())["text"] == "dad"


def test_failures_are_named(model: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0.2), RATE)
    (tmp_path / "all.tsv").write_text("a.wav\tab\nnone.wav\ta\na.wav\tabcdeabcdeabcde\n")
    with pytest.raises(ConfigError, match="both write"):
        CliRunner().invoke(
            app,
            ["align", str(tmp_path / "all.tsv"), "--model", str(model)],
            catch_exceptions=False,
        )
    (tmp_path / "all.tsv").write_text("a.wav\tabcdeabcdeabcde\nnone.wav\ta\n")
    failed = run(tmp_path / "all.tsv", "--model", model)
    assert failed.exit_code == 1
    assert "a.wav: The text needs at least" in failed.stderr
    assert "none.wav: There is no file" in failed.stderr
    assert "0 of 2 aligned" in failed.stderr
    assert run(tmp_path / "all.tsv", "--model", model, "--max-skipped", 2).exit_code == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("a.wav\n", "line 1"),
        ("", "no rows"),
        ("path\ttext\n", "no rows"),
        ("a.wav\ta\nb\t\n", "line 2"),
        ("a.wav\ta\nb.wav\tx\ty\n", "line 2: 3 columns"),
        ("path\ttext\na.wav\ta\tb\n", "line 2: 3 cells"),
    ],
)
def test_bad_tables(model: Path, tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "all.tsv").write_text(table)
    with pytest.raises(DataError, match=said):
        CliRunner().invoke(
            app,
            ["align", str(tmp_path / "all.tsv"), "--model", str(model)],
            catch_exceptions=False,
        )


def test_a_text_file_that_is_not_there_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*helo\.txt"):
        list(read_items("a.wav", str(tmp_path / "helo.txt")))


def test_what_is_missing(model: Path, tmp_path: Path) -> None:
    for arguments, said in (
        ((tmp_path / "a.wav",), "text"),
        ((tmp_path / "none.tsv",), "no file"),
        ((tmp_path / "a.wav", "a", "-f", "praat"), "praat"),
    ):
        with pytest.raises((ConfigError, DataError), match=said):
            CliRunner().invoke(
                app,
                ["align", *map(str, arguments), "--model", str(model)],
                catch_exceptions=False,
            )


def test_cuts_of_a_manifest(model: Path, tmp_path: Path) -> None:
    from lhotse import CutSet, Recording, SupervisionSegment

    soundfile.write(tmp_path / "a.wav", noise(3.0), RATE)
    recording = Recording.from_file(tmp_path / "a.wav")
    said = [SupervisionSegment("s", "a", 0.0, 1.5, text="a cab")]
    cut = recording.to_cut().truncate(offset=1.0, duration=1.5)
    cut.supervisions = said
    CutSet.from_cuts([cut.with_id("one")]).to_file(tmp_path / "cuts.jsonl.gz")
    soundfile.write(tmp_path / "b.wav", noise(3.0)[RATE : 5 * RATE // 2], RATE)
    of_file = run(tmp_path / "b.wav", "a cab", "--model", model, "-f", "json")
    of_cut = run(tmp_path / "cuts.jsonl.gz", "--model", model, "-f", "json")
    assert of_cut.exit_code == 0, of_cut.stderr
    assert json.loads(of_cut.stdout) == json.loads(of_file.stdout)
    (tmp_path / "a.wav").unlink()
    gone = run(tmp_path / "cuts.jsonl.gz", "--model", model)
    assert gone.exit_code == 1
    assert "failed: one.cut: There is no file" in gone.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.tsv", "a.wav\tone, two\nx/b.wav\tthree\n"),
        ("t.tsv", "Path\tSentence\tAge\na.wav\tone, two\t3\nx/b.wav\tthree\t4\n"),
        ("t.csv", 'audio_filepath,text\na.wav,"one, two"\nx/b.wav,three\n'),
        (
            "t.jsonl",
            '{"audio_filepath": "a.wav", "text": "one, two"}\n'
            '{"audio_filepath": "x/b.wav", "text": "three"}\n',
        ),
    ],
)
def test_tables_of_any_form(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    items = [(item.label, item.text, str(item.name)) for item in read_items(str(path), None)]
    assert items == [
        (f"{tmp_path}/a.wav", "one, two", "a.wav"),
        (f"{tmp_path}/x/b.wav", "three", "x/b.wav"),
    ]


def test_unknown_words_are_said_by_their_letters_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from asr.speech.jobs.align import align_files
    from asr.speech.options import ModelOptions
    from data_prep.pronounce import say_by_letters

    soundfile.write(tmp_path / "a.wav", noise(3.0), RATE)
    (tmp_path / "t.tsv").write_text("a.wav\ta zorblax and quimfy\n")
    how: dict[str, Any] = {"formats": ["textgrid"], "output_dir": tmp_path / "out"}
    options = ModelOptions("en")
    assert align_files(str(tmp_path / "t.tsv"), None, options, **how) == 1
    assert "The word 'zorblax' (and 'quimfy')" in capsys.readouterr().err
    how["pronounce"] = say_by_letters
    assert align_files(str(tmp_path / "t.tsv"), None, options, **how) == 0
    said = capsys.readouterr().err
    assert "note: 2 words are not in the dictionary and are said by letters: zorblax (Z" in said
    assert "something else seems to be said than the text" in said
    assert 'name = "phones"' in (tmp_path / "out" / "a.TextGrid").read_text()
