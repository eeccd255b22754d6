"""Lhotse Shar in and out; Lhotse itself reads what we write and writes what we read."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from lhotse import CutSet
from lhotse.shar import SharWriter
from lhotse.utils import fastcopy

from asr.audio.reading import audio_info, load_audio
from asr.audio.shar import file_of, find_shar, parse_address, read_shar
from asr.cli import main
from asr.errors import AudioError, DataError, ScoringError
from asr.report.audio import player, samples_of
from asr.scoring import pair, read_transcripts, score_pairs
from asr.scoring.page import write_score_page
from asr.speech.data.on_the_fly import LiveConfig, LiveFeatures
from asr.speech.data.store import FeatureStore
from asr.speech.jobs.transcribe import expand_inputs
from data_prep import shar as writing
from data_prep.manifest import read_lhotse
from data_prep.manifests import open_cuts, read_manifest, write_manifest
from data_prep.prepare import prepare
from data_prep.shar import write_shar
from data_prep.store import Utterance

pytestmark = [  # Lhotse leaves the tar files that it reads open
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """Five recordings, one of them stereo at another rate, and two stretches of a sixth."""
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(6):
        path, shape = (
            tmp_path / "audio" / f"{number}.wav",
            (8000 + number, 2) if number == 2 else 8000 + number,
        )
        path.parent.mkdir(exist_ok=True)
        soundfile.write(
            path, np.clip(rng.normal(scale=0.4, size=shape), -1, 1), 22050 if number == 2 else 16000
        )
        if number < 5:
            utterances.append(
                Utterance(
                    f"s{number % 2}/u.{number}", str(path), f"text {number}", f"s{number % 2}"
                )
            )
    utterances += [
        Utterance(f"talk-{k}", str(path), f"part {k}", "t", 0.1 * k, 0.2) for k in (0, 1)
    ]
    write_manifest(tmp_path / "split", utterances)
    return tmp_path / "split"


@pytest.fixture
def lhotse_shar(split: Path, tmp_path: Path) -> Path:
    """What Lhotse writes, three cuts a shard."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    with SharWriter(folder, {"recording": "flac"}, shard_size=3) as writer:
        for cut in open_cuts(split):
            writer.write(cut)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_lhotse_reads_what_we_write(split: Path, tmp_path: Path) -> None:
    assert write_shar(split, tmp_path / "shar" / "train", 3, jobs=1) == 3
    written = list(CutSet.from_shar(in_dir=tmp_path / "shar" / "train"))
    for ours, cut in zip(written, open_cuts(split), strict=True):
        assert (ours.id, ours.start, ours.duration, ours.channel) == (
            cut.id,
            0.0,
            cut.duration,
            cut.channel,
        )
        (mine,), (theirs,) = ours.supervisions, cut.supervisions
        assert (mine.text, mine.speaker, mine.duration) == (
            theirs.text,
            theirs.speaker,
            theirs.duration,
        )
        assert ours.sampling_rate == cut.sampling_rate
        np.testing.assert_array_equal(ours.load_audio(), cut.load_audio())
    assert sorted(files(tmp_path / "shar" / "train")) == sorted(
        [f"cuts.{n:06}.jsonl.gz" for n in range(3)] + [f"recording.{n:06}.tar" for n in range(3)]
    )


