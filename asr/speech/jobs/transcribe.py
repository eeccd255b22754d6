"""Many files in, transcripts out: what `asr transcribe` does."""

from __future__ import annotations

import glob
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.audio.reading import AUDIO_SUFFIXES
from asr.audio.shar import find_shar, read_shar
from asr.errors import AsrError, AudioError, ConfigError
from asr.files import atomic_write_text
from asr.speech.recognizer import Recognizer, load_model
from asr.speech.transcript import FORMATS, Transcript

__all__ = ["Input", "expand_inputs", "parse_channel", "parse_hotwords", "transcribe_files"]

STDIN = "-"
SPOOL_BYTES = (
    64 << 20
)  # of standard input are kept in memory; what is longer goes to a temporary file
SINGLE = {"srt", "vtt", "tsv"}  # formats that do not name their recording


@dataclass(frozen=True)
class Input:
    """A recording to transcribe: its path, and its name relative to what was asked for (decides
    where output goes).
    """

    path: str
    name: Path


def expand_inputs(inputs: Sequence[str], to_files: bool = True) -> list[Input]:
    """Return the audio files that paths, folders and globs stand for, each once, in order.

    A Lhotse Shar folder stands for the recordings in its shards, under the names of their cuts.

    Args:
        inputs: what was given.
        to_files: whether each gets output files of its name.

    Raises:
        AudioError: nothing is there, or a folder holds no audio. DataError: a Shar folder is
        damaged. ConfigError: two inputs would write the same output file.
    """
    found: dict[str, Input] = {}
    for given in inputs:
        for item in _expand(given):
            found.setdefault(str(Path(item.path).resolve()) if item.path != STDIN else STDIN, item)
    outputs: dict[Path, Input] = {}
    for item in found.values() if to_files else ():
        target = item.name.with_suffix("")
        if target in outputs:
            raise ConfigError(
                f"{outputs[target].path} and {item.path} would both write {target}.*.",
                "Transcribe them in two calls.",
            )
        outputs[target] = item
    return list(found.values())


def _expand(given: str) -> list[Input]:
    path = Path(given)
    if given == STDIN:
        return [Input(STDIN, Path("stdin"))]
    if path.is_dir():
        files = sorted(
            p for p in path.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()
        )
        found = [Input(str(p), p.relative_to(path)) for p in files]
        for shar in find_shar(path):
            found += [
                Input(item.audio, shar.relative_to(path) / item.member) for item in read_shar(shar)
            ]
        if not found:
            raise AudioError(
                f"There is no audio in the folder {path}.",
                f"Known: {' '.join(sorted(AUDIO_SUFFIXES))}",
            )
        return found
    if path.exists() or not glob.has_magic(given):
        return [
            Input(given, Path(path.name))
        ]  # a missing file is named when its turn comes, like any unreadable one
    matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
    if not matches:
        raise AudioError(f"Nothing matches {given}.", "Check the pattern.")
    return [item for match in matches for item in _expand(match)]


def parse_channel(text: str) -> str | int:
    """Return ``mix``, ``all`` or a channel's number.

    Raises:
        ConfigError: ``text`` is none of these.
    """
    if text in ("mix", "all"):
        return text
    if text.isdecimal():
        return int(text)
    raise ConfigError(
        f"--channels is {text!r}.", "Give mix, all (each apart), or a channel's number from 0."
    )


def parse_hotwords(given: Sequence[str], weight: float) -> dict[str, float]:
    """Return hotword -> weight of phrases, several with commas, or ``@file``: a phrase a line, a
    weight after a tab.

    Raises:
        ConfigError: a file that is not there or has a weight that is no number.
    """
    found: dict[str, float] = {}
    for item in given:
        if item.startswith("@"):
            found |= _hotword_file(Path(item[1:]), weight)
        else:
            found |= {phrase.strip(): weight for phrase in item.split(",") if phrase.strip()}
    return found


def _hotword_file(path: Path, weight: float) -> dict[str, float]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The hotwords in {path} cannot be read ({error}).", "Give a text file."
        ) from error
    found = {}
    for number, line in enumerate(lines, 1):
        phrase, _, own = line.partition("\t")
        try:
            if phrase.strip():
                found[phrase.strip()] = float(own) if own.strip() else weight
        except ValueError:
            raise ConfigError(
                f"{path}:{number}: {own!r} is no weight.", "Write: phrase<TAB>number."
            ) from None
    return found


