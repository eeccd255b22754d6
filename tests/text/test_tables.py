"""The reader of tables: every form of one content, and whatever is odd by its line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import string
from pathlib import Path

import pytest

from asr.errors import DataError
from asr.text.columns import canonical, find_columns
from asr.text.tables import read_table

CELLS = [("a 1.wav", "Hello, you"), ("sub/b.wav", 'He said "no"'), ("c.wav", "")]


def put(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path: Path, **options: str) -> list[tuple[str, str]]:
    table = read_table(path, ("path", "text"), **options)
    return [(row.values["path"], row.values["text"]) for row in table.rows]


def written(delimiter: str, end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("path", "text"), *CELLS])
    return file.getvalue()


FORMS = {
    "comma.csv": written(","),
    "semicolon.csv": written(";"),
    "excel.csv": "sep=;\r\n" + written(";", "\r\n"),
    "excel-tab.csv": "sep=\t\n" + written("\t"),
    "tab.tsv": written("\t"),
    "bar.csv": written("|"),
    "all-quoted.tsv": written("\t", quoting=csv.QUOTE_ALL),
    "all-quoted.csv": written(",", "\r\n", csv.QUOTE_ALL),
    "raw.tsv": "path\ttext\n" + "".join("\t".join(cells) + "\n" for cells in CELLS),
    "mark.csv": "\ufeff" + written(","),
    "utf-16.tsv": written("\t", "\r\n").encode("utf-16"),
    "macintosh.csv": written(",", "\r"),
    "packed.csv.gz": gzip.compress(written(",").encode()),
    "no-end.csv": written(";").rstrip("\n"),
    "blank-lines.csv": written(",").replace("\n", "\n\n"),
    "spread.csv": written(",").replace("\n", ",,\n"),
    "blanks.csv": 'path, text\na 1.wav, "Hello, you"\nsub/b.wav, "He said ""no"""\nc.wav, \n',
    "rows.jsonl": "".join(json.dumps({"path": p, "text": t}) + "\n" for p, t in CELLS),
    "rows.txt": "".join(json.dumps({"path": p, "text": t}) + "\r\n" for p, t in CELLS),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_one_content(tmp_path: Path, name: str) -> None:
    assert rows(put(tmp_path, FORMS[name], name)) == CELLS


def test_quoted_line_breaks_are_kept_and_lines_counted(tmp_path: Path) -> None:
    path = put(tmp_path, 'path,text\na.wav,"one,\ntwo"\nb.wav,x\n')
    table = read_table(path)
    assert [(row.line, row.values["text"]) for row in table.rows] == [(2, "one,\ntwo"), (4, "x")]
    assert table.where(table.rows[1]) == f"{path}, line 4"


def test_unicode_line_separators_end_no_row(tmp_path: Path) -> None:
    for name, separator in (("t.csv", ","), ("t.tsv", "\t")):
        text = f"path{separator}text\na.wav{separator}a\u2028b\u0085c\n"
        assert rows(put(tmp_path, text, name)) == [("a.wav", "a\u2028b\u0085c")]


def test_a_first_column_without_a_name_is_an_index(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, ",path,text\n0,a.wav,x\n1,b.wav,y\n"))
    assert table.columns == ("path", "text")
    assert [row.values["text"] for row in table.rows] == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("path,text\n0.wav,yes, please, come in\n", "line 2: 4 cells, but 2 columns"),
        ("path,text,\n0.wav,yes, please\n", "line 2: 3 cells, but 2 columns"),
        ("path,text\na.wav,x\n\nb.wav\n", "line 4: 1 cells, but 2 columns"),
        ("path,,text\na.wav,x,y\n", "line 2: 3 cells"),
        ("path\ttext\na.wav\tone\ttwo\n", "line 2: 3 cells"),
        ("path;text\na.wav;one; two\n", "line 2: 3 cells"),
        ('path,text\na.wav,"hello\nb.wav,one\n', "from line 2 on: a quotation mark is never clo"),
        ('path,text\na.wav,x\nb.wav,"hello\nc.wav,"two"\n', "from line 3 on: .* within a cell"),
        ('path,text\n0.wav,x\n1.wav,"I came\n2.wav,and left."\n', "from line 3 on: a row begins"),
        ('path,text\na.wav,"x" y\n', "from line 2 on: .* within a cell"),
        ("path,text,path\na,b,c\n", "line 1 names the column 'path' twice"),
        (b"path,text\na.wav,caf\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
        ("path,text\na.wav,x".encode("utf-16-le"), "line 1: a byte 0 is in the text"),
        ("path,text".encode("utf-16") + b"x", "not UTF-16"),
        ('{"path": "a"}\n[1]\n', "line 2 is not an object"),
        ('{"path": "a"}\n{"path": NaN}\n', "line 2: not JSON .NaN is no number"),
        ('{"path": "a", "path": "b"}\n', "line 1: not JSON .the key 'path' stands twice"),
        ('{"path": "\\ud800"}\n', "half a character"),
        ('{"path": ' + "[" * 100_000 + "\n", "line 1: not JSON .it has too many levels"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_table(put(tmp_path, content))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file .* Give a list of mine"):
        read_table(tmp_path / "none.csv", needed="a list of mine")
    with pytest.raises(DataError, match="folder"):
        read_table(tmp_path)
    assert read_table(put(tmp_path, "")).rows == []


def test_names_of_columns() -> None:
    assert canonical(" Speaker-ID ") == canonical("speaker id") == "speaker_id"
    found = find_columns(["ID", "Sentence", "Audio Filepath", "mood"])
    assert found == {"id": "ID", "text": "Sentence", "audio": "Audio Filepath"}
    assert find_columns(["sentence", "text"])["text"] == "text"
    with pytest.raises(DataError, match="'Text' and 'text'"):
        find_columns(["Text", "text"])


@pytest.mark.parametrize("seed", range(20))
def test_what_csv_writes_is_read_back(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    letters = string.ascii_letters + ",;|\t\"' \n=é会"
    # a quoted line that looks like a row of its own is refused: ids of another form than texts
    made = [
        (f"id-{n}", "".join(rng.choices(letters, k=rng.randrange(12))).strip()) for n in range(9)
    ]
    for delimiter in ",;":
        file = io.StringIO()
        csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(
            [("path", "text"), *made]
        )
        expected = [(name, text.replace("\r\n", "\n")) for name, text in made]
        assert rows(put(tmp_path, file.getvalue())) == expected
