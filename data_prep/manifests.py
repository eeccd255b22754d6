"""Manifest of a prepared split (one Lhotse cut per utterance), and its completion marker."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.audio.reading import AudioInfo, audio_info
from asr.audio.shar import parse_address, recording_path
from asr.errors import DataError, require
from asr.files import MANIFEST, atomic_path, atomic_write_text
from data_prep.store import Utterance

if TYPE_CHECKING:
    from lhotse import CutSet

__all__ = [
    "completed",
    "cut_to_utterance",
    "mark_completed",
    "open_cuts",
    "read_manifest",
    "utterance_to_cut",
    "write_manifest",
]

MARKER = ".completed"


def write_manifest(split: str | Path, utterances: Iterable[Utterance]) -> float:
    """Write ``SPLIT/cuts.jsonl.gz``, validated by Lhotse; return its hours of speech.

    Raises:
        AudioError: a recording is missing or not audio.
        DataError: Lhotse refuses a cut.
    """
    hours = 0.0
    _info.cache_clear()  # files may have changed since an earlier preparation
    with (
        atomic_path(Path(split) / MANIFEST) as temporary,
        temporary.open("wb") as raw,
        # No time stamp, so that equal cuts give equal bytes.
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed,
    ):
        for utterance in utterances:
            cut = _checked_cut(utterance)
            packed.write((json.dumps(cut.to_dict(), ensure_ascii=False) + "\n").encode())
            hours += cut.duration / 3600
    return hours


def _checked_cut(utterance: Utterance) -> Any:
    lhotse = require("lhotse", "train")
    cut = utterance_to_cut(utterance)
    try:
        lhotse.validate(cut)
        lhotse.validate(cut.recording)
    except (AssertionError, ValueError, TypeError) as error:
        raise DataError(
            f"{utterance.id}: Lhotse refuses the manifest: {error}.", "Check its audio and times."
        ) from error
    return cut


def utterance_to_cut(utterance: Utterance) -> Any:
    """Return the Lhotse cut of an utterance: one recording, one supervision.

    Raises:
        AudioError: the recording is missing or not audio.
    """
    from lhotse import MonoCut, MultiCut, Recording, SupervisionSegment

    info = _info(utterance.audio)
    channels = list(range(info.channels))
    whole = not utterance.start_s and utterance.duration_s is None
    recording = Recording(
        id=utterance.id if whole else utterance.audio,
        sources=[_source(utterance.audio, channels)],
        sampling_rate=info.sample_rate,
        num_samples=info.num_samples + round(info.start_s * info.sample_rate),
        duration=info.start_s + info.duration_s,
        channel_ids=channels,
    )
    start = max(utterance.start_s, info.start_s)  # by the clock of the file
    duration = recording.duration - start
    if utterance.duration_s is not None:
        duration = min(utterance.start_s + utterance.duration_s - start, duration)
    channel: Any = channels if utterance.channel is None else utterance.channel
    if info.channels == 1:
        channel = 0
    supervision = SupervisionSegment(
        id=utterance.id,
        recording_id=recording.id,
        start=0.0,
        duration=duration,
        channel=channel,
        text=utterance.text,
        speaker=utterance.speaker or None,
    )
    return (MultiCut if isinstance(channel, list) else MonoCut)(
        id=utterance.id,
        start=start,
        duration=duration,
        channel=channel,
        supervisions=[supervision],
        recording=recording,
    )


@lru_cache(maxsize=1)
def _info(path: str) -> AudioInfo:
    # Consecutive utterances often come from the same recording, and some have to be decoded.
    return audio_info(path)


def _source(audio: str, channels: list[int]) -> Any:
    """Return Lhotse's source of a recording: a file, or a command that reads it from a shard."""
    from lhotse import AudioSource

    address = parse_address(audio)
    if address is None:
        return AudioSource(type="file", channels=channels, source=audio)
    return AudioSource(type="command", channels=channels, source=address.command)


def _path(recording: Any) -> str | None:
    """Return the path or address of a Lhotse recording; None for a transformed or other one."""
    if recording is None or len(recording.sources) != 1 or recording.transforms:
        return None
    source = recording.sources[0]
    if source.type == "file":
        return str(Path(source.source).absolute())
    address = parse_address(recording_path(source.source)) if source.type == "command" else None
    return str(address) if address else None


def open_cuts(split: str | Path) -> CutSet:
    """Return a split's cuts as a lazy Lhotse ``CutSet``, read from disk one at a time.

    Raises:
        DataError: the split has no manifest.
    """
    from lhotse import CutSet

    path = Path(split) / MANIFEST
    if not path.is_file():
        raise DataError(
            f"There is no {path}.", "Run `asr prepare`; it resumes an interrupted preparation."
        )
    cuts: CutSet = CutSet.from_jsonl_lazy(path)
    return cuts


def read_manifest(split: str | Path) -> Iterator[Utterance]:
    """Yield the utterances of a split's manifest, one at a time.

    Raises:
        DataError: the split has no manifest, or it is damaged.
    """
    cuts = open_cuts(split)
    try:
        for cut in cuts:
            yield from cut_to_utterance(cut)
    except DataError:
        raise
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{Path(split) / MANIFEST} is damaged: {error}.", "Prepare the split again."
        ) from error


def cut_to_utterance(cut: Any, audio: str | None = None) -> Iterator[Utterance]:
    """Yield the utterances of a Lhotse cut, one per supervision.

    Args:
        cut: a Lhotse cut.
        audio: path or address of its recording, if the cut does not tell.

    Raises:
        DataError: the cut is mixed or transformed, its recording is not a single file, or a
            supervision is about some of several channels.
    """
    recording = getattr(cut, "recording", None)
    path = audio or _path(recording)
    if path is None:
        raise DataError(
            f"The cut {cut.id} is mixed, transformed, or not a segment of one audio file.",
            "Save its audio first: CutSet.save_audios().",
        )
    length = cut.duration if recording is None else recording.duration
    for number, supervision in enumerate(cut.supervisions):
        start, duration = round(cut.start + supervision.start, 6), supervision.duration
        whole = start == 0 and abs(duration - length) < 1e-3
        name = cut.id if len(cut.supervisions) == 1 else f"{cut.id}-{number}"
        start_s, duration_s = (0.0, None) if whole else (start, duration)
        yield Utterance(
            name,
            path,
            supervision.text or "",
            supervision.speaker or "",
            start_s=start_s,
            duration_s=duration_s,
            channel=_channel(cut, supervision),
        )


def _channel(cut: Any, supervision: Any) -> int | None:
    """Return the channel of its recording that a supervision is about; None for all of them.

    Raises:
        DataError: it is about some of several channels.
    """
    recording = getattr(cut, "recording", None)
    if recording is None or recording.num_channels == 1:
        return None
    given = supervision.channel
    about = set(given) if isinstance(given, list) else {given}
    known = list(recording.channel_ids)
    if about == set(known):
        return None
    if len(about) > 1 or not about <= set(known):
        raise DataError(
            f"The supervision {supervision.id} is about the channels {sorted(about)} of {known}.",
            "One channel is prepared, or the mean of all.",
        )
    return known.index(about.pop())


def mark_completed(split: str | Path, summary: dict[str, Any]) -> None:
    """Write ``SPLIT/.completed``; call it last."""
    atomic_write_text(
        Path(split) / MARKER, json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    )


def completed(split: str | Path) -> dict[str, Any] | None:
    """Return what :func:`mark_completed` wrote, or None if the split is incomplete."""
    try:
        summary = json.loads((Path(split) / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) else None
