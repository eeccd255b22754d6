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
        ("a.conll", "a O\nb X O\n", "line 2: .* as many columns"),
        ("a.conll", "a\nb\n", "line 1: needed a word and its tag"),
        ("a.conllu", "1\tThe\tDET\n", "line 1: needed the ten columns of CoNLL-U"),
        ("a.conllu", "1" + "\t_" * 9 + "\n", "line 1: '_' has no part of speech"),
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


UNIVERSAL = """# sent_id = 1
# text = Don't run
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod\t_\t_
3\trun\trun\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No
3.1\tfast\t_\tADV\t_\t_\t_\t_\t_\t_

# text = #1
1\t#\t#\tSYM\tNN\t_\t0\troot\t_\t_
2\t10 000\t10000\tNUM\tCD\t_\t1\tnummod\t_\t_
"""


@pytest.mark.parametrize("name", ["a.conllu", "a.conll", "a.txt"])
def test_universal_dependencies(tmp_path, name):
    (tmp_path / name).write_text(UNIVERSAL, encoding="utf-8")
    data = read_tagged(tmp_path / name)
    assert data.sentences == [["Do", "n't", "run"], ["#", "10 000"]]
    assert data.tags == [["AUX", "PART", "VERB"], ["SYM", "NUM"]]


def test_a_no_break_space_is_part_of_a_word(tmp_path):
    for separator in ("\t", " "):
        text = f"10\u00a0000{separator}NUM\n\u3000{separator}X\n#{separator}O\n"
        (tmp_path / "a.conll").write_text(text, encoding="utf-8")
        data = read_tagged(tmp_path / "a.conll")
        assert data.sentences == [["10\u00a0000", "\u3000", "#"]]
        assert data.tags == [["NUM", "X", "O"]]
