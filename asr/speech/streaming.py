"""Speech recognition while the audio arrives: samples of any length in, partial and final results
out.

The network's state is carried from chunk to chunk (windows of samples, frames of the convolutions,
recurrent layers), so its output equals that of the whole recording, however the audio is cut (with
8-bit weights up to their rounding, since each chunk has a scale of its own). Legend: T' output
frames, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from asr.config import check_range
from asr.decoding import GreedyDecoder, Hypothesis
from asr.errors import AudioError, ModelError
from asr.model_folder import WEIGHTS
from asr.speech.frames import streams
from asr.speech.onnx import STREAM_FILE, onnx_session
from asr.speech.recognizer import Recognizer, load_model, load_task
from asr.speech.transcript import Word

if TYPE_CHECKING:
    from asr.speech.network import CtcTask

__all__ = ["EndpointConfig", "SpeechStream", "StreamResult", "StreamingRecognizer"]

BLANK = 0
KERNEL = 3
Samples = npt.NDArray[np.float32]
State = list[Any]


@dataclass(frozen=True)
class EndpointConfig:
    """When an utterance is closed and its final result given.

    Attributes:
        silence_s: of no new token; 0 closes at the end of the stream only.
        max_utterance_s: longest utterance.
        blank_threshold: probability of the blank from which a frame counts as silence.
    """

    silence_s: float = 0.8
    max_utterance_s: float = 30.0
    blank_threshold: float = 0.6

    def __post_init__(self) -> None:
        check_range("endpoint.silence_s", self.silence_s, 0)
        check_range("endpoint.max_utterance_s", self.max_utterance_s, 1)
        check_range("endpoint.blank_threshold", self.blank_threshold, 0, 1)


@dataclass(frozen=True)
class StreamResult:
    """What is known of an utterance.

    Attributes:
        final: no later result changes it.
        text: so far.
        start: of its first and last word, in seconds since the beginning of the stream.
        end: of its first and last word, in seconds since the beginning of the stream.
        words: with times and, in final results, confidences.
        utterance: its number from 0.
    """

    final: bool
    text: str
    start: float
    end: float
    words: tuple[Word, ...]
    utterance: int


class _Network(Protocol):
    first_frames: int
    tail_frames: int

    def initial_state(self) -> State: ...

    def step(
        self, samples: Samples, state: State, tail: int
    ) -> tuple[npt.NDArray[np.float32], State]: ...


class _TorchNetwork:
    def __init__(self, task: CtcTask) -> None:
        from asr.speech.graphs import StreamingGraph

        self.graph = StreamingGraph(task).eval()
        self.first_frames, self.tail_frames = self.graph.first_frames, self.graph.tail_frames

    def initial_state(self) -> State:
        return self.graph.initial_state()

    def step(
        self, samples: Samples, state: State, tail: int
    ) -> tuple[npt.NDArray[np.float32], State]:
        import torch

        with torch.inference_mode():
            log_probs, *after = self.graph(
                torch.from_numpy(samples[None]), torch.zeros(1, 1, tail, 1), *state
            )
        return log_probs[0].numpy(), after


class _OnnxNetwork:
    def __init__(self, recognizer: Recognizer, threads: int) -> None:
        if STREAM_FILE not in recognizer.bundle.files:
            raise ModelError(
                f"The model {recognizer.name} has to see the whole recording and cannot stream.",
                "Export one trained with model.bidirectional=false model.causal=true.",
            )
        self.session = onnx_session(recognizer.bundle, STREAM_FILE, recognizer.device, threads)
        model = recognizer.bundle.config["network"]["model"]
        self.tail_frames = 0 if model["causal"] else KERNEL // 2
        self.inputs = [
            node for node in self.session.get_inputs() if node.name not in ("samples", "tail")
        ]
        self.has_tail = any(node.name == "tail" for node in self.session.get_inputs())
        self.first_frames = 1 + sum(
            self.tail_frames * reach for reach in _reaches(model["subsampling"])
        )

    def initial_state(self) -> State:
        zeros = KERNEL - 1 - self.tail_frames
        return [
            np.zeros([size if isinstance(size, int) else zeros for size in node.shape], np.float32)
            for node in self.inputs
        ]

    def step(
        self, samples: Samples, state: State, tail: int
    ) -> tuple[npt.NDArray[np.float32], State]:
        given: dict[str, Any] = {"samples": samples[None]}
        if self.has_tail:
            given["tail"] = np.zeros((1, 1, tail, 1), np.float32)
        given |= {node.name: part for node, part in zip(self.inputs, state, strict=True)}
        log_probs, *after = self.session.run(None, given)
        return log_probs[0], after


def _network(recognizer: Recognizer, threads: int) -> _Network:
    bundle = recognizer.bundle
    if recognizer.backend == "torch":
        return _TorchNetwork(recognizer.task)
    if (
        STREAM_FILE not in bundle.files
        and WEIGHTS in bundle.files
        and streams(bundle)
        and find_spec("torch")
    ):
        return _TorchNetwork(
            load_task(bundle, len(recognizer.tokens))
        )  # only its whole recordings are exported
    return _OnnxNetwork(recognizer, threads)


def _reaches(subsampling: int) -> list[int]:
    """Input frames between neighbouring frames of each convolution's input."""
    return {1: [1, 1], 2: [1, 2], 4: [1, 2], 8: [1, 2, 4]}[subsampling]


