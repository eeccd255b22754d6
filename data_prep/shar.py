"""Writes a prepared split as Lhotse Shar: cuts, and their audio as FLAC in tar shards.

The format is that of Lhotse's ``lhotse.shar.SharWriter``. Here shards are written atomically, by
processes or a cluster, and equal splits give equal bytes. A folder that
``CutSet.from_shar(in_dir=...)`` reads may hold nothing else, so the shards are written to a
temporary folder beside it, which is renamed at the end.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from asr.audio.reading import Audio, load_audio
from asr.config import check_range
from asr.errors import AudioError, DataError, require
from asr.files import atomic_path, atomic_write_text
from data_prep.manifests import read_manifest, utterance_to_cut
from data_prep.progress import PreparationBar
from data_prep.store import Utterance, digest_of, run_shards
from data_prep.workers import Workers

__all__ = ["SHARD_SIZE", "check_target", "write_shar"]

SHARD_SIZE = 1000  # utterances, as Lhotse has it
LAYOUT = 1  # version of the shards; shards of another version are written again


def write_shar(
    split: str | Path,
    output: str | Path,
    shard_size: int = SHARD_SIZE,
    jobs: int = 0,
    ray: str | None = None,
) -> int:
    """Write a prepared split as the Shar folder ``output``; return the number of its shards.

    Nothing is done if the folder was written from the same split before; complete shards of an
    interrupted run are kept. Audio keeps its rate and channels, with 16 bits per sample.

    Args:
        split: prepared folder with ``cuts.jsonl.gz``.
        output: folder to write; ``.NAME.shar`` beside it records what it was written from.
        shard_size: utterances per shard.
        jobs: see :class:`data_prep.workers.Workers`.
        ray: see :class:`data_prep.workers.Workers`.

    Raises:
        DataError: the split is not prepared; ``output`` exists and was not written by this
            function; an id cannot be a file name in a tar; the disk is full (complete shards are
            kept).
        AudioError: a recording is missing.
    """
    require("lhotse", "train")
    check_range("shard_size", shard_size, 1)
    split, output = Path(split), Path(output)
    check_target(output)
    utterances = list(read_manifest(split))
    _check_ids(utterances)
    parts = [utterances[i : i + shard_size] for i in range(0, len(utterances), shard_size)]
    work, marker = _places(output)
    digest = digest_of(utterances, ["shar", LAYOUT, shard_size])
    known = _text(marker) == digest
    if known and output.is_dir() and not work.is_dir():
        return len(parts)
    try:
        if not known:
            shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)
        atomic_write_text(marker, digest)
        bar = PreparationBar(output.name, len(utterances), "sound in shards")
        with Workers(jobs, ray) as workers, bar:
            run_shards(partial(_write_shard, folder=work.resolve()), parts, workers, bar.advance)
        _take_place(work, output)
    except OSError as error:
        raise DataError(
            f"Writing {output} failed: {error.strerror or error}.",
            "Free disk space, then run the same command: complete shards are kept.",
        ) from error
    return len(parts)


def check_target(output: str | Path) -> None:
    """Refuse a folder that would be overwritten.

    Raises:
        DataError: it exists, is not empty, and was not written by :func:`write_shar`.
    """
    output = Path(output)
    _, marker = _places(output)
    if (
        output.exists()
        and not marker.is_file()
        and not (output.is_dir() and not any(output.iterdir()))
    ):
        raise DataError(
            f"{output} exists and was not written by asr.", "Choose another folder, or delete it."
        )


def _places(output: Path) -> tuple[Path, Path]:
    return output.with_name(f".{output.name}.unfinished"), output.with_name(f".{output.name}.shar")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _take_place(work: Path, output: Path) -> None:
    for leftover in work.glob(".*"):  # of workers that were killed
        leftover.unlink()
    if output.exists():
        shutil.rmtree(output)
    work.rename(output)


def _check_ids(utterances: Sequence[Utterance]) -> None:
    for name in (u.id for u in utterances):
        path = PurePosixPath(f"{name}.flac")
        if (
            str(path.parent / path.stem) != name
            or path.is_absolute()
            or ".." in path.parts
            or not name.isprintable()
        ):
            raise DataError(
                f"The id {name!r} cannot be a file's name in a tar shard.", "Rename it."
            )


def _write_shard(job: tuple[int, Sequence[Utterance]], folder: Path) -> tuple[int, float]:
    """Write a shard unless it is complete; its cuts are written last, and mark it complete."""
    number, utterances = job
    cuts, seconds = folder / f"cuts.{number:06}.jsonl.gz", 0.0
    if cuts.is_file():
        return number, seconds
    with (
        atomic_path(cuts) as cuts_file,
        cuts_file.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as lines,
        atomic_path(folder / f"recording.{number:06}.tar") as sound_file,
        tarfile.open(sound_file, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for utterance in utterances:
            cut, sound = _cut(utterance)
            _add(tar, f"{cut.id}.flac", sound)
            _add(tar, f"{cut.id}.json", _line(cut.recording))
            lines.write(_line(cut))
            seconds += cut.duration
    return number, seconds


def _line(item: Any) -> bytes:
    return (json.dumps(item.to_dict(), ensure_ascii=False) + "\n").encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # without time and owner: equal audio gives equal bytes
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _cut(utterance: Utterance) -> tuple[Any, bytes]:
    """Return the cut, with Lhotse's placeholder for its recording, and the audio as FLAC."""
    from lhotse.shar.utils import to_shar_placeholder

    cut = utterance_to_cut(utterance)
    recording = to_shar_placeholder(cut.recording, cut)
    rate, wanted = recording.sampling_rate, recording.num_samples
    audio = _sound(utterance.audio, rate)
    sound = audio.samples
    # Start and length are rounded separately, so that their sum may exceed the recording.
    first = max(0, min(round((cut.start - audio.start_s) * rate), len(sound) - wanted))
    samples = sound[first : first + wanted]
    if isinstance(cut.channel, int) and samples.shape[1] > 1:
        samples = samples[:, [cut.channel]]
        recording.channel_ids = recording.sources[0].channels = [cut.channel]
    if len(samples) < wanted:  # the length in an MP3's header is an estimate
        cut.duration = recording.duration = cut.supervisions[0].duration = len(samples) / rate
        recording.num_samples = len(samples)
    cut.start, cut.recording = 0.0, recording
    return cut, _flac(samples, rate, utterance)


@lru_cache(maxsize=1)
def _sound(path: str, rate: int) -> Audio:
    # The last recording is cached, as consecutive utterances often come from the same one.
    return load_audio(path, rate, "all")


def _flac(samples: npt.NDArray[np.float32], rate: int, utterance: Utterance) -> bytes:
    # As integers: libsndfile scales floats by 32767, which changes most samples of a 16-bit source.
    numbers = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    file = io.BytesIO()
    try:
        soundfile.write(file, numbers, rate, format="FLAC", subtype="PCM_16")
    except (soundfile.LibsndfileError, RuntimeError) as error:
        channels = samples.shape[1]
        raise AudioError(
            f"{utterance.audio} ({channels} channels, {rate} Hz) cannot be FLAC: {error}.",
            "Convert it first.",
        ) from error
    return file.getvalue()
