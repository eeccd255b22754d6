"""Live recognition from the microphone, with streaming models and with any other.

A model that cannot stream computes everything since the last pause anew as it grows; the result
becomes final at a pause, or between two words where nobody pauses. Legend: n samples, T' output
frames, V vocabulary.
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError, require
from asr.speech.acoustics.stitching import between_words
from asr.speech.options import ModelOptions
from asr.speech.recognizer import Recognizer, open_recognizer
from asr.speech.streaming import EndpointConfig, SpeechStream, StreamingRecognizer, StreamResult
from asr.text.chinese import join_words

__all__ = ["GrowingWindow", "Microphone", "listen", "listen_to_microphone", "microphones"]

BLOCK_S = 0.1
EVERY_S = 0.4  # of new audio, after which a growing window is computed again
KEPT_SILENCE_S = 0.5  # before the first word
MAX_UTTERANCE_S = 15.0  # after which a result becomes final though nobody pauses
CLEAR_LINE = "\r\x1b[K"
LINE_LENGTH = 100  # of a partial result on a terminal

Samples = npt.NDArray[np.float32]
Stretches = list[tuple[int, Samples]]
"""Of each stretch of speech its first sample, negative where faint noise was put before it, and its
log-probabilities (T', V).
"""


def _sounddevice() -> Any:
    try:
        return require("sounddevice", "mic")
    except OSError as error:  # the package is there, the library that it wraps is not
        raise AudioError(
            f"The sound system cannot be reached ({error}).", "Install PortAudio."
        ) from error


def microphones() -> str:
    """Return the sound devices of this computer, one a line; the default ones are marked."""
    return str(_sounddevice().query_devices())


class Microphone:
    """Blocks (n,) float32 from a sound device, until it is closed.

    Args:
        sample_rate: in Hz; the sound system resamples.
        device: its number or a part of its name; None for the default.

    Raises:
        AudioError: there is no such device, or it cannot be opened.
        MissingDependencyError: the extra ``mic`` is not installed.
    """

    def __init__(self, sample_rate: int, device: int | str | None = None) -> None:
        sounddevice = _sounddevice()
        self.blocks: queue.Queue[Samples] = queue.Queue()
        self.lost = 0
        try:
            self.stream = sounddevice.InputStream(
                samplerate=sample_rate,
                device=device,
                channels=1,
                dtype="float32",
                blocksize=round(BLOCK_S * sample_rate),
                callback=self._take,
            )
            self.stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise AudioError(
                f"The microphone cannot be opened ({error}).",
                "See which there are: asr listen --list-devices",
            ) from error

    def _take(self, block: npt.NDArray[np.float32], frames: int, when: object, status: Any) -> None:
        self.lost += bool(status)
        self.blocks.put(block[:, 0].copy())

    def __enter__(self) -> Microphone:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stream.stop()
        self.stream.close()

    def __iter__(self) -> Iterator[Samples]:
        while self.stream.active or not self.blocks.empty():
            try:
                block = [self.blocks.get(timeout=2 * BLOCK_S)]
            except queue.Empty:
                continue
            while not self.blocks.empty():  # what came while the last block was decoded
                block.append(self.blocks.get())
            yield np.concatenate(block)


class GrowingWindow:
    """A stream for models that have to see the whole recording.

    It has the methods of :class:`asr.speech.streaming.SpeechStream`.

    Args:
        recognizer: any model.
        endpoint: when a result becomes final.
        every_s: seconds of new audio after which the window is computed again.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        endpoint: EndpointConfig | None = None,
        every_s: float = EVERY_S,
    ) -> None:
        self.recognizer, self.every_s = recognizer, every_s
        self.endpoint = endpoint or EndpointConfig(max_utterance_s=MAX_UTTERANCE_S)
        self.rate, self.stride = recognizer.sample_rate, recognizer.frames.stride
        self.samples = np.zeros(0, np.float32)  # the window: everything since the last pause
        self.offset = 0  # index in the stream of the window's first sample
        self.heard = 0  # samples of the window that were computed
        self.utterance = 0  # number of the present one
        self.shown = ""  # text of the last partial result
        self.writing = recognizer.builder.writer.stream()
        self.quiet_from = 0  # sample of the stream after which no word was heard

    def push(self, samples: Samples) -> list[StreamResult]:
        """Take the next samples (n,) at the model's rate; return what changed, see
        :meth:`SpeechStream.push`.
        """
        self.samples = np.concatenate([self.samples, np.asarray(samples, np.float32)])
        if len(self.samples) - self.heard < self.every_s * self.rate:
            return []
        return self._hear()

    def finish(self) -> list[StreamResult]:
        """End the stream; return the final result that is still due."""
        return self._close(self._stretches(), len(self.samples))

    def _stretches(self) -> Stretches:
        """Compute the whole window."""
        self.heard = len(self.samples)
        if self.heard < self.recognizer.frames.frame_length:
            return []
        parts = self.recognizer.parts(self.samples)
        arrays = self.recognizer.log_probs([part.samples for part in parts]) if parts else []
        return [(part.start, log_probs) for part, log_probs in zip(parts, arrays, strict=True)]

    def _hear(self) -> list[StreamResult]:
        stretches = self._stretches()
        result = self._result(stretches, final=False)
        if not result.words:
            return self._nothing(result)
        silence = (self.offset + self.heard) / self.rate - result.end
        if self.endpoint.silence_s and silence >= self.endpoint.silence_s:
            return self._close(stretches, self.heard)
        if self.heard >= self.endpoint.max_utterance_s * self.rate:
            return self._close(*self._before_last(stretches))
        if result.text == self.shown:
            return []
        self.shown = result.text
        return [result]

    def _nothing(self, result: StreamResult) -> list[StreamResult]:
        """Return the result for a window without words, which is due after a long silence."""
        now, limit_s = self.offset + self.heard, self.endpoint.start_silence_s
        self._drop(max(0, self.heard - round(KEPT_SILENCE_S * self.rate)))
        if not limit_s or now - self.quiet_from < limit_s * self.rate:
            return []
        self.quiet_from = now
        return [replace(result, final=True)]

    def _before_last(self, stretches: Stretches) -> tuple[Stretches, int]:
        """Return what becomes final of an utterance that has grown too long, and the sample at
        which the rest begins.
        """
        start, log_probs = stretches[-1]
        if len(stretches) > 1:
            return stretches[:-1], start
        frames = between_words(log_probs, self.recognizer.decoder.vocabulary.starts_word)
        return [(start, log_probs[:frames])], start + frames * self.stride

    def _close(self, stretches: Stretches, count: int) -> list[StreamResult]:
        """Return the final result of stretches, and drop the first ``count`` samples."""
        result = self._result(stretches, final=True)
        ends = count == len(self.samples)  # else it is cut between two words
        self._drop(count)
        self.shown = ""
        if not result.words:
            return []
        self.utterance += 1
        self.quiet_from = self.offset
        return [replace(result, written=self.writing.write(result.words, ends))]

    def _drop(self, count: int) -> None:
        count = max(0, min(count, len(self.samples)))
        self.samples, self.offset = self.samples[count:], self.offset + count
        self.heard = len(self.samples)

    def _result(self, stretches: Stretches, final: bool) -> StreamResult:
        heard = [(start, log_probs) for start, log_probs in stretches if len(log_probs)]
        hypotheses = self.recognizer.decoder([log_probs for _, log_probs in heard])
        stop = self.offset + len(self.samples)
        candidates = (
            self.recognizer.builder.segment(best, self.offset + start, stop)
            for best, (start, _) in zip(hypotheses, heard, strict=True)
        )
        segments = [segment for segment in candidates if segment is not None]
        return StreamResult(
            final=final,
            text=join_words(segment.text for segment in segments),
            start=segments[0].start if segments else 0.0,
            end=segments[-1].end if segments else 0.0,
            words=tuple(word for segment in segments for word in segment.words),
            utterance=self.utterance,
            alternatives=segments[0].alternatives if final and len(segments) == 1 else (),
            slots=segments[-1].slots if final and segments else None,
        )