class StreamingRecognizer:
    """A one-directional model that hears audio as it arrives; one model serves any number of
    streams.

    Args:
        model: a loaded model, or its folder.
        endpoint: see :class:`EndpointConfig`.
        threads: of the processor.

    Raises:
        ModelError: the model is bidirectional or normalises over the whole utterance.

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
        self.recognizer = (
            model if isinstance(model, Recognizer) else load_model(model, threads=threads)
        )
        self.endpoint = endpoint or EndpointConfig()
        self.sample_rate = self.recognizer.sample_rate
        features, config = (
            self.recognizer.bundle.config["network"]["features"],
            self.recognizer.bundle.config,
        )
        self.frame_length = self.recognizer.frame_length
        self.frame_shift = round(self.sample_rate * features["frame_shift_ms"] / 1000)
        self.subsampling = int(config["network"]["model"]["subsampling"])
        self.seconds_per_frame = self.recognizer.seconds_per_frame
        self.network = _network(self.recognizer, threads)

    def stream(self, sample_rate: int | None = None) -> SpeechStream:
        """Return a new stream; ``sample_rate`` in Hz of what will be pushed, the model's own by
        default.
        """
        return SpeechStream(self, sample_rate or self.sample_rate)

    def transcribe(self, samples: Samples, sample_rate: int | None = None) -> list[StreamResult]:
        """Return the final results of a whole recording (n,)."""
        stream = self.stream(sample_rate)
        results = stream.push(samples) + stream.finish()
        return [result for result in results if result.final]


class _Frames:
    """Samples as they come -> log-probabilities (T', V) as early as the network's context allows."""

    def __init__(self, recognizer: StreamingRecognizer) -> None:
        self.recognizer, self.network = recognizer, recognizer.network
        self.state = self.network.initial_state()
        self.samples = np.zeros(0, np.float32)
        self.started = False

    def push(self, samples: Samples) -> npt.NDArray[np.float32] | None:
        r, network = self.recognizer, self.network
        self.samples = np.concatenate([self.samples, samples])
        # with right context the last frames wait: the end of the stream pads behind them
        frames = self._whole() - (1 if network.tail_frames else 0)
        needed = 0 if self.started else network.first_frames
        if frames < max(needed, 1):
            return None
        steps = (frames - needed) // r.subsampling
        count = needed + steps * r.subsampling
        return self._step(count, 0) if count else None

    def finish(self) -> npt.NDArray[np.float32] | None:
        frames = self._whole()
        return (
            self._step(frames, self.network.tail_frames)
            if frames and self.network.tail_frames
            else None
        )

    def _whole(self) -> int:
        r = self.recognizer
        return max(0, 1 + (len(self.samples) - int(r.frame_length)) // int(r.frame_shift))

    def _step(self, frames: int, tail: int) -> npt.NDArray[np.float32]:
        r = self.recognizer
        used = self.samples[: r.frame_length + (frames - 1) * r.frame_shift]
        output, self.state = self.network.step(used, self.state, tail)
        self.samples = self.samples[frames * r.frame_shift :].copy()
        self.started = True
        return output


class SpeechStream:
    """One stream of audio. Made by :meth:`StreamingRecognizer.stream`.

    Attributes:
        log_probs: (T', V) of the utterance that is open.
        seconds: of audio heard so far.
    """

    def __init__(self, recognizer: StreamingRecognizer, sample_rate: int) -> None:
        import soxr

        self.recognizer, self.source_rate = recognizer, sample_rate
        rates = (sample_rate, recognizer.sample_rate)
        self._resampler = (
            None if rates[0] == rates[1] else soxr.ResampleStream(*rates, 1, dtype="float32")
        )
        self._frames = _Frames(recognizer)
        self._finished = False
        self._utterance, self._offset, self.seconds = 0, 0, 0.0
        self._max_frames = round(recognizer.endpoint.max_utterance_s / recognizer.seconds_per_frame)
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
        return self._decode(self._frames.push(chunk))

    def finish(self) -> list[StreamResult]:
        """End the stream: the final results that are still due."""
        if self._finished:
            return []
        results = []
        if self._resampler is not None:
            rest = self._resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            results += self._decode(self._frames.push(rest))
        results += self._decode(self._frames.finish())
        self._finished = True
        return [result for result in results if result.final] + self._close()

    # -- utterances
    # ----------------------------------------------------------------------------------------------

    def _open(self) -> None:
        decoder = self.recognizer.recognizer.decoder
        self._stream = None if isinstance(decoder, GreedyDecoder) else decoder.stream()
        self._kept: list[npt.NDArray[np.float32]] = []
        self._count, self._silent, self._shown = 0, 0, ""

    @property
    def log_probs(self) -> npt.NDArray[np.float32]:
        """(T', V) of the open utterance."""
        V = len(self.recognizer.recognizer.tokens)
        return np.concatenate(self._kept) if self._kept else np.zeros((0, V), np.float32)

    def _decode(self, frames: npt.NDArray[np.float32] | None) -> list[StreamResult]:
        if frames is None or not len(frames):
            return []
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

    def _ends(self, frames: npt.NDArray[np.float32]) -> list[int]:
        """Where utterances end in these frames; decided frame by frame, so that chunks make no
        difference.
        """
        endpoint, ends = self.recognizer.endpoint, []
        silent = np.exp(frames[:, BLANK]) >= endpoint.blank_threshold
        limit = (
            round(endpoint.silence_s / self.recognizer.seconds_per_frame) or self._max_frames + 1
        )
        for position in range(len(frames)):
            self._count += 1
            self._silent = self._silent + 1 if silent[position] else 0
            if (
                self._silent >= limit or self._count >= self._max_frames
            ):  # silence ends an empty utterance too
                ends.append(position + 1)
                self._count, self._silent = 0, 0
        return ends

    def _advance(self, frames: npt.NDArray[np.float32]) -> Hypothesis | None:
        if not len(frames):
            return None
        self._kept.append(frames)
        if self._stream is not None:
            return self._stream.push(frames)
        return self._greedy()

    def _greedy(self) -> Hypothesis:
        decoder = self.recognizer.recognizer.decoder
        assert isinstance(decoder, GreedyDecoder)
        return decoder(self.log_probs)[0]

    def _close(self) -> list[StreamResult]:
        frames = sum(map(len, self._kept))
        if not frames:
            return []
        best = self._stream.finish()[0] if self._stream is not None else self._greedy()
        result = self._result(best, final=True)
        count, silent = self._count, self._silent  # of the frames that are not decoded yet
        self._open()
        self._count, self._silent = count, silent
        self._offset += frames
        if not result.text:
            return []
        self._utterance += 1
        return [result]

    def _result(self, best: Hypothesis, final: bool) -> StreamResult:
        seconds = self.recognizer.seconds_per_frame
        words = self.recognizer.recognizer.words(best, self._offset * seconds)
        start, end = (
            (words[0].start, words[-1].end) if words else (round(self._offset * seconds, 3),) * 2
        )
        result = StreamResult(final, best.text, start, end, words, self._utterance)
        return (
            result
            if final
            else replace(result, words=tuple(replace(word, confidence=0.0) for word in words))
        )


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
    if not np.isfinite(array).all():
        raise AudioError("There is NaN or infinity among the samples.", "Mend the source.")
    checked: Samples = np.asarray(array, np.float32)
    return checked