@pytest.mark.parametrize("field", ["flac", "wav"])
def test_we_read_what_lhotse_writes(split: Path, tmp_path: Path, field: str) -> None:
    folder = tmp_path / "corpus" / "train"
    folder.mkdir(parents=True)
    with SharWriter(folder, {"recording": field}, shard_size=2) as writer:
        for cut in open_cuts(split):
            writer.write(cut)
    found = read_lhotse(tmp_path / "corpus")["train"]
    for utterance, original in zip(found, read_manifest(split), strict=True):
        assert (utterance.id, utterance.text, utterance.speaker) == (
            original.id,
            original.text,
            original.speaker,
        )
        assert (utterance.start_s, utterance.duration_s) == (0.0, None)
    for utterance, cut in zip(found, CutSet.from_shar(in_dir=folder), strict=True):
        info, audio = (
            audio_info(utterance.audio),
            load_audio(utterance.audio, cut.sampling_rate, "all"),
        )
        assert (info.sample_rate, info.num_samples) == (cut.sampling_rate, cut.num_samples)
        assert info.channels == cut.num_channels
        np.testing.assert_array_equal(audio.samples.T, cut.load_audio())
    assert read_lhotse(folder) == {"train": found}  # the folder's own name tells


def test_prepared_from_shards_and_back(lhotse_shar: Path, tmp_path: Path) -> None:
    (done,) = prepare(
        {"train": read_lhotse(lhotse_shar, dev_share=0)["train"]}, tmp_path / "out", jobs=1
    )
    assert done.utterances == 7
    assert (
        list(read_manifest(done.path)) == read_lhotse(lhotse_shar, dev_share=0)["train"]
    )  # nothing was copied
    for cut, theirs in zip(open_cuts(done.path), CutSet.from_shar(in_dir=lhotse_shar), strict=True):
        np.testing.assert_array_equal(
            cut.load_audio(), theirs.load_audio()
        )  # Lhotse reads our manifest of shards
    live = LiveFeatures(FeatureStore.open(done.path), LiveConfig(True, (1.0,)))
    stored = live.store.features(1)
    np.testing.assert_allclose(
        live.features(1, 0), stored, atol=0.01
    )  # training finds the sound in the shards too
    write_shar(done.path, tmp_path / "again", 7, jobs=1)
    for cut, theirs in zip(
        CutSet.from_shar(in_dir=tmp_path / "again"), open_cuts(done.path), strict=True
    ):
        np.testing.assert_array_equal(cut.load_audio(), theirs.load_audio())


def test_pages_play_what_lies_in_shards(lhotse_shar: Path, tmp_path: Path) -> None:
    (done,) = prepare(
        {"train": read_lhotse(lhotse_shar, dev_share=0)["train"]}, tmp_path / "out", jobs=1
    )
    found = read_transcripts(done.path)
    for cut in open_cuts(done.path):
        samples, rate = samples_of(found.utterances[cut.id])
        assert rate == cut.sampling_rate
        np.testing.assert_allclose(samples, cut.load_audio().mean(axis=0), atol=1e-6)
    first = next(iter(found.utterances.values()))
    assert 'src="data:audio/mpeg;base64,' in player(first, "embed", tmp_path / "page.html")
    with pytest.raises(AudioError, match="to which a page cannot link. Use --audio embed"):
        player(first, "link", tmp_path / "page.html")
    score = score_pairs(pair(found, found))
    with pytest.raises(ScoringError, match="a page cannot link to it. Embed it"):
        write_score_page(score, tmp_path / "page.html", audio="link")
    write_score_page(score, tmp_path / "page.html", audio="embed")
    assert (tmp_path / "page.html").read_text().count("data:audio/wav;base64,") == 7


