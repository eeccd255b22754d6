from __future__ import annotations

import random
from pathlib import Path

import pytest

from asr.errors import DataError
from data_prep.books import AROUND, clean_texts, repaired, sentences

BOOK = ["He sat by the fire, and nobody spoke a word to him all evening.", "The end."]


def book(seed: int, words: int) -> list[str]:
    """Sentences of twelve made-up words."""
    chance = random.Random(seed)
    letters = "abcdefghijklmnopqrst"
    return [
        " ".join("".join(chance.choices(letters, k=5)) for _ in range(12))
        for _ in range(words // 12)
    ]


def clean(folder: Path, texts: dict[str, list[str]], held_out: list[str]) -> dict[str, list[str]]:
    paths = []
    for name, lines in texts.items():
        paths.append(folder / name)
        paths[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {
        path.name: path.read_text().splitlines()
        for path in clean_texts(paths, held_out, folder / "clean")
    }


@pytest.mark.parametrize(
    ("meant", "encoding"),
    [
        ("don’t — “you” dare…", "cp1252"),
        ("café, naïve, Æsop’s", "cp1252"),
        ("plain", "ascii"),
        ("été “là”", "utf-8"),
    ],
)
def test_what_was_read_with_the_wrong_code_is_repaired(meant: str, encoding: str) -> None:
    misread = meant.encode().decode("cp1252", "replace") if encoding == "cp1252" else meant
    if "\ufffd" not in misread:
        assert repaired(misread) == meant
    assert repaired(meant) == meant


def test_a_closing_quote_whose_last_byte_was_lost_is_no_word() -> None:
    assert list(sentences("â€œWhat shall we read?â€\ufffd came up.")) == [
        "what shall we read",
        "came up",
    ]


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        (
            "Dr. Grey met Mrs. Brown at St. Ives. They talked.",
            ["doctor grey met missus brown at saint ives", "they talked"],
        ),
        ("In 1886 he left. He came back!", ["he came back"]),
        (
            "To-day--ah, well-known _men_; etc. “Go on,” he said.",
            ["to day ah well known men et cetera", "go on he said"],
        ),
        ("Mr's and the st's", ["mr's and the st's"]),
        ("* * *", []),
    ],
)
def test_sentences(paragraph: str, expected: list[str]) -> None:
    assert list(sentences(paragraph)) == expected


def test_the_rest_of_a_book_that_is_read_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, near, after = book(1, 2 * AROUND), book(2, AROUND), book(3, 2 * AROUND)
    spoken = near[len(near) // 2]
    kept = clean(
        tmp_path, {"a.txt": before + near + after, "b.txt": book(4, 1000)}, [spoken.upper()]
    )
    place = 2 * AROUND + AROUND // 2
    first, last = place - AROUND, place + AROUND
    expected = [line for i, line in enumerate(before + near + after) if not first <= 12 * i < last]
    assert abs(len(kept["a.txt"]) - len(expected)) <= 2
    assert set(kept["a.txt"]) <= set(before + after)
    assert kept["b.txt"] == book(4, 1000)
    assert (
        "around 4 passages" in capsys.readouterr().err
    )  # runs of nine words in a sentence of twelve


def test_eight_words_in_common_are_no_quotation(tmp_path: Path) -> None:
    lines = book(1, 240)
    shared = " ".join(lines[3].split()[:8])
    assert (
        clean(tmp_path, {"a.txt": lines}, [f"{shared} but then something else was said"])["a.txt"]
        == lines
    )


def test_second_copies_and_not_common_phrases_are_left_out(tmp_path: Path) -> None:
    short, long = "he said no", "he sat by the fire and nobody spoke a word"
    kept = clean(
        tmp_path, {"a.txt": [short, long, short], "b.txt": [long, short, "the end of it all"]}, []
    )
    assert kept == {"a.txt": [short, long, short], "b.txt": [short, "the end of it all"]}


def test_nothing_left_and_names_that_clash(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Nothing is left"):
        clean(tmp_path, {"a.txt": [BOOK[0]]}, [BOOK[0]])
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="Two texts are called a.txt"):
        clean_texts([tmp_path / "a.txt", tmp_path / "other" / "a.txt"], [], tmp_path / "clean")
