"""Batches of speech for training: stored features and token ids, padded and bucketed by length.

Legend: B batch, T feature frames, F features, L labels.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from asr.speech.data.on_the_fly import LiveFeatures
from asr.speech.data.store import FeatureStore, LabelTable
from asr.speech.losses.spellings import Speller, Spellings
from asr.training.batching.batch import Batch
from asr.training.batching.buckets import BucketSampler
from asr.training.batching.loader import BucketLoader
from asr.training.batching.padding import pad_sequences

__all__ = ["SpeechBatch", "SpeechLoader", "collate_speech"]


@dataclass(frozen=True)
class SpeechBatch(Batch):
    """Padded features and labels of several utterances.

    Attributes:
        features: (B, T, F) float32.
        feature_lens: (B,) frames.
        labels: (B, L) int64, padded with 0.
        label_lens: (B,).
        spellings: all ways to spell the transcripts; None: the labels are the only one.
        ids: name of each utterance.
        seed: key of this batch's augmentation.
        duration_s: of speech, without padding.
    """

    features: Tensor
    feature_lens: Tensor
    labels: Tensor
    label_lens: Tensor
    ids: tuple[str, ...]
    seed: int = 0
    duration_s: float = 0.0
    spellings: Spellings | None = None


def collate_speech(
    features: Sequence[npt.NDArray[np.float32]],
    labels: Sequence[npt.NDArray[np.int64]],
    ids: Sequence[str],
    seed: int = 0,
    frame_shift_s: float = 0.01,
) -> SpeechBatch:
    """Return several utterances as a padded batch.

    Args:
        features: (T, F) each.
        labels: (L,) each.
        ids: of the utterances.
        seed: key of this batch's augmentation.
        frame_shift_s: seconds from feature frame to feature frame.
    """
    x, x_lens = pad_sequences(features)
    y, y_lens = pad_sequences(labels)
    return SpeechBatch(
        features=x,
        feature_lens=x_lens,
        labels=y,
        label_lens=y_lens,
        ids=tuple(ids),
        seed=seed,
        duration_s=sum(map(len, features)) * frame_shift_s,
    )


class SpeechLoader(BucketLoader):
    """Batches of a feature store, each a pure function of (seed, epoch, position).

    Of the stored copies of an utterance (speed-perturbed ones) an epoch takes one, drawn anew each
    time.

    Args:
        store: prepared features.
        labels: token ids of every stored item.
        keep: (n,) numbers of the items to use.
        max_batch_s: padded seconds in a batch.
        max_batch_size: utterances in a batch.
        seed: see :class:`asr.training.batching.buckets.BucketSampler`.
        shuffle: see :class:`asr.training.batching.buckets.BucketSampler`.
        augmented: use the perturbed copies too.
        live: features computed anew in place of the stored ones and their copies.
        speller: makes all spellings of a text, where the labels shall not be the only one.
    """

    def __init__(
        self,
        store: FeatureStore,
        labels: Sequence[npt.NDArray[np.int64]],
        keep: npt.NDArray[np.int64],
        max_batch_s: float,
        max_batch_size: int = 64,
        *,
        seed: int = 0,
        shuffle: bool = True,
        augmented: bool = True,
        live: LiveFeatures | None = None,
        speller: Speller | None = None,
    ) -> None:
        self.speller = speller
        max_frames = int(max_batch_s / store.frame_shift_s)
        super().__init__(
            BucketSampler(store.num_frames, max_frames, max_batch_size, seed=seed, shuffle=shuffle)
        )
        self.store, self.labels, self.live = store, labels, live
        self._copies, self._first, self._count = _group_copies(
            store.sources[keep], keep, store.speeds[keep], augmented and live is None
        )

    @property
    def first_copies(self) -> npt.NDArray[np.int64]:
        """Return the number of one stored item of each utterance."""
        return self._copies[self._first]

    @classmethod
    def plain(cls, store: FeatureStore, max_batch_s: float) -> SpeechLoader:
        """Return a loader of the unperturbed utterances, without labels, longest first."""
        nothing = LabelTable(itertools.repeat((), len(store.num_frames)), 1)
        keep = np.arange(len(store.num_frames))
        return cls(store, nothing, keep, max_batch_s, shuffle=False, augmented=False)

    def load(self, epoch: int, position: int) -> SpeechBatch:
        """Return one batch of an epoch."""
        items = self.item_numbers(epoch)[position]
        batch = collate_speech(
            [
                self.live.features(int(i), epoch) if self.live else self.store.features(i)
                for i in items
            ],
            [self.labels[i] for i in items],
            [self.store.ids[i] for i in items],
            self.batch_seed(epoch, position),
            self.store.frame_shift_s,
        )
        if self.speller is None:
            return batch
        return replace(
            batch, spellings=Spellings.of([self.speller(self.store.texts[i]) for i in items])
        )

    def _drawn(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return one of the stored copies of each utterance, drawn anew for each epoch."""
        draw = np.zeros(len(self._count))  # 0 to 1: which of an utterance's copies
        if self.sampler.shuffle:
            draw = np.random.default_rng((self.seed, epoch, 1)).random(len(self._count))
        return self._copies[self._first + (draw * self._count).astype(np.int64)]


def _group_copies(
    sources: npt.NDArray[np.int64],
    items: npt.NDArray[np.int64],
    speeds: npt.NDArray[np.float32],
    augmented: bool,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return item numbers sorted by utterance, and for each utterance the place of its first copy
    and their number.
    """
    if not augmented:
        plain = speeds == 1.0
        sources, items = sources[plain], items[plain]
    order = np.argsort(sources, kind="stable")
    _, first, count = np.unique(sources[order], return_index=True, return_counts=True)
    return items[order], first, count
