"""The recordings of a prepared split: for each stored utterance, its samples. It needs no torch."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.level import levelled
from asr.audio.reading import load_stretch
from asr.audio.shar import recording_path
from asr.errors import AudioError, DataError
from asr.files import MANIFEST
from asr.speech.data.store import FeatureStore, StringTable

__all__ = ["SLOPPY_S", "SplitRecordings"]

SLOPPY_S = 0.1  # seconds by which the times of a table or manifest may exceed a recording
MIX = -1  # instead of the number of a channel: the mean of all


class SplitRecordings:
    """Where the recording of each item of a split is, as its manifest says.

    Args:
        store: the prepared split, whose manifest names the recordings.

    Raises:
        DataError: the manifest is missing or damaged, or lacks an utterance of the store.
    """

    def __init__(self, store: FeatureStore) -> None:
        stretches = dict(_stretches(store.path))
        # an utterance's recording is named by the copy that is as it is, wherever it stands
        originals = np.flatnonzero(store.speeds == 1.0)
        names = {int(store.sources[i]): store.ids[int(i)] for i in originals}
        numbers, self._row = np.unique(store.sources, return_inverse=True)
        try:
            rows = [stretches[names[int(number)]] for number in numbers]
        except KeyError as error:
            raise DataError(
                f"{store.path / MANIFEST} lacks the utterance {error.args[0]}.",
                "Prepare the split again.",
            ) from None
        self._paths = StringTable.of(path for path, *_ in rows)
        self._times = np.array([(start, duration) for _, start, duration, _ in rows])
        self._channels = np.array([channel for *_, channel in rows], np.int16)

    def path(self, item: int) -> str:
        """Return the path of an item's recording."""
        return self._paths[int(self._row[item])]

    def samples(self, item: int, sample_rate: int) -> npt.NDArray[np.float32]:
        """Return the samples (n,) of an item, without the perturbation of a copy, at the level at
        which it was prepared (:mod:`asr.audio.level`).

        Raises:
            AudioError: the recording is no longer there, or shorter than it was.
        """
        row = int(self._row[item])
        start_s, duration_s = (float(time) for time in self._times[row])
        number = int(self._channels[row])
        channel = "mix" if number == MIX else number
        path = self.path(item)
        samples = load_stretch(path, start_s, duration_s, sample_rate, channel)
        if len(samples) < (duration_s - SLOPPY_S) * sample_rate:
            raise AudioError(
                f"{path} is shorter than when it was prepared.", "Prepare the split again."
            )
        return levelled(samples, sample_rate)


def _stretches(split: Path) -> Iterator[tuple[str, tuple[str, float, float, int]]]:
    """Yield id, and path, start and duration in seconds, and channel, of the cuts in a manifest.

    It is read as plain JSON, which is much faster than Lhotse's objects.
    """
    path = split / MANIFEST
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for cut in map(json.loads, lines):
                channel = cut["channel"] if isinstance(cut["channel"], int) else MIX
                yield cut["id"], (_source(cut), cut["start"], cut["duration"], channel)
    except FileNotFoundError:
        raise DataError(
            f"There is no {path}.", "Run `asr prepare`; it resumes where it was stopped."
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error}.", "Prepare the split again.") from error


def _source(cut: dict[str, Any]) -> str:
    return recording_path(cut["recording"]["sources"][0]["source"])
