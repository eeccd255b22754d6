"""Recordings and their texts in, alignments out: what `asr align` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from asr.audio.reading import Source, read_stretch
from asr.audio.shar import parse_address, recording_path
from asr.errors import AsrError, DataError, require
from asr.files import MANIFEST, atomic_write_text
from asr.speech.alignment import FORMATS, ForcedAlignment
from asr.speech.jobs.outputs import (
    check_formats,
    check_targets,
    print_summary,
    recording_labels,
)
from asr.speech.options import ModelOptions
from asr.speech.recognizer import open_recognizer

__all__ = ["Item", "align_files", "read_items"]


@dataclass(frozen=True)
class Item:
    """A recording and what is said in it.

    Attributes:
        load: returns the recording, and its sample rate in Hz where it is an array.
        text: what is said.
        name: relative path, decides where output goes.
        label: of the recording, in messages.
    """

    load: Callable[[], tuple[Source, int | None]]
    text: str
    name: Path
    label: str


def _file_item(path: str, text: str, name: Path) -> Item:
    return Item(lambda: (path, None), text, name, label=path)


def read_items(source: str, text: str | None) -> Iterator[Item]:
    """Yield the recordings to align: one with its text, or those of a table or a manifest.

    Args:
        source: a sound file; or a table ``path<TAB>text``, paths relative to it; or a prepared
            split, or its manifest.
        text: of a sound file: the text itself, or a path to it.

    Raises:
        DataError: no text for a sound file, no rows, or a row without path or text.
    """
    path = Path(source)
    if path.is_dir() and (path / MANIFEST).is_file():
        path = path / MANIFEST
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from _cuts(path)
    elif path.suffix.lower() in (".tsv", ".txt"):
        yield from _table(path)
    elif text is None:
        raise DataError(
            f"There is no text for {source}.",
            "Give it after the recording, or a table path<TAB>text.",
        )
    else:
        yield _file_item(source, _text(text), Path(path.name))


def _text(given: str) -> str:
    path = Path(given)
    return _read(path) if path.suffix.lower() == ".txt" else given


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.", "Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as text ({error}).", "Write it as UTF-8."
        ) from error


def _table(path: Path) -> Iterator[Item]:
    rows = [
        (number, line) for number, line in enumerate(_read(path).split("\n"), 1) if line.strip()
    ]
    if rows and rows[0][1].split("\t")[:2] == ["path", "text"]:
        rows = rows[1:]
    if not rows:
        raise DataError(f"{path} has no rows.", "Write: path<TAB>text.")
    for number, line in rows:
        name, _, text = line.partition("\t")
        if not name.strip() or not text.strip():
            raise DataError(f"{path}, line {number}: no path or no text.", "Write: path<TAB>text.")
        recording = Path(name.strip())
        relative = Path(*recording.parts[1:]) if recording.is_absolute() else recording
        yield _file_item(str(path.parent / recording), text, relative)


def _cuts(path: Path) -> Iterator[Item]:
    if not path.is_file():
        raise DataError(f"There is no file {path}.", "Check the path.")
    lhotse = require("lhotse", "train")
    for cut in lhotse.CutSet.from_file(path):
        text = " ".join(s.text for s in cut.supervisions if s.text)
        name = f"{cut.id}.cut"
        yield Item(partial(_load_cut, cut), text, Path(name), label=name)


def _load_cut(cut: Any) -> tuple[Source, int]:
    """Return the samples (n, channels) of a Lhotse cut, and their rate in Hz."""
    if (path := _plain_path(cut)) is not None:  # by our own readers, as everywhere else
        samples, rate = read_stretch(path, cut.start, cut.end)
        return samples if isinstance(cut.channel, list) else samples[:, [cut.channel]], rate
    try:
        return cut.load_audio().T, int(cut.sampling_rate)
    except Exception as error:  # lhotse raises what its many readers raise
        raise DataError(
            f"The recording cannot be read ({error}).", "Check the paths in the manifest."
        ) from error


def _plain_path(cut: Any) -> str | None:
    """Return the path or address of a cut's recording, None where Lhotse makes it of something."""
    recording = getattr(cut, "recording", None)
    if recording is None or len(recording.sources) != 1 or recording.transforms:
        return None
    (source,) = recording.sources
    if source.type == "command":
        return (
            recording_path(source.source) if parse_address(recording_path(source.source)) else None
        )
    whole = recording.channel_ids == list(range(recording.num_channels))
    return str(source.source) if source.type == "file" and whole else None


# One path through the network: nothing of a search is needed.
GREEDY = {"method": "greedy", "n_best": 1, "hotwords": {}, "rescorer": ""}


def align_files(
    source: str,
    text: str | None,
    options: ModelOptions,
    *,
    output_dir: Path | None = None,
    formats: Sequence[str] = ("ctm",),
    normalizer: str = "basic",
    lexicon: str | Path | None = None,
) -> int:
    """Align recordings with their texts; return how many failed, each named on standard error.

    Args:
        source: see :func:`read_items`.
        text: see :func:`read_items`.
        options: the model and how it runs; its ``decoding`` is not used.
        output_dir: gets one file a recording and format; None prints.
        formats: of :data:`asr.speech.alignment.FORMATS`.
        normalizer: see :meth:`asr.speech.recognizer.Recognizer.align`.
        lexicon: pronunciations of further words, for a model of phones.

    Raises:
        ConfigError: an unknown format, or two recordings that would write one file.
        DataError: see :func:`read_items`.
        ModelError: the model cannot be loaded.
    """
    check_formats(formats, FORMATS)
    items = list(read_items(source, text))
    outputs = ((str(item.name), item.name) for item in items)
    check_targets(outputs, "Align them in two calls.")
    options = replace(options, lm=None, decoding={**GREEDY, "lexicon": str(lexicon or "")})
    recognizer = open_recognizer(options)
    failures, seconds, started = [], 0.0, time.monotonic()
    labels = recording_labels([(item.name, item.label) for item in items])
    for item, label in zip(items, labels, strict=True):
        try:
            recording, rate = item.load()
            alignment = recognizer.align(recording, item.text, rate, normalizer)
        except AsrError as error:
            failures.append(f"{item.label}: {error}")
            continue
        seconds += alignment.duration_s
        _write(alignment, item.name, label, output_dir, formats)
    count = f"{len(items) - len(failures)} of {len(items)} aligned"
    print_summary(count, failures, seconds, time.monotonic() - started)
    return len(failures)


def _write(
    alignment: ForcedAlignment,
    name: Path,
    label: str,
    output_dir: Path | None,
    formats: Sequence[str],
) -> None:
    for output_format in formats:
        content = alignment.render(output_format, label)
        if output_dir is None:
            print(content, end="", flush=True)
        else:
            atomic_write_text(output_dir / name.with_suffix(FORMATS[output_format]), content)
