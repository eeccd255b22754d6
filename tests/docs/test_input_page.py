"""What docs/reference/input.md says of texts is what happens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asr.decoding import load_lm
from asr.decoding.coverage import check_coverage
from asr.decoding.vocabulary import Vocabulary
from asr.errors import AsrError
from asr.language.classification.data import read_labelled
from asr.language.tagging.data import read_tagged
from asr.lines import read_words
from asr.lm import estimate, read_arpa
from asr.lm.corpus import Tokenizer
from asr.scoring import read_transcripts
from asr.series.frames import read_frame, split_series
from asr.series.tables import rows_table
from asr.series.times import parse_times
from asr.speech.aligner import align_tokens
from asr.speech.jobs.outputs import recording_labels
from asr.speech.transcripts.transcript import ctm_name
from asr.text.normalizers import normalize
from asr.text.pronunciations import Pronunciations
from asr.text.tables import read_table
from asr.text.tokenizers import CharTokenizer, PhoneTokenizer
from data_prep.tables import read_table as read_audio_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "input.md"
OTHERS = ("Recordings", "Names of files and folders")  # held by the tests of these
CHECKS: dict[str, Callable[[Path], None]] = {}
Check = Callable[[Path], None]


def rows() -> list[str]:
    """First cells of the tables of all sections on texts."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    texts = [section for section in sections if not section.startswith(OTHERS)]
    cells = re.findall(r"^\| (.+?) \| .+ \|$", "\n".join(texts), flags=re.MULTILINE)
    return [cell for cell in cells if cell != "comes in"]


def says(*starts: str) -> Callable[[Check], Check]:
    """Mark a test as that of the rows that begin so."""

    def add(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(starts, check))
        return check

    return add


