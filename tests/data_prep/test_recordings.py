"""What preparation makes of channels, of a container's clock, and of formats that cannot seek."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from asr.audio.reading import load_audio
from asr.errors import DataError
from asr.features.config import FeatureConfig
from asr.features.extraction import LogMel
from asr.speech.data.on_the_fly import LiveConfig, LiveFeatures
from asr.speech.data.store import FeatureStore
from data_prep.manifest import read_lhotse
from data_prep.manifests import read_manifest
from data_prep.prepare import prepare
from data_prep.shar import write_shar
from data_prep.store import Utterance

RATE = 16000
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 3 * RATE)).astype(np.float32)
DETAIL = 0.03  # of 16-bit features


def features(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return LogMel(FeatureConfig()).extract(samples)


def stored(split: Path) -> dict[str, npt.NDArray[np.float32]]:
    store = FeatureStore.open(split)
    return {name: store.features(item) for item, name in enumerate(store.ids)}


def live(split: Path) -> dict[str, npt.NDArray[np.float32]]:
    store = FeatureStore.open(split)
    source = LiveFeatures(store, LiveConfig(enabled=True, speeds=(1.0,)))
    return {name: source.features(item, 0) for item, name in enumerate(store.ids)}


def call(folder: Path, channels: tuple[object, ...] = (0, 1), num: int = 2) -> Path:
    """Write a call of ``num`` channels and Lhotse's manifests, a supervision a channel."""
    lhotse = pytest.importorskip("lhotse")
    sound = np.concatenate([NOISE, NOISE[::-1] / 2])[:num].T
    soundfile.write(folder / "call.wav", sound, RATE, subtype="FLOAT")
    recording = lhotse.Recording.from_file(folder / "call.wav", recording_id="call")
    supervisions = [
        lhotse.SupervisionSegment(
            id=f"call-{i}",
            recording_id="call",
            start=0.5,
            duration=2.0,
            channel=channel,
            text=f"word {i}",
            speaker=f"s{i}",
        )
        for i, channel in enumerate(channels)
    ]
    (folder / "m").mkdir()
    lhotse.RecordingSet.from_recordings([recording]).to_file(
        folder / "m" / "recordings_train.jsonl.gz"
    )
    lhotse.SupervisionSet.from_segments(supervisions).to_file(
        folder / "m" / "supervisions_train.jsonl.gz"
    )
    return folder / "m"


def test_a_supervision_gets_its_channel(tmp_path: Path) -> None:
    splits = read_lhotse(call(tmp_path))
    assert {u.channel for u in splits["train"]} == {0, 1}
    prepare(splits, tmp_path / "p", jobs=1)
    split, part = tmp_path / "p" / "train", slice(RATE // 2, RATE // 2 + 2 * RATE)
    expected = {u.id: features(NOISE[u.channel or 0, part]) for u in splits["train"]}
    for found in (stored(split), live(split)):
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            assert found[name].shape == array.shape
            assert np.abs(found[name] - array).max() < DETAIL
    assert list(read_manifest(split)) == splits["train"]


def test_all_channels_are_the_mean_and_some_are_refused(tmp_path: Path) -> None:
    (utterance,) = read_lhotse(call(tmp_path, ([0, 1],)))["train"]
    assert utterance.channel is None
    for name, channels in (("some", ([0, 2],)), ("none", (7,))):
        (tmp_path / name).mkdir()
        with pytest.raises(DataError, match="is about the channels"):
            read_lhotse(call(tmp_path / name, channels, num=3))


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # Lhotse's shards
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_channel_goes_into_shards_and_back(tmp_path: Path) -> None:
    prepare(read_lhotse(call(tmp_path)), tmp_path / "p", jobs=1)
    write_shar(tmp_path / "p" / "train", tmp_path / "shar" / "train", 10, 1, None)
    again = read_lhotse(tmp_path / "shar")["train"]
    prepare({"train": again}, tmp_path / "again", jobs=1)
    first, second = stored(tmp_path / "p" / "train"), stored(tmp_path / "again" / "train")
    assert first.keys() == second.keys()
    for name, array in first.items():
        assert np.abs(second[name] - array).max() < 2 * DETAIL
    lhotse = pytest.importorskip("lhotse")
    cuts = lhotse.CutSet.from_shar(in_dir=tmp_path / "shar" / "train")
    assert {cut.load_audio().shape for cut in cuts} == {(1, 2 * RATE)}


def late(path: Path, clock_s: float = 5.0) -> npt.NDArray[np.float32]:
    """Write a film whose sound begins at ``clock_s``; return its samples."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("flac", rate=RATE)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(
            (NOISE[:1] * 32767).astype(np.int16), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = RATE, round(clock_s * RATE)
        container.mux([*stream.encode(frame), *stream.encode(None)])
    path.write_bytes(file.getvalue())
    audio = load_audio(path)
    assert audio.start_s == clock_s
    return audio.samples


def test_a_late_sound_is_as_long_as_it_is(tmp_path: Path) -> None:
    samples = late(tmp_path / "late.mkv")
    path = str(tmp_path / "late.mkv")
    utterances = [
        Utterance("whole", path, "a", ""),
        Utterance("part", path, "b", "", 6.0, 1.5),
        Utterance("early", path, "c", "", 4.0, 2.5),
    ]
    (done,) = prepare({"train": utterances}, tmp_path / "p", jobs=1)
    assert done.hours * 3600 == pytest.approx(3.0 + 1.5 + 1.5, abs=0.02)
    split = tmp_path / "p" / "train"
    expected = {
        "whole": features(samples),
        "part": features(samples[RATE : round(2.5 * RATE)]),
        "early": features(samples[: round(1.5 * RATE)]),
    }
    for found in (stored(split), live(split)):
        for name, array in expected.items():
            assert found[name].shape == array.shape
            assert np.abs(found[name] - array).max() < DETAIL
    again = {u.id: (u.start_s, u.duration_s) for u in read_manifest(split)}
    assert again == {"whole": (5.0, 3.0), "part": (6.0, 1.5), "early": (5.0, 1.5)}


def test_a_stretch_before_the_sound_is_skipped(tmp_path: Path) -> None:
    late(tmp_path / "late.mkv")
    path = str(tmp_path / "late.mkv")
    utterances = [Utterance("none", path, "a", "", 1.0, 2.0), Utterance("whole", path, "b", "")]
    (done,) = prepare({"train": utterances}, tmp_path / "p", jobs=1, max_skipped=1)
    assert [(s.id, "begins at 5.00 s" in s.reason) for s in done.skipped] == [("none", True)]


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        (".wav", {"format": "WAV", "subtype": "GSM610"}),
        (".au", {"format": "AU", "subtype": "G721_32"}),
        (".ogg", {"format": "OGG", "subtype": "OPUS"}),
        (".mp3", {"format": "MP3"}),
    ],
)
def test_preparation_reads_what_recognition_reads(
    tmp_path: Path, suffix: str, how: dict[str, str]
) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, NOISE[0], RATE, **how)
    utterances = [Utterance("a", str(path), "a", ""), Utterance("b", str(path), "b", "", 1.0, 1.0)]
    prepare({"train": utterances}, tmp_path / "p", jobs=1)
    found = stored(tmp_path / "p" / "train")
    samples = load_audio(path).samples
    for name, part in (("a", samples), ("b", samples[RATE : 2 * RATE])):
        assert np.abs(found[name] - features(part)).max() < DETAIL
