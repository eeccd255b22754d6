"""Preparation from utterances to a split folder: what is in it, what is skipped, and what a stop
leaves behind.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asr.audio.perturbation import change_speed
from asr.audio.reading import load_audio
from asr.cli import main
from asr.errors import AudioError, ConfigError, DataError, OutputError
from asr.features.config import FeatureConfig
from asr.features.extraction import LogMel
from asr.speech.data.store import FeatureStore
from data_prep import store as store_module
from data_prep.manifests import completed, open_cuts, read_manifest, write_manifest
from data_prep.prepare import prepare
from data_prep.store import StoreConfig, Utterance

RATE = 16000


@pytest.fixture
def corpus(tmp_path: Path) -> list[Utterance]:
    """Six utterances of different length, as FLAC files of noise."""
    rng = np.random.default_rng(0)
    (tmp_path / "audio").mkdir()
    utterances = []
    for i in range(6):
        path = tmp_path / "audio" / f"u{i}.flac"
        soundfile.write(path, rng.uniform(-0.3, 0.3, 8000 + 1600 * i), RATE)
        utterances.append(Utterance(f"u{i}", str(path), f"Text No. {i}", f"s{i % 2}"))
    return utterances


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_a_split_has_all_its_parts(corpus: list[Utterance], tmp_path: Path) -> None:
    splits = {"train": corpus[:4], "dev": corpus[4:]}
    done = prepare(splits, tmp_path / "out", speeds=(0.9, 1.0), normalizer="librispeech", jobs=1)
    assert [(d.path.name, d.utterances, d.speakers) for d in done] == [
        ("train", 4, 2),
        ("dev", 2, 2),
    ]
    assert done[0].hours == pytest.approx((4 * 8000 + 1600 * 6) / RATE / 3600)
    train, dev = (FeatureStore.open(d.path) for d in done)
    assert list(dev.ids) == ["u4", "u5"]
    assert list(train.ids)[:3] == ["u0-sp0.9", "u0", "u1-sp0.9"]
    assert train.sources.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (tmp_path / "out/dev/text.txt").read_text() == "text no four\ntext no five\n"
    assert {p.name for p in done[0].path.iterdir()} == {
        "cuts.jsonl.gz",
        "features",
        "text.txt",
        "skipped.tsv",
        ".completed",
    }
    summary = completed(done[0].path)
    assert summary is not None
    assert (summary["utterances"], summary["skipped"]) == (4, [])


def test_stored_features_are_those_of_the_recording(
    corpus: list[Utterance], tmp_path: Path
) -> None:
    (done,) = prepare({"train": corpus}, tmp_path / "out", speeds=(1.0, 1.1), jobs=1)
    store, front_end = FeatureStore.open(done.path), LogMel(FeatureConfig())
    for number, name in enumerate(store.ids):
        samples = load_audio(corpus[number // 2].audio).samples
        expected = front_end.extract(
            change_speed(samples, 16000, round(float(store.speeds[number]), 3))
        )
        assert name.startswith(corpus[number // 2].id)
        assert np.abs(store.features(number) - expected).max() <= 2.6e-4
    assert store.num_frames[1] == pytest.approx(store.num_frames[0] / 1.1, abs=2)


def test_the_manifest_is_lhotse_s(corpus: list[Utterance], tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    stretch = Utterance("part", corpus[5].audio, "some", "", 0.25, 0.5)
    (done,) = prepare({"test": [*corpus, stretch]}, tmp_path / "out", jobs=1)
    cuts = open_cuts(done.path)
    assert cuts.is_lazy
    lhotse.validate(cuts)
    first = next(iter(cuts))
    assert (first.supervisions[0].text, first.supervisions[0].speaker) == ("Text No. 0", "s0")
    assert first.load_audio().shape == (1, 8000)
    assert list(read_manifest(done.path)) == [*corpus, stretch]


def test_a_manifest_that_is_missing_or_cut_off(corpus: list[Utterance], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="asr prepare"):
        list(read_manifest(tmp_path))
    write_manifest(tmp_path, corpus)
    path = tmp_path / "cuts.jsonl.gz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="damaged"):
        list(read_manifest(tmp_path))
    before = path.read_bytes()
    with pytest.raises(AudioError, match="no file"):
        write_manifest(tmp_path, [*corpus, Utterance("x", "nowhere.wav", "x", "")])
    assert path.read_bytes() == before


def test_stereo_in_the_manifest(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full((8000, 2), 0.1), 8000)
    utterance = Utterance("a", str(tmp_path / "a.wav"), "x", "")
    write_manifest(tmp_path, [utterance])
    assert list(read_manifest(tmp_path)) == [utterance]
    assert next(iter(open_cuts(tmp_path))).load_audio().shape == (2, 8000)


def broken(tmp_path: Path, whole: Path) -> dict[str, Callable[[Path], None]]:
    def tone(samples: Any) -> Callable[[Path], None]:
        return lambda path: soundfile.write(path, samples, RATE, format="WAV", subtype="FLOAT")

    return {
        "silence": tone(np.zeros(8000)),
        "empty": lambda path: path.touch(),
        "truncated": lambda path: path.write_bytes(whole.read_bytes()[:5000]) and None,
        "text": lambda path: path.write_text("not audio") and None,
        "one frame": tone(np.full(1, 0.1)),
        "nan": tone(np.array([0.1, np.nan] * 4000)),
        "missing": lambda path: None,
    }


REASONS = {
    "silence": "is silent",
    "empty": "is an empty file",
    "truncated": "cannot be read",
    "text": "cannot be read",
    "one frame": "shorter than one frame",
    "nan": "NaN",
    "missing": "no audio file",
}


@pytest.mark.parametrize("kind", list(REASONS))
def test_bad_audio_is_a_counted_and_named_skip(
    corpus: list[Utterance], tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "bad.flac"
    broken(tmp_path, Path(corpus[0].audio))[kind](path)
    splits = {"train": [*corpus, Utterance("bad", str(path), "x", "s")]}
    with pytest.raises(
        DataError,
        match=rf"(?s)1 utterances of train .* 0 .*bad: .*{REASONS[kind]}.*--max-skipped 1",
    ):
        prepare(splits, tmp_path / "out", jobs=1)
    assert completed(tmp_path / "out/train") is None
    with pytest.raises(DataError):
        FeatureStore.open(tmp_path / "out/train")
    (done,) = prepare(splits, tmp_path / "out", max_skipped=1, jobs=1)
    assert (done.utterances, [s.id for s in done.skipped]) == (6, ["bad"])
    assert REASONS[kind] in (done.path / "skipped.tsv").read_text()
    assert len(FeatureStore.open(done.path)) == 6
    assert len(list(read_manifest(done.path))) == 6
    with pytest.raises(DataError, match="--max-skipped 1"):  # a finished split does not forget
        prepare(splits, tmp_path / "out", jobs=1)


def test_bad_transcripts_are_named(corpus: list[Utterance], tmp_path: Path) -> None:
    bad = [Utterance("a", corpus[0].audio, " ", ""), Utterance("b", corpus[0].audio, "?!", "")]
    with pytest.raises(
        DataError,
        match=r"(?s)2 utterances .*a: .*no transcript.*b: .*empty after the normalizer librispeech",
    ):
        prepare({"train": [*corpus, *bad]}, tmp_path / "out", normalizer="librispeech", jobs=1)


def test_a_mended_recording_is_prepared_again(corpus: list[Utterance], tmp_path: Path) -> None:
    path = tmp_path / "late.wav"
    path.write_text("not audio")
    splits = {"train": [*corpus, Utterance("late", str(path), "x", "s")]}
    prepare(splits, tmp_path / "out", max_skipped=1, jobs=1)
    soundfile.write(path, np.full(8000, 0.1), RATE)
    assert prepare(splits, tmp_path / "out", jobs=1)[0].utterances == 7


def test_corpora_that_make_no_sense(corpus: list[Utterance], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no utterance"):
        prepare({"train": []}, tmp_path / "out")
    with pytest.raises(DataError, match="u0 occurs 2 times"):
        prepare({"train": [corpus[0], corpus[0]]}, tmp_path / "out")
    with pytest.raises(DataError, match="no split golden"):
        prepare({"train": corpus}, tmp_path / "out", train_splits=["golden"])
    with pytest.raises(ConfigError, match="normaliser"):
        prepare({"train": corpus}, tmp_path / "out", normalizer="shout")
    for speeds in ((0.9,), (1.0, 1.0), (1.0, 9.0)):
        with pytest.raises(ConfigError, match="speeds"):
            StoreConfig(speeds=speeds)
    with pytest.raises(ConfigError, match="dtype"):
        StoreConfig(dtype="float16")


def test_a_stretch_outside_its_recording(corpus: list[Utterance], tmp_path: Path) -> None:
    for start, duration in ((7.0, None), (0.2, 3.0)):
        with pytest.raises(DataError, match="is beyond its end"):
            prepare(
                {"train": [Utterance("a", corpus[0].audio, "x", "", start, duration)]},
                tmp_path / "out",
                jobs=1,
            )


def test_a_finished_split_is_left_alone_and_other_settings_are_not(
    corpus: list[Utterance], tmp_path: Path
) -> None:
    prepare({"train": corpus}, tmp_path, jobs=1)
    dates = {p: p.stat().st_mtime_ns for p in (tmp_path / "train").rglob("*") if p.is_file()}
    prepare({"train": corpus}, tmp_path, jobs=1)
    assert dates == {
        p: p.stat().st_mtime_ns for p in (tmp_path / "train").rglob("*") if p.is_file()
    }
    prepare({"train": corpus}, tmp_path, FeatureConfig(n_mels=40), jobs=1)
    assert FeatureStore.open(tmp_path / "train").features(0).shape[1] == 40


@pytest.mark.parametrize("victim", ["save", "savez", "text", "manifest"])
def test_a_full_disk_leaves_nothing_half_written(
    corpus: list[Utterance], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    monkeypatch.setattr(store_module, "SHARD_SIZE", 2)
    prepare({"train": corpus}, tmp_path / "unbroken", jobs=1)

    def full(*arguments: Any, **_: Any) -> None:
        target = next(a for a in arguments if isinstance(a, (Path, str)))
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken_disk:
        target: Any = {
            "save": (np, "save"),
            "savez": (np, "savez"),
            "text": (Path, "write_text"),
        }.get(victim)
        if target:
            broken_disk.setattr(*target, full)
        else:
            broken_disk.setattr(
                "data_prep.prepare.write_manifest", lambda split, kept: full(split / "x")
            )
        with pytest.raises((DataError, OutputError), match="No space left on device"):
            prepare({"train": corpus}, tmp_path / "out", jobs=1)
    (tmp_path / "out/train/x").unlink(missing_ok=True)
    left = snapshot(tmp_path / "out")
    assert not [name for name in left if Path(name).name.startswith(".")]
    assert b"half" not in left.values()
    prepare({"train": corpus}, tmp_path / "out", jobs=1)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "unbroken")


KILLED = """
import sys
from pathlib import Path
from data_prep import store
from data_prep.prepare import prepare
from data_prep.store import Utterance

