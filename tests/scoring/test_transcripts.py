from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from asr.errors import DataError, ScoringError
from asr.scoring import pair, read_speakers, read_transcripts, with_speakers

TEXTS = {"u1": "the cat", "u2": "", "u3": "a"}


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def texts(path: Path, format: str | None = None, role: str = "reference") -> dict[str, str]:
    return {u.id: u.text for u in read_transcripts(path, format, role).utterances.values()}


FILES = {
    "a.tsv": "u1\tthe cat\nu2\t\nu3\ta\n",
    "header.tsv": "id\tspeaker\ttext\nu1\ts\tthe cat\nu2\ts\t\nu3\tt\ta\n",
    "bare.tsv": "u1\tthe cat\nu2\nu3\ta",
    "windows.tsv": "\ufeffu1\tthe cat\r\nu2\t\r\nu3\ta\r\n",
    "text": "u1 the cat\nu2\nu3 a\n",
    "1-2.trans.txt": "u1 the cat\nu2 \nu3 a\n",
    "map.json": json.dumps(TEXTS),
    "objects.json": json.dumps({k: {"text": v} for k, v in TEXTS.items()}),
    "list.json": json.dumps([{"id": k, "text": v} for k, v in TEXTS.items()]),
    "a.jsonl": "\n".join(json.dumps({"utt_id": k, "text": v}) for k, v in TEXTS.items()),
    "paths.jsonl": "\n".join(
        json.dumps({"audio_filepath": f"/x/{k}.wav", "text": v}) for k, v in TEXTS.items()
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_forms_of_one_content(tmp_path: Path, name: str) -> None:
    assert texts(write(tmp_path, name, FILES[name])) == TEXTS


def test_gzip(tmp_path: Path) -> None:
    assert texts(write(tmp_path, "a.tsv.gz", gzip.compress(FILES["a.tsv"].encode()))) == TEXTS


def test_lines_keep_empty_and_one_letter_utterances(tmp_path: Path) -> None:
    assert texts(write(tmp_path, "a.txt", "the cat\n\na\n")) == {"1": "the cat", "2": "", "3": "a"}


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    assert len(texts(write(tmp_path, "a.tsv", "u1\ta\u2028b\u0085c\nu2\td\n"))) == 2


def test_roles_choose_the_text(tmp_path: Path) -> None:
    path = write(
        tmp_path, "both.jsonl", json.dumps({"id": "u1", "text": "right", "pred_text": "wrong"})
    )
    assert texts(path) == {"u1": "right"}
    assert texts(path, role="hypothesis") == {"u1": "wrong"}


def cut(name: str, *supervisions: dict[str, object]) -> dict[str, object]:
    recording = {"id": "rec", "sources": [{"type": "file", "channels": [0], "source": "rec.wav"}]}
    return {
        "id": name,
        "start": 1.5,
        "duration": 2.0,
        "recording": recording,
        "supervisions": list(supervisions),
    }


def test_manifest_gives_text_speaker_times_and_audio(tmp_path: Path) -> None:
    later = {"id": "s2", "start": 1.0, "duration": 1, "text": "cat", "speaker": "ann"}
    first = {"id": "s1", "start": 0.0, "duration": 1, "text": "the", "speaker": "ann"}
    lines = json.dumps(cut("u1", later, first)) + "\n" + json.dumps(cut("u2")) + "\n"
    write(tmp_path, "rec.wav", b"")
    path = write(tmp_path, "cuts.jsonl.gz", gzip.compress(lines.encode()))
    for source in (path, tmp_path):
        found = read_transcripts(source).utterances
        assert [(u.text, u.speaker, u.start, u.end) for u in found.values()] == [
            ("the cat", "ann", 1.5, 3.5),
            ("", None, 1.5, 3.5),
        ]
        assert found["u1"].audio == str(tmp_path / "rec.wav")


def test_folders(tmp_path: Path) -> None:
    write(
        tmp_path,
        "json/a/u1.json",
        json.dumps({"text": "the cat", "segments": [], "duration_s": 1.0}),
    )
    write(tmp_path, "json/u3.json", json.dumps({"text": "a"}))
    write(tmp_path, "txt/u1.txt", "the\ncat\n")
    write(tmp_path, "run/hypotheses.tsv", "u1\tx\n")
    assert texts(tmp_path / "json", role="hypothesis") == {"a/u1": "the cat", "u3": "a"}
    assert texts(tmp_path / "txt") == {"u1": "the cat"}
    assert texts(tmp_path / "run", role="hypothesis") == {"u1": "x"}


def test_ctm_alone_goes_by_recording(tmp_path: Path) -> None:
    path = write(
        tmp_path, "a.ctm", ";; words\nu1 1 0.50 0.30 cat 0.9\nu1 1 0.00 0.40 the\nu3 1 0.0 0.1 a\n"
    )
    assert texts(path) == {"u1": "the cat", "u3": "a"}


STM = """;; comment
f1 A spk1 1.00 3.00 <o,f0> a b c
f1 A spk1 5.00 7.00 <o,f0> d e f
f1 A spk1 8.00 9.00 <o,f0> ignore_time_segment_in_scoring
f1 A spk2 10.00 12.00 g h
f2 A spk3 0.00 2.00
"""
CTM = """f1 A 0.20 0.2 early
f1 A 1.20 0.2 a
f1 A 1.60 0.2 b
f1 A 2.00 0.2 c
f1 A 3.40 0.2 between
f1 A 5.20 0.2 d
f1 A 5.60 0.2 e
f1 A 6.90 0.4 f
f1 A 8.50 0.2 ignored
f1 A 10.50 0.2 g
f1 A 11.00 0.2 h
f1 A 13.00 0.2 late
"""


def test_ctm_meets_stm_by_time_as_in_sclite(tmp_path: Path) -> None:
    """The golden split is sclite 2.10's: 'f' has its middle after its segment's end and falls to
    the ignored one.
    """
    stm, ctm = (
        read_transcripts(write(tmp_path, "r.stm", STM)),
        read_transcripts(write(tmp_path, "h.ctm", CTM)),
    )
    pairs = pair(stm, ctm)
    assert [p.hypothesis for p in pairs] == ["early a b c", "between d e", "g h late", ""]
    assert [p.reference.text for p in pairs] == ["a b c", "d e f", "g h", ""]
    assert [p.reference.id for p in pairs][0::3] == ["f1-A-1.00-3.00", "f2"]
    assert [p.reference.speaker for p in pairs] == ["spk1", "spk1", "spk2", "spk3"]


def test_other_order_of_ids_is_fine(tmp_path: Path) -> None:
    left = read_transcripts(write(tmp_path, "r.tsv", "u1\ta\nu2\tb\n"))
    right = read_transcripts(write(tmp_path, "h.tsv", "u2\tb\nu1\tc\n"))
    assert [(p.reference.id, p.hypothesis) for p in pair(left, right)] == [("u1", "c"), ("u2", "b")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"u1\tfine\nu2\t\xff\xfe\n", r"a\.tsv, line 2: byte 0xff is not UTF-8"),
        ("a.txt", b"one\ntwo\ncaf\xe9\n", r"line 3: byte 0xe9"),
        ("a.tsv", "u1\ta\nu2\tb\nu1\tc\n", r"line 3: the id 'u1' is already on line 1"),
        ("text", "u1 a\nu1 b\n", r"line 2: the id 'u1' is already on line 1"),
        ("a.jsonl", '{"id": "u1", "text": "a"}\n{"id": "u1", "text": "b"}\n', "already on line 1"),
        ("a.tsv", "u1\ta\tb\n", "line 1: needed id<TAB>text, found 3 columns"),
        ("a.jsonl", '{"id": "u1", "text": "a"}\n{"id"\n', "line 2: this is not JSON"),
        ("a.jsonl", '{"id": "u1"}\n', r"line 1: needed a text .* found the keys id"),
        ("a.jsonl", '{"text": "x"}\n', "line 1: needed an id"),
        ("a.jsonl", '{"supervisions": []}\n', "line 1: a cut needs an id"),
        ("a.jsonl", '{"id": "u", "supervisions": ["x"]}\n', "line 1: a cut needs an id"),
        ("a.jsonl", '{"id": "u", "supervisions": [{"text": 3}]}\n', "line 1: a cut needs an id"),
        ("a.json", '["x"]', "entry 1: needed an object"),
        ("a.json", "{", "line 1: this is not JSON"),
        (
            "a.ctm",
            "f A 0.0 0.5 one\nf A 0.3 0.2 two\n",
            r"line 1 \('one', 0.00-0.50 s\) and line 2 \('two', 0.30-0.50 s\)",
        ),
        ("a.ctm", "f A 0.0 x one\n", "line 1: needed a time in seconds, found 'x'"),
        ("a.ctm", "f A 0.0\n", "line 1: needed RECORDING"),
        ("a.ctm", "f A * * <ALT_BEGIN>\n", "without alternatives"),
        ("a.stm", "f A spk 3.0 1.0 words\n", "ends at 1.00 s, before it starts at 3.00 s"),
        ("a.stm", "f A spk\n", "needed RECORDING CHANNEL SPEAKER"),
        ("a.tsv.gz", b"\x1f\x8bgarbage", "not a whole gzip file"),
        ("a.xml", "<x/>", "cannot be detected from its name"),
    ],
)
def test_malformed_files_name_file_and_line(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        read_transcripts(write(tmp_path, name, content))
    assert str(tmp_path / name) in str(error.value)


def test_rounded_ctm_times_are_no_overlap(tmp_path: Path) -> None:
    assert texts(write(tmp_path, "a.ctm", "f A 0.00 0.51 one\nf A 0.50 0.20 two\n")) == {
        "f": "one two"
    }


def test_missing_file_and_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        read_transcripts(tmp_path / "no.tsv")
    with pytest.raises(DataError, match="no transcript format named 'xml'"):
        read_transcripts(write(tmp_path, "a.tsv", ""), "xml")
    with pytest.raises(DataError, match="holds no transcripts"):
        read_transcripts(tmp_path, "json")


def pairs_error(tmp_path: Path, left: tuple[str, str], right: tuple[str, str]) -> str:
    references = read_transcripts(write(tmp_path, *left))
    with pytest.raises(ScoringError) as error:
        pair(references, read_transcripts(write(tmp_path, *right), role="hypothesis"))
    return str(error.value)


def test_counts_of_lines_that_differ_name_both_files_and_both_counts(tmp_path: Path) -> None:
    message = pairs_error(tmp_path, ("ref.txt", "a\nb\nc\n"), ("hyp.txt", "a\nb\n"))
    assert "ref.txt has 3 lines" in message
    assert "hyp.txt has 2" in message


def test_missing_and_extra_ids_are_counted_and_named(tmp_path: Path) -> None:
    left = "".join(f"u{n}\ta\n" for n in range(10))
    message = pairs_error(tmp_path, ("ref.tsv", left), ("hyp.tsv", "u0\ta\nv1\tb\n"))
    assert "ref.tsv has 10 utterances" in message
    assert "hyp.tsv has 2" in message
    assert "9 in the references only (u1, u2, u3, u4, u5, ... 4 more)" in message
    assert "1 in the hypotheses only (v1)" in message


def test_lines_against_ids_are_refused(tmp_path: Path) -> None:
    assert "lines without ids (1)" in pairs_error(
        tmp_path, ("ref.tsv", "u1\ta\n"), ("hyp.txt", "a\n")
    )


def test_empty_reference_file_is_refused(tmp_path: Path) -> None:
    assert "holds no references" in pairs_error(tmp_path, ("ref.tsv", ""), ("hyp.tsv", "u1\ta\n"))


def test_ctm_channels_unknown_to_the_stm(tmp_path: Path) -> None:
    assert "(g 1)" in pairs_error(tmp_path, ("r.stm", STM), ("h.ctm", "g 1 0.0 0.1 x\n"))


def test_speakers(tmp_path: Path) -> None:
    names = ["12-34-0001", "12-34-0002", "56-7-0000"]
    table = "".join(f"{name}\ta\n" for name in names)
    both = read_transcripts(write(tmp_path, "r.tsv", table))
    assert [p.reference.speaker for p in with_speakers(pair(both, both))] == ["12", "12", "56"]
    chosen = read_speakers(
        write(tmp_path, "utt2spk", "".join(f"{name} s{n}\n" for n, name in enumerate(names)))
    )
    assert [p.reference.speaker for p in with_speakers(pair(both, both), chosen)] == [
        "s0",
        "s1",
        "s2",
    ]
    with pytest.raises(
        ScoringError, match=r"lacks 2 of the 3 utterances \(12-34-0002, 56-7-0000\)"
    ):
        with_speakers(pair(both, both), {"12-34-0001": "x"})
    with pytest.raises(DataError, match="line 2: 'u' has two speakers"):
        read_speakers(write(tmp_path, "bad", "u a\nu b\n"))
    with pytest.raises(DataError, match="line 1: needed an utterance id and a speaker"):
        read_speakers(write(tmp_path, "bad", "u\n"))
