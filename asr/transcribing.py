"""Many files in, transcripts out: what `asr transcribe` does."""

from __future__ import annotations

import glob
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asr.audio import AUDIO_SUFFIXES
from asr.errors import AsrError, AudioError, ConfigError
from asr.files import atomic_write_text
from asr.recognizer import Recognizer, load_model
from asr.transcript import FORMATS, Transcript

__all__ = ["Input", "expand_inputs", "transcribe_files"]

STDIN = "-"


@dataclass(frozen=True)
class Input:
    """A recording to transcribe: its path, and its name relative to what was asked for (decides where output goes)."""

    path: str
    name: Path


def expand_inputs(inputs: Sequence[str]) -> list[Input]:
    """Return the audio files that paths, folders and globs stand for, each once, in order.

    Raises:
        AudioError: nothing is there, or a folder holds no audio.
        ConfigError: two inputs would write the same output file.
    """
    found: dict[str, Input] = {}
    for given in inputs:
        for item in _expand(given):
            found.setdefault(str(Path(item.path).resolve()) if item.path != STDIN else STDIN, item)
    outputs: dict[Path, Input] = {}
    for item in found.values():
        target = item.name.with_suffix("")
        if target in outputs:
            raise ConfigError(
                f"{outputs[target].path} and {item.path} would both write {target}.*.", "Transcribe them in two calls."
            )
        outputs[target] = item
    return list(found.values())


def _expand(given: str) -> list[Input]:
    path = Path(given)
    if given == STDIN:
        return [Input(STDIN, Path("stdin"))]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
        if not files:
            raise AudioError(f"There is no audio in the folder {path}.", f"Known: {' '.join(sorted(AUDIO_SUFFIXES))}")
        return [Input(str(p), p.relative_to(path)) for p in files]
    if path.exists() or not glob.has_magic(given):
        return [Input(given, Path(path.name))]  # a missing file is named when its turn comes, like any unreadable one
    matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
    if not matches:
        raise AudioError(f"Nothing matches {given}.", "Check the pattern.")
    return [item for match in matches for item in _expand(match)]


def transcribe_files(
    inputs: Sequence[str],
    model: str,
    output_dir: Path | None,
    formats: Sequence[str],
    decoding: Mapping[str, Any] | None = None,
    lm: Path | None = None,
    device: str = "cpu",
    threads: int = 0,
) -> int:
    """Transcribe files, folders, globs or standard input; return how many failed, each named on standard error.

    Args:
        inputs: see :func:`expand_inputs`; ``-`` is standard input. model: folder. output_dir: gets one file an input
            and format; None prints the text. formats: of :data:`asr.transcript.FORMATS`. decoding: fields of
            :class:`asr.recognizer.DecodingConfig` to change. lm: n-gram model instead of the folder's own.
            device: torch's name. threads: of the processor, 0 for all.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ConfigError(f"Unknown output format {unknown[0]!r}.", f"Choose of: {', '.join(FORMATS)}.")
    items = expand_inputs(inputs)
    recognizer = load_model(model, device=device, threads=threads)
    recognizer.lm = lm or recognizer.lm
    recognizer.decoder = recognizer.make_decoder(replace(recognizer.decoding, **(decoding or {})))
    return _run(items, recognizer, output_dir, formats)


def _run(items: list[Input], recognizer: Recognizer, output_dir: Path | None, formats: Sequence[str]) -> int:
    failures, seconds, started = [], 0.0, time.monotonic()
    for item in items:
        try:
            source = sys.stdin.buffer.read() if item.path == STDIN else item.path
            transcript = recognizer.transcribe(source)
        except AsrError as error:
            failures.append(f"{item.path}: {error}")
            continue
        seconds += transcript.duration_s
        _write(transcript, item, output_dir, formats, len(items) > 1)
    took = time.monotonic() - started
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    done = len(items) - len(failures)
    speed = f"{seconds:.1f} s of audio in {took:.1f} s ({seconds / max(took, 1e-9):.0f}x real time)"
    print(f"{done} of {len(items)} transcribed, {speed}", file=sys.stderr)
    return len(failures)


def _write(transcript: Transcript, item: Input, output_dir: Path | None, formats: Sequence[str], several: bool) -> None:
    if output_dir is None and list(formats) == ["txt"]:
        print(f"{item.name.as_posix()}\t{transcript.text}" if several else transcript.text, flush=True)
        return
    for name in formats:
        content = transcript.render(name, item.name.stem)
        if output_dir is None:
            print(content, end="", flush=True)
        else:
            atomic_write_text(output_dir / item.name.with_suffix(f".{name}"), content)
