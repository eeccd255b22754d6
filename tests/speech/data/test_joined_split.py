"""Two prepared splits as one: the same features, other texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import DataError
from asr.features.config import FeatureConfig
from asr.speech.data.joined_split import join_splits
from asr.speech.data.recordings import SplitRecordings
from asr.speech.data.store import FeatureStore
from data_prep.prepare import prepare
from data_prep.store import Utterance

FEATURES = FeatureConfig(n_mels=20)


def prepared(tmp_path: Path, name: str, count: int, features: FeatureConfig = FEATURES) -> Path:
    rng = np.random.default_rng(count)
    utterances = []
    for number in range(count):
        path = tmp_path / f"{name}{number}.wav"
        soundfile.write(path, rng.uniform(-0.3, 0.3, 8000 + 800 * number), 16000)
        utterances.append(Utterance(path.stem, str(path), "?", "anna"))
    prepare({name: utterances}, tmp_path, features, speeds=(1.0, 1.1), train_splits=[name])
    return tmp_path / name


def test_features_are_those_of_the_splits_and_texts_the_given_ones(tmp_path: Path) -> None:
    one, two = prepared(tmp_path, "a", 2), prepared(tmp_path, "b", 20)
    texts = {"b3": "drei", "b19": "neunzehn"}
    joined = FeatureStore.open(join_splits(one, two, texts, tmp_path / "both"))
    expected = ["a0", "a0-sp1.1", "a1", "a1-sp1.1", "b3", "b3-sp1.1", "b19", "b19-sp1.1"]
    assert list(joined.ids) == expected
    assert list(joined.texts) == ["?"] * 4 + ["drei"] * 2 + ["neunzehn"] * 2
    assert joined.sources.tolist() == [0, 0, 1, 1, 5, 5, 21, 21]
    for item, name in enumerate(expected):
        store = FeatureStore.open(one if name.startswith("a") else two)
        assert np.array_equal(joined.features(item), store.features(list(store.ids).index(name)))
    recordings = SplitRecordings(joined)
    assert Path(recordings.path(6)).name == "b19.wav"
    lines = (tmp_path / "both" / "text.txt").read_text().splitlines()
    assert lines == ["?", "?", "drei", "neunzehn"]
    again = FeatureStore.open(join_splits(one, two, {"b0": "null"}, tmp_path / "both"))
    assert len(again) == 6


def test_splits_of_other_features_are_refused(tmp_path: Path) -> None:
    one, two = prepared(tmp_path, "a", 1), prepared(tmp_path, "b", 1, FeatureConfig(n_mels=30))
    with pytest.raises(DataError, match="other feature settings"):
        join_splits(one, two, {"b0": "x"}, tmp_path / "both")
