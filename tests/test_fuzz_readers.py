"""Mutated files: every reader of text gives its result or an AsrError, and nothing else.

``ASR_FUZZ=2000`` makes so many mutations a reader; the usual number takes seconds.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asr.decoding import Vocabulary
from asr.errors import AsrError
from asr.language.classification.data import read_labelled
from asr.language.embeddings import read_word_vectors
from asr.language.tagging.data import read_tagged
from asr.language.translation.data import read_pairs
from asr.lines import iter_lines, read_json_lines, read_words
from asr.lm import read_arpa
from asr.lm.corpus import Tokenizer
from asr.scoring import read_speakers, read_transcripts
from asr.series.anomalies.config import AnomalyDataConfig
from asr.series.frames import number_columns, read_frame, split_series
from asr.series.tables import rows_table
from asr.signals.files import SignalInputs
from asr.speech.jobs.align import read_items
from asr.speech.jobs.transcribe import parse_hotwords
from asr.text.pronunciations import Pronunciations
from asr.text.tables import read_table
from data_prep.manifest import read_lhotse
from data_prep.tables import read_table as read_audio_table

COUNT = int(os.environ.get("ASR_FUZZ", "40"))
PIECES = [
    *(b'"', b'""', b"\t", b",", b";", b"|", b"\n", b"\r\n", b"\r", b"\0", b" ", b"#", b"{", b"}"),
    *(b"[", b"]", b":", b"<", b">", b"-", b"/", b"..", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(b"NaN", b"Infinity", b"-inf", b"1e999", b"1_0", b"9" * 400, b"true", b"null", b"{}", b"[]"),
    *("é\u0301\u00a0\u3000\u2028\ud7ff😀".encode(), b"\\ud800", b"sep=;\n", b"~x/", b"\x1f\x8b"),
    *(b"<s>", b"</s>", b"\\data\\", b"\\end\\", b"ngram 1=99999999999", b"2024-02-30", b"0" * 20),
]


def mutated(rng: random.Random, seed: bytes) -> bytes:
    """Return a file with one to four changes."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        end = min(len(data), place + rng.choice((1, 1, 2, 5, 30)))
        change = rng.randrange(6)
        if change == 0:
            data[place:place] = rng.choice(PIECES)
        elif change == 1:
            data[place:end] = rng.choice(PIECES)
        elif change == 2:
            del data[place:end]
        elif change == 3:
            data[place:place] = data[place:end]
        elif change == 4 and data:
            data[place % len(data)] = rng.randrange(256)
        else:
            lines = bytes(data).split(b"\n")
            rng.shuffle(lines)
            data = bytearray(b"\n".join(lines[: rng.randint(1, len(lines))]))
    packed = rng.random() < 0.02  # and perhaps cut short
    return gzip.compress(bytes(data))[: rng.randint(10, 400)] if packed else bytes(data)


def audio_table(path: Path) -> Any:
    splits = read_audio_table(path, dev_share=0)
    for utterance in (u for part in splits.values() for u in part):
        assert utterance.id
        assert utterance.id.split() == [utterance.id]
        assert math.isfinite(utterance.start_s)
        assert utterance.duration_s is None or 0 < utterance.duration_s < math.inf
    return splits


def plain_table(path: Path) -> Any:
    table = read_table(path)
    for row in table.rows:
        assert not path.name.endswith("csv") or {*row.values} >= {*table.columns}
    return [(row.line, dict(row.values)) for row in table.rows]


def transcripts(path: Path) -> Any:
    found = read_transcripts(path, role=random.choice(("reference", "hypothesis")))
    assert all(u.id == key and isinstance(u.text, str) for key, u in found.utterances.items())
    for word in (word for words in found.words.values() for word in words):
        assert 0 <= word.start <= word.end < math.inf
    return None  # which text was read depends on the role


def series(path: Path) -> Any:
    return [(one.name, one.values.tolist()) for one in split_series(read_frame(path))]


def channels(path: Path) -> Any:
    frame = read_frame(path, AnomalyDataConfig().date_format)
    return number_columns(frame)


def json_series(path: Path) -> Any:
    rows = [row for _, row in read_json_lines(path) if isinstance(row, dict)]
    return [one.name for one in split_series(rows_table(rows, "'series'"))]


