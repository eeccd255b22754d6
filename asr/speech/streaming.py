"""Speech recognition while the audio arrives: samples in, partial and final results out.

The network's state is carried from chunk to chunk (samples of a window, frames of the convolutions,
states of the recurrent layers), so the output equals that of the whole recording, however the audio
is cut. With 8-bit weights it does so up to their rounding, since each chunk has a scale of its own.

Legend: n samples, T' output frames, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.level import LiveLevel
from asr.audio.recording import check_peak
from asr.config import check_range
from asr.decoding import Hypothesis
from asr.errors import AudioError
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.protocol import StreamingNetwork
from asr.speech.recognizer import Recognizer, load_model
from asr.speech.spotting import StreamSpotter
from asr.speech.transcripts.transcript import Alternative, Word, Written
from asr.text.chinese import join_words

__all__ = [
    "SENTENCE_PAUSE",
    "EndpointConfig",
    "SpeechStream",
    "StreamResult",
    "StreamingRecognizer",
]

SENTENCE_PAUSE = 0.4  # seconds after an utterance that end a sentence; it may be cut without one

BLANK = 0
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EndpointConfig:
    """When an utterance is closed and its final result given.

    Attributes:
        silence_s: seconds of silence that close it; 0 closes at the end of the stream only.
        max_utterance_s: seconds after which it is closed in any case.
        blank_threshold: probability of the blank from which a frame counts as silence.
        start_silence_s: seconds without a word after which a final result without text is given,
            again and again; 0: never.
    """

    silence_s: float = 0.8
    max_utterance_s: float = 30.0
    blank_threshold: float = 0.6
    start_silence_s: float = 0.0

    def __post_init__(self) -> None:
        check_range("endpoint.silence_s", self.silence_s, 0)
        check_range("endpoint.start_silence_s", self.start_silence_s, 0)
        check_range("endpoint.max_utterance_s", self.max_utterance_s, 1)
        check_range("endpoint.blank_threshold", self.blank_threshold, 0, 1)


@dataclass(frozen=True)
class StreamResult:
    """What is known of an utterance; times are in seconds since the beginning of the stream.

    Attributes:
        final: no later result changes it.
        text: what was said so far.
        start: of its first word.
        end: of its last word.
        words: with times and, in final results, confidences.
        utterance: its number from 0.
        written: final results as people write them, where that was asked for.
        alternatives: of a final result, where N-best was asked for: the N readings, this one first.
        slots: of a final result, where a grammar was used: name -> value.
        speaker: of a final result, where speakers are told apart: who says most of it.
    """

    final: bool
    text: str
    start: float
    end: float
    words: tuple[Word, ...]
    utterance: int
    alternatives: tuple[Alternative, ...] = ()
    written: Written | None = None
    slots: dict[str, str] | None = None
    speaker: str | None = None

    @property
    def readable(self) -> str:
        """The written text where there is one, else the plain words."""
        return self.text if self.written is None else self.written.text

    def confident(self, minimum: float) -> StreamResult:
        """Return a final result without its less sure words, and a partial one as it is: its words
        have no confidence yet.
        """
        if not self.final or not minimum:
            return self
        words = tuple(word for word in self.words if word.confidence >= minimum)
        text = join_words(word.word for word in words)
        written = self.written and self.written.confident(self.words, minimum)
        return replace(self, words=words, text=text, written=written)


class StreamingRecognizer:
    """A one-directional model that hears audio as it arrives, in any number of streams.

    Args:
        model: a loaded model, or its folder.
        endpoint: see :class:`EndpointConfig`.
        threads: of the processor.

    Attributes:
        model: the loaded model.
        network: its network for streams.

    Raises:
        ModelError: the model has to see the whole recording.

    Example:
        >>> recognizer = StreamingRecognizer("runs/streaming")  # doctest: +SKIP
        >>> stream = recognizer.stream(sample_rate=48000)  # doctest: +SKIP
        >>> for chunk in microphone:  # doctest: +SKIP
        ...     for result in stream.push(chunk):
        ...         print("final  " if result.final else "partial", result.text)
        >>> stream.finish()  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Recognizer | str | Path,
        endpoint: EndpointConfig | None = None,
        threads: int = 1,
    ) -> None:
        self.model = model if isinstance(model, Recognizer) else load_model(model, threads=threads)
        self.endpoint = endpoint or EndpointConfig()
        self.network = self.model.acoustics.streaming_network(threads)

    @property
    def sample_rate(self) -> int:
        """Samples a second that the network takes; other rates are resampled."""
        return self.model.sample_rate

    def stream(
        self, sample_rate: int | None = None, spotter: StreamSpotter | None = None
    ) -> SpeechStream:
        """Return a new stream.

        Args:
            sample_rate: in Hz of what will be pushed, the model's own by default.
            spotter: finds phrases in the same audio; its ``take`` returns them.
        """
        return SpeechStream(self.model, self.network, self.endpoint, sample_rate, spotter)

    def transcribe(self, samples: Samples, sample_rate: int | None = None) -> list[StreamResult]:
        """Return the final results of a whole recording (n,)."""
        stream = self.stream(sample_rate)
        results = stream.push(samples) + stream.finish()
        return [result for result in results if result.final]


