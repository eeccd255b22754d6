"""Many files in, transcripts out: what `asr transcribe` does."""

from __future__ import annotations

import glob
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from asr.audio.kept import KeptRecording
from asr.audio.reading import AUDIO_SUFFIXES, Source, spool
from asr.audio.shar import find_shar, read_shar
from asr.errors import AsrError, AudioError, ConfigError, DataError
from asr.files import atomic_write_text, files_below, real_path
from asr.lines import nfc, read_text
from asr.progress import ProgressBar
from asr.speech.jobs.outputs import (
    check_formats,
    check_targets,
    print_notes,
    print_summary,
    recording_labels,
)
from asr.speech.options import ModelOptions
from asr.speech.recognizer import Recognizer, open_recognizer
from asr.speech.transcripts.subtitles import SubtitleConfig
from asr.speech.transcripts.transcript import FORMATS, Transcript

if TYPE_CHECKING:  # imported when speakers are told apart
    from asr.speech.transcripts.speakers import SpeakerLabeller, SpeakerOptions

__all__ = ["Input", "expand_inputs", "parse_channel", "parse_hotwords", "transcribe_files"]

STDIN = "-"
SINGLE = {"srt", "vtt", "tsv"}  # formats that do not name their recording


@dataclass(frozen=True)
class Input:
    """A recording to transcribe.

    Attributes:
        path: or address in a shard, or ``-`` for standard input.
        name: path relative to what was asked for; decides where output goes.
        label: what the recording is called within its output; no two are alike.
    """

    path: str
    name: Path
    label: str = ""


def expand_inputs(inputs: Sequence[str], to_files: bool = True) -> list[Input]:
    """Return the audio files that paths, folders and globs stand for, each once, in order.

    A Lhotse Shar folder stands for the recordings in its shards, under the names of their cuts.

    Args:
        inputs: what was given.
        to_files: whether each gets output files of its name.

    Raises:
        AudioError: nothing is there, or a folder holds no audio.
        DataError: a Shar folder is damaged.
        ConfigError: two inputs would write the same output file.
    """
    recordings: dict[str, Input] = {}
    for given in inputs:
        for item in _expand(given):
            place = STDIN if item.path == STDIN else str(real_path(item.path))
            recordings.setdefault(place, item)
    items = list(recordings.values())
    if to_files:
        outputs = ((item.path, item.name) for item in items)
        check_targets(outputs, "Transcribe them in two calls.")
    else:  # what is printed of each is told apart by its name
        count = Counter(item.name for item in items)
        items = [i if count[i.name] == 1 else replace(i, name=Path(i.path)) for i in items]
    labels = recording_labels([(item.name, item.path) for item in items])
    return [replace(item, label=label) for item, label in zip(items, labels, strict=True)]


def _expand(given: str) -> list[Input]:
    path = Path(given)
    if given == STDIN:
        return [Input(STDIN, Path("stdin"))]
    if path.is_dir():
        return _in_folder(path)
    if path.exists() or not glob.has_magic(given):
        # A missing file is named when its turn comes, like any unreadable one.
        return [Input(given, Path(path.name))]
    matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
    if not matches:
        raise AudioError(f"Nothing matches {given}.", "Check the pattern.")
    return [item for match in matches for item in _expand(match)]


def _in_folder(folder: Path) -> list[Input]:
    """Return the audio files in a folder, at any depth, and the recordings in its shards."""
    files = [p for p in files_below(folder) if p.suffix.lower() in AUDIO_SUFFIXES]
    items = [Input(str(p), p.relative_to(folder)) for p in files]
    for shar in find_shar(folder):
        place = shar.relative_to(folder)
        items += [Input(cut.audio, place / cut.member) for cut in read_shar(shar)]
    if not items:
        raise AudioError(
            f"There is no audio in the folder {folder}.",
            f"Known: {' '.join(sorted(AUDIO_SUFFIXES))}",
        )
    return items


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
    weights: dict[str, float] = {}
    for item in given:
        if item.startswith("@"):
            weights |= _hotword_file(Path(item[1:]), weight)
        else:
            weights |= {phrase.strip(): weight for phrase in nfc(item).split(",") if phrase.strip()}
    return weights