def arpa(path: Path) -> Any:
    model = read_arpa(path)
    return model.words, [values.tolist() for values in model.log10_probs]


def lm_text(path: Path) -> Any:
    tokenizer = Tokenizer()
    ids = [i for block in tokenizer.read(path) for i in block.tolist()]
    return [tokenizer.words()[i] for i in ids]


def labels(path: Path) -> Any:
    vocabulary = Vocabulary.read(path)
    assert len(vocabulary.pieces) == len(vocabulary.columns) <= vocabulary.size
    return vocabulary.tokens


def items(path: Path) -> Any:
    return [(item.name, item.text, item.label) for item in read_items(str(path), None)]


CUT = {
    "id": "u1",
    "start": 1.5,
    "duration": 2.0,
    "channel": 0,
    "type": "MonoCut",
    "recording": {
        "id": "rec",
        "sources": [{"type": "file", "channels": [0], "source": "rec.wav"}],
        "sampling_rate": 16000,
        "num_samples": 64000,
        "duration": 4.0,
    },
    "supervisions": [
        {"id": "s", "recording_id": "rec", "start": 0.0, "duration": 1.0, "text": "the cat"}
    ],
}
OBJECTS = [
    {"audio_filepath": "a.wav", "text": "one, two", "offset": 0.5, "duration": 1.5, "speaker": "x"},
    {"audio_filepath": "b.wav", "text": "three", "offset": 0, "duration": 2.0, "speaker": "y"},
]
LINES = "".join(json.dumps(row) + "\n" for row in OBJECTS)
AUDIO = 'path,sentence,start,end,split\na.wav,"one, ""two""",0.5,2,train\nb.wav,three,1,2.5,dev\n'
TABS = AUDIO.replace('"', "").replace(", ", " ").replace(",", "\t")
ARPA = (
    "\\data\\\nngram 1=5\nngram 2=3\n\n\\1-grams:\n-1.5\t<unk>\n-99\t<s>\t-0.25\n-0.75\t</s>\n"
    "-0.5\tb\t-0.125\n-1\ta\t-0.5\n\n\\2-grams:\n-0.25\t<s> b\n-0.5\ta b\n-0.1\t<s> a\n\n\\end\\\n"
)
DATED = "unique_id,ds,y,x\n" + "".join(
    f"{name},{day},{n}.5,{n}\n"
    for name in ("007", "a b")
    for n, day in enumerate(("2024-01-30", "2024-01-31", "2024-02-01"))
)
CONLLU = "# text = a\n1\ta\ta\tDET\tDT\t_\t2\tdet\t_\t_\n2\tb\tb\tX\tX\t_\t0\troot\t_\t_\n\n" * 2

