"""How words are said. Oracle: CMUdict's entries of words whose letters say them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from asr.cli import main
from asr.errors import DataError, LanguageModelError
from asr.lm import build_arpa
from asr.text.pronunciations import Pronunciations
from data_prep.pronounce import (
    own_dictionary,
    pronounce,
    say_by_letters,
    words_of,
    words_of_lm,
)

CMUDICT = """;;; what is said
CAT  K AE1 T
READ  R EH1 D
READ(2)  R IY1 D
tea T IY1 # a comment
"""
# As CMUdict has them, stress left out.
SAID = {
    "speech": "S P IY CH",
    "window": "W IH N D OW",
    "nature": "N EY CH ER",
    "thing": "TH IH NG",
    "measure": "M EH ZH ER",
}


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    path = tmp_path / "cmudict"
    path.write_text(CMUDICT)
    return path


def test_letters_say_words_as_cmudict_does() -> None:
    said = say_by_letters(list(SAID), Pronunciations({"a": [("AH",)]}))
    assert {word: " ".join(ways[0]) for word, ways in said.items()} == SAID


def test_the_dictionary_goes_before_the_letters(
    dictionary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = pronounce(["read", "dog", "犬", "cat"], dictionary)
    assert dict(said) == {
        "read": (("R", "EH", "D"), ("R", "IY", "D")),
        "dog": (("D", "AO", "G"),),
        "cat": (("K", "AE", "T"),),
    }
    assert "1 words are left out" in capsys.readouterr().err


def test_words_of_any_language_are_said_in_ipa() -> None:
    assert pronounce(["straße"], voice="de")["straße"] == (("ʃ", "t", "ɾ", "ɑː", "s", "ə"),)


def test_words_of_texts_by_frequency(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the cat\nthe dog\n")
    with gzip.open(tmp_path / "b.txt.gz", "wt") as file:
        file.write("dog the\n")
    paths = [tmp_path / "a.txt", tmp_path / "b.txt.gz"]
    assert words_of(paths) == ["the", "dog", "cat"]
    assert words_of(paths, 2) == ["the", "dog"]
    with pytest.raises(DataError, match="no words"):
        words_of([])
    with pytest.raises(LanguageModelError, match="Cannot read"):
        words_of([tmp_path / "c.txt"])


def test_words_of_a_model_by_their_likelihood(tmp_path: Path) -> None:
    build_arpa([["the cat", "the dog the cat", "a the"]], tmp_path / "lm.arpa", 1)
    assert words_of_lm(tmp_path / "lm.arpa")[:2] == ["the", "cat"]


def test_the_dictionary_that_comes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    said = pronounce(["hello", "qzarbtix"], own_dictionary())
    assert said["hello"][0] in {("HH", "AH", "L", "OW"), ("HH", "EH", "L", "OW")}
    assert set(Pronunciations.load(own_dictionary()).phones) > set(said.phones)
    assert said["qzarbtix"][0][-4:] == ("T", "IH", "K", "S")
    monkeypatch.setattr("data_prep.pronounce.pretrained_folders", dict)
    with pytest.raises(DataError, match="--dictionary FILE"):
        own_dictionary()


def test_from_the_command_line(
    tmp_path: Path, dictionary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text("read tea\nread dog cat\n")
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "lexicon",
                str(tmp_path / "text.txt"),
                "-o",
                str(tmp_path / "lexicon.txt.gz"),
                "--dictionary",
                str(dictionary),
            ]
        )
    assert ended.value.code == 0
    assert "4 words" in capsys.readouterr().err
    said = Pronunciations.load(tmp_path / "lexicon.txt.gz")
    assert list(said) == ["read", "cat", "dog", "tea"]
    assert said["dog"] == (("D", "AO", "G"),)
    with pytest.raises(SystemExit) as ended:
        main(["lexicon", str(tmp_path / "text.txt"), "-o", str(tmp_path / "x"), "--voice", "xx"])
    assert ended.value.code == 1
    assert "no voice 'xx'" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