def listen(
    blocks: Iterable[Samples], recognizer: Recognizer, endpoint: EndpointConfig | None = None
) -> Iterator[StreamResult]:
    """Yield results while audio arrives: partial ones whenever they change, and final ones.

    A KeyboardInterrupt from ``blocks`` ends the stream; the words that are still open then come as
    a final result.

    Args:
        blocks: (n,) at the model's rate.
        recognizer: a streaming model, or any other; see :class:`GrowingWindow`.
        endpoint: when a result becomes final.
    """
    stream: SpeechStream | GrowingWindow
    if recognizer.acoustics.streams:
        stream = StreamingRecognizer(recognizer, endpoint).stream()
    else:
        stream = GrowingWindow(recognizer, endpoint)
    try:
        for block in blocks:
            yield from stream.push(block)
    except KeyboardInterrupt:
        pass  # how people end listening; what they said last still counts
    yield from stream.finish()


def listen_to_microphone(
    options: ModelOptions,
    *,
    device: int | str | None = None,
    silence_s: float = 0.8,
    seconds: float | None = None,
) -> None:
    """Print each utterance on a line; on a terminal, partial results come before it.

    Args:
        options: the model and how it runs.
        device: see :class:`Microphone`.
        silence_s: pause that ends an utterance.
        seconds: stop after so much audio; None goes on until an interrupt.
    """
    recognizer = open_recognizer(options)
    endpoint = EndpointConfig(silence_s=silence_s, max_utterance_s=MAX_UTTERANCE_S)
    limit = None if seconds is None else round(seconds * recognizer.sample_rate)
    with Microphone(recognizer.sample_rate, device) as microphone:
        print("listening; Ctrl-C ends", file=sys.stderr)
        for result in listen(_limited(microphone, limit), recognizer, endpoint):
            _show(result)
    if microphone.lost:
        print(f"{microphone.lost} blocks of sound came late or were lost", file=sys.stderr)


def _show(result: StreamResult) -> None:
    if sys.stderr.isatty():  # the line of the present utterance is written over
        partial = "" if result.final else result.text[-LINE_LENGTH:]
        print(CLEAR_LINE + partial, end="", file=sys.stderr, flush=True)
    if result.final:
        print(result.readable, flush=True)


def _limited(blocks: Iterable[Samples], limit: int | None) -> Iterator[Samples]:
    count = 0
    for block in blocks:
        yield block if limit is None else block[: limit - count]
        count += len(block)
        if limit is not None and count >= limit:
            return