def test_a_stopped_run_goes_on(
    split: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shar(split, tmp_path / "whole", 2, jobs=1)
    real, made = writing._cut, list[str]()

    def stops(utterance: Utterance) -> object:
        if len(made) == 5:
            raise KeyboardInterrupt
        made.append(utterance.id)
        return real(utterance)

    monkeypatch.setattr(writing, "_cut", stops)
    with pytest.raises(KeyboardInterrupt):
        write_shar(split, tmp_path / "out" / "x", 2, jobs=1)
    assert not (tmp_path / "out" / "x").exists()  # nobody reads the half of it
    assert find_shar(tmp_path / "out") == []
    (
        tmp_path / "out" / ".x.unfinished" / ".recording.000002.7-abc.tar"
    ).touch()  # as a killed worker leaves it
    made.clear()
    write_shar(split, tmp_path / "out" / "x", 2, jobs=1)
    assert made == ["s0/u.4", "talk-0", "talk-1"]  # the first two shards were kept
    assert files(tmp_path / "out" / "x") == files(tmp_path / "whole")

    made[:] = ["finished"] * 5
    write_shar(split, tmp_path / "out" / "x", 2, jobs=1)  # nothing to do
    with pytest.raises(KeyboardInterrupt):
        write_shar(split, tmp_path / "out" / "x", 3, jobs=1)  # another size is another folder
    monkeypatch.undo()
    assert write_shar(split, tmp_path / "out" / "x", 4, jobs=1) == 2
    assert len(files(tmp_path / "out" / "x")) == 4


def test_what_cannot_be_written(split: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="exists and was not written by asr"):
        write_shar(split, split)
    utterances = list(read_manifest(split))
    write_manifest(tmp_path / "bad", [Utterance("../u", utterances[0].audio, "t", "")])
    with pytest.raises(DataError, match=r"'\.\./u' cannot be a file's name"):
        write_shar(tmp_path / "bad", tmp_path / "shar")
    path = tmp_path / "many.wav"
    soundfile.write(path, np.full((4000, 9), 0.1), 16000)
    write_manifest(tmp_path / "many", [Utterance("u", str(path), "t", "")])
    with pytest.raises(AudioError, match=r"many.wav \(9 channels, 16000 Hz\) cannot be FLAC"):
        write_shar(tmp_path / "many", tmp_path / "shar", jobs=1)


def cut_off(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def without_last_member(path: Path, count: int) -> None:
    with tarfile.open(path) as tar:
        kept = [(m, tar.extractfile(m)) for m in tar.getmembers()[:-count]]
        with tarfile.open(path.with_suffix(".new"), "w") as new:
            for member, content in kept:
                new.addfile(member, content)
    path.with_suffix(".new").replace(path)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            lambda f: cut_off(f / "recording.000001.tar", 0.5),
            r"recording.000001.tar cannot be read",
        ),
        (lambda f: cut_off(f / "recording.000001.tar", 0), r"recording.000001.tar cannot be read"),
        (
            lambda f: cut_off(f / "cuts.000000.jsonl.gz", 0.5),
            r"cuts.000000.jsonl.gz cannot be read past line",
        ),
        (
            lambda f: without_last_member(f / "recording.000000.tar", 1),
            r"needed .*\.json, found the end",
        ),
        (
            lambda f: without_last_member(f / "recording.000000.tar", 2),
            r"cuts.000000.* item 3 that recording",
        ),
        (lambda f: [p.unlink() for p in f.glob("recording*")], r"no recording\.\*\.tar"),
        (lambda f: [p.unlink() for p in f.glob("cuts*")], r"no cuts\.\*\.jsonl\.gz"),
        (
            lambda f: (f / "recording.000002.tar").unlink(),
            r"cuts.000002.jsonl.gz, but no recording.000002.tar",
        ),
        (
            lambda f: (f / "cuts.000002.jsonl.gz").unlink(),
            r"recording.000002.tar, but no cuts.000002.jsonl.gz",
        ),
        (
            lambda f: (f / "recording.000001.tar").rename(f / "recording.000001.tar.gz"),
            "is compressed",
        ),
        (
            lambda f: (f / "cuts.000001.jsonl.gz").replace(f / "cuts.000000.jsonl.gz"),
            "recording.000001.tar, but no",
        ),
        (
            lambda f: (f / "cuts.000000.jsonl.gz").write_bytes(
                (f / "cuts.000001.jsonl.gz").read_bytes()
            ),
            r"Item 1 of .*cuts.000000.jsonl.gz is s1/u.3, but of recording.000000.tar it is s0/u.0",
        ),
    ],
)
def test_damage_is_named(lhotse_shar: Path, harm: object, said: str) -> None:
    harm(lhotse_shar)  # type: ignore[operator]
    for read in (
        read_lhotse,
        lambda folder: list(read_shar(folder)),
        lambda folder: expand_inputs([str(folder)]),
    ):
        with pytest.raises(DataError, match=said) as caught:
            read(lhotse_shar)
        assert caught.value.remedy