def _hotword_file(path: Path, weight: float) -> dict[str, float]:
    try:
        lines = nfc(read_text(path, "a text file of hotwords")).split("\n")
    except DataError as error:
        raise ConfigError(f"The hotwords cannot be read: {error.message}", error.remedy) from error
    weights = {}
    for number, line in enumerate(lines, 1):
        phrase, _, own = line.partition("\t")
        try:
            if phrase.strip():
                weights[phrase.strip()] = float(own) if own.strip() else weight
        except ValueError:
            raise ConfigError(
                f"{path}:{number}: {own!r} is not a weight.", "Write: phrase<TAB>number."
            ) from None
    return weights


def transcribe_files(
    inputs: Sequence[str],
    options: ModelOptions,
    *,
    output_dir: Path | None = None,
    formats: Sequence[str] = ("txt",),
    channel: str | int = "mix",
    subtitles: SubtitleConfig | None = None,
    speakers: SpeakerOptions | None = None,
) -> int:
    """Transcribe files, folders, globs or standard input; return how many failed, each named on
    standard error.

    Args:
        inputs: see :func:`expand_inputs`; ``-`` is standard input.
        options: the model and how it runs.
        output_dir: gets one file an input and format; None prints the text.
        formats: of :data:`asr.speech.transcripts.transcript.FORMATS`.
        channel: see :meth:`asr.speech.recognizer.Recognizer.transcribe`.
        subtitles: their rules, by default broadcasters'.
        speakers: how speakers are told apart; None: they are not.

    Raises:
        ConfigError: an unknown format, or one that cannot hold what is asked for.
        AudioError: see :func:`expand_inputs`; or an enrolment cannot be used.
        ModelError: the model cannot be loaded.
    """
    check_formats(formats, FORMATS)
    _check_speakers(formats, channel, speakers)
    items = expand_inputs(inputs, to_files=output_dir is not None)
    if output_dir is None:
        _check_told_apart(len(items), formats)
    else:  # a path that cannot be is named before the work
        output_dir.mkdir(parents=True, exist_ok=True)
        _check_inputs_kept(items, output_dir, formats)
    labeller = None if speakers is None else _labeller(speakers)
    recognizer = open_recognizer(options)
    labels = {item.name: item.label for item in items}
    writer = _Writer(output_dir, formats, labels, subtitles)
    return _Job(items, recognizer, writer, labeller).run(channel)


def _labeller(speakers: SpeakerOptions) -> SpeakerLabeller:
    from asr.speech.transcripts.speakers import SpeakerLabeller

    return SpeakerLabeller(speakers)


def _check_speakers(
    formats: Sequence[str], channel: str | int, speakers: SpeakerOptions | None
) -> None:
    if speakers is not None:
        from asr.speech.transcripts.speakers import check_channel

        check_channel(channel)
    elif "rttm" in formats:
        raise ConfigError("RTTM holds who speaks when.", "Add --speakers.")


def _check_told_apart(count: int, formats: Sequence[str]) -> None:
    mixed = set(formats) & SINGLE
    if count > 1 and mixed:
        raise ConfigError(
            f"{count} recordings printed one after another as {min(mixed)} could not be told "
            "apart.",
            "Give --output-dir FOLDER, which gets one file a recording, or -f json or ctm, which "
            "name theirs.",
        )


def _check_inputs_kept(items: Sequence[Input], folder: Path, formats: Sequence[str]) -> None:
    """Refuse an output file that is one of the recordings: one may be called a.txt."""
    recordings = {real_path(item.path) for item in items}
    for item in items:
        for output_format in formats:
            output = folder / item.name.with_suffix(f".{output_format}")
            if real_path(output) in recordings:
                raise ConfigError(
                    f"{output} is an input as well: it would be overwritten.",
                    "Give another --output-dir.",
                )


