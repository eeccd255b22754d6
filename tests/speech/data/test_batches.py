"""The loader of speech: one copy of each utterance an epoch, labels that stay with their item,
little memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.features.config import FeatureConfig
from asr.speech.data.batches import SpeechLoader
from asr.speech.data.store import FeatureStore, LabelTable
from data_prep.prepare import prepare
from data_prep.store import Utterance, write_store


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    soundfile = pytest.importorskip("soundfile")
    utterances = []
    for i in range(7):
        soundfile.write(
            tmp_path / f"{i}.wav",
            np.random.default_rng(i).uniform(-0.3, 0.3, 4000 + 400 * i),
            16000,
        )
        utterances.append(Utterance(f"u{i}", str(tmp_path / f"{i}.wav"), "x" * (i + 1), "s"))
    prepare({"train": utterances}, tmp_path, speeds=(0.9, 1.0, 1.1), jobs=1)
    return FeatureStore.open(tmp_path / "train")


def labels(store: FeatureStore) -> LabelTable:
    return LabelTable(([number] * len(text) for number, text in enumerate(store.texts)), 300)


def test_labels_come_back_as_they_went_in() -> None:
    rng = np.random.default_rng(0)
    for vocab_size, code in ((65536, "H"), (65537, "i")):
        sequences = [rng.integers(0, vocab_size, n).tolist() for n in (3, 0, 5)]
        table = LabelTable(iter(sequences), vocab_size)
        assert [table[i].tolist() for i in range(3)] == sequences
        assert table[-1].tolist() == sequences[2]
        assert [a.tolist() for a in table[1:]] == sequences[1:]
        assert table[0].dtype == np.int64
        assert table._flat.dtype.char == code
        with pytest.raises(IndexError):
            table[3]


def test_an_epoch_takes_one_copy_of_each_utterance_as_the_seed_draws_it(
    store: FeatureStore,
) -> None:
    keep = np.setdiff1d(
        np.arange(len(store)), [4, 9, 10, 11]
    )  # one copy of u1 and all of u3 are left out
    loader = SpeechLoader(store, labels(store), keep, 1.0, seed=5)
    groups = [
        [i for i in keep.tolist() if store.sources[i] == s]
        for s in sorted(set(store.sources[keep].tolist()))
    ]
    seen = set()
    for epoch in range(8):
        draw = np.random.default_rng((5, epoch, 1)).random(len(groups))
        expected = {g[int(u * len(g))] for g, u in zip(groups, draw.tolist(), strict=True)}
        batches = [loader.load(epoch, i) for i in range(loader.num_batches(epoch))]
        names = [name for batch in batches for name in batch.ids]
        assert sorted(names) == sorted(store.ids[i] for i in expected)
        seen |= expected
        for batch in batches:
            for row, name in enumerate(batch.ids):
                item = list(store.ids).index(name)
                assert batch.labels[row, : batch.label_lens[row]].tolist() == [item] * len(
                    store.texts[item]
                )
                assert int(batch.feature_lens[row]) == store.num_frames[item]
    assert seen == set(keep.tolist())


def test_plain_batches_are_the_unperturbed_ones_longest_first(store: FeatureStore) -> None:
    loader = SpeechLoader.plain(store, 1.0)
    names = [name for i in range(loader.num_batches(0)) for name in loader.load(0, i).ids]
    assert names == [f"u{i}" for i in reversed(range(7))]


def test_no_copies_leave_every_utterance_as_it_is(tmp_path: Path) -> None:
    features = np.zeros((20, 80), np.float32)
    write_store(tmp_path / "train", FeatureConfig(), [(f"s-{i}", "x", features) for i in range(4)])
    store = FeatureStore.open(tmp_path / "train")
    loader = SpeechLoader(store, labels(store), np.arange(4), 10.0, augmented=False)
    assert sorted(loader.load(3, 0).ids) == [f"s-{i}" for i in range(4)]