def put(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(read: Callable[[Path], Any], path: Path, said: str = "line 2") -> None:
    with pytest.raises(AsrError, match=said):
        read(path)


def cells(path: Path) -> list[dict[str, Any]]:
    return [dict(row.values) for row in read_table(path).rows]


@says("UTF-8 with a byte-order mark", "any other encoding")
def encodings(folder: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        assert cells(put(folder, "a,b\n1,é\n".encode(encoding))) == [{"a": "1", "b": "é"}]
    refused(cells, put(folder, "a,b\n1,é\n".encode("latin-1")))
    refused(cells, put(folder, "a,b\n1,\0\n"))


@says("commas, semicolons", '`"one, ""two"""`', '`He said "no.`', "white space around")
def separators(folder: Path) -> None:
    for mark in (",", ";"):
        path = put(folder, f'a{mark}b\n1{mark} "one, ""two"""\n')
        assert cells(path) == [{"a": "1", "b": 'one, "two"'}]
    for mark in ("\t", "|"):
        path = put(folder, f'a{mark}b\n1{mark} He said "no.\n')
        assert cells(path) == [{"a": "1", "b": 'He said "no.'}]
    assert cells(put(folder, "sep=;\na;b\n1;x, y\n")) == [{"a": "1", "b": "x, y"}]


@says(
    "a row with another number",
    "a quotation mark that is never",
    "a quoted cell that",
    "a column named twice",
    "JSON with NaN",
)
def strict_tables(folder: Path) -> None:
    refused(cells, put(folder, "a,b\n1,yes, please\n"))
    assert cells(put(folder, "a,b\n1,yes,,\n")) == [{"a": "1", "b": "yes"}]
    refused(cells, put(folder, 'a,b\n1,"yes\n2,no\n'))
    refused(cells, put(folder, 'a,b\n1,"yes" no\n'))
    refused(cells, put(folder, 'a,b\n1.wav,x\n2.wav,"yes\n3.wav,no"\n'), "line 3")
    refused(cells, put(folder, "a,a\n1,2\n"), "twice")
    for odd in ('{"a": NaN}', '{"a": 1, "a": 2}', '{"a": "\\ud800"}'):
        refused(cells, put(folder, f'{{"a": 1}}\n{odd}\n', "t.jsonl"))


@says("times as NaN")
def times_of_audio(folder: Path) -> None:
    for start in ("NaN", "Infinity", "1_0", '"1,5"', "9"):
        refused(read_audio_table, put(folder, f"path,text,start,end\na.wav,x,{start},2\n"))


@says("`unique_id` 007", "a column of numbers with empty", "a column of numbers with one")
def values(folder: Path) -> None:
    names = ["007", "7", "1E5", "NA", "true"]
    lines = "".join(f"{name},{step},1\n" for name in names for step in (1, 2))
    path = put(folder, "unique_id,ds,y\n" + lines)
    assert [one.name for one in split_series(read_frame(path))] == names
    objects = [{"unique_id": name, "ds": step, "y": 1} for name in names for step in (1, 2)]
    assert [one.name for one in split_series(rows_table(objects, "rows"))] == names

    def series(path: Path) -> None:
        split_series(read_frame(path))

    for missing in ("", "NA", "NaN"):
        refused(series, put(folder, f"ds;y\n1;2\n2;{missing}\n"), "missing .* the first at 2")
    refused(series, put(folder, "ds;y\n1;2\n2;x\n"), "'x'")
    refused(series, put(folder, "ds;y\n1;2\n2;1,5\n"), "'1,5'. Write a decimal point")


@says(
    "`2024-01-31 13:00`",
    "other whole numbers",
    "`31/01/2024`",
    "`01/02/2024`",
    "hours with offsets",
    "days with offsets",
    "times of which only",
)
def times_of_series(folder: Path) -> None:
    for text in ("2024-01-31 13:00", "2024/01/31", "20240131", "2024-01"):
        assert parse_times([text], "t")[0].month == 1
    assert parse_times(["2001", "2002"], "t").tolist() == [2001, 2002]
    for texts in (["31/01/2024", "01/02/2024"], ["01.02.2024"]):
        assert parse_times(texts, "t")[-1] == pd.Timestamp("2024-02-01")
    with pytest.raises(AsrError, match=r"data\.date_format"):
        parse_times(["01/02/2024", "01/03/2024"], "t")
    for freq in ("h", "D"):
        local = pd.date_range("2024-03-30", periods=30, freq=freq, tz="Europe/Berlin")
        read = parse_times([at.isoformat() for at in local], "t")
        assert list(read) == list(local if freq == "h" else local.tz_localize(None))
    with pytest.raises(AsrError, match="others have none"):
        parse_times(["2024-01-01 10:00", "2024-01-01 11:00+01:00"], "t")


@says("a JSON label", "a row without text")
def labels(folder: Path) -> None:
    path = put(folder, '{"text": "a", "label": 1}\n{"text": "b", "label": true}\n', "t.jsonl")
    assert read_labelled(path).labels == ["1", "true"]
    refused(read_labelled, put(folder, '{"text": "a", "label": 1}\n{"text": "b"}\n', "t.jsonl"))
    refused(read_labelled, put(folder, '{"text": "a"}\n{"label": "b"}\n', "t.jsonl"))


@says("CoNLL columns", "CoNLL-U", "a no-break space within")
def tags(folder: Path) -> None:
    refused(read_tagged, put(folder, "a O\nb X O\n", "t.conll"))
    blanks = "\t_" * 6
    lines = f"# x\n1-2\tab\t_\t_{blanks}\n1\ta\t_\tX{blanks}\n2\tb\u00a0c\t_\tY{blanks}\n"
    data = read_tagged(put(folder, lines, "t.conllu"))
    assert (data.sentences, data.tags) == ([["a", "b\u00a0c"]], [["X", "Y"]])


@says("no-break, ideographic", "a byte-order mark before", "`café`", "a dictionary's")
def words(folder: Path) -> None:
    path = put(folder, "\ufeffhello\u00a0cafe\u0301\u3000x\n", "t.txt")
    assert read_words(path) == ["hello", "caf\u00e9", "x"]
    tokenizer = Tokenizer()
    ids = [i for block in tokenizer.read(path) for i in block.tolist()]
    assert [tokenizer.words()[i] for i in ids] == ["hello", "caf\u00e9", "x", "</s>"]
    lines = "\ufeffread R EH D # x\n;;; x\nREAD(2) R IY D\n"
    said = Pronunciations.load(put(folder, lines, "d.txt"))
    assert dict(said) == {"read": (("R", "EH", "D"), ("R", "IY", "D"))}


ARPA = "x\n\\data\\\nngram 1=4\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\n-0.5\t</s>\n-inf\ta\n\n\\end\\\n"


@says("an ARPA with", "a log10 probability", "`<s>` or `</s>`", "discounts that are none")
def language_models(folder: Path) -> None:
    assert read_arpa(put(folder, "\ufeff" + ARPA)).log10_probs[0].tolist() == [-1, -99, -0.5, -99]
    twice = ARPA.replace("=4", "=5")
    double = twice.replace("</s>\n", "</s>\n-0.9\t</s>\n")
    assert read_arpa(put(folder, double)).log10_probs[0].tolist() == [-1, -99, -0.5, -99]
    refused(read_arpa, put(folder, twice.replace("a\n", "a\n-1\ta\n", 1)), "listed before|line")
    for given in ((5, 6, 7), (float("nan"), 1, 1)):
        with pytest.raises(AsrError, match="are no discounts"):
            estimate([["a b"]], 2, discount_fallback=given, notify=lambda note: None)


@says("`--lm` of whose words the dictionary", "`--lm` of whose words it knows")
def coverage(folder: Path) -> None:
    tokens = Vocabulary(["<blank>", "▁", "a", "b"])

    def note(*sentences: str) -> str:
        model = estimate([list(sentences) * 5], 2, notify=lambda note: None)
        return check_coverage(load_lm(model), "x", tokens, {"ab", "ba"})

    assert "knows 2 of the 3 words" in note("ab ba", "Ab ba")
    assert "in lower case" in note("ab ba", "Ab ba")
    assert note("ab ba") == ""
    with pytest.raises(AsrError, match="knows 0 of the 2 words"):
        note("AB BA")


@says("a first line of names", "a file with `path`", "a text that is null")
def scored(folder: Path) -> None:
    def texts(path: Path) -> dict[str, str]:
        found = read_transcripts(path, role="hypothesis").utterances
        return {u.id: u.text for u in found.values()}

    assert texts(put(folder, "ID\tSentence\na\tx\n", "t.tsv")) == {"a": "x"}
    assert texts(put(folder, "a\tx\n", "t.tsv")) == {"a": "x"}
    assert texts(put(folder, "path\ttext\ns/a.wav\tx\n", "t.tsv")) == {"a": "x"}
    assert list(texts(put(folder, "path\ttext\ns/a.wav\tx\nr/a.wav\ty\n", "t.tsv"))) == [
        "s/a",
        "r/a",
    ]
    for odd in ({"id": 2, "text": "b"}, {"id": 2, "text": "b", "pred_text": None}):
        lines = json.dumps({"id": 1, "pred_text": "a"}) + "\n" + json.dumps(odd) + "\n"
        refused(texts, put(folder, lines, "t.jsonl"))


@says("an STM label", "alternatives", "a CTM word")
def timed(folder: Path) -> None:
    def stm(rest: str) -> str:
        path = put(folder, f"r 1 s 0 5 {rest}\n", "t.stm")
        return read_transcripts(path).utterances["r"].text

    assert stm("<o,f0,male> one") == "one"
    assert stm("<rAdp Al>mp one") == "<rAdp Al>mp one"
    for odd in ("<o f0> one", "{ a / b }", "a (uh)"):
        with pytest.raises(AsrError, match="line 1"):
            stm(odd)
    refused(read_transcripts, put(folder, "r 1 0 .3 two words\n", "t.ctm"), "line 1")


@says("recordings `spk1/rec.wav`", "a recording `;;x.wav`")
def names(folder: Path) -> None:
    given = [(Path(name), name) for name in ("spk1/rec.wav", "spk2/rec.wav")]
    assert recording_labels(given) == ["spk1/rec", "spk2/rec"]
    assert ctm_name(";;x") == "_;;x"


@says("`-5`, `$1`")
def signs(folder: Path) -> None:
    spoken = {
        "-5": "minus five",
        "$1": "one dollar",
        ".5": "point five",
        "5€": "five euros",
        "20 °C": "twenty degrees celsius",
        "5²": "five squared",
    }
    for name in ("english", "librispeech"):
        for written, said in spoken.items():
            assert normalize(written, name) == normalize(said, name)


@says("words that the dictionary", "characters that the model")
def unknown(folder: Path) -> None:
    with pytest.raises(AsrError, match=r"'b' \(and 'c'\)"):
        PhoneTokenizer(Pronunciations({"a": [("AA",)]})).encode("a b c")
    with pytest.raises(AsrError, match=r"'x' \(and 'y'\)"):
        CharTokenizer("ab").encode("axy")


@says("a text that is not what is said")
def doubtful(folder: Path) -> None:
    vocabulary = Vocabulary(["<blank>", "▁", "a", "b"])
    log_probs = np.log(np.full((6, 4), 0.01, np.float32))
    log_probs[:, 2] = np.log(0.97)
    how: dict[str, Any] = {"seconds_per_frame": 0.04, "duration_s": 0.24, "model": "m"}
    assert align_tokens(log_probs, [3, 3, 3], vocabulary, **how).doubt
    assert not align_tokens(log_probs, [2], vocabulary, **how).doubt


# tests/speech/test_aligner.py
LONG_TEXTS = ("words that nobody says", "a text of hours")
# tests/speech/training/test_train.py
TRAINING = ("transcripts with words", "transcripts that cannot")


def test_every_row_has_a_test_and_every_test_a_row() -> None:
    starts = [*CHECKS, *LONG_TEXTS, *TRAINING]
    assert [row for row in rows() if sum(row.startswith(start) for start in starts) != 1] == []
    assert [start for start in starts if not any(row.startswith(start) for row in rows())] == []


@pytest.mark.parametrize("check", dict.fromkeys(CHECKS.values()), ids=lambda check: check.__name__)
def test_what_the_page_says_happens(check: Check, tmp_path: Path) -> None:
    check(tmp_path)
