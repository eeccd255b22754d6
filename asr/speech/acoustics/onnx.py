"""The exported network of a speech model in ONNX Runtime, features included: it needs no torch.

Legend: B recordings, N samples, T' output frames, V vocabulary.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import ModelError
from asr.model_folder import WEIGHTS, Bundle
from asr.onnx.sessions import new_session
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.protocol import ONNX_FILE, STREAM_FILE, Array, State, StreamingNetwork

__all__ = [
    "MAX_BATCH_S",
    "OnnxAcoustics",
    "OnnxStreamingNetwork",
    "feature_share",
    "in_parts",
    "onnx_session",
]

_TRACED = 5  # runs, of which the nodes' times are added up
MAX_BATCH_S = 600  # of padded audio; more is computed in parts, so that memory stays bounded


def onnx_session(bundle: Bundle, file: str, device: str = "cpu", threads: int = 0) -> Any:
    """Return an ``onnxruntime.InferenceSession`` of a file in a model folder.

    Args:
        bundle: the model folder.
        file: name of the file in it.
        device: see :func:`asr.onnx.sessions.providers`.
        threads: of the processor, 0 for ONNX Runtime's choice.

    Raises:
        ModelError: the folder holds no such file, or ONNX Runtime cannot read it.
        ConfigError: see :func:`asr.onnx.sessions.providers`.
    """
    return new_session(bundle.file(file), "Export the model again.", device, threads)


class OnnxAcoustics:
    """:class:`asr.speech.acoustics.protocol.Acoustics` of an exported model folder.

    Args:
        bundle: model folder that `asr export` wrote.
        tokens: of its tokenizer.
        device: see :func:`asr.onnx.sessions.providers`.
        threads: of the processor, 0: all.

    Raises:
        ModelError: the folder holds no exported network, or it is damaged.
        ConfigError: see :func:`asr.onnx.sessions.providers`.
    """

    backend = "onnxruntime"

    def __init__(
        self, bundle: Bundle, tokens: Sequence[str], *, device: str = "cpu", threads: int = 0
    ) -> None:
        self.tokens, self.frames = tokens, FrameShape.of(bundle)
        self._bundle, self._device = bundle, device
        self._session = onnx_session(bundle, ONNX_FILE, device, threads)

    @property
    def streams(self) -> bool:
        """Whether :meth:`streaming_network` gives one."""
        return STREAM_FILE in self._bundle.files or self._streams_in_torch

    @property
    def _streams_in_torch(self) -> bool:
        """Whether only the network for whole recordings is exported, but the weights are there."""
        return (
            STREAM_FILE not in self._bundle.files
            and WEIGHTS in self._bundle.files
            and self.frames.streams
            and find_spec("torch") is not None
        )

    def log_probs(self, recordings: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', V) of recordings (n,); see
        :meth:`asr.speech.acoustics.protocol.Acoustics.log_probs`.
        """
        self.frames.check_lengths(recordings)
        longest = max(map(len, recordings), default=0)
        limit = max(MAX_BATCH_S * self.frames.sample_rate, longest)
        arrays: list[Array] = []
        for part in in_parts(recordings, limit):
            samples, lens = _padded(part)
            log_probs, frame_lens = self._session.run(None, {"samples": samples, "lens": lens})
            arrays += [array[:n] for array, n in zip(log_probs, frame_lens.tolist(), strict=True)]
        return arrays

    def features(self, recordings: Sequence[Array]) -> list[Array]:
        """Refuse: the features are a part of the exported network.

        Raises:
            ModelError: always.
        """
        here = WEIGHTS in self._bundle.files
        raise ModelError(
            f"The exported model {self._bundle.name} hands out no features.",
            "Load it with backend='torch'." if here else "Use the model it came from.",
        )

    def log_probs_of_features(self, features: Sequence[Array]) -> list[Array]:
        """Refuse: the exported network begins with samples.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"The exported network of {self._bundle.name} takes samples, not stored features.",
            "Load it with backend='torch'.",
        )

    def streaming_network(self, threads: int = 0) -> StreamingNetwork:
        """Return the network for streams: the exported one, or that of the weights beside it.

        Raises:
            ModelError: the model has to see the whole recording.
        """
        if self._streams_in_torch:
            from asr.speech.acoustics.pytorch import TorchStreamingNetwork, load_task

            return TorchStreamingNetwork(load_task(self._bundle, len(self.tokens)))
        if STREAM_FILE not in self._bundle.files:
            raise ModelError(
                f"The model {self._bundle.name} has to see the whole recording and cannot stream.",
                "Export one trained with model.bidirectional=false model.causal=true.",
            )
        session = onnx_session(self._bundle, STREAM_FILE, self._device, threads)
        return OnnxStreamingNetwork(session, self.frames)


class OnnxStreamingNetwork:
    """:class:`asr.speech.acoustics.protocol.StreamingNetwork` of an exported model.

    Args:
        session: of :data:`asr.speech.acoustics.protocol.STREAM_FILE`.
        frames: the shape of the model's frames.
    """

    def __init__(self, session: Any, frames: FrameShape) -> None:
        self._session = session
        names = {node.name for node in session.get_inputs()}
        self._has_tail = "tail" in names  # a causal network's export leaves the unused input out
        self._state_nodes = [n for n in session.get_inputs() if n.name not in ("samples", "tail")]
        self._left_context = frames.left_context

    def initial_state(self) -> State:
        """Return the state before the first sample: zeros, as the convolutions pad with."""
        shapes = (
            [size if isinstance(size, int) else self._left_context for size in node.shape]
            for node in self._state_nodes
        )
        return [np.zeros(shape, np.float32) for shape in shapes]

    def step(self, samples: Array, state: State, tail: int) -> tuple[Array, State]:
        """Return the log-probabilities (T', V) of the next samples (n,), and the new state."""
        inputs: dict[str, Any] = {"samples": samples[None]}
        if self._has_tail:
            inputs["tail"] = np.zeros((1, 1, tail, 1), np.float32)
        inputs |= {node.name: part for node, part in zip(self._state_nodes, state, strict=True)}
        log_probs, *after = self._session.run(None, inputs)
        return log_probs[0], after


def feature_share(bundle: Bundle, recordings: Sequence[Array], threads: int = 0) -> float:
    """Return the features' share of the time that an exported network takes for recordings (n,).

    ONNX Runtime times each node; those of the features are named after them.

    Raises:
        ModelError: the folder holds no exported network, or it is damaged.
    """
    samples, lens = _padded(recordings)
    with tempfile.TemporaryDirectory() as folder:
        path, trace = bundle.file(ONNX_FILE), Path(folder) / "trace"
        session = new_session(path, "Export the model again.", threads=threads, trace=trace)
        for _ in range(_TRACED):
            session.run(None, {"samples": samples, "lens": lens})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    times = [(e["name"], e["dur"]) for e in events if e["name"].endswith("_kernel_time")]
    features = sum(time for name, time in times if name.startswith("/features/"))
    return float(features / max(1, sum(time for _, time in times)))


def in_parts(inputs: Sequence[Array], limit: int) -> list[Sequence[Array]]:
    """Return runs of inputs (n, ...) whose padded batch has at most ``limit`` samples or frames;
    what is longer is alone.
    """
    parts, start = [], 0
    for end in range(1, len(inputs) + 1):
        following = inputs[start : end + 1]
        if end == len(inputs) or len(following) * max(map(len, following)) > limit:
            parts.append(inputs[start:end])
            start = end
    return parts


def _padded(recordings: Sequence[Array]) -> tuple[Array, npt.NDArray[np.int64]]:
    """Recordings as one array (B, N) with zeros behind them, and their lengths (B,)."""
    lens = np.array([len(recording) for recording in recordings], np.int64)
    samples = np.zeros((len(recordings), int(lens.max())), np.float32)
    for row, recording in zip(samples, recordings, strict=True):
        row[: len(recording)] = recording
    return samples, lens
