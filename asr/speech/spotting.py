"""Phrases in recordings and streams: how they are said, where they are found, their thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from asr.audio.level import LevelledBlocks
from asr.audio.reading import Source, open_recording
from asr.decoding.spotting import Spot, Spotter, threshold_for
from asr.errors import ConfigError
from asr.speech.acoustics.windows import LONG_S, RecordingReader
from asr.speech.recognizer import Recognizer

__all__ = [
    "Phrases",
    "SpottedPhrase",
    "StreamSpotter",
    "find_phrases",
    "phrase_thresholds",
    "spell_phrases",
    "spots_of",
    "too_little_background",
]

_WAYS = 16  # pronunciations of a phrase

Phrases = Mapping[str, Sequence[Sequence[int]]]
"""Phrase -> its pronunciations, each a sequence of token ids."""


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

    def later(self, seconds: float) -> SpottedPhrase:
        """Return the same, later by some seconds."""
        start, end = (round(seconds + time, 3) for time in (self.start, self.end))
        return SpottedPhrase(self.phrase, start, end, self.score)


class StreamSpotter:
    """Finds phrases while log-probabilities arrive.

    Args:
        recognizer: the model.
        phrases: from :func:`spell_phrases`.
        threshold: see :class:`asr.decoding.spotting.Spotter`.

    Raises:
        DecodingError: see :class:`asr.decoding.spotting.Spotter`.
    """

    def __init__(
        self, recognizer: Recognizer, phrases: Phrases, threshold: float | Mapping[str, float] = 0.5
    ) -> None:
        self._spotter = Spotter(phrases, threshold, _word_starts(recognizer))
        self._step = recognizer.seconds_per_frame
        self._found: list[SpottedPhrase] = []

    @property
    def seconds(self) -> float:
        """Seconds of audio so far."""
        return self._spotter.frames * self._step

    def push(self, log_probs: npt.NDArray[np.float32]) -> None:
        """Take the next frames (T, V)."""
        self._keep(self._spotter.push(log_probs))

    def finish(self) -> None:
        """End the stream: what is still waiting is found."""
        self._keep(self._spotter.finish())

    def take(self) -> list[SpottedPhrase]:
        """Return what was found since the last call, in order of time."""
        found, self._found = self._found, []
        return sorted(found, key=lambda spot: (spot.start, spot.phrase))

    def _keep(self, spots: Iterable[Spot]) -> None:
        self._found += [
            SpottedPhrase(
                spot.phrase,
                round(spot.start_frame * self._step, 3),
                round(spot.end_frame * self._step, 3),
                round(spot.score, 4),
            )
            for spot in spots
        ]


def _word_starts(recognizer: Recognizer) -> npt.NDArray[np.bool_]:
    """Return which outputs of the network begin a word, (V,)."""
    vocabulary = recognizer.decoder.vocabulary
    starts = np.zeros(vocabulary.size, np.bool_)
    starts[list(vocabulary.columns)] = vocabulary.starts_word
    return starts


def spell_phrases(recognizer: Recognizer, phrases: Sequence[str]) -> dict[str, list[list[int]]]:
    """Return the pronunciations of each phrase as token ids.

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
    phrases: Phrases,
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
    with open_recording(source) as recording:
        blocks = LevelledBlocks(
            recording.resampled(recognizer.sample_rate, block_s=LONG_S), recognizer.sample_rate
        )
        spotter = StreamSpotter(recognizer, phrases, threshold)
        found = spots_of(recognizer, blocks, spotter)
        start_s = recording.start_s
    return [spot.later(start_s) for spot in found], spotter.seconds


def spots_of(
    recognizer: Recognizer, blocks: Iterable[npt.NDArray[np.float32]], spotter: StreamSpotter
) -> list[SpottedPhrase]:
    """Return what is found in a whole recording, in order of time.

    Args:
        recognizer: the model.
        blocks: the recording at the model's rate, (n,) each.
        spotter: has heard nothing.
    """
    for frames in RecordingReader(recognizer.acoustics).whole_log_probs(blocks):
        spotter.push(frames)
    spotter.finish()
    return spotter.take()


def phrase_thresholds(
    phrases: Phrases,
    found: Iterable[Sequence[SpottedPhrase]],
    seconds: float,
    false_alarms: float,
) -> dict[str, float]:
    """Return the threshold of each phrase; each gets its part of the false alarms.

    Args:
        phrases: all of them.
        found: what was found with a threshold of 0 in each recording that does not have them.
        seconds: of these recordings.
        false_alarms: of all phrases together, wanted an hour.

    Raises:
        ConfigError: there is nothing of these recordings.
    """
    if not seconds > 0:
        raise ConfigError("There is no speech to set a threshold on.", "Give recordings.")
    scores: dict[str, list[float]] = {phrase: [] for phrase in phrases}
    for spots in found:
        for spot in spots:
            scores[spot.phrase].append(spot.score)
    each = false_alarms / len(phrases)
    return {p: threshold_for(values, seconds / 3600, each) for p, values in scores.items()}


def too_little_background(phrases: Phrases, seconds: float, false_alarms: float) -> str:
    """Return a note where recordings are too short to see the wanted false alarms; else nothing."""
    if seconds / 3600 * false_alarms / len(phrases) >= 1:
        return ""
    return (
        f"{seconds / 60:.0f} minutes of background are too few to see {false_alarms:g} false "
        "alarms an hour; the thresholds let none of them through"
    )
