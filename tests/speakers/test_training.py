"""A training from tables of recordings to a folder that needs no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from talks import LINES, VOICES, said, write

from asr.catalogue import export, load_estimator, train
from asr.config import load_config
from asr.errors import ConfigError, DataError, ModelError
from asr.model_folder import open_model
from asr.run_folder import read_metrics
from asr.speakers.batches import CropLoader
from asr.speakers.config import SpeakerConfig, SpeakerDataConfig
from asr.speakers.data import read_recordings
from asr.speakers.embedder import SpeakerEmbedder
from asr.speakers.store import decode, encode, speech_span, write_voices

SMALL = (
    "data.speakers=4",
    "data.batches_per_epoch=3",
    "data.longest_s=1.3",
    "data.judged_s=1",
    "trainer.max_epochs=1",
    "trainer.pictures_every=0",
    "model={conv_channels: 16, hidden_dim: 16, attention_dim: 8, dim: 12}",
    "loss.ge2e=0.5",
    "data.crops=2",
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    rows = ["path\tspeaker\n"]
    for who in VOICES:
        for number, text in enumerate(LINES[:2]):
            write(folder / f"{who}{number}.wav", said(who, text))
            rows.append(f"{who}{number}.wav\t{who}\n")
    path = folder / "table.tsv"
    path.write_text("".join(rows))
    write(folder / "noise" / "hiss.wav", _hiss()) if (folder / "noise").mkdir() is None else None
    return path


def _hiss() -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = folder / "config.yaml"
    config.write_text("task: speaker\n")
    given = [f"data.train=[{table}]", f"data.dev=[{table}]", f"data.test={{again: {table}}}"]
    noise = f"data.noise=[{table.parent / 'noise'}]"
    train(config, [*given, noise, *SMALL, f"output_dir={folder / 'run'}"])
    return folder / "run"


def test_training_leaves_figures_and_a_model(run: Path) -> None:
    metrics = read_metrics(run)
    assert {"dev/eer", "dev/min_dcf", "again/eer"} <= metrics.keys()
    embedder = load_estimator(open_model(run))
    assert isinstance(embedder, SpeakerEmbedder)
    voice = embedder.voice(said("man", LINES[0]), 16000)
    assert np.linalg.norm(voice.embedding) == pytest.approx(1)


def test_the_exported_model_is_the_trained_one(run: Path, tmp_path: Path) -> None:
    exported = export(open_model(run), tmp_path / "small", "onnx-int8")
    assert exported.comparisons
    voices = [
        SpeakerEmbedder.load(m).voice(said("woman", LINES[0]), 16000)
        for m in (run, tmp_path / "small")
    ]
    assert voices[0].embedding @ voices[1].embedding > 0.97
    with pytest.raises(ConfigError, match="format"):
        export(open_model(run), tmp_path / "other", "torch-export")
    with pytest.raises(ModelError):
        export(open_model(tmp_path / "small"), tmp_path / "again", "onnx")


def test_tables_that_cannot_be_used(table: Path, tmp_path: Path) -> None:
    assert [r.speaker for r in read_recordings([table])] == [w for w in VOICES for _ in range(2)]
    bare = tmp_path / "bare.tsv"
    bare.write_text("path\ttext\na.wav\thello\n")
    with pytest.raises(DataError, match="no column for the speaker"):
        read_recordings([bare])
    with pytest.raises(ConfigError, match=r"data\.train"):
        train(_config(tmp_path), [f"output_dir={tmp_path / 'x'}"])


def _config(folder: Path) -> Path:
    (folder / "c.yaml").write_text("task: speaker\n")
    return folder / "c.yaml"


def test_copies_at_another_speed_are_other_speakers(table: Path, tmp_path: Path) -> None:
    config = load_config(SpeakerConfig, _config(tmp_path))
    recordings = read_recordings([table])
    store = write_voices(tmp_path / "s", recordings, config.features, (0.9, 1.0))
    assert store.names[: len(VOICES)] == tuple(f"{name}@0.9" for name in sorted(VOICES))
    assert store.names[len(VOICES) :] == tuple(sorted(VOICES))
    assert store.lengths[0] / store.lengths[1] == pytest.approx(1 / 0.9, rel=0.02)
    before = (tmp_path / "s" / "features.npy").stat().st_mtime_ns
    write_voices(tmp_path / "s", recordings, config.features, (0.9, 1.0))
    assert (tmp_path / "s" / "features.npy").stat().st_mtime_ns == before
    one, other = (
        CropLoader(store, SpeakerDataConfig(speakers=3, crops=2), 0.01, seed=5).load(1, 2)
        for _ in range(2)
    )
    assert one.ids == other.ids
    assert (one.x == other.x).all()
    assert one.speakers.tolist() == sorted(one.speakers.tolist(), key=one.speakers.tolist().index)
    assert len(one) == 6


def test_codes_keep_features_within_half_a_step() -> None:
    values = np.linspace(-21.9, 13, 1000, dtype=np.float32)
    assert np.abs(decode(encode(values)) - values).max() <= 0.0701


def test_silence_around_speech_is_left_out() -> None:
    line = said("man", LINES[0])
    quiet = np.full(16000, 1e-5, np.float32) * np.sign(np.sin(np.arange(16000)))
    first, end = speech_span(np.concatenate([quiet, line, quiet]).astype(np.float32), 16000)
    assert abs(first - 16000) < 4800
    assert abs(end - 16000 - len(line)) < 4800
    assert speech_span(np.zeros(10, np.float32), 16000) == (0, 0)
