"""Stored features: what is read equals what was written, and damage is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asr.errors import DataError
from asr.features.config import FeatureConfig
from asr.speech.data.store import FeatureStore, Quantization, StringTable
from data_prep.store import StoreConfig, write_store


def items(count: int = 5) -> list[tuple[str, str, np.ndarray]]:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    return [
        (f"s{i % 2}-{i}", f"text {i} – ä", rng.uniform(-16, 8, (10 + i, 80)).astype(np.float32))
        for i in range(count)
    ]


@pytest.fixture
def split(tmp_path: Path) -> Path:
    write_store(tmp_path / "train", FeatureConfig(), items())
    return tmp_path / "train"


def test_what_is_read_equals_what_was_written(split: Path) -> None:
    store = FeatureStore.open(split)
    assert len(store) == 5
    assert store.feature_config == FeatureConfig()
    for number, (name, text, features) in enumerate(items()):
        assert (store.ids[number], store.texts[number], store.speakers[number]) == (
            name,
            text,
            name[:2],
        )
        assert np.abs(store.features(number) - features).max() <= 2.6e-4
    assert store.durations_s.tolist() == pytest.approx([0.10, 0.11, 0.12, 0.13, 0.14])
    assert sorted(store.sources.tolist()) == [0, 1, 2, 3, 4]


def test_statistics_are_those_of_all_frames(split: Path) -> None:
    store, values = FeatureStore.open(split), np.concatenate([f for _, _, f in items()])
    np.testing.assert_allclose(store.mean, values.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(store.std, values.std(0), rtol=1e-4)


@pytest.mark.parametrize(("dtype", "worst"), [("int16", 2.5e-4), ("int8", 0.063)])
def test_quantization_keeps_to_its_promise_and_cuts_off(dtype: str, worst: float) -> None:
    code = Quantization(dtype)
    values = np.linspace(-17, 15, 100_001, dtype=np.float32)
    assert np.abs(code.decode(code.encode(values)) - values).max() <= worst
    edges = code.decode(code.encode(np.array([-99.0, 99.0], np.float32)))
    np.testing.assert_allclose(edges, [-17, 15], atol=1e-3)


def test_range_reaches_down_to_the_floor() -> None:
    for floor in (1e-10, 1e-7, 1e-4):
        code = StoreConfig(FeatureConfig(floor=floor)).quantization()
        assert code.low <= np.log(floor) < code.low + 1.0
    assert StoreConfig().quantization() == Quantization()


def test_strings_are_made_when_asked_for() -> None:
    table = StringTable.of(["a", "", "ß und 字"])
    assert list(table) == ["a", "", "ß und 字"]
    assert table[-1] == "ß und 字"
    assert table[1:] == ["", "ß und 字"]
    with pytest.raises(IndexError):
        table[3]


def test_no_split_or_an_unfinished_one(tmp_path: Path, split: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        FeatureStore.open(tmp_path / "nowhere")
    (split / "features" / "meta.json").unlink()
    with pytest.raises(DataError, match=r"not a prepared split.*asr prepare"):
        FeatureStore.open(split)


@pytest.mark.parametrize("name", ["meta.json", "index.npz", "strings.npz"])
def test_damaged_files_are_named(split: Path, name: str) -> None:
    path = split / "features" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="damaged"):
        FeatureStore.open(split)


def test_settings_of_another_version_are_refused(split: Path) -> None:
    path = split / "features" / "meta.json"
    meta = json.loads(path.read_text())
    meta["features"]["wavelets"] = 3
    path.write_text(json.dumps(meta))
    with pytest.raises(DataError, match="wavelets"):
        FeatureStore.open(split)


def test_a_missing_or_short_shard_is_named(tmp_path: Path) -> None:
    for change in ("missing", "short"):
        split = tmp_path / change
        write_store(split, FeatureConfig(), items())
        store, path = FeatureStore.open(split), split / "features" / "shard-00000.npy"
        if change == "missing":
            path.unlink()
        else:
            np.save(path, np.load(path)[:20])
        with pytest.raises(DataError, match="shard"):
            store.features(4)