def transcribe_files(
    inputs: Sequence[str],
    model: str,
    output_dir: Path | None,
    formats: Sequence[str],
    decoding: Mapping[str, Any] | None = None,
    lm: Path | None = None,
    device: str = "cpu",
    threads: int = 0,
    channel: str | int = "mix",
    backend: str = "auto",
) -> int:
    """Transcribe files, folders, globs or standard input; return how many failed, each named on
    standard error.

    Args:
        inputs: see :func:`expand_inputs`; ``-`` is standard input.
        model: folder or name.
        output_dir: gets one file an input and format; None prints the text.
        formats: of :data:`asr.speech.transcript.FORMATS`.
        decoding: fields of :class:`asr.speech.recognizer.DecodingConfig` to change.
        lm: n-gram model instead of the folder's own.
        device: torch's name.
        threads: of the processor, 0 for all.
        channel: see :meth:`asr.speech.recognizer.Recognizer.transcribe`.
        backend: see :func:`asr.speech.recognizer.choose_backend`.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ConfigError(
            f"Unknown output format {unknown[0]!r}.", f"Choose of: {', '.join(FORMATS)}."
        )
    if (decoding or {}).get("n_best", 1) > 1 and "json" not in formats:
        raise ConfigError("N-best is only written to JSON.", "Add -f json.")
    items = expand_inputs(inputs, to_files=output_dir is not None)
    if output_dir is None and len(items) > 1 and (mixed := set(formats) & SINGLE):
        raise ConfigError(
            f"{len(items)} recordings printed one after another as {min(mixed)} could not be told apart.",
            "Give --output-dir FOLDER, which gets one file a recording, or -f json or ctm, which name theirs.",
        )
    if output_dir is not None:
        output_dir.mkdir(
            parents=True, exist_ok=True
        )  # a path that cannot be is named before the work
    recognizer = load_model(model, decoding, device, backend, threads, lm)
    return _Job(items, recognizer, output_dir, formats, channel).run()


class _Job:
    """One call: takes the recordings in order, writes each transcript as it comes, and counts."""

    def __init__(
        self,
        items: list[Input],
        recognizer: Recognizer,
        output_dir: Path | None,
        formats: Sequence[str],
        channel: str | int,
    ) -> None:
        self.items, self.recognizer, self.output_dir, self.formats = (
            items,
            recognizer,
            output_dir,
            formats,
        )
        self.channel = channel
        self.failures: list[str] = []
        self.seconds, self.started = 0.0, time.monotonic()

    def run(self) -> int:
        with _Bar(len(self.items)) as bar, ExitStack() as files:
            sources = (self._source(item, files) for item in self.items)
            found = self.recognizer.transcribe_many(
                sources, channel=self.channel, progress=lambda s: bar.show(self.seconds + s)
            )
            for item, result in zip(self.items, found, strict=True):
                if isinstance(result, AsrError):
                    self.failures.append(f"{item.path}: {result}")
                else:
                    self.seconds += result.duration_s
                    self._write(result, item, bar)
                bar.done(item.path, self.seconds)
        self._summary()
        return len(self.failures)

    def _source(self, item: Input, files: ExitStack) -> Any:
        if item.path != STDIN:
            return item.path
        spool = files.enter_context(tempfile.SpooledTemporaryFile(SPOOL_BYTES))  # noqa: SIM115 - the stack closes it
        while block := sys.stdin.buffer.read(1 << 20):
            spool.write(block)
        spool.seek(0)
        return _Named(spool, "standard input")

    def _write(self, transcript: Transcript, item: Input, bar: _Bar) -> None:
        if self.output_dir is None and list(self.formats) == ["txt"]:
            several = len(self.items) > 1
            lines = transcript.text if self.channel != "all" else transcript.to_txt().rstrip("\n")
            for line in lines.split("\n"):
                bar.print(f"{item.name.as_posix()}\t{line}" if several else line)
            return
        for name in self.formats:
            if self.output_dir is None and name == "json" and len(self.items) > 1:
                bar.print(transcript.to_json(item.name.as_posix()), end="")
                continue
            content = transcript.render(name, item.name.stem)
            if self.output_dir is None:
                bar.print(content, end="")
            else:
                atomic_write_text(self.output_dir / item.name.with_suffix(f".{name}"), content)

    def _summary(self) -> None:
        took = time.monotonic() - self.started
        for failure in self.failures:
            print(f"failed: {failure}", file=sys.stderr)
        done = len(self.items) - len(self.failures)
        speed = f"{self.seconds:.1f} s of audio in {took:.1f} s ({self.seconds / max(took, 1e-9):.0f}x real time)"
        print(f"{done} of {len(self.items)} transcribed, {speed}", file=sys.stderr)


class _Named:
    """An open file under another name."""

    def __init__(self, file: Any, name: str) -> None:
        self.file, self.name = file, name

    def __repr__(self) -> str:
        return self.name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.file, attribute)


class _Bar:
    """Progress on a terminal: files done, speed against real time; silent where nobody watches."""

    def __init__(self, total: int) -> None:
        self.bar: Any = None
        self.row: Any = None
        self.started = time.monotonic()
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeElapsedColumn,
            )

            columns = (
                "{task.description}",
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
            )
            console = Console(file=sys.stderr)
            self.bar = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
            self.row = self.bar.add_task("transcribing", total=total, speed="")

    def __enter__(self) -> _Bar:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def show(self, seconds: float) -> None:
        """Show that so much audio is done."""
        if self.bar is not None:
            minutes, rate = seconds / 60, seconds / max(time.monotonic() - self.started, 1e-9)
            self.bar.update(self.row, speed=f"{minutes:.1f} min of audio, {rate:.0f}x real time")

    def done(self, name: str, seconds: float) -> None:
        """Count a file."""
        if self.bar is not None:
            self.bar.update(self.row, advance=1, description=Path(name).name[-30:])
            self.show(seconds)

    def print(self, text: str, end: str = "\n") -> None:
        """Write to standard output; a bar on the same terminal makes way."""
        if self.bar is not None and sys.stdout.isatty():
            self.bar.console.file.flush()
            self.bar.stop()
            print(text, end=end, flush=True)
            self.bar.start()
        else:
            print(text, end=end, flush=True)