class _ChunkedAcoustics:
    """Samples in chunks -> log-probabilities (T', V) as early as the network's context allows."""

    def __init__(self, frames: FrameShape, network: StreamingNetwork) -> None:
        self.frames, self.network = frames, network
        self.state = network.initial_state()
        self.samples = np.zeros(0, np.float32)  # those that the network has not seen
        self.started = False

    def push(self, samples: Samples) -> Samples | None:
        """Take the next samples (n,); return what can be computed, None if nothing."""
        self.samples = np.concatenate([self.samples, samples])
        # with right context the last frame waits: the end of the stream pads behind it
        available = self.frames.num_frames(len(self.samples)) - min(1, self.frames.right_context)
        needed = 0 if self.started else self.frames.first_frames
        if available < max(needed, 1):
            return None
        steps = (available - needed) // self.frames.subsampling
        count = needed + steps * self.frames.subsampling
        return self._step(count, 0) if count else None

    def finish(self) -> Samples | None:
        """End the stream; return the output of the frames that waited for what follows them."""
        waiting = self.frames.num_frames(len(self.samples))
        if not waiting or self.frames.causal:
            return None
        return self._step(waiting, self.frames.right_context)

    def _step(self, num_frames: int, tail: int) -> Samples:
        used = self.samples[: self.frames.num_samples(num_frames)]
        log_probs, self.state = self.network.step(used, self.state, tail)
        self.samples = self.samples[num_frames * self.frames.frame_shift :].copy()
        self.started = True
        return log_probs


