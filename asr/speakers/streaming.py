"""Who speaks, while the audio arrives: a set of speakers that grows.

Stretches of speech come one after the other, such as the utterances of a recogniser. All speech so
far is clustered anew as it grows, and clusters keep the names of those that they have most speech
in common with. Later speech may therefore change who spoke earlier; ``diarization`` is what is
known by now. Legend: n samples, B windows, E embedding, K speakers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from asr.speakers.clustering import Array
from asr.speakers.diarization import Diarization, DiarizationConfig, diarize_parts
from asr.speakers.embedder import SpeakerEmbedder, Voice
from asr.speakers.stretches import unit
from asr.speakers.windows import SpeechPart
from asr.text.rttm import SpeakerTurn

__all__ = ["SpeakerStream"]

ANEW_S = 60.0  # of speech, up to which everything is clustered at each stretch
GROWTH = 1.05  # then as often as there is so much more
EACH_S = 10.0  # of speech a speaker, from which on a given number is believed: all have spoken
LEAST_FRAMES = 10  # of a stretch that can be embedded

Samples = npt.NDArray[np.float32]


class SpeakerStream:
    """Speakers of a stream.

    Args:
        embedder: of the voices.
        config: how many speakers there are, and how they are found.
        enrolled: name -> voice of people who may be among them.

    Attributes:
        diarization: who spoke when, as far as is known by now.

    Example:
        >>> speakers = SpeakerStream(SpeakerEmbedder.load())  # doctest: +SKIP
        >>> for result in stream.push(chunk):  # doctest: +SKIP
        ...     if result.final:
        ...         said = heard[round(result.start * rate) : round(result.end * rate)]
        ...         print(speakers.push(said, result.start), result.text)
    """

    def __init__(
        self,
        embedder: SpeakerEmbedder,
        config: DiarizationConfig | None = None,
        enrolled: Mapping[str, Voice] | None = None,
    ) -> None:
        self.embedder, self.config = embedder, config or DiarizationConfig()
        self.enrolled = dict(enrolled or {})
        self.diarization = Diarization((), (), {})
        self._parts: list[SpeechPart] = []
        self._clustered_s = self._speech_s = 0.0
        self._numbers = 0  # names "Speaker N" that were given

    def push(self, samples: Samples, start_s: float) -> str:
        """Return who speaks most of the next stretch of speech; empty where it is too short.

        Args:
            samples: (n,) at the embedder's rate, of one stretch.
            start_s: time of its first sample; stretches come in order of time.
        """
        frames = self.embedder.frames(samples)
        if len(frames) < LEAST_FRAMES:
            return ""
        config, embedder = self.config, self.embedder
        stretch = embedder.embed_stretches([frames], config.window_s, config.hop_s)[0]
        end_s = start_s + len(samples) / embedder.sample_rate
        part = SpeechPart.of(start_s, end_s, stretch)
        self._parts.append(part)
        self._speech_s += end_s - start_s
        anew = self._speech_s < ANEW_S or self._speech_s >= GROWTH * self._clustered_s
        return self._clustered(part) if anew else self._nearest(part)

    def _clustered(self, part: SpeechPart) -> str:
        """Cluster all speech so far; return who speaks most of the last stretch."""
        found = diarize_parts(self._parts, self.embedder.calibration, self._config, self.enrolled)
        self._clustered_s = self._speech_s
        names = self._names(found)
        self.diarization = found.renamed(names)
        return _most(self.diarization.turns, part.start, part.end)

    @property
    def _config(self) -> DiarizationConfig:
        """A given number is the highest one, until everybody can be expected to have spoken."""
        count = self.config.speakers
        if count and self._speech_s < EACH_S * count:
            return replace(self.config, speakers=0, most=count)
        return self.config

    def _names(self, found: Diarization) -> dict[str, str]:
        """Return the name that each speaker keeps, or a new one."""
        known = set(self.enrolled)
        shared = {
            (_common(found.turns, name, self.diarization.turns, old), name, old)
            for name in found.speakers
            for old in self.diarization.speakers
            if not {name, old} & known
        }
        names = {name: name for name in found.speakers if name in known}
        for seconds, name, old in sorted(shared, key=lambda one: (-one[0], one[2])):
            if seconds > 0 and name not in names and old not in names.values():
                names[name] = old
        for name in found.speakers:
            if name not in names:
                self._numbers += 1
                names[name] = f"Speaker {self._numbers}"
        return names

    def _nearest(self, part: SpeechPart) -> str:
        """Return the speaker whose voice is nearest, and remember the turn."""
        rows = np.concatenate([own.embeddings for own in self._parts])
        mean: Array = rows.mean(0, dtype=np.float64)
        voices = unit(np.stack(list(self.diarization.embeddings.values())) - mean)
        own = part.embeddings.mean(0, dtype=np.float64) - mean
        name = list(self.diarization.embeddings)[int((voices @ own).argmax())]
        self.diarization = self.diarization.with_turn(SpeakerTurn(part.start, part.end, name))
        return name


def _common(
    turns: Sequence[SpeakerTurn], name: str, others: Sequence[SpeakerTurn], other: str
) -> float:
    """Seconds in which two speakers of two diarizations are one."""
    theirs = [turn for turn in others if turn.speaker == other]
    return sum(
        max(0.0, min(turn.end, that.end) - max(turn.start, that.start))
        for turn in turns
        if turn.speaker == name
        for that in theirs
    )


def _most(turns: Sequence[SpeakerTurn], start_s: float, end_s: float) -> str:
    """Return the speaker with the most time between two moments; empty: nobody speaks."""
    seconds: dict[str, float] = {}
    for turn in reversed(turns):
        if turn.end <= start_s:
            break
        shared = min(end_s, turn.end) - max(start_s, turn.start)
        seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + max(0.0, shared)
    return max(seconds, key=lambda name: seconds[name]) if seconds else ""
