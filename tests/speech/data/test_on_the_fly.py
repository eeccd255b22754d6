"""Features computed in training: equal to stored ones where nothing is changed, new in every epoch
where it is.
"""

from __future__ import annotations

import gzip
import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.perturbation import NoiseConfig, change_speed
from asr.audio.reading import load_audio, load_stretch
from asr.catalogue import train
from asr.errors import AudioError, ConfigError, DataError
from asr.features.config import FeatureConfig
from asr.features.extraction import LogMel
from asr.speech.data.batches import SpeechLoader
from asr.speech.data.on_the_fly import LiveConfig, LiveFeatures
from asr.speech.data.recordings import SplitRecordings
from asr.speech.data.store import FeatureStore, LabelTable
from asr.training.prefetch import BatchMaker
from data_prep.prepare import prepare
from data_prep.store import Utterance

RATE = 16000


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Two whole recordings, and two stretches of a third one of 22.05 kHz and two channels."""
    rng = np.random.default_rng(0)
    utterances = []
    for i in range(2):
        soundfile.write(tmp_path / f"{i}.flac", rng.uniform(-0.3, 0.3, RATE + 800 * i), RATE)
        utterances.append(Utterance(f"u{i}", str(tmp_path / f"{i}.flac"), "ab", "s"))
    soundfile.write(tmp_path / "talk.wav", rng.uniform(-0.3, 0.3, (3 * 22050, 2)), 22050)
    for i, start in enumerate((0.2, 1.6)):
        utterances.append(Utterance(f"t{i}", str(tmp_path / "talk.wav"), "ba", "t", start, 1.2))
    prepare({"train": utterances}, tmp_path, speeds=(1.0, 1.1), jobs=1)
    return FeatureStore.open(tmp_path / "train")


def plain(store: FeatureStore) -> list[int]:
    return [i for i, speed in enumerate(store.speeds) if speed == 1.0]


def test_a_copy_before_its_original_knows_its_recording(tmp_path: Path) -> None:
    for i in range(3):
        noise = np.random.default_rng(i).uniform(-0.3, 0.3, RATE)
        soundfile.write(tmp_path / f"{i}.flac", noise, RATE)
    utterances = [Utterance(f"u{i}", str(tmp_path / f"{i}.flac"), "ab", "s") for i in range(3)]
    prepare({"train": utterances}, tmp_path, speeds=(0.9, 1.0), jobs=1)
    store = FeatureStore.open(tmp_path / "train")
    recordings = SplitRecordings(store)
    found = [Path(recordings.path(item)).stem for item in range(len(store.ids))]
    assert found == [str(number) for number in store.sources]
    assert sorted(found) == sorted("001122")


def test_unchanged_utterances_have_the_stored_features(store: FeatureStore) -> None:
    live = LiveFeatures(store, LiveConfig(True, speeds=(1.0,)))
    for item in plain(store):
        features, stored = live.features(item, epoch=3), store.features(item)
        assert abs(len(features) - len(stored)) <= 1
        n = (
            min(len(features), len(stored)) - 3
        )  # the ends of a stretch are resampled without what lies behind them
        assert np.abs(features[3:n] - stored[3:n]).max() < (
            3e-4 if store.ids[item][0] == "u" else 0.05
        )


def test_each_epoch_draws_a_speed_or_a_noisy_copy_of_its_own(
    store: FeatureStore, tmp_path: Path
) -> None:
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "noise/hum.wav", np.sin(np.arange(RATE) * 0.05) * 0.2, RATE)
    config = LiveConfig(True, (0.9, 1.0), NoiseConfig(str(tmp_path / "noise"), copies=2))
    live, samples = LiveFeatures(store, config, seed=4), load_audio(tmp_path / "0.flac").samples
    extractor = LogMel(store.feature_config)
    speeds = [extractor.extract(change_speed(samples, RATE, speed)) for speed in config.speeds]
    drawn = [live.features(0, epoch) for epoch in range(24)]
    clean = [
        next((k for k, f in enumerate(speeds) if f.shape == d.shape and np.allclose(f, d)), -1)
        for d in drawn
    ]
    assert {-1, 0, 1} == set(clean)
    assert 6 <= clean.count(-1) <= 18  # two of four choices
    noisy = [d for d, k in zip(drawn, clean, strict=True) if k < 0]
    assert all(not np.allclose(a, b) for a, b in itertools.pairwise(noisy))
    again = LiveFeatures(store, config, seed=4)
    np.testing.assert_array_equal(again.features(0, 7), drawn[7])


@pytest.mark.parametrize("processes", [0, 2])
def test_processes_make_the_batches_that_one_thread_makes(
    store: FeatureStore, processes: int
) -> None:
    labels = LabelTable([[1, 2]] * len(store), 3)
    live = LiveFeatures(store, LiveConfig(True))
    loader = SpeechLoader(store, labels, np.arange(len(store)), 2.5, seed=1, live=live)
    expected = [loader.load(2, i) for i in range(loader.num_batches(2))]
    assert sorted(name for batch in expected for name in batch.ids) == ["t0", "t1", "u0", "u1"]
    with BatchMaker(pickle.loads(pickle.dumps(loader)), processes) as maker:
        made = list(maker.batches(2, 0, len(expected)))
        assert [b.ids for b in maker.batches(2, 1, len(expected))] == [b.ids for b in expected[1:]]
    assert len(made) == len(expected)
    for one, other in zip(made, expected, strict=True):
        assert one.ids == other.ids
        assert one.features.equal(other.features)
        assert one.label_lens.equal(other.label_lens)


def test_training_on_the_fly(
    store: FeatureStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(
        "task: ctc\ndata: {max_batch_s: 3, on_the_fly: {enabled: true, speeds: [1.0, 2.0]}}\n"
        "model: {num_layers: 1, hidden_dim: 8, conv_channels: 2}\n"
        "trainer: {max_epochs: 1, threads: 1}\n"
    )
    given = [f"data.train={store.path}", f"data.dev={store.path}", f"output_dir={tmp_path / 'run'}"]
    train(tmp_path / "c.yaml", given)
    assert (tmp_path / "run/model/model.safetensors").is_file()
    with pytest.raises(ConfigError, match=r"Did you mean data\.on_the_fly\.speeds"):
        train(tmp_path / "c.yaml", [*given, "data.on_the_fly.speed=[1]"])


def test_recordings_that_trimming_makes_longer(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, RATE)  # gets silence before and after
    soundfile.write(tmp_path / "0.flac", noise, RATE)
    utterances = [Utterance("u0", str(tmp_path / "0.flac"), "ab", "s")]
    prepare({"train": utterances}, tmp_path, features=FeatureConfig(trim=True), jobs=1)
    store = FeatureStore.open(tmp_path / "train")
    features = LiveFeatures(store, LiveConfig(True, speeds=(1.0,))).features(0, epoch=0)
    assert len(features) == store.num_frames[0] > FeatureConfig().num_frames(RATE)


def test_bad_input(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="speeds"):
        LiveConfig(True, (3.0,))
    live = LiveFeatures(store, LiveConfig(True, (1.0,)))
    soundfile.write(tmp_path / "0.flac", np.zeros(800), RATE)
    with pytest.raises(AudioError, match="shorter than when it was prepared"):
        live.features(0, 0)
    with pytest.raises(AudioError, match="ends before"):
        load_stretch(tmp_path / "0.flac", 2.0, 1.0)
    manifest = store.path / "cuts.jsonl.gz"
    lines = gzip.decompress(manifest.read_bytes()).splitlines()
    manifest.write_bytes(gzip.compress(b"\n".join(lines[1:])))
    with pytest.raises(DataError, match="lacks the utterance u0"):
        LiveFeatures(store, LiveConfig(True))
    manifest.write_bytes(gzip.compress(b"{}"))
    with pytest.raises(DataError, match="damaged"):
        LiveFeatures(store, LiveConfig(True))
    manifest.unlink()
    with pytest.raises(DataError, match="There is no"):
        LiveFeatures(store, LiveConfig(True))