store.SHARD_SIZE = 1
folder, out = map(Path, sys.argv[1:])
original = store._write_shard
def slow(*arguments):
    import time
    time.sleep(0.3)
    return original(*arguments)
store._write_shard = slow
corpus = [
    Utterance(f"u{i}", str(folder / f"u{i}.flac"), f"Text No. {i}", f"s{i % 2}") for i in range(6)
]
prepare({"train": corpus}, out, speeds=(1.0, 1.1), jobs=1)
"""


def test_a_killed_run_goes_on_and_ends_like_an_unbroken_one(
    corpus: list[Utterance], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SHARD_SIZE", 1)
    prepare({"train": corpus}, tmp_path / "unbroken", speeds=(1.0, 1.1), jobs=1)
    out, features = tmp_path / "out", tmp_path / "out/train/features"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "audio"), str(out)])
    deadline = time.monotonic() + 60
    while not (features / "shard-00001.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert completed(out / "train") is None
    with pytest.raises(DataError, match="asr prepare"):
        FeatureStore.open(out / "train")
    kept = {p.name: p.stat().st_mtime_ns for p in features.glob("shard-*")}
    assert 4 <= len(kept) < 12
    (features / ".shard-00002.123-abc.npy").write_bytes(b"half")  # as a kill in mid-write leaves it
    prepare({"train": corpus}, out, speeds=(1.0, 1.1), jobs=1)
    assert kept.items() <= {p.name: p.stat().st_mtime_ns for p in features.glob("shard-*")}.items()
    assert snapshot(out) == snapshot(tmp_path / "unbroken")


def test_processes_change_nothing(
    corpus: list[Utterance], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "SHARD_SIZE", 3)
    for jobs in (1, 2):
        prepare({"train": corpus}, tmp_path / f"{jobs}", jobs=jobs)
    assert snapshot(tmp_path / "1") == snapshot(tmp_path / "2")


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    output = capsys.readouterr()
    return int(stop.value.code or 0), output.out, output.err


def test_the_command(
    corpus: list[Utterance], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"audio/{u.id}.flac\t{u.text}\t{u.speaker}\n" for u in corpus)
    (tmp_path / "mine.tsv").write_text(
        "path\tsentence\tclient_id\n" + rows + "audio/none.flac\tx\ts0\n"
    )
    settings = (
        "--jobs 1 --dev-share 0.2 --speeds 0.9,1.0 --normalizer librispeech --feature n_mels=40"
    )
    arguments = [
        "prepare",
        "table",
        str(tmp_path / "mine.tsv"),
        "-o",
        str(tmp_path / "out"),
        *settings.split(),
    ]
    status, out, err = run(arguments, capsys)
    assert (status, out) == (1, "")
    assert "audio/none.flac" in err
    status, out, err = run([*arguments, "--max-skipped", "1"], capsys)
    assert status == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == [
        str(tmp_path / "out" / s) for s in ("train", "dev")
    ]
    assert "x real time" in err
    assert "1 skipped" in err
    store = FeatureStore.open(tmp_path / "out/train")
    assert sorted(set(store.speeds.tolist())) == pytest.approx([0.9, 1.0])
    assert store.feature_config.n_mels == 40
    assert store.texts[0].islower()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["prepare", "switchboard", "x", "-o", "o"], 2, "switchboard"),
        (["prepare", "an4", "x", "-o", "o", "--dev-share", "0.1"], 2, "--dev-share"),
        (["prepare", "folder", "x", "-o", "o", "--parts", "a"], 2, "--parts"),
        (["prepare", "an4", "nowhere", "-o", "o"], 1, "nowhere"),
        (["prepare", "an4", "x", "-o", "o", "--speeds", "fast"], 2, "--speeds"),
        (["prepare", "an4", "x", "-o", "o", "--feature", "mels=40"], 1, "n_mels"),
        (["prepare", "an4", "x", "-o", "o", "--noise-setting", "snr=4"], 1, "snr"),
        (["prepare", "an4", "x"], 2, "--output-dir"),
    ],
)
def test_wrong_usage(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    got, out, err = run(arguments, capsys)
    assert (got, out) == (status, "")
    assert said in err


def test_what_was_read_before_is_not_remembered(tmp_path: Path) -> None:
    """The same recording, then another in its place, of which one utterance is a stretch."""
    path, rng = tmp_path / "a.wav", np.random.default_rng(0)
    stretch = [Utterance("a", str(path), "a", "s", start_s=0.5, duration_s=0.4)]
    means = []
    for loudness in (0.01, 0.4):
        soundfile.write(path, rng.uniform(-loudness, loudness, RATE), RATE)
        (done,) = prepare({"train": stretch}, tmp_path / "out", jobs=1)
        store = FeatureStore.open(done.path)
        np.testing.assert_allclose(store.features(0).mean(0), store.mean, atol=0.05)
        means.append(float(store.mean.mean()))
    assert means[1] - means[0] > 2  # of a natural logarithm


def test_a_split_of_an_earlier_preparation_that_shares_utterances_is_named(
    corpus: list[Utterance], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare({"train": corpus[:4], "test": corpus[4:]}, tmp_path / "out", jobs=1)
    prepare({"train": corpus[:4]}, tmp_path / "out", jobs=1)
    assert "warning" not in capsys.readouterr().err
    prepare({"train": corpus}, tmp_path / "out", jobs=1)
    assert "out/test, of an earlier preparation, holds 2 of these" in capsys.readouterr().err
