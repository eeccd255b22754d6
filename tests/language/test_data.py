from __future__ import annotations

import pytest

from asr.errors import DataError
from asr.language.data import iob1_to_bio, read_labelled, read_tagged


def test_csv_tsv_and_json_lines_hold_the_same(tmp_path):
    (tmp_path / "a.csv").write_text('text,label\n"well, yes",good\nno,bad\n')
    (tmp_path / "a.tsv").write_text("text\tlabel\nwell, yes\tgood\nno\tbad\n")
    (tmp_path / "a.jsonl").write_text(
        '{"text": "well, yes", "label": "good"}\n\n{"text": "no", "label": "bad"}\n'
    )
    for name in ("a.csv", "a.tsv", "a.jsonl"):
        data = read_labelled(tmp_path / name)
        assert (data.texts, data.labels) == (["well, yes", "no"], ["good", "bad"])
    (tmp_path / "b.csv").write_text("text\nhello\n")
    assert read_labelled(tmp_path / "b.csv").labels is None


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.csv", "text,label\nyes,good\nno,\n", "line 3: no label"),
        ("a.csv", "sentence,label\nyes,good\n", "line 2: no text"),
        ("a.csv", "text,label\n", "holds no texts"),
        ("a.jsonl", '{"text": "a"}\nnot json\n', "line 2: not JSON"),
        ("a.jsonl", "[1]\n", "line 1: no text"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}\n', "line 2: no label"),
    ],
)
def test_wrong_tables_are_refused_by_line(tmp_path, name, content, named):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=named):
        read_labelled(tmp_path / name)


def test_tagged_sentences_from_json_lines_and_columns(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"tokens": ["a", "b"], "tags": ["O", "B-x"], "label": "y"}\n'
    )
    data = read_tagged(tmp_path / "a.jsonl")
    assert (data.sentences, data.tags, data.labels) == ([["a", "b"]], [["O", "B-x"]], ["y"])
    (tmp_path / "a.conll").write_text("-DOCSTART- O\n\na DT O\nb NN B-x\n\n\nc NN O\n")
    data = read_tagged(tmp_path / "a.conll")
    assert (data.sentences, data.tags) == ([["a", "b"], ["c"]], [["O", "B-x"], ["O"]])


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.jsonl", '{"tokens": ["a", "b"], "tags": ["O"]}\n', "line 1: 2 tokens and 1 tags"),
        ("a.jsonl", '{"tokens": "a b"}\n', "line 1: needed lists"),
        ("a.jsonl", '{"tokens": ["a"], "tags": ["O"]}\n{"tokens": ["a"]}\n', "line 2: no tags"),
        ("a.conll", "a O\nb\n", "line 2: needed a word and its tag"),
        ("a.conll", "\n\n", "holds no sentences"),
    ],
)
def test_wrong_sentences_are_refused_by_line(tmp_path, name, content, named):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=named):
        read_tagged(tmp_path / name)


def test_files_that_are_missing_or_not_utf8(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_labelled(tmp_path / "none.csv")
    for name in ("a.csv", "a.jsonl", "a.conll"):
        (tmp_path / name).write_bytes(b"text\n\xff\xfe\n")
        with pytest.raises(DataError):
            (read_tagged if name == "a.conll" else read_labelled)(tmp_path / name)


def test_entities_without_b_get_one():
    assert iob1_to_bio(["I-x", "I-y", "I-y", "O", "I-y"]) == ["B-x", "B-y", "I-y", "O", "B-y"]
    assert iob1_to_bio(["B-x", "I-x", "B-x"]) == ["B-x", "I-x", "B-x"]
