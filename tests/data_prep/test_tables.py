"""The reader of tables: their columns by any usual name, and what is wrong by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from corpus_files import ids, text

from asr.errors import DataError
from data_prep.tables import read_table


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'Path,Sentence,Speaker ID\na.wav,"Hello, you",s1\nsub/b.wav,Two,s2\n'),
        ("a.csv", "path;sentence;speaker\na.wav;Hello, you;s1\nsub/b.wav;Two;s2\n"),
        ("a.tsv", "\ufeffaudio\ttext\tspk\na.wav\tHello, you\ts1\nsub/b.wav\tTwo\ts2\n"),
        ("a.csv", "speaker|transcription|file_name\ns1|Hello, you|a.wav\ns2|Two|sub/b.wav\n"),
        (
            "a.jsonl",
            '{"audio_filepath": "a.wav", "duration": 1.5, "text": "Hello, you", "speaker": "s1"}\n'
            "\n"
            '{"audio_filepath": "sub/b.wav", "duration": 2, "text": "Two", "speaker": "s2"}\n',
        ),
    ],
)
def test_tables_by_any_usual_name(tmp_path: Path, name: str, content: str) -> None:
    (train,) = read_table(text(tmp_path / name, content), dev_share=0).values()
    assert [(u.id, u.audio, u.text, u.speaker, u.start_s, u.duration_s) for u in train] == [
        ("a", str(tmp_path / "a.wav"), "Hello, you", "s1", 0.0, None),
        ("sub/b", str(tmp_path / "sub/b.wav"), "Two", "s2", 0.0, None),
    ]


def test_stretches_of_one_recording(tmp_path: Path) -> None:
    table = text(
        tmp_path / "a.csv", "audio,text,start,end,duration\nt.wav,one,0.5,1.5,\nt.wav,two,2,,0.25\n"
    )
    (train,) = read_table(table, dev_share=0).values()
    assert [(u.id, u.start_s, u.duration_s) for u in train] == [("t", 0.5, 1.0), ("t-2", 2.0, 0.25)]


def test_a_column_tells_the_channels(tmp_path: Path) -> None:
    table = text(tmp_path / "a.csv", "audio,text,channel\nt.wav,x,0\nt.wav,y,B\nt.wav,z,\n")
    (train,) = read_table(table, dev_share=0).values()
    assert [u.channel for u in train] == [0, 1, None]
    table = text(tmp_path / "a.csv", "audio,text,channel\nt.wav,x,0\nt.wav,y,left\n")
    with pytest.raises(DataError, match=r"line 3: the channel 'left' is not a number from 0"):
        read_table(table)


def test_a_column_tells_the_splits(tmp_path: Path) -> None:
    table = text(
        tmp_path / "a.csv",
        "audio,text,split\na.wav,x,train\nb.wav,y,validation\nc.wav,z,\nd.wav,z,golden\n",
    )
    assert ids(read_table(table)) == {"train": ["a", "c"], "dev": ["b"], "golden": ["d"]}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.csv",
            "wavefile,text\na.wav,x\n",
            r"no column of audio files; its columns are: 'wavefile', 'text'",
        ),
        (
            "a.csv",
            "audio,phones\na.wav,x\n",
            r"no column of transcripts; its columns are: 'audio', 'phones'",
        ),
        ("a.csv", "audio,text\n,x\n", r"line 2 names no audio"),
        ("a.csv", "audio,text,start\na.wav,x,soon\n", r"line 2: the start 'soon'"),
        ("a.csv", "audio,text,start,end\na.wav,x,3,2\n", r"line 2: .* not a time span"),
        ("a.csv", "audio,text\n", "no rows"),
        ("a.csv", "audio,text,split\na.wav,x,../../evil\n", "cannot be a folder name"),
        ("a.csv", "", "no rows"),
        ("a.jsonl", '{"audio": "a.wav", "text": "x"}\nnonsense\n', "line 2: not JSON"),
        ("a.jsonl", "[1]\n", "line 1 is not an object"),
    ],
)
def test_bad_tables_are_refused_by_line_or_column(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_table(text(tmp_path / name, content), dev_share=0)


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("audio,text\na.wav,Größe\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_table(tmp_path / "a.csv")
    with pytest.raises(DataError, match="no file"):
        read_table(tmp_path / "b.csv")


def test_json_numbers_and_nulls(tmp_path: Path) -> None:
    row = {"id": 7, "audio": "a.wav", "text": None, "speaker": 3}
    (train,) = read_table(text(tmp_path / "a.jsonl", json.dumps(row)), dev_share=0).values()
    assert (train[0].id, train[0].text, train[0].speaker) == ("7", "", "3")


@pytest.mark.parametrize("name", ["a.jsonl", "a.tsv", "a.csv"])
def test_separators_of_unicode_end_no_row(tmp_path: Path, name: str) -> None:
    said = "one\u2028two\u0085three\x0bfour"
    mark = "," if name == "a.csv" else "\t"
    lines = f"audio{mark}text\na.wav{mark}{said}\n"
    if name == "a.jsonl":
        lines = json.dumps({"audio": "a.wav", "text": said}, ensure_ascii=False)
    (train,) = read_table(text(tmp_path / name, lines), dev_share=0).values()
    assert [u.text for u in train] == [said]
