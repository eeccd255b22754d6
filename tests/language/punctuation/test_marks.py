from __future__ import annotations

import pytest

from asr.language.punctuation.data import marked_text, own_forms
from asr.language.punctuation.marks import MARKS, SHAPES, TextReader, shape_of


def read(paragraph: str) -> str:
    """The spoken words with their marks, sentences parted by |."""
    return " | ".join(
        " ".join(word.spoken + MARKS[word.mark] for word in sentence)
        for sentence in TextReader().read(paragraph)
    )


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Yes; no: maybe - perhaps", "yes, no, maybe, perhaps"),
        ("“Don’t—no!” said I.", "don't, no, said i."),
        ("What? Go! Now.", "what? | go. | now."),
        ("So... I went. Well... yes", "so. | i went. | well, yes"),
        ("A well-known man (of old) came.", "a well known man of old came."),
        (
            "Mr. Smith met J. Jones, Dr. Who and so on.",
            "mister smith met j jones, doctor who and so on.",
        ),
        (
            "It was 1984, 1905 or 2,050.",
            "it was nineteen eighty four, nineteen oh five or two thousand fifty.",
        ),
        ("I paid $3.50, 20% more.", "i paid three point five zero dollars, twenty percent more."),
        ("The U.S. army, e.g. here.", "the u s army, e g here."),
        ("On Node.js and/or Café.", "on node dot js and or cafe."),
        ("[laughs] Right? [12:30] 'Tis so!", "right? | 'tis so."),
        ("Rock & roll.", "rock and roll."),
    ],
)
def test_what_is_written_becomes_what_is_said(written: str, said: str) -> None:
    assert read(written) == said


def test_sentences_that_cannot_be_spoken_are_left_out_and_counted() -> None:
    reader = TextReader()
    paragraph = "All is well. See https://x.org/a_b at 5:30. HOW DARE YOU NOW! Fine."
    kept = [[word.spoken for word in sentence] for sentence in reader.read(paragraph)]
    assert kept == [["all", "is", "well"], ["fine"]]
    assert (reader.sentences, reader.skipped) == (4, 2)


def test_other_scripts_are_left_out() -> None:
    assert read("Это текст. 你好. Yes.") == "yes."


@pytest.mark.parametrize(
    ("spoken", "written", "shape"),
    [
        ("we", "we", "lower"),
        ("we", "We", "capital"),
        ("i", "I", "capital"),
        ("'tis", "'Tis", "capital"),
        ("nasa", "NASA", "upper"),
        ("iphone", "iPhone", "own"),
        ("mister", "Mr.", "own"),
    ],
)
def test_shapes(spoken: str, written: str, shape: str) -> None:
    assert SHAPES[shape_of(spoken, written)] == shape


def test_arrays_hold_what_the_reader_yields() -> None:
    paragraphs = ["Mr. Ray, he said, has an iPhone.", "An IPhone? An iPhone." * 6, "Is it? Ray"]
    text = marked_text(paragraphs)
    sentences = [word for p in paragraphs for s in TextReader().read(p) for word in s]
    assert text.spoken == [word.spoken for word in sentences]
    assert text.marks.tolist() == [word.mark for word in sentences]
    assert text.shapes.tolist() == [shape_of(w.spoken, w.written) for w in sentences]
    assert text.counts().sum() == len(text)
    assert own_forms(text) == {"iphone": "iPhone"}  # Mr. is too rare here
