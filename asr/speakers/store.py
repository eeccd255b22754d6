"""Log-Mel features of many recordings in one memory-mapped file of 8-bit codes.

    FOLDER/features.npy   (rows, F) int8, the recordings one after the other
    FOLDER/index.npz      per recording: first row, frames, number of its speaker
    FOLDER/names.json     what the numbers of the speakers mean, and what the folder was made of

A recording is trimmed to its speech. Legend: N recordings, T frames, F mel bands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.reading import load_audio
from asr.audio.segmentation import frame_energies, percentiles
from asr.errors import AudioError, DataError
from asr.features.front_end import FrontEnd
from asr.files import atomic_path, atomic_write_text
from asr.progress import ProgressBar
from asr.speakers.data import SpokenFile

__all__ = ["VoiceStore", "speech_span", "write_voices"]

LOW, STEP = -22.0, 0.14  # value of a code: LOW + STEP * (code + 128), in nepers
SPEECH_DB = 35.0  # below a recording's loudest frames
MARGIN_S = 0.1

Codes = npt.NDArray[np.int8]
Samples = npt.NDArray[np.float32]


def encode(features: npt.NDArray[np.float32]) -> Codes:
    """Return 8-bit codes of log-Mel features."""
    codes: Codes = (np.clip(np.rint((features - LOW) / STEP), 0, 255) - 128).astype(np.int8)
    return codes


def decode(codes: Codes) -> npt.NDArray[np.float32]:
    """Return the features of codes."""
    features: npt.NDArray[np.float32] = codes.astype(np.float32)
    features += 128
    features *= STEP
    features += LOW
    return features


@dataclass(frozen=True)
class VoiceStore:
    """Stored log-Mel features of recordings, opened for reading.

    Attributes:
        codes: (rows, F), memory-mapped.
        starts: (N,) first row of each recording.
        lengths: (N,) frames of each recording.
        speakers: (N,) number of each recording's speaker.
        names: of the speakers.
    """

    codes: Codes
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    speakers: npt.NDArray[np.int64]
    names: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> VoiceStore:
        """Return what :func:`write_voices` wrote."""
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))["names"]
        with np.load(folder / "index.npz", allow_pickle=False) as index:
            arrays = {name: index[name] for name in ("starts", "lengths", "speakers")}
        codes = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
        return cls(codes, names=tuple(names), **arrays)

    def crop(self, item: int, first: int, length: int) -> Codes:
        """Return frames of a recording (length, F); a shorter recording is repeated."""
        start, frames = int(self.starts[item]), int(self.lengths[item])
        if frames >= length:
            return self.codes[start + first : start + first + length]
        rows = self.codes[start : start + frames]
        return np.resize(np.roll(rows, -first, axis=0), (length, rows.shape[1]))


def speech_span(samples: Samples, sample_rate: int) -> tuple[int, int]:
    """Return first sample and end of what is loud enough for speech in a recording (n,)."""
    hop = sample_rate // 100
    levels = frame_energies(samples, hop)
    if not len(levels):
        return 0, 0
    loud = np.flatnonzero(levels > percentiles(levels, 97)[0] - SPEECH_DB)
    margin = round(MARGIN_S * sample_rate)
    first, last = int(loud[0]) * hop - margin, (int(loud[-1]) + 1) * hop + margin
    return max(0, first), min(len(samples), last)


def write_voices(
    folder: Path,
    recordings: Sequence[SpokenFile],
    features: FrontEnd,
    speeds: Sequence[float] = (1.0,),
    shortest_s: float = 0.5,
) -> VoiceStore:
    """Compute the features of recordings, unless the folder has them already; return the store.

    A copy at another speed is another speaker: its features are those of the same samples at
    another rate, so nothing is resampled.

    Args:
        folder: of the store.
        recordings: with their speakers.
        features: how samples become frames.
        speeds: of the copies.
        shortest_s: recordings with less than this are left out.

    Raises:
        DataError: no recording is left.
        AudioError: a recording cannot be read.
    """
    made_of = _digest(recordings, features, speeds)
    if (folder / "names.json").is_file():
        known = json.loads((folder / "names.json").read_text(encoding="utf-8"))
        if known.get("made_of") == made_of:
            return VoiceStore.open(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted({recording.speaker for recording in recordings})
    number = {name: n for n, name in enumerate(names)}
    lengths, speakers = list[int](), list[int]()
    with atomic_path(folder / "features.npy") as target:
        raw = target.with_name(target.name + ".raw")
        with raw.open("wb") as file:
            for recording, copy, codes in _copies(recordings, features, speeds, shortest_s):
                file.write(codes.tobytes())
                lengths.append(len(codes))
                speakers.append(number[recording.speaker] + copy * len(names))
        _as_npy(raw, target, features.n_mels)
    if not lengths:
        raise DataError("No recording is long enough.", f"Needed are {shortest_s} s of speech.")
    ends = np.cumsum(lengths)
    with atomic_path(folder / "index.npz") as target, target.open("wb") as file:
        np.savez(
            file,
            starts=ends - np.array(lengths),
            lengths=np.array(lengths),
            speakers=np.array(speakers),
        )
    every = [name if speed == 1 else f"{name}@{speed:g}" for speed in speeds for name in names]
    content = {"names": every, "made_of": made_of}
    atomic_write_text(folder / "names.json", json.dumps(content) + "\n")
    return VoiceStore.open(folder)


def _copies(
    recordings: Sequence[SpokenFile],
    features: FrontEnd,
    speeds: Sequence[float],
    shortest_s: float,
) -> Iterator[tuple[SpokenFile, int, Codes]]:
    """Yield recording, number of the speed, and codes (T, F)."""
    rate = features.sample_rate
    ends = [replace(features, sample_rate=round(rate * speed)) for speed in speeds]
    skipped = 0
    with ProgressBar("computing features", len(recordings)) as bar:
        for recording in recordings:
            samples = _speech_of(recording.path, rate)
            if len(samples) >= shortest_s * rate:
                for copy, front_end in enumerate(ends):
                    yield recording, copy, encode(front_end(samples))
            else:
                skipped += 1
            bar.advance(status=f"{skipped} too short" if skipped else "")


def _speech_of(path: Path, sample_rate: int) -> Samples:
    try:
        samples = load_audio(path, sample_rate).samples
    except AudioError:
        return np.zeros(0, np.float32)
    first, end = speech_span(samples, sample_rate)
    return samples[first:end]


def _as_npy(raw: Path, target: Path, width: int) -> None:
    """Write raw codes as an array file, in pieces."""
    rows = raw.stat().st_size // width
    array = np.lib.format.open_memmap(target, "w+", np.int8, (rows, width))
    source = np.memmap(raw, np.int8, "r", shape=(rows, width)) if rows else array
    for first in range(0, rows, 1 << 20):
        array[first : first + (1 << 20)] = source[first : first + (1 << 20)]
    array.flush()
    del source, array
    raw.unlink()


def _digest(recordings: Sequence[SpokenFile], features: FrontEnd, speeds: Sequence[float]) -> str:
    content: dict[str, Any] = {
        "recordings": [[str(r.path), r.speaker] for r in recordings],
        "features": asdict(features),
        "speeds": list(speeds),
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
