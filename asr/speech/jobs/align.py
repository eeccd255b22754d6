"""Recordings and their texts in, alignments out: what `asr align` does."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import AsrError, ConfigError, DataError, require
from asr.files import MANIFEST, atomic_write_text
from asr.speech.alignment import FORMATS, Alignment
from asr.speech.recognizer import load_model

__all__ = ["Item", "align_files", "read_items"]


@dataclass(frozen=True)
class Item:
    """A recording and what is said in it.

    Attributes:
        source: path, or samples (n,) at ``sample_rate``.
        text: what is said.
        name: relative, decides where output goes.
    """

    source: Any
    text: str
    name: Path
    sample_rate: int | None = None


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
        yield Item(source, _text(text), Path(path.name))


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
        yield Item(str(path.parent / recording), text, relative)


def _cuts(path: Path) -> Iterator[Item]:
    if not path.is_file():
        raise DataError(f"There is no file {path}.", "Check the path.")
    lhotse = require("lhotse", "train")
    for cut in lhotse.CutSet.from_file(path):
        text = " ".join(s.text for s in cut.supervisions if s.text)
        yield Item(cut, text, Path(f"{cut.id}.cut"))


def align_files(
    source: str,
    text: str | None,
    model: str,
    output_dir: Path | None,
    formats: Sequence[str],
    normalizer: str = "basic",
    device: str = "cpu",
    threads: int = 0,
    backend: str = "auto",
    lexicon: str | Path | None = None,
) -> int:
    """Align recordings with their texts; return how many failed, each named on standard error.

    Args:
        source: see :func:`read_items`.
        text: see :func:`read_items`.
        model: folder or name.
        output_dir: gets one file a recording and format; None prints.
        formats: of :data:`asr.speech.alignment.FORMATS`.
        normalizer: see :meth:`asr.speech.recognizer.Recognizer.align`.
        device: see :func:`asr.speech.recognizer.load_model`.
        threads: see :func:`asr.speech.recognizer.load_model`.
        backend: see :func:`asr.speech.recognizer.load_model`.
        lexicon: pronunciations of further words, for a model of phones.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ConfigError(
            f"Unknown output format {unknown[0]!r}.", f"Choose of: {', '.join(FORMATS)}."
        )
    items = list(read_items(source, text))
    _check_names(items)
    decoding = {
        "method": "greedy",
        "n_best": 1,
        "hotwords": {},
        "rescorer": "",
        "lexicon": str(lexicon or ""),
    }
    recognizer = load_model(model, decoding, device, backend, threads)
    failures, seconds, started = [], 0.0, time.monotonic()
    for item in items:
        try:
            samples, rate = _loaded(item)
            alignment = recognizer.align(samples, item.text, rate, normalizer)
        except AsrError as error:
            failures.append(f"{item.name if _holds_samples(item) else item.source}: {error}")
            continue
        seconds += alignment.duration_s
        _write(alignment, item, output_dir, formats)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    took = time.monotonic() - started
    speed = f"{seconds:.1f} s of audio in {took:.1f} s ({seconds / max(took, 1e-9):.0f}x real time)"
    print(f"{len(items) - len(failures)} of {len(items)} aligned, {speed}", file=sys.stderr)
    return len(failures)


def _holds_samples(item: Item) -> bool:
    """Whether the source is no path but something that holds samples."""
    return not isinstance(item.source, str)


def _loaded(item: Item) -> tuple[Any, int | None]:
    if isinstance(item.source, str):
        return item.source, None
    try:
        return item.source.load_audio().T, int(item.source.sampling_rate)  # a cut: (channels, n)
    except Exception as error:  # lhotse raises what its many readers raise
        raise DataError(
            f"The recording cannot be read ({error}).", "Check the paths in the manifest."
        ) from error


def _check_names(items: Sequence[Item]) -> None:
    seen: dict[Path, Item] = {}
    for item in items:
        target = item.name.with_suffix("")
        if target in seen:
            raise ConfigError(
                f"{seen[target].name} and {item.name} would both write {target}.*.",
                "Align them in two calls.",
            )
        seen[target] = item


def _write(
    alignment: Alignment, item: Item, output_dir: Path | None, formats: Sequence[str]
) -> None:
    for name in formats:
        content = alignment.render(name, item.name.stem)
        if output_dir is None:
            print(content, end="", flush=True)
        else:
            atomic_write_text(output_dir / item.name.with_suffix(FORMATS[name]), content)
