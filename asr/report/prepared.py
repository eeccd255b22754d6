"""Transcripts and features of prepared speech splits: a manifest, a feature store, or both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.files import MANIFEST
from asr.scoring import Transcripts, Utterance, read_transcripts

__all__ = ["prepared_features", "prepared_references"]


def prepared_references(split: Path) -> Transcripts | None:
    """Return the transcripts of a prepared split, or None where the folder holds none."""
    if (split / MANIFEST).is_file():
        return read_transcripts(split / MANIFEST)
    if not _has_features(split):
        return None
    from asr.speech.data.store import FeatureStore

    store = FeatureStore.open(split)
    plain = [n for n, speed in enumerate(store.speeds.tolist()) if speed == 1.0]
    utterances = {
        store.ids[n]: Utterance(store.ids[n], store.texts[n], store.speakers[n] or None)
        for n in plain
    }
    return Transcripts(split, "store", utterances)


def prepared_features(split: Path, name: str) -> npt.NDArray[np.float32] | None:
    """Return the stored features (frames, features) of an utterance, or None without them."""
    if not _has_features(split):
        return None
    from asr.speech.data.store import FeatureStore

    store = FeatureStore.open(split)
    return next((store.features(n) for n in range(len(store)) if store.ids[n] == name), None)


def _has_features(split: Path) -> bool:
    return (split / "features" / "meta.json").is_file()
