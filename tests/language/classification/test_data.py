from __future__ import annotations

import pytest

from asr.errors import DataError
from asr.language.classification.data import (
    LabelledTexts,
    hold_out,
    make_labelled,
    read_labelled,
)


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


def test_files_that_are_missing_or_not_utf8(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_labelled(tmp_path / "none.csv")
    for name in ("a.csv", "a.jsonl"):
        (tmp_path / name).write_bytes(b"text\n\xff\xfe\n")
        with pytest.raises(DataError):
            read_labelled(tmp_path / name)


def test_a_share_of_each_label_is_held_out():
    labels = ["a"] * 20 + ["b"] * 10
    data = LabelledTexts([f"{label}{n}" for n, label in enumerate(labels)], labels)
    train, dev = hold_out(data, 0.2, seed=1)
    assert (dev.labels.count("a"), dev.labels.count("b")) == (4, 2)
    assert sorted(train.texts + dev.texts) == sorted(data.texts)
    assert all(text[0] == label for text, label in zip(dev.texts, dev.labels, strict=True))
    assert hold_out(data, 0.2, seed=1)[1] == dev
    assert hold_out(data, 0.2, seed=2)[1] != dev
    with pytest.raises(DataError, match="too few"):
        hold_out(make_labelled(["x", "y"], [1, 2]), 0.1, seed=1)


def test_labels_become_text_and_none_is_missing():
    assert make_labelled(["x", "y"], [1, True]).labels == ["1", "True"]
    with pytest.raises(DataError, match="Text 2 has no label"):
        make_labelled(["x", "y"], [1.0, float("nan")])
