"""Phrases in recordings: what `asr spot` does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from asr.audio.reading import Source, spool
from asr.errors import AsrError, ConfigError, DataError
from asr.lines import nfc, read_text
from asr.speech.jobs.outputs import print_summary
from asr.speech.jobs.transcribe import STDIN, expand_inputs
from asr.speech.options import ModelOptions
from asr.speech.recognizer import Recognizer, open_recognizer
from asr.speech.spotting import (
    Phrases,
    SpottedPhrase,
    find_phrases,
    phrase_thresholds,
    spell_phrases,
    too_little_background,
)

__all__ = ["read_phrases", "spot_files"]


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
    ways: Phrases,
    background: Sequence[str],
    false_alarms: float,
) -> dict[str, float]:
    """Return the threshold of each phrase; each gets its part of the false alarms."""
    found = [
        find_phrases(recognizer, item.path, ways, 0.0)
        for item in expand_inputs(background, to_files=False)
    ]
    seconds = sum(heard_s for _, heard_s in found)
    if note := too_little_background(ways, seconds, false_alarms):
        print(f"note: {note}", file=sys.stderr)
    return phrase_thresholds(ways, [spots for spots, _ in found], seconds, false_alarms)


def _print(found: Sequence[SpottedPhrase], name: str, as_json: bool) -> None:
    for line in _lines(found, name, as_json):
        print(line, flush=True)


def _lines(found: Sequence[SpottedPhrase], name: str, as_json: bool) -> Iterator[str]:
    for spot in found:
        if as_json:
            yield json.dumps({"recording": name, **asdict(spot)}, ensure_ascii=False)
        else:
            yield f"{name}\t{spot.start:.2f}\t{spot.end:.2f}\t{spot.score:.3f}\t{spot.phrase}"
