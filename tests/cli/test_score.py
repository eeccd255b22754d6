from __future__ import annotations

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer
from click.testing import Result
from typer.testing import CliRunner

from asr.cli.compare import compare
from asr.cli.score import score
from asr.errors import AsrError, ConfigError, ScoringError

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(score)
app.command()(compare)

REFERENCE = "12-1-0001\tthe cat sat\n12-1-0002\ta\n7-2-0001\ton the <b>mat</b> &\n"
SYSTEM_A = "7-2-0001\ton <b>mat</b> &\n12-1-0002\ta\n12-1-0001\tthe cat sang\n"
SYSTEM_B = "7-2-0001\ton the <b>mat</b> &\n12-1-0002\ta b\n12-1-0001\tthe cat sang\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("ref.tsv", REFERENCE), ("a.tsv", SYSTEM_A), ("b.tsv", SYSTEM_B)):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, AsrError):
        raise result.exception
    return result


@pytest.mark.parametrize("normalizer", ["chinese", "mandarin"])
def test_marks_do_not_change_character_error_rates(folder: Path, normalizer: str) -> None:
    (folder / "ref.tsv").write_text("a\t你好，我叫李明。你呢？\nb\t他是美国演员。\n")
    (folder / "plain.tsv").write_text("a\t你好我叫黎明你\nb\t他是一名美国演员\n")
    (folder / "marked.tsv").write_text("a\t你好。我叫，黎明你？\nb\t他是一名美国演员。\n")
    tables = []
    for name in ("plain", "marked"):
        command = ("score", "-r", "ref.tsv", "-y", f"{name}.tsv", "--normalizer", normalizer)
        result = run(*command)
        assert result.exit_code == 0
        tables.append(result.stdout.replace(name, ""))
    assert tables[0] == tables[1]
    assert re.search(r"CER\s+28\.57", tables[0])  # 4 of 14 characters


def test_table(folder: Path) -> None:
    result = run(
        "score", "-r", "ref.tsv", "-y", "a.tsv", "--per-speaker", "--per-length", "--alignment"
    )
    assert result.exit_code == 0
    assert re.search(r"WER\s+25\.00 .* 2\s+8 words", result.stdout)
    assert (
        "1 substitutions, 1 deletions, 0 insertions, 6 hits; normalizer: none, aligner: jiwer"
        in result.stdout
    )
    assert "bootstrap over 3 utterances" in result.stdout
    assert re.search(r"^ *12 +2 +4 +25\.00", result.stdout, re.M)
    assert "HYP: on *** <b>mat</b> &" in result.stdout
    assert re.search(r"sat -> sang", result.stdout)


def test_json_alone_on_standard_output(folder: Path) -> None:
    out = json.loads(run("score", "-r", "ref.tsv", "-y", "a.tsv", "--json").stdout)
    wanted = {
        "wer": 0.25,
        "words": 8,
        "substitutions": 1,
        "deletions": 1,
        "insertions": 0,
        "sentences": 3,
    }
    assert {key: out[key] for key in wanted} == wanted
    assert out["normalizer"] == "none"
    assert "speakers" not in out
    full = json.loads(
        run(
            "score",
            "-r",
            "ref.tsv",
            "-y",
            "a.tsv",
            "--json",
            "--per-speaker",
            "--per-length",
            "--alignment",
        ).stdout
    )
    assert [row["name"] for row in full["speakers"]] == ["12", "7"]
    assert full["utterances"][0]["alignment"][2] == {
        "edit": "S",
        "reference": "sat",
        "hypothesis": "sang",
    }
    assert [row["name"] for row in full["lengths"]] == ["1-5"]


def test_capitals_on_one_side_are_pointed_out(folder: Path) -> None:
    (folder / "loud.tsv").write_text(SYSTEM_A.upper())
    result = run("score", "-r", "ref.tsv", "-y", "loud.tsv")
    assert "one side is in capitals" in result.stderr
    same = run("score", "-r", "ref.tsv", "-y", "loud.tsv", "--normalizer", "basic")
    assert same.stderr == ""
    assert "normalizer: basic" in same.stdout