class SpeechStream:
    """One stream of audio. Made by :meth:`StreamingRecognizer.stream`.

    Attributes:
        source_rate: samples a second of what is pushed.
        seconds: of audio heard so far.
    """

    def __init__(
        self,
        model: Recognizer,
        network: StreamingNetwork,
        endpoint: EndpointConfig,
        sample_rate: int | None = None,
        spotter: StreamSpotter | None = None,
    ) -> None:
        import soxr

        self.model, self.endpoint, self._spotter = model, endpoint, spotter
        self.source_rate = sample_rate or model.sample_rate
        rates = (self.source_rate, model.sample_rate)
        same = rates[0] == rates[1]
        self._resampler = None if same else soxr.ResampleStream(*rates, 1, dtype="float32")
        self._level = LiveLevel(model.sample_rate)
        self._acoustics = _ChunkedAcoustics(model.frames, network)
        self._finished = False
        self._utterance, self._offset, self.seconds = 0, 0, 0.0
        self._writing = model.builder.writer.stream()
        self._max_frames = round(endpoint.max_utterance_s / model.seconds_per_frame)
        # silence_s of 0 never closes: more silent frames than an utterance can have
        silence = round(endpoint.silence_s / model.seconds_per_frame)
        self._max_silence = silence or self._max_frames + 1
        self._max_quiet = round(endpoint.start_silence_s / model.seconds_per_frame)
        self._count, self._silent = 0, 0  # frames, and silent ones at the end, of the utterance
        self._quiet = 0  # frames of closed utterances since the last word
        self._open()

    def push(self, samples: Any) -> list[StreamResult]:
        """Take the next samples (n,), float in [-1, 1] or 16-bit integers; return what changed.

        At most one partial result comes last; final ones are never repeated.

        Raises:
            AudioError: samples of another kind or shape, NaN among them, or the stream is finished.
        """
        if self._finished:
            raise AudioError("The stream is finished.", "Open a new one with recognizer.stream().")
        chunk = _checked(samples)
        self.seconds += len(chunk) / self.source_rate
        if self._resampler is not None:
            chunk = self._resampler.resample_chunk(chunk)
        return self._decode(self._acoustics.push(self._level.push(chunk)))

    def finish(self) -> list[StreamResult]:
        """End the stream: the final results that are still due."""
        if self._finished:
            return []
        results = []
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            results += self._decode(self._acoustics.push(self._level.push(rest)))
        results += self._decode(self._acoustics.finish())
        self._finished = True
        if self._spotter is not None:
            self._spotter.finish()
        return [result for result in results if result.final] + self._close()

    # ----------------------------------------------------------------------------------------------
    # utterances

    def _open(self) -> None:
        self._stream = self.model.decoder.stream()
        self._kept: list[Samples] = []
        self._shown = ""

    @property
    def log_probs(self) -> Samples:
        """(T', V) of the open utterance."""
        V = len(self.model.tokens)
        return np.concatenate(self._kept) if self._kept else np.zeros((0, V), np.float32)

    def _decode(self, frames: Samples | None) -> list[StreamResult]:
        if frames is None or not len(frames):
            return []
        if self._spotter is not None:
            self._spotter.push(frames)
        results: list[StreamResult] = []
        start = 0
        for end in self._ends(frames):
            self._advance(frames[start:end])
            results += self._close()
            start = end
        best = self._advance(frames[start:])
        if best is not None and best.text != self._shown:
            self._shown = best.text
            results.append(self._result(best, final=False))
        return results

    def _ends(self, frames: Samples) -> list[int]:
        """Where utterances end in these frames; decided frame by frame, so that chunks make no
        difference.
        """
        ends = []
        silent = np.exp(frames[:, BLANK]) >= self.endpoint.blank_threshold
        for position in range(len(frames)):
            self._count += 1
            self._silent = self._silent + 1 if silent[position] else 0
            # silence ends an empty utterance too
            limit = self._max_silence
            if self._max_quiet and self._silent == self._count:
                limit = min(limit, self._max_quiet)
            if self._silent >= limit or self._count >= self._max_frames:
                ends.append(position + 1)
                self._count, self._silent = 0, 0
        return ends

    def _advance(self, frames: Samples) -> Hypothesis | None:
        if not len(frames):
            return None
        self._kept.append(frames)
        return self._stream.push(frames)

    def _close(self) -> list[StreamResult]:
        num_frames = sum(map(len, self._kept))
        if not num_frames:
            return []
        hypotheses = self._stream.finish()
        result = self._result(hypotheses[0], final=True)
        if self.model.builder.all_readings:
            start = self._offset * self.model.frames.stride
            readings = tuple(self.model.builder.reading(h, start) for h in hypotheses)
            result = replace(result, alternatives=readings)
        self._open()
        self._offset += num_frames
        self._quiet += num_frames
        gives_up = bool(self._max_quiet) and self._quiet >= self._max_quiet
        if result.text or gives_up:
            self._quiet = 0
        if not result.text:
            return [result] if gives_up else []
        self._utterance += 1
        heard_s = self._offset * self.model.seconds_per_frame
        ends = self._finished or heard_s - result.end >= SENTENCE_PAUSE
        return [replace(result, written=self._writing.write(result.words, ends))]

    def _result(self, best: Hypothesis, final: bool) -> StreamResult:
        begin_s = self._offset * self.model.seconds_per_frame
        words = self.model.builder.words(best, begin_s)
        start = words[0].start if words else round(begin_s, 3)
        end = words[-1].end if words else start
        if not final:  # confidences are known only at the end
            words = tuple(replace(word, confidence=0.0) for word in words)
        text = join_words(best.text.split())
        result = StreamResult(final, text, start, end, words, utterance=self._utterance)
        return result if best.command is None else replace(result, slots=best.command.slots)


def _checked(samples: Any) -> Samples:
    array = np.asarray(samples)
    if array.ndim != 1:
        raise AudioError(
            f"A stream takes samples (n,), not an array of shape {array.shape}.",
            "Mix to one channel.",
        )
    if array.dtype == np.int16:
        scaled: Samples = np.asarray(array, np.float32) / np.float32(32768)
        return scaled
    if array.dtype.kind != "f":
        raise AudioError(
            f"A stream takes float or int16 samples, not {array.dtype}.", "Convert them."
        )
    check_peak(array, "The stream")
    checked: Samples = np.asarray(array, np.float32)
    return checked