READERS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "audio csv": (audio_table, "a.csv", AUDIO),
    "audio tsv": (audio_table, "a.tsv", TABS),
    "audio json lines": (audio_table, "a.jsonl", LINES),
    "plain csv": (plain_table, "b.csv", AUDIO.replace(",", ";")),
    "manifest": (lambda path: read_lhotse(path, 0, 0), "cuts.jsonl", json.dumps(CUT) + "\n"),
    "labels csv": (read_labelled, "a.csv", 'Text,Label\n"a, b",x\nc,y\n'),
    "labels tsv": (read_labelled, "a.tsv", 'text\tlabel\n"a b\tx\nc\ty\n'),
    "labels json lines": (read_labelled, "a.jsonl", '{"text": "a", "label": 1}\n' * 2),
    "tags json lines": (read_tagged, "a.jsonl", '{"tokens": ["a"], "tags": ["O"]}\n' * 2),
    "tags columns": (read_tagged, "a.conll", "-DOCSTART- O\n\na DT O\nb NN B-x\n\nc NN O\n"),
    "tags universal": (read_tagged, "a.conllu", CONLLU),
    "vectors": (
        lambda path: read_word_vectors(path, ["a", "b"], 2).matrix.tolist(),
        "a.vec",
        "2 2\na 1 2\nb 3 4\n",
    ),
    "pairs": (lambda path: read_pairs(path, path), "a.txt", "a b\n\nc\n"),
    "series": (series, "a.csv", DATED),
    "numbered series": (series, "b.csv", "ds;y\n1;2\n2;3\n3;5\n"),
    "channels": (channels, "c.csv", DATED),
    "series of a request": (
        json_series,
        "b.jsonl",
        "".join(json.dumps({"unique_id": "007", "ds": n, "y": n}) + "\n" for n in range(3)),
    ),
    "signals csv": (
        lambda path: SignalInputs().read_file(None, path).names,
        "a.csv",
        "unique_id,ds,a,b\n01,0,1,2\n01,1,2,true\n02,0,.5,1e3\n",
    ),
    "signals json lines": (
        lambda path: SignalInputs().read_file(None, path).names,
        "a.jsonl",
        '{"sequence": [[1, 2], [3, 4]], "name": "x"}\n' * 2,
    ),
    "tsv": (transcripts, "a.tsv", "id\tspeaker\ttext\nu1\ts\tthe cat\nu2\ts\t\n"),
    "csv": (transcripts, "a.csv", 'id,text,pred_text\nu1,"the, cat",x\nu2,a,\n'),
    "kaldi": (transcripts, "text", "u1 the cat\nu2\n"),
    "lines": (transcripts, "a.txt", "the cat\n\na\n"),
    "json": (transcripts, "a.json", json.dumps({"u1": "a", "u2": {"text": "b"}})),
    "json lines": (transcripts, "b.jsonl", '{"id": 1, "text": "a", "pred_text": "b"}\n'),
    "cuts": (transcripts, "cuts.jsonl", json.dumps(CUT) + "\n"),
    "ctm": (transcripts, "a.ctm", ";; x\nu1 1 0.50 0.30 cat 0.9\nu1 1 0.00 0.40 the\n"),
    "stm": (transcripts, "a.stm", "f A s 1.00 3.00 <o,f0> a b\nf A s 5.00 7.00 c\n"),
    "speakers": (read_speakers, "utt2spk", "u1 s1\nu2\ts2\n"),
    "labels of a network": (labels, "vocab.json", '{"<pad>": 0, "|": 1, "a": 2, "\u00e9": 3}'),
    "numbered labels": (labels, "tokens.txt", "<blk> 0\n\u2581a 1\n<0xC3> 2\n<0xA9> 3\n"),
    "lines of labels": (labels, "vocab.txt", "[PAD]\na\n##b\n[UNK]\n"),
    "arpa": (arpa, "a.arpa", ARPA),
    "text of a language model": (lm_text, "a.txt", "a b\nc caf\u00e9\n"),
    "dictionary": (lambda path: dict(Pronunciations.load(path)), "d.txt", "a AH\nb(2) B IY0\n"),
    "words": (read_words, "w.txt", "hello\r\nworld\n"),
    "text lines": (lambda path: list(iter_lines(path)), "t.txt", "a\nb\u2028c\n"),
    "hotwords": (lambda path: parse_hotwords([f"@{path}"], 5.0), "h.txt", "new york\t8\nrome\n"),
    "texts to align": (items, "a.tsv", "path\ttext\na.wav\tone\nb.wav\ttwo\n"),
    "texts to align, csv": (items, "a.csv", AUDIO),
    "texts to align, json lines": (items, "a.jsonl", LINES),
}


@pytest.mark.parametrize("name", READERS)
def test_mutated_files_give_a_result_or_an_error_for_users(tmp_path: Path, name: str) -> None:
    read, file, seed = READERS[name]
    rng, path = random.Random(name), tmp_path / file
    for number in range(COUNT):
        data = mutated(rng, seed.encode())
        path.write_bytes(data)
        try:
            read(path)
        except AsrError:
            continue
        except Exception as error:
            raise AssertionError(f"mutation {number}, {error!r}: {data!r}") from error


@pytest.mark.parametrize("name", [n for n in READERS if n != "manifest"])
def test_marks_line_ends_and_packing_change_nothing(tmp_path: Path, name: str) -> None:
    read, file, seed = READERS[name]
    path = tmp_path / file
    path.write_bytes(seed.encode())
    expected = read(path)
    forms = {
        "byte-order mark": b"\xef\xbb\xbf" + seed.encode(),
        "line ends": seed.replace("\r", "").replace("\n", "\r\n").encode(),
        "packed": gzip.compress(seed.encode()),
    }
    for form, data in forms.items():
        path.write_bytes(data)
        assert read(path) == expected, form