def test_harm_after_the_index(lhotse_shar: Path) -> None:
    found = read_lhotse(lhotse_shar)["train"]
    cut_off(lhotse_shar / "recording.000000.tar", 0.1)
    with pytest.raises(
        AudioError, match=r"recording.000000.tar is cut off: s0/u.2.flac is not wholly in it"
    ):
        load_audio(found[2].audio)
    (lhotse_shar / "recording.000000.tar").unlink()
    with pytest.raises(AudioError, match="cannot be read"):
        audio_info(found[2].audio)


def test_members_that_lead_out_of_the_folder(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "cuts.000000.jsonl.gz", "wt") as file:
        file.write(json.dumps({"id": "../u"}) + "\n")
    with tarfile.open(tmp_path / "recording.000000.tar", "w") as tar:
        for name in ("../u.flac", "../u.json"):
            tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match="leads out of its folder"):
        list(read_shar(tmp_path))


def test_a_cut_without_sound_is_a_skip(split: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shar"
    folder.mkdir()
    with SharWriter(folder, {"recording": "flac"}, shard_size=5) as writer:
        for number, cut in enumerate(open_cuts(split)):
            writer.write(fastcopy(cut, recording=None) if number == 1 else cut)
    found = read_lhotse(folder, dev_share=0)
    (done,) = prepare(found, tmp_path / "out", jobs=1, max_skipped=1)
    assert [s.id for s in done.skipped] == ["s1/u.1"]
    assert "There is no audio file" in done.skipped[0].reason
    with pytest.raises(DataError, match="but only 0 may be left out"):
        prepare(found, tmp_path / "out", jobs=1)


def test_addresses(lhotse_shar: Path) -> None:
    items = expand_inputs([str(lhotse_shar.parent / "theirs")])
    assert [i.name.with_suffix(".txt").as_posix() for i in items[:3]] == [
        "s0/u.0.txt",
        "s1/u.1.txt",
        "s0/u.2.txt",
    ]
    address = parse_address(items[1].path)
    assert address is not None
    assert (str(address), address.member) == (items[1].path, "s1/u.1.flac")
    assert file_of(items[1].path) == lhotse_shar / "recording.000000.tar"
    assert parse_address("a.wav") is None
    assert file_of("a.wav") == Path("a.wav")
    above = expand_inputs([str(lhotse_shar.parent)])  # audio of plain files beside it counts too
    assert {i.name.parts[0] for i in above} == {"audio", "theirs"}


def test_the_command(lhotse_shar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "prepare",
        "manifest",
        str(lhotse_shar),
        "-o",
        str(tmp_path / "data"),
        "--dev-share",
        "0.3",
    ]
    arguments += ["--jobs", "1", "--shar", str(tmp_path / "shar"), "--shar-size", "2"]
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 0
    said = capsys.readouterr().out
    for name in ("train", "dev"):
        ids = [cut.id for cut in CutSet.from_shar(in_dir=tmp_path / "shar" / name)]
        assert ids == [u.id for u in read_manifest(tmp_path / "data" / name)]
        assert (
            f"{tmp_path / 'shar' / name}\t{len(ids)} utterances\t{-(-len(ids) // 2)} shards\n"
            in said
        )
    for wrong, message, status in (
        (["--shar", str(tmp_path / "data")], "exists and was not written by asr", 1),
        (["--shar-size", "2"], "it goes with --shar", 2),
    ):
        with pytest.raises(SystemExit) as done:
            main([*arguments[:7], *wrong])
        assert done.value.code == status
        assert message in capsys.readouterr().err