class _Writer:
    """Writes transcripts, to files or to standard output.

    Args:
        folder: gets one file a recording and format; None prints.
        formats: of :data:`asr.speech.transcripts.transcript.FORMATS`.
        labels: name of each recording -> what it is called within its output.
        subtitles: their rules.
    """

    def __init__(
        self,
        folder: Path | None,
        formats: Sequence[str],
        labels: Mapping[Path, str],
        subtitles: SubtitleConfig | None,
    ) -> None:
        self.folder, self.formats, self.labels = folder, list(formats), labels
        self.several = len(labels) > 1  # so that each has to be named where it is printed
        self.subtitles = subtitles

    def write(self, transcript: Transcript, name: Path, bar: ProgressBar) -> None:
        """Write the transcript of the recording ``name``."""
        for output_format in self.formats:
            if self.folder is not None:
                path = self.folder / name.with_suffix(f".{output_format}")
                text = transcript.render(output_format, self.labels[name], self.subtitles)
                atomic_write_text(path, text)
            else:
                bar.write(self._printed(transcript, name, output_format), end="")

    def _printed(self, transcript: Transcript, name: Path, output_format: str) -> str:
        if self.formats == ["txt"] and self.several:  # one line, or one a turn of a channel
            label = _one_line(name.as_posix())
            apart = any(s.channel is not None or s.speaker for s in transcript.segments)
            text = transcript.to_txt() if apart else transcript.readable
            lines = [line for line in text.split("\n") if line] or [""]
            return "".join(f"{label}\t{line}\n" for line in lines)
        if output_format == "json" and self.several:
            return transcript.to_json(name.as_posix())
        return transcript.render(output_format, self.labels[name], self.subtitles)


def _one_line(name: str) -> str:
    """Return a file name in which what would end a field or a line is escaped."""
    return name.translate({ord(c): repr(c)[1:-1] for c in "\t\n\r\v\f"})


class _Job:
    """One call: takes the recordings in order, writes each transcript as it comes, and counts."""

    def __init__(
        self,
        items: Sequence[Input],
        recognizer: Recognizer,
        writer: _Writer,
        labeller: SpeakerLabeller | None = None,
    ) -> None:
        self.items, self.recognizer, self.writer = items, recognizer, writer
        self.labeller, self.kept = labeller, deque[KeptRecording]()  # in their order
        self.failures, self.notes = list[str](), list(labeller.notes if labeller else ())
        self.seconds, self.started = 0.0, time.monotonic()

    def run(self, channel: str | int) -> int:
        """Transcribe all; return how many failed."""
        with ProgressBar("transcribing", len(self.items)) as bar, ExitStack() as files:
            results = self.recognizer.transcribe_many(
                (self._source(item, files) for item in self.items),
                channel=channel,
                progress=lambda seconds: bar.advance(0, status=self._status(seconds)),
            )
            for item, result in zip(self.items, results, strict=True):
                try:
                    self._take(item, self._labelled(result, channel), bar)
                except AsrError as error:
                    self.failures.append(f"{item.path}: {error}")
                bar.advance(what=Path(item.path).name[-30:], status=self._status())
        count = f"{len(self.items) - len(self.failures)} of {len(self.items)} transcribed"
        print_notes(self.notes)
        print_summary(count, self.failures, self.seconds, self._took)
        return len(self.failures)

    def _take(self, item: Input, result: Transcript | AsrError, bar: ProgressBar) -> None:
        if isinstance(result, AsrError):
            raise result
        self.writer.write(result, item.name, bar)
        self.seconds += result.duration_s
        self.notes += [f"{item.path}: {note}" for note in result.notes]

    def _labelled(self, result: Transcript | AsrError, channel: str | int) -> Transcript | AsrError:
        """Add the speakers to the next transcript, where they are asked for."""
        if self.labeller is None:
            return result
        return self.labeller.labelled(result, self.kept.popleft(), channel)

    def _source(self, item: Input, files: ExitStack) -> Source:
        source: Source = item.path
        if item.path == STDIN:
            source = files.enter_context(spool(sys.stdin.buffer, "standard input"))
        if self.labeller is not None:
            source = KeptRecording(source)
            self.kept.append(source)
        return source

    @property
    def _took(self) -> float:
        return time.monotonic() - self.started

    def _status(self, further_s: float = 0.0) -> str:
        seconds = self.seconds + further_s
        rate = seconds / max(self._took, 1e-9)
        return f"{seconds / 60:.1f} min of audio, {rate:.0f}x real time"
