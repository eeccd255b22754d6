"""Long recordings become a corpus: tables, restarts, reports, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import soundfile
from tiny_models import RATE, noise, random_model
from typer.testing import CliRunner

from asr.cli import app
from asr.errors import DataError
from data_prep import long
from data_prep.cutting import Passage
from data_prep.long import LongConfig, read_long
from data_prep.manifests import read_manifest

PASSAGES = [
    Passage(0.2, 1.4, "A cab, dad!"),
    Passage(1.4, 1.6, "Chapter two.", "not said"),
    Passage(1.6, 2.8, "Bad cab."),
]


@pytest.fixture
def books(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", noise(3.0), RATE)
    soundfile.write(tmp_path / "b.wav", noise(3.0, 1), RATE)
    (tmp_path / "a.txt").write_text("A cab, dad! Chapter two. Bad cab.")
    (tmp_path / "books.tsv").write_text("a.wav\ta.txt\nb.wav\tA cab.\n")
    return tmp_path


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the alignment, which a random network cannot do; return what was aligned."""
    seen: list[str] = []

    def align(book: Any, config: Any) -> list[Passage]:
        seen.append(book.name)
        return PASSAGES

    monkeypatch.setattr(long, "_align", align)
    return seen


def test_a_corpus_of_two_books_and_a_run_that_goes_on(
    books: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = counted(monkeypatch)
    config = LongConfig(str(random_model(books / "m")))
    for _ in range(2):
        (utterances,) = read_long(books / "books.tsv", None, books / "out", config, jobs=1).values()
    assert seen == ["a", "b"]
    assert [u.id for u in utterances] == ["a-00000", "a-00001", "b-00000", "b-00001"]
    assert (utterances[1].start_s, utterances[1].duration_s) == (1.6, 1.2)
    assert utterances[1].speaker == "a"
    rows = (books / "out" / "dropped.tsv").read_text().splitlines()
    assert rows[1] == "a\t1.40\t1.60\tnot said\tChapter two."
    said = capsys.readouterr().err
    assert "dropped: 2 passages, 4 words: not said" in said
    (books / "a.txt").write_text("Another text.")
    read_long(books / "books.tsv", None, books / "out", config, jobs=1)
    assert seen == ["a", "b", "a"]


def test_the_command_writes_a_prepared_split(books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch)
    arguments = ["prepare", "long", books / "a.wav", books / "a.txt", "-o", books / "out"]
    model = random_model(books / "m")
    line = [*arguments, "--model", model, "--jobs", 1]
    done = CliRunner().invoke(app, list(map(str, line)))
    assert done.exit_code == 0, done.output
    texts = [utterance.text for utterance in read_manifest(books / "out" / "train")]
    assert texts == ["A cab, dad!", "Bad cab."]


def test_what_cannot_be_aligned_is_named(books: Path) -> None:
    config = LongConfig(str(random_model(books / "m")), "basic")
    with pytest.raises(DataError, match=r"a\.wav: The text has no words"):
        read_long(books / "a.wav", "?!", books / "out", config, jobs=1)
    with pytest.raises(DataError, match=r"There is no text for .*a\.wav"):
        read_long(books / "a.wav", None, books / "out", config, jobs=1)
    with pytest.raises(DataError, match=r"Nothing of .* is kept; .*dropped\.tsv says why"):
        read_long(books / "a.wav", "zzz", books / "out", config, jobs=1)
