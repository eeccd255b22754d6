"""Phrases in recordings: what `asr spot` does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

from asr.audio.level import LevelledBlocks
from asr.audio.reading import Source, open_recording, spool
from asr.decoding.spotting import Spotter, threshold_for
from asr.errors import AsrError, ConfigError, DataError
from asr.lines import nfc, read_text
from asr.speech.acoustics.windows import LONG_S, RecordingReader
from asr.speech.jobs.outputs import print_summary
from asr.speech.jobs.transcribe import STDIN, expand_inputs
from asr.speech.options import ModelOptions
from asr.speech.recognizer import Recognizer, open_recognizer

__all__ = ["SpottedPhrase", "find_phrases", "read_phrases", "spell_phrases", "spot_files"]

_WAYS = 16  # pronunciations of a phrase


@dataclass(frozen=True)
class SpottedPhrase:
    """A phrase that was found in a recording.

    Attributes:
        phrase: which.
        start: in seconds.
        end: in seconds.
        score: 0 to 1, see :class:`asr.decoding.spotting.Spot`.
    """

    phrase: str
    start: float
    end: float
    score: float


def read_phrases(given: Sequence[str]) -> list[str]:
    """Return phrases, several with commas, or ``@file`` with one a line.

    Raises:
        ConfigError: there are none, or the file is not there.
    """
    phrases = list[str]()
    for item in given:
        if item.startswith("@"):
            try:
                phrases += nfc(read_text(Path(item[1:]), "a text file of phrases")).splitlines()
            except DataError as error:
                raise ConfigError(error.message, error.remedy) from error
        else:
            phrases += nfc(item).split(",")
    named = list(dict.fromkeys(" ".join(phrase.split()) for phrase in phrases if phrase.strip()))
    if not named:
        raise ConfigError("There is no phrase to look for.", "Give at least one.")
    return named


def spell_phrases(recognizer: Recognizer, phrases: Sequence[str]) -> dict[str, list[list[int]]]:
    """Return the ways to say phrases, as numbers of the network's outputs.

    Raises:
        ConfigError: a word that the model can neither say nor write.
        TokenError: see :meth:`asr.text.tokenizers.Tokenizer.encode`.
    """
    cased = {phrase: recognizer.decoders.cased(phrase) for phrase in phrases}
    words = [word for phrase in cased.values() for word in phrase.split()]
    tokenizer = recognizer.decoders.saying(words).tokenizer
    return {
        phrase: [
            [token for word in said for token in word]
            for said in list(product(*tokenizer.spellings(text)))[:_WAYS]
        ]
        for phrase, text in cased.items()
    }


def find_phrases(
    recognizer: Recognizer,
    source: Source,
    phrases: Mapping[str, Sequence[Sequence[int]]],
    threshold: float | Mapping[str, float],
) -> tuple[list[SpottedPhrase], float]:
    """Return what is found in a recording of any length, and its seconds.

    Args:
        recognizer: the model.
        source: see :meth:`asr.speech.recognizer.Recognizer.transcribe`.
        phrases: from :func:`spell_phrases`.
        threshold: see :class:`asr.decoding.spotting.Spotter`.

    Raises:
        AudioError: the recording cannot be read.
    """
    spotter, step = Spotter(phrases, threshold), recognizer.seconds_per_frame
    with open_recording(source) as recording:
        blocks = LevelledBlocks(
            recording.resampled(recognizer.sample_rate, block_s=LONG_S), recognizer.sample_rate
        )
        reader = RecordingReader(recognizer.acoustics)
        spots = [s for frames in reader.whole_log_probs(blocks) for s in spotter.push(frames)]
        spots += spotter.finish()
        start_s = recording.start_s
    found = [
        SpottedPhrase(
            spot.phrase,
            round(start_s + spot.start_frame * step, 3),
            round(start_s + spot.end_frame * step, 3),
            round(spot.score, 4),
        )
        for spot in spots
    ]
    return sorted(found, key=lambda spot: (spot.start, spot.phrase)), spotter.frames * step


def spot_files(
    inputs: Sequence[str],
    phrases: Sequence[str],
    options: ModelOptions,
    *,
    threshold: float = 0.5,
    background: Sequence[str] = (),
    false_alarms: float = 1.0,
    as_json: bool = False,
) -> int:
    """Print where phrases are said in files, folders, globs or standard input; return how many
    recordings failed, each named on standard error.

    Args:
        inputs: see :func:`asr.speech.jobs.transcribe.expand_inputs`.
        phrases: what to look for.
        options: the model and how it runs.
        threshold: least score, where there is no ``background``.
        background: recordings without the phrases, from which the threshold of each comes.
        false_alarms: of all phrases together, wanted an hour.
        as_json: print JSON lines instead of tab-separated columns.

    Raises:
        AsrError: the model, a phrase, or a background recording cannot be used.
    """
    recognizer = open_recognizer(replace(options, decoding={"method": "greedy"}))
    ways = spell_phrases(recognizer, phrases)
    least: float | dict[str, float] = threshold
    if background:
        least = _thresholds(recognizer, ways, background, false_alarms)
        for phrase, value in least.items():
            print(f"threshold of {phrase}: {value:.3f}", file=sys.stderr)
    failures, seconds, started = list[str](), 0.0, time.monotonic()
    items = expand_inputs(inputs, to_files=False)
    with ExitStack() as files:
        for item in items:
            try:
                source: Source = item.path
                if item.path == STDIN:
                    source = files.enter_context(spool(sys.stdin.buffer, "standard input"))
                found, heard_s = find_phrases(recognizer, source, ways, least)
            except AsrError as error:
                failures.append(f"{item.path}: {error}")
                continue
            seconds += heard_s
            _print(found, item.name.as_posix(), as_json)
    count = f"{len(items) - len(failures)} of {len(items)} searched"
    print_summary(count, failures, seconds, time.monotonic() - started)
    return len(failures)


def _thresholds(
    recognizer: Recognizer,
    ways: Mapping[str, Sequence[Sequence[int]]],
    background: Sequence[str],
    false_alarms: float,
) -> dict[str, float]:
    """Return the threshold of each phrase; each gets its part of the false alarms."""
    scores: dict[str, list[float]] = {phrase: [] for phrase in ways}
    seconds = 0.0
    for item in expand_inputs(background, to_files=False):
        found, heard_s = find_phrases(recognizer, item.path, ways, 0.0)
        seconds += heard_s
        for spot in found:
            scores[spot.phrase].append(spot.score)
    if seconds / 3600 * false_alarms / len(ways) < 1:
        print(
            f"note: {seconds / 60:.0f} minutes of background are too few to see "
            f"{false_alarms:g} false alarms an hour; the thresholds let none of them through",
            file=sys.stderr,
        )
    each = false_alarms / len(ways)
    return {p: threshold_for(found, seconds / 3600, each) for p, found in scores.items()}


def _print(found: Sequence[SpottedPhrase], name: str, as_json: bool) -> None:
    for line in _lines(found, name, as_json):
        print(line, flush=True)


def _lines(found: Sequence[SpottedPhrase], name: str, as_json: bool) -> Iterator[str]:
    for spot in found:
        if as_json:
            yield json.dumps({"recording": name, **asdict(spot)}, ensure_ascii=False)
        else:
            yield f"{name}\t{spot.start:.2f}\t{spot.end:.2f}\t{spot.score:.3f}\t{spot.phrase}"