def test_speaker_map(folder: Path) -> None:
    (folder / "utt2spk").write_text("12-1-0001 ann\n12-1-0002 bob\n7-2-0001 bob\n")
    out = json.loads(
        run(
            "score",
            "-r",
            "ref.tsv",
            "-y",
            "a.tsv",
            "--json",
            "--per-speaker",
            "--speakers",
            "utt2spk",
        ).stdout
    )
    assert {row["name"] for row in out["speakers"]} == {"ann", "bob"}


class Page(HTMLParser):
    """Collects what a page would fetch, and its data."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.data = ""
        self.inside = False
        self.viewport = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.fetched += [
            str(v) for k, v in attrs if k in ("src", "href") and not str(v).startswith("data:")
        ]
        self.viewport |= named.get("name") == "viewport"
        self.inside = named.get("id") == "data"

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        self.data += data if self.inside else ""

    @property
    def content(self) -> Any:
        return json.loads(self.data)


def test_page_is_self_contained_and_escapes(folder: Path) -> None:
    result = run("score", "-r", "ref.tsv", "-y", "a.tsv", "--html", "out/page.html")
    assert "wrote out/page.html" in result.stderr.replace("\n", "")
    page = Page(folder / "out/page.html")
    assert page.fetched == []
    assert page.viewport
    assert "http" not in (folder / "out/page.html").read_text()
    third = page.content["utterances"][2]
    assert third["systems"][0] == {
        "errors": 1,
        "steps": [
            ["=", "on", "on"],
            ["D", "the", ""],
            ["=", "<b>mat</b>", "<b>mat</b>"],
            ["=", "&", "&"],
        ],
    }
    assert [table["title"] for table in page.content["tables"]][:3] == [
        "",
        "By speaker",
        "By length of the reference",
    ]


def make_manifest(folder: Path) -> None:
    rate = 8000
    soundfile.write(folder / "rec.wav", np.zeros(3 * rate, dtype="int16"), rate)
    lines = []
    for place, line in enumerate(REFERENCE.splitlines()):
        name, text = line.split("\t")
        sources = [{"type": "file", "channels": [0], "source": "rec.wav"}]
        supervision = {
            "id": name,
            "start": 0.0,
            "duration": 1.0,
            "text": text,
            "speaker": f"s{place}",
        }
        recording = {"id": "rec", "sources": sources, "sampling_rate": rate}
        cut = {
            "id": name,
            "start": float(place),
            "duration": 1.0,
            "recording": recording,
            "supervisions": [supervision],
        }
        lines.append(json.dumps(cut))
    (folder / "cuts.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


def test_audio_is_linked_or_embedded(folder: Path) -> None:
    make_manifest(folder)
    run("score", "-r", "cuts.jsonl.gz", "-y", "a.tsv", "--html", "out/page.html", "--audio", "link")
    links = [u["audio"] for u in Page(folder / "out/page.html").content["utterances"]]
    assert links == [
        "../rec.wav#t=0.000,1.000",
        "../rec.wav#t=1.000,2.000",
        "../rec.wav#t=2.000,3.000",
    ]
    command = [
        "compare",
        "a.tsv",
        "b.tsv",
        "-r",
        "ref.tsv",
        "--html",
        "page.html",
        "--audio",
        "embed",
    ]
    run(*command, "--manifest", "cuts.jsonl.gz")
    sounds = [u["audio"] for u in Page(folder / "page.html").content["utterances"]]
    assert all(sound.startswith("data:audio/wav;base64,UklGR") for sound in sounds)
    with pytest.raises(ScoringError, match="no utterance names an audio file"):
        run(*command)
    (folder / "rec.wav").unlink()
    with pytest.raises(ScoringError, match=r"rec\.wav, does not exist"):
        run(*command, "--manifest", "cuts.jsonl.gz")


def test_compare_files(folder: Path) -> None:
    result = run("compare", "a.tsv", "b.tsv", "-r", "ref.tsv", "--html", "page.html")
    assert "Difference, b.tsv - a.tsv: +0.00 % absolute" in result.stdout
    assert "Matched pairs (MAPSSWE): 3 segments" in result.stdout
    assert "No significant difference" in result.stdout
    content = Page(folder / "page.html").content
    assert content["systems"] == ["a.tsv", "b.tsv"]
    assert [s["errors"] for s in content["utterances"][1]["systems"]] == [0, 1]
    out = json.loads(run("compare", "a.tsv", "b.tsv", "-r", "ref.tsv", "--json").stdout)
    assert out["names"] == ["a.tsv", "b.tsv"]
    assert out["a"]["wer"] == out["b"]["wer"] == 0.25
    assert out["mapsswe"]["segments"] == 3
    assert out["bootstrap"]["unit"] == "utterance"


def make_run(
    folder: Path, run_name: str, split: str, hypotheses: str, references: str | None = REFERENCE
) -> None:
    place = folder / run_name / split
    place.mkdir(parents=True)
    (place / "hypotheses.tsv").write_text(hypotheses)
    if references is not None:
        (place / "references.tsv").write_text(references)


def test_compare_run_folders(folder: Path) -> None:
    for split in ("dev", "test"):
        make_run(folder, "one", split, SYSTEM_A)
    make_run(folder, "two", "test", SYSTEM_B)
    out = json.loads(run("compare", "one", "two", "--json").stdout)
    assert out["names"] == ["one", "two"]
    make_run(folder, "two", "dev", SYSTEM_B)
    with pytest.raises(ScoringError, match=r"several splits in common.*Choose one with --split"):
        run("compare", "one", "two")
    assert run("compare", "one", "two", "--split", "dev").exit_code == 0
    with pytest.raises(
        ScoringError, match="no split 'train' in common: one has dev, test, two has dev, test"
    ):
        run("compare", "one", "two", "--split", "train")


def test_compare_refuses_what_does_not_fit(folder: Path) -> None:
    make_run(folder, "one", "dev", SYSTEM_A, references=None)
    make_run(folder, "two", "dev", SYSTEM_B, references=None)
    with pytest.raises(ScoringError, match=r"no references\.tsv beside"):
        run("compare", "one", "two")
    with pytest.raises(ScoringError, match="is a folder and the other side is not"):
        run("compare", "one", "b.tsv", "-r", "ref.tsv")
    with pytest.raises(ScoringError, match="only between two run folders"):
        run("compare", "a.tsv", "b.tsv", "-r", "ref.tsv", "--split", "dev")
    (folder / "one/dev/references.tsv").write_text(REFERENCE)
    (folder / "two/dev/references.tsv").write_text("x\ty\n")
    with pytest.raises(ScoringError, match="differ"):
        run("compare", "one", "two")


def test_wrong_use_is_refused(folder: Path) -> None:
    assert run("score", "-r", "ref.tsv", "-y", "a.tsv", "--audio", "link").exit_code == 2
    assert run("compare", "a.tsv", "b.tsv", "-r", "ref.tsv", "--audio", "link").exit_code == 2
    assert run("compare", "a.tsv", "b.tsv", "-r", "ref.tsv", "--manifest", "ref.tsv").exit_code == 2
    with pytest.raises(ConfigError, match="no normaliser named 'x'"):
        run("score", "-r", "ref.tsv", "-y", "a.tsv", "--normalizer", "x")
    with pytest.raises(ScoringError, match="no audio mode named 'x'"):
        run("score", "-r", "ref.tsv", "-y", "a.tsv", "--html", "p.html", "--audio", "x")
    assert not (folder / "p.html").exists()
