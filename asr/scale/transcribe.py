"""Bulk transcription on Ray, in shards; completed shards are recorded and skipped by later runs."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.audio.shar import file_of
from asr.errors import AsrError, ConfigError
from asr.files import atomic_write_text, delete_unfinished, real_path
from asr.progress import ProgressBar
from asr.scale.cluster import LostError, connected, run_pieces, share_out
from asr.speech.jobs.outputs import check_formats, print_notes, print_summary
from asr.speech.jobs.transcribe import STDIN, Input, expand_inputs
from asr.speech.options import ModelOptions
from asr.speech.transcripts.subtitles import SubtitleConfig
from asr.speech.transcripts.transcript import FORMATS, Transcript
from asr.speech.transcripts.writing import WritingConfig

if TYPE_CHECKING:
    from asr.speech.recognizer import Recognizer

__all__ = ["BulkConfig", "transcribe_on_ray"]

RECORDS = ".asr-shards"  # in the output folder: one file per completed shard
MOST_FILES = 64  # in a shard


@dataclass(frozen=True)
class BulkConfig:
    """Settings of every worker; paths are absolute, on storage that all machines share.

    The fields are those of :class:`asr.speech.options.ModelOptions` and the arguments of
    :func:`asr.speech.jobs.transcribe.transcribe_files`; ``decoding`` is JSON.
    """

    model: str
    output_dir: str
    formats: tuple[str, ...]
    decoding: str = "{}"
    lm: str | None = None
    device: str = "cpu"
    threads: int = 1
    channel: str | int = "mix"
    backend: str = "auto"
    writing: WritingConfig | None = None
    subtitles: SubtitleConfig | None = None


@dataclass(frozen=True)
class _Item:
    """A recording; its stamp (size and time) tells whether it has changed since; its label is what
    it is called within its output.
    """

    path: str
    name: str
    stamp: str
    label: str


def transcribe_on_ray(
    inputs: Sequence[str],
    options: ModelOptions,
    *,
    output_dir: Path | None,
    formats: Sequence[str] = ("txt",),
    channel: str | int = "mix",
    address: str,
    workers: int = 0,
    subtitles: SubtitleConfig | None = None,
) -> int:
    """Transcribe files, folders and globs on a cluster; return the number of failures.

    Failures are named on standard error. A later call skips a recording if its shard was completed
    with the same model and settings, it has not changed since, and its output files exist.

    Args:
        inputs: see :func:`asr.speech.jobs.transcribe.expand_inputs`.
        options: the model and how it runs; ``threads=0`` is one thread per worker.
        output_dir: gets one file per input and format.
        formats: of :data:`asr.speech.transcripts.transcript.FORMATS`.
        channel: see :meth:`asr.speech.recognizer.Recognizer.transcribe`.
        address: see :func:`asr.scale.cluster.connected`.
        workers: processes of a local cluster (0: one per core).
        subtitles: their rules, by default broadcasters'.

    Raises:
        ConfigError: there is no output folder, standard input is among the inputs, a format is
            unknown, or there is no cluster at ``address``.
    """
    if output_dir is None:
        raise ConfigError("--ray needs an output folder.", "Give -o FOLDER.")
    check_formats(formats, FORMATS)
    recordings = expand_inputs(inputs)
    if any(item.path == STDIN for item in recordings):
        raise ConfigError("Standard input cannot be transcribed with --ray.", "Give files.")
    config = BulkConfig(
        model=_model(str(options.model)),
        output_dir=str(output_dir.resolve()),
        formats=tuple(formats),
        decoding=json.dumps(options.decoding_fields, sort_keys=True),
        lm=str(Path(options.lm).resolve()) if options.lm else None,
        device=options.device,
        threads=options.threads or 1,
        channel=channel,
        backend=options.backend,
        writing=options.writing,
        subtitles=subtitles,
    )
    return _Bulk(config, [_item(i) for i in recordings]).run(address, workers)


def _model(model: str) -> str:
    from asr.model_folder import find_model, open_bundle

    # A damaged or missing model is refused here instead of in every worker.
    return str(open_bundle(find_model(model), task="ctc").path.resolve())


def _item(recording: Input) -> _Item:
    path = real_path(recording.path)
    return _Item(str(path), recording.name.as_posix(), _stamp(file_of(path)), recording.label)


def _stamp(path: Path) -> str:
    if not path.is_file():
        return "missing"
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


class _Bulk:
    """One call: the remaining recordings, their shards, and the counts."""

    def __init__(self, config: BulkConfig, items: list[_Item]) -> None:
        self.config, self.items = config, items
        self.records = Path(config.output_dir) / RECORDS
        self.key = _settings_key(config)
        self.failures, self.notes = list[str](), list[str]()
        self.seconds = 0.0

    def run(self, address: str, workers: int) -> int:
        started = time.monotonic()
        left = self._left()
        done = before = len(self.items) - len(left)
        if left:
            with (
                connected(address, workers) as processors,
                ProgressBar("transcribing", len(self.items), before) as bar,
            ):
                work = partial(transcribe_shard, self.config)
                gpus = 1.0 if self.config.device.startswith("cuda") else 0.0
                shards = share_out(left, max(1, processors // self.config.threads), MOST_FILES)
                for shard, result in run_pieces(work, shards, self.config.threads, gpus):
                    done += self._record(shard, result)
                    bar.advance(len(shard))
            self._sweep(left)
        count = f"{done} of {len(self.items)} transcribed ({before} before)"
        print_notes(self.notes)
        print_summary(count, self.failures, self.seconds, time.monotonic() - started)
        return len(self.failures)

    def _left(self) -> list[_Item]:
        known: set[tuple[str, str, str]] = set()
        for path in self.records.glob("*.json"):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if record["settings"] == self.key:
                    known |= {tuple(entry) for entry in record["items"]}
            except (ValueError, KeyError, TypeError):
                path.unlink()  # incomplete: its recordings are transcribed again
        return [
            i for i in self.items if (i.path, i.name, i.stamp) not in known or not self._written(i)
        ]

    def _written(self, item: _Item) -> bool:
        return all(_output(self.config, item, name).is_file() for name in self.config.formats)

    def _sweep(self, items: Sequence[_Item]) -> None:
        """Delete the unfinished files of workers that were killed."""
        targets = {_output(self.config, i, name) for i in items for name in self.config.formats}
        delete_unfinished(targets)

    def _record(self, shard: Sequence[_Item], result: dict[str, Any] | LostError) -> int:
        """Record which recordings of a shard succeeded; return their number."""
        if isinstance(result, LostError):
            self.failures.append(f"{shard[0].path}: {result}")
            return 0
        self.seconds += float(result["seconds"])
        self.notes += result["notes"]
        failed: dict[str, str] = result["failed"]
        self.failures += [f"{path}: {reason}" for path, reason in failed.items()]
        entries = [[i.path, i.name, i.stamp] for i in shard if i.path not in failed]
        if entries:
            digest = hashlib.sha256(json.dumps([self.key, entries]).encode()).hexdigest()[:16]
            content = {"settings": self.key, "items": entries, "seconds": result["seconds"]}
            atomic_write_text(self.records / f"{digest}.json", json.dumps(content) + "\n")
        return len(entries)


def _settings_key(config: BulkConfig) -> str:
    """Return a digest of everything that decides the text: settings, model, language model."""
    parts = [repr((config.decoding, config.device, config.channel, config.lm, config.backend))]
    parts.append(repr((config.writing, config.subtitles)))
    parts.append((Path(config.model) / "bundle.json").read_text(encoding="utf-8"))
    if config.lm:
        parts.append(_stamp(Path(config.lm)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _output(config: BulkConfig, item: _Item, name: str) -> Path:
    return Path(config.output_dir) / Path(item.name).with_suffix(f".{name}")


def transcribe_shard(config: BulkConfig, items: Sequence[_Item]) -> dict[str, Any]:
    """Write the transcripts of a shard; return the seconds of audio, why recordings failed,
    and what is to be said about the others.

    Runs in a worker.
    """
    transcripts = _recognizer(config).transcribe_many(
        [i.path for i in items], channel=config.channel
    )
    seconds, failed, notes = 0.0, {}, list[str]()
    for item, result in zip(items, transcripts, strict=True):
        try:
            transcript = _written(config, item, result)
        except AsrError as error:
            failed[item.path] = str(error)
            continue
        seconds += transcript.duration_s
        notes += [f"{item.path}: {note}" for note in transcript.notes]
    return {"seconds": seconds, "failed": failed, "notes": notes}


def _written(config: BulkConfig, item: _Item, result: Transcript | AsrError) -> Transcript:
    """Write the transcript of a recording and return it, or raise the error that it ended in."""
    if isinstance(result, AsrError):
        raise result
    for name in config.formats:
        text = result.render(name, item.label, config.subtitles)
        atomic_write_text(_output(config, item, name), text)
    return result


@lru_cache(maxsize=1)
def _recognizer(config: BulkConfig) -> Recognizer:
    """Return the model of a job, which a worker loads once for all its shards."""
    from asr.speech.recognizer import open_recognizer

    options = ModelOptions(
        config.model,
        json.loads(config.decoding),
        lm=config.lm,
        device=config.device,
        backend=config.backend,
        threads=config.threads,
        writing=config.writing,
    )
    return open_recognizer(options)
