"""Recordings and their texts in, alignments out: what `asr align` does."""

from __future__ import annotations

import sys
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
from asr.lines import read_json_lines, read_text
from asr.speech.aligner import AlignmentConfig
from asr.speech.alignment import FORMATS, ForcedAlignment
from asr.speech.jobs.outputs import (
    check_formats,
    check_targets,
    print_notes,
    print_summary,
    recording_labels,
)
from asr.speech.options import ModelOptions
from asr.speech.recognizer import Recognizer, open_recognizer
from asr.text.columns import COLUMNS, find_columns
from asr.text.normalizers import normalize
from asr.text.pronunciations import Pronounce
from asr.text.tables import read_table, split_rows
from asr.text.tokenizers import PhoneTokenizer

__all__ = ["GREEDY", "Item", "align_files", "read_items", "say_unknown"]


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
        source: a sound file; or a table ``path<TAB>text`` (also with a line of names, as CSV or
            JSON lines), paths relative to it; or a prepared split, or its manifest.
        text: of a sound file: the text itself, or a path to it.

    Raises:
        DataError: no text for a sound file, no rows, or a row without path or text.
    """
    path = Path(source)
    if path.is_dir() and (path / MANIFEST).is_file():
        path = path / MANIFEST
    elif path.is_dir():
        raise DataError(
            f"{path} is a folder without {MANIFEST}.",
            "Give a recording, a table path<TAB>text, or a prepared split.",
        )
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".jsonl") and _holds_cuts(path):
        yield from _cuts(path)
    elif name.endswith((".jsonl", ".csv")):
        yield from _named_rows(path)
    elif name.endswith((".tsv", ".txt")):
        yield from _rows(path)
    elif text is None:
        raise DataError(
            f"There is no text for {source}.",
            "Give it after the recording, or a table path<TAB>text.",
        )
    else:
        yield _file_item(source, _text(text), Path(path.name))


def _text(given: str) -> str:
    path = Path(given)
    return read_text(path) if path.suffix.lower() == ".txt" else given


def _holds_cuts(path: Path) -> bool:
    first: Any = next((row for _, row in read_json_lines(path, "a manifest")), {})
    return isinstance(first, dict) and bool(first.keys() & {"supervisions", "recording"})


def _rows(path: Path) -> Iterator[Item]:
    """Yield the rows of lines ``path<TAB>text``, or of a table with a line of names."""
    records = list(split_rows(path, read_text(path, "a table path<TAB>text"), delimiter="\t"))
    if not records:
        raise DataError(f"{path} has no rows.", "Write: path<TAB>text.")
    if find_columns(records[0][1]).keys() >= {"audio", "text"}:
        yield from _named_rows(path)
        return
    for line, cells in records:
        if len(cells) != 2:
            raise DataError(
                f"{path}, line {line}: {len(cells)} columns, needed are two.",
                "Write: path<TAB>text, without tabs in the text.",
            )
        yield _table_item(path, f"{path}, line {line}", *cells)


def _named_rows(path: Path) -> Iterator[Item]:
    names = [name for kind in ("audio", "text") for name in COLUMNS[kind]]
    table = read_table(path, names, "a table of recordings and their texts")
    columns = find_columns(table.columns)
    if not table.rows or not columns.keys() >= {"audio", "text"}:
        raise DataError(
            f"{path} has no rows with a column of paths and one of texts.",
            "Name the columns path and text.",
        )
    for row in table.rows:
        cells = (row.values.get(columns[kind]) for kind in ("audio", "text"))
        yield _table_item(path, table.where(row), *(c if isinstance(c, str) else "" for c in cells))


def _table_item(path: Path, where: str, name: str, text: str) -> Item:
    if not Path(name).name or not text.strip():
        raise DataError(f"{where}: no path or no text.", "Write: path<TAB>text.")
    recording = Path(name)
    relative = Path(*recording.parts[1:]) if recording.is_absolute() else recording
    return _file_item(str(path.parent / recording), text, relative)


def _cuts(path: Path) -> Iterator[Item]:
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
    pronounce: Pronounce | None = None,
    config: AlignmentConfig | None = None,
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
        pronounce: says the words that are in neither dictionary, for a model of phones, such as
            :func:`data_prep.pronounce.say_by_letters`.
        config: how strictly the texts are taken.

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
    if pronounce:
        say_unknown(recognizer, [normalize(item.text, normalizer) for item in items], pronounce)
    failures, notes, seconds, started = list[str](), list[str](), 0.0, time.monotonic()
    labels = recording_labels([(item.name, item.label) for item in items])
    for item, label in zip(items, labels, strict=True):
        try:
            recording, rate = item.load()
            alignment = recognizer.align(recording, item.text, rate, normalizer, config)
        except AsrError as error:
            failures.append(f"{item.label}: {error}")
            continue
        seconds += alignment.duration_s
        notes += [f"{item.label}: {alignment.doubt}"] if alignment.doubt else []
        _write(alignment, item.name, label, output_dir, formats)
    count = f"{len(items) - len(failures)} of {len(items)} aligned"
    print_notes(notes)
    print_summary(count, failures, seconds, time.monotonic() - started)
    return len(failures)


def say_unknown(recognizer: Recognizer, texts: Sequence[str], pronounce: Pronounce) -> None:
    """Give a model of phones the words of normalised texts that its dictionary lacks; name them."""
    tokenizer = recognizer.decoders.tokenizer
    if not isinstance(tokenizer, PhoneTokenizer):
        return
    unknown = tokenizer.unknown(" ".join(texts))
    if not unknown:
        return
    said = tokenizer.sayable(pronounce(unknown, tokenizer.lexicon))
    if said:
        shown = ", ".join(f"{word} ({' '.join(ways[0])})" for word, ways in list(said.items())[:8])
        print(
            f"note: {len(said)} words are not in the dictionary and are said by letters: {shown}"
            f"{', ...' if len(said) > 8 else ''}",
            file=sys.stderr,
        )
        recognizer.decoders = recognizer.decoders.with_pronunciations(said)


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
