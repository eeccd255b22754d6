from __future__ import annotations

import pytest

from asr.errors import DataError
from asr.language.tagging.data import TaggedSentences, hold_out, read_tagged


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
    for name in ("a.conll", "a.jsonl"):
        with pytest.raises(DataError, match="no file"):
            read_tagged(tmp_path / name)
        (tmp_path / name).write_bytes(b"text\n\xff\xfe\n")
        with pytest.raises(DataError, match="UTF-8|not JSON"):
            read_tagged(tmp_path / name)


def test_held_out_sentences_keep_their_tags_and_labels():
    words = [[f"w{n}"] for n in range(30)]
    data = TaggedSentences(words, [[f"t{n}"] for n in range(30)], [f"l{n}" for n in range(30)])
    train, dev = hold_out(data, 0.2, seed=3)
    assert (len(train.sentences), len(dev.sentences)) == (24, 6)
    for (word,), (tag,), label in zip(dev.sentences, dev.tags, dev.labels, strict=True):
        assert word[1:] == tag[1:] == label[1:]
    with pytest.raises(DataError, match="too few"):
        hold_out(TaggedSentences([["a"]], [["O"]], None), 0.1, seed=0)
