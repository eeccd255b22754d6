"""Readers of corpora: each layout in miniature, and what is missing from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AsrError, ConfigError, DataError
from data_prep.aishell import read_aishell
from data_prep.an4 import read_an4
from data_prep.commonvoice import read_commonvoice
from data_prep.folder import read_folder
from data_prep.librispeech import read_librispeech
from data_prep.ljspeech import read_ljspeech
from data_prep.manifest import read_lhotse
from data_prep.manifests import write_manifest
from data_prep.splits import split_by_share
from data_prep.store import Utterance
from data_prep.tables import read_table


def sound(path: Path, seconds: float = 0.3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(int(16000 * seconds)) * 0.2), 16000)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def ids(splits: dict[str, list[Utterance]]) -> dict[str, list[str]]:
    return {name: [u.id for u in part] for name, part in splits.items()}


def test_librispeech_parts_of_any_name(tmp_path: Path) -> None:
    for part, speaker in (("train-mini", 12), ("dev-mini", 7)):
        folder = tmp_path / part / str(speaker) / "3"
        sound(folder / f"{speaker}-3-0000.flac")
        text(folder / f"{speaker}-3.trans.txt", f"{speaker}-3-0000 HELLO WORLD\n")
    text(tmp_path / "SPEAKERS.TXT", "; no part")
    (tmp_path / "notes").mkdir()
    splits = read_librispeech(tmp_path)
    assert ids(splits) == {"dev-mini": ["7-3-0000"], "train-mini": ["12-3-0000"]}
    assert splits["dev-mini"][0].text == "HELLO WORLD"
    assert splits["dev-mini"][0].speaker == "7"
    assert ids(read_librispeech(tmp_path, ["dev-mini"])) == {"dev-mini": ["7-3-0000"]}
    assert ids(read_librispeech(tmp_path / "dev-mini")) == {"dev-mini": ["7-3-0000"]}
    with pytest.raises(DataError, match=r"no part test-clean; it has dev-mini, train-mini"):
        read_librispeech(tmp_path, ["test-clean"])


def test_librispeech_names_what_has_no_counterpart(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "1" / "2"
    sound(folder / "1-2-0000.flac")
    sound(folder / "1-2-0002.flac")
    text(folder / "1-2.trans.txt", "1-2-0000 YES\n1-2-0001 NO AUDIO\n")
    (train,) = read_librispeech(tmp_path).values()
    assert [(u.id, Path(u.audio).is_file(), u.text) for u in train] == [
        ("1-2-0000", True, "YES"),
        ("1-2-0001", False, "NO AUDIO"),
        ("1-2-0002", True, ""),
    ]


def test_librispeech_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no transcripts"):
        read_librispeech(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        read_librispeech(tmp_path / "nowhere")


def make_an4(root: Path, speakers: int = 6) -> None:
    for part in ("train", "test"):
        names = [
            f"an4{'test' if part == 'test' else ''}_clstk/s{s}/an{i}-s{s}-b"
            for s in range(speakers)
            for i in (1, 2)
        ]
        text(root / "etc" / f"an4_{part}.fileids", "\n".join(names) + "\n")
        lines = "".join(f"<s> YES {i} </s> ({n.split('/')[-1]})\n" for i, n in enumerate(names))
        text(root / "etc" / f"an4_{part}.transcription", lines)


def test_an4_holds_out_whole_speakers(tmp_path: Path) -> None:
    make_an4(tmp_path)
    splits = read_an4(tmp_path, dev_speakers=2)
    assert {u.speaker for u in splits["dev"]} == {"s0", "s3"}
    assert {u.speaker for u in splits["train"]} == {"s1", "s2", "s4", "s5"}
    assert len(splits["test"]) == 12
    assert splits["test"][3].text == "yes 3"
    assert set(read_an4(tmp_path, dev_speakers=0)) == {"train", "test"}


def test_an4_lists_that_do_not_belong_together(tmp_path: Path) -> None:
    make_an4(tmp_path)
    path = tmp_path / "etc" / "an4_train.transcription"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[1:]))
    with pytest.raises(DataError, match="names 12 recordings"):
        read_an4(tmp_path)
    path.write_text("".join(lines[1:] + lines[:1]))
    with pytest.raises(DataError, match="stands beside"):
        read_an4(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"an4_train\.transcription"):
        read_an4(tmp_path)


def test_aishell(tmp_path: Path) -> None:
    text(tmp_path / "transcript" / "aishell_transcript_v0.8.txt", "BAC009S0002W0122 而 对 楼市\n")
    sound(tmp_path / "wav" / "train" / "S0002" / "BAC009S0002W0122.wav")
    sound(tmp_path / "wav" / "dev" / "S0724" / "BAC009S0724W0121.wav")
    splits = read_aishell(tmp_path)
    assert (splits["train"][0].text, splits["train"][0].speaker) == ("而对楼市", "S0002")
    assert splits["dev"][0].text == ""
    with pytest.raises(DataError, match="no transcript"):
        read_aishell(tmp_path / "wav")


def test_commonvoice(tmp_path: Path) -> None:
    head = "client_id\tpath\tsentence_id\tsentence\tup_votes\n"
    text(
        tmp_path / "train.tsv",
        head + 'abc\tc1.mp3\tx\tHe said "no.\t2\nabd\tc2.mp3\ty\tYes, sir\t2\n',
    )
    text(tmp_path / "test.tsv", head + "abe\tc3.mp3\tz\tGood\t2\n")
    splits = read_commonvoice(tmp_path)
    assert ids(splits) == {"train": ["c1", "c2"], "test": ["c3"]}
    first = splits["train"][0]
    assert (first.text, first.speaker, first.audio) == (
        'He said "no.',
        "abc",
        str(tmp_path / "clips" / "c1.mp3"),
    )
    with pytest.raises(DataError, match=rf"Give the folder of one language: {tmp_path.name}"):
        read_commonvoice(tmp_path.parent)


def test_ljspeech(tmp_path: Path) -> None:
    text(
        tmp_path / "metadata.csv", "".join(f'LJ1-{i}|No. {i} "x|number {i} x\n' for i in range(20))
    )
    splits = read_ljspeech(tmp_path, 0.1, 0.1)
    assert {name: len(part) for name, part in splits.items()} == {"train": 16, "dev": 2, "test": 2}
    assert all(u.text.startswith("number") for part in splits.values() for u in part)
    text(tmp_path / "metadata.csv", "LJ1-1\n")
    with pytest.raises(DataError, match="line 1"):
        read_ljspeech(tmp_path)


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


def test_folder_of_audio_and_text(tmp_path: Path) -> None:
    for speaker in "abcd":
        for i in range(3):
            sound(tmp_path / speaker / f"{i}.wav")
            text(tmp_path / speaker / f"{i}.txt", f"Sentence\n {i}")
    text(tmp_path / "README.txt", "about")
    splits = read_folder(tmp_path, 0.25)
    assert {u.speaker for u in splits["dev"]}.isdisjoint(u.speaker for u in splits["train"])
    assert len(splits["dev"]) == 3
    assert splits["dev"][1].text == "Sentence 1"
    assert splits == read_folder(tmp_path, 0.25)
    sound(tmp_path / "a" / "9.wav")
    text(tmp_path / "b" / "lost.txt", "no audio")
    utterances = {u.id: u for u in read_folder(tmp_path, 0)["train"]}
    assert utterances["a/9"].text == ""
    assert not Path(utterances["b/lost"].audio).exists()


def test_folder_with_splits(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        text(sound(tmp_path / split / "s" / f"{split}.flac").with_suffix(".txt"), "x")
    assert ids(read_folder(tmp_path)) == {
        "test": ["test/s/test"],
        "train": ["train/s/train"],
        "dev": ["valid/s/valid"],
    }


def test_folder_with_a_table(tmp_path: Path) -> None:
    text(tmp_path / "metadata.csv", "file_name,transcription\na.wav,x\n")
    assert ids(read_folder(tmp_path, 0)) == {"train": ["a"]}
    text(tmp_path / "other.tsv", "file\ttext\n")
    with pytest.raises(DataError, match=r"several tables: metadata\.csv, other\.tsv"):
        read_folder(tmp_path)


def test_folder_without_audio_or_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no audio"):
        read_folder(tmp_path)
    sound(tmp_path / "a.wav")
    with pytest.raises(DataError, match=r"None of the 1 recordings .*a\.txt"):
        read_folder(tmp_path)


def test_shares_by_speaker_or_utterance() -> None:
    spoken = [Utterance(f"{s}{i}", "", "x", f"s{s}") for s in range(10) for i in range(10)]
    splits = split_by_share(spoken, 0.2, 0.1)
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 70,
        "dev": 20,
        "test": 10,
    }
    assert len({u.speaker for u in splits["dev"]}) == 2
    anonymous = [Utterance(str(i), "", "x", "") for i in range(100)]
    assert len(split_by_share(anonymous, 0.05)["dev"]) == 5
    more = split_by_share([*anonymous, Utterance("new", "", "x", "")], 0.05)["dev"]
    assert len({u.id for u in more} & {u.id for u in split_by_share(anonymous, 0.05)["dev"]}) >= 4
    one_speaker = [Utterance(str(i), "", "x", "me") for i in range(10)]
    assert len(split_by_share(one_speaker, 0.1)["dev"]) == 1
    assert set(split_by_share(anonymous, 0)) == {"train"}
    with pytest.raises(DataError, match="too few"):
        split_by_share(anonymous[:1], 0.1)
    with pytest.raises(ConfigError, match="shares"):
        split_by_share(anonymous, 0.6, 0.5)


def test_lhotse_manifests_in_every_form(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    utterances = [
        Utterance(f"u{i}", str(sound(tmp_path / f"{i}.wav")), f"text {i}", "s") for i in range(4)
    ]
    write_manifest(tmp_path / "train", utterances)
    cuts = tmp_path / "train" / "cuts.jsonl.gz"
    assert read_lhotse(tmp_path) == {"train": utterances}
    assert ids(read_lhotse(cuts, dev_share=0.25)).keys() == {"train", "dev"}
    recordings, supervisions, _ = lhotse.CutSet.from_file(cuts).decompose(tmp_path / "parts")
    for kind, manifest in (("recordings", recordings), ("supervisions", supervisions)):
        manifest.to_file(tmp_path / "parts" / f"mini_{kind}_dev.jsonl.gz")
        (tmp_path / "parts" / f"{kind}.jsonl.gz").unlink(missing_ok=True)
    (tmp_path / "parts" / "cuts.jsonl.gz").unlink(missing_ok=True)
    found = read_lhotse(tmp_path / "parts")["dev"]
    assert [(u.audio, u.text) for u in found] == [(u.audio, u.text) for u in utterances]


def test_lhotse_manifests_that_cannot_be_used(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    with pytest.raises(DataError, match="no Lhotse manifest"):
        read_lhotse(tmp_path)
    text(tmp_path / "bad_cuts.jsonl", "nonsense\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_lhotse(tmp_path / "bad_cuts.jsonl")
    write_manifest(tmp_path / "train", [Utterance("u", str(sound(tmp_path / "a.wav")), "x", "s")])
    fast = lhotse.CutSet.from_file(tmp_path / "train" / "cuts.jsonl.gz").perturb_speed(1.1)
    fast.to_file(tmp_path / "fast.jsonl.gz")
    with pytest.raises(DataError, match="transformed"):
        read_lhotse(tmp_path / "fast.jsonl.gz")


def test_every_reader_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for read in (
        read_aishell,
        read_an4,
        read_commonvoice,
        read_folder,
        read_librispeech,
        read_lhotse,
        read_ljspeech,
    ):
        with pytest.raises(AsrError, match="nowhere"):
            read(tmp_path / "nowhere")


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
