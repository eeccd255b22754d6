"""Nothing of references and hypotheses is lost, and no reference stands in for a hypothesis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr.errors import DataError
from asr.scoring import pair, read_transcripts, score_pairs


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def texts(path: Path, role: str = "reference") -> dict[str, str]:
    return {u.id: u.text for u in read_transcripts(path, None, role).utterances.values()}


HEADS = [
    "id\ttext",
    "ID\tSentence",
    "path\tsentence",
    "file\ttranscript",
    "utterance_id\ttranscription",
    "Utt-ID\tNormalized Text",
    "audio_filepath\ttext",
    "\ufeffid\ttext",
    "key\twords",
]


@pytest.mark.parametrize("head", HEADS)
def test_the_line_of_names_is_no_utterance(tmp_path: Path, head: str) -> None:
    left = put(tmp_path, "r.tsv", f"{head}\na\tone two three\nb\tfour five\n")
    right = put(tmp_path, "h.tsv", f"{head}\na\tone two three\nb\tfour fine\n")
    result = score_pairs(
        pair(read_transcripts(left), read_transcripts(right, role="hypothesis")), samples=0
    )
    assert (result.wer, result.sentences) == (0.2, 2)


def test_columns_in_any_order_and_further_ones(tmp_path: Path) -> None:
    path = put(tmp_path, "a.tsv", "sentence\tage\tpath\nthe cat\t7\tx/u1.mp3\n\t8\tx/u2.mp3\n")
    assert texts(path) == {"u1": "the cat", "u2": ""}
    path = put(tmp_path, "b.tsv", "path\ttext\ns1/rec.wav\ta\ns2/rec.wav\tb\n")
    assert texts(path) == {"s1/rec": "a", "s2/rec": "b"}
    path = put(tmp_path, "c.csv", 'id,text,pred_text\nu1,"one, two",one\n')
    assert texts(path) == {"u1": "one, two"}
    assert texts(path, "hypothesis") == {"u1": "one"}
    path = put(tmp_path, "d.csv", "id;text\nu1;one, two\nu2;\n")
    assert texts(path) == {"u1": "one, two", "u2": ""}


def test_names_without_one_for_the_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: of the columns 'id', 'mood', none names"):
        texts(put(tmp_path, "a.tsv", "id\tmood\nu1\tgood\n"))
    with pytest.raises(DataError, match="none names the ids and the texts"):
        texts(put(tmp_path, "a.csv", "u1,one\nu2,two\n"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"id": 1, "text": "a", "pred_text": None}, {"id": 2, "pred_text": "b"}], "line 1.*None"),
        ([{"id": 1, "text": "a"}, {"id": 2, "text": "b", "pred_text": "b"}], "line 1"),
        ([{"id": 1, "pred_text": "a"}, {"id": 2, "pred_text": ["b"]}], "line 2"),
        ([{"id": 1, "pred_text": 7}], "line 1"),
        ([{"id": "", "pred_text": "a"}], "line 1: needed an id"),
        ([{"id": True, "pred_text": "a"}], "line 1: needed an id"),
    ],
)
def test_a_reference_never_stands_in(
    tmp_path: Path, rows: list[dict[str, object]], said: str
) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    with pytest.raises(DataError, match=said):
        texts(put(tmp_path, "h.jsonl", lines), "hypothesis")
    with pytest.raises(DataError, match=said.replace("line", "entry")):
        texts(put(tmp_path, "h.json", json.dumps(rows)), "hypothesis")


def test_recordings_of_one_name_in_json(tmp_path: Path) -> None:
    rows = [{"audio_filepath": f"s{n}/rec.wav", "text": "a"} for n in (1, 2)]
    path = put(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert list(texts(path)) == ["s1/rec", "s2/rec"]


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        ("<rAdp Al>mp one two", "<rAdp Al>mp one two"),
        ("<o,f0,male> one", "one"),
        ("<o, f0, male> one", "one"),
        ("<> <b> one", "<b> one"),
        ("<o>", ""),
        ("<one", "<one"),
        ("{ktAb (", "{ktAb ("),
    ],
)
def test_labels_of_stm(tmp_path: Path, rest: str, text: str) -> None:
    assert texts(put(tmp_path, "a.stm", f"rec 1 spk 0.00 5.00 {rest}\n")) == {"rec": text}


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("a.stm", "rec 1 spk 0 5 <o f0> one", "line 1: '<o f0>' may be a label or words"),
        ("a.stm", "rec 1 spk 0 5 <o> one { two / too }", r"line 1: alternatives .* '\{'"),
        ("a.stm", "rec 1 spk 0 5 one (uh)", r"line 1: .* optional words, such as '\(uh\)'"),
        ("a.ctm", "rec 1 0.5 0.3 two words", "line 1: needed a confidence behind .* 'words'"),
        ("a.ctm", "rec 1 0.5 0.3 two words 0.9", "line 1: needed a confidence"),
        ("a.ctm", "rec 1 0.5 0.3 a 0.9 lex spk more", "line 1: needed a confidence"),
        ("a.ctm", "rec 1 nan 0.3 a", "line 1: needed a time in seconds, found 'nan'"),
        ("a.ctm", "rec 1 -1 0.3 a", "found '-1'"),
        ("a.ctm", "rec 1 0 inf a", "found 'inf'"),
        ("a.tsv", "a\tb\n\tc", "line 2: needed id<TAB>text"),
    ],
)
def test_lines_that_would_lose_or_invent_words(
    tmp_path: Path, name: str, line: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        texts(put(tmp_path, name, line + "\n"))


def test_confidences_and_types_of_ctm(tmp_path: Path) -> None:
    lines = "r 1 0 .3 a NA\nr 1 1 .3 b 0.9 lex spk\nr 1 2 .3 c -1.2e-3\nr 1 3 .3 d\n"
    assert texts(put(tmp_path, "a.ctm", lines)) == {"r": "a b c d"}
