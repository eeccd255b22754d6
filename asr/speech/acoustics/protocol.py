"""Samples in, log-probabilities out: what all back ends of a speech model have in common.

The network of a model folder runs in torch (:mod:`asr.speech.acoustics.pytorch`) or in ONNX Runtime
(:mod:`asr.speech.acoustics.onnx`); :mod:`asr.speech.acoustics.backends` opens it, and nobody else
asks which it is.

Legend: N samples, T feature frames, F features, T' output frames, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from asr.speech.acoustics.frames import FrameShape

__all__ = ["ONNX_FILE", "STREAM_FILE", "Acoustics", "Array", "State", "StreamingNetwork"]

ONNX_FILE = "model.onnx"  # in a model folder: the network for whole recordings
STREAM_FILE = "stream.onnx"  # and for streams

Array = npt.NDArray[np.float32]
State = list[Any]


class StreamingNetwork(Protocol):
    """A network that takes a recording in chunks and carries its state from one to the next."""

    def initial_state(self) -> State:
        """Return the state before the first sample."""

    def step(self, samples: Array, state: State, tail: int) -> tuple[Array, State]:
        """Return the log-probabilities (T', V) of the next samples (n,), and the state after them.

        Args:
            samples: whole feature frames: :attr:`FrameShape.first_frames` of them in the first
                call, none or more in later ones, and any multiple of the subsampling on top.
            state: what the call before returned, or :meth:`initial_state`.
            tail: frames that every convolution appends: :attr:`FrameShape.right_context` at the end
                of the stream, before that 0.
        """


class Acoustics(Protocol):
    """The acoustic model: features and network of a speech model."""

    @property
    def backend(self) -> str:
        """What runs it: ``torch`` or ``onnxruntime``."""

    @property
    def frames(self) -> FrameShape:
        """Sample rate, length and step of its frames."""

    @property
    def tokens(self) -> Sequence[str]:
        """Tokens of its output: V strings, the blank first."""

    @property
    def streams(self) -> bool:
        """Whether :meth:`streaming_network` returns one."""

    def log_probs(self, recordings: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', V) of mono recordings (n,), computed as one batch.

        Raises:
            AudioError: a recording is shorter than one frame.
        """

    def features(self, recordings: Sequence[Array]) -> list[Array]:
        """Return features (T, F), before normalisation, of mono recordings (n,).

        Raises:
            AudioError: a recording is shorter than one frame.
            ModelError: the features are a part of the exported network.
        """

    def log_probs_of_features(self, features: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', V) of features (T, F), such as a prepared split stores.

        Raises:
            ModelError: the exported network takes samples alone.
        """

    def streaming_network(self, threads: int = 0) -> StreamingNetwork:
        """Return the network for streams; ``threads`` of the processor, 0 for the library's choice.

        Raises:
            ModelError: the model has to see the whole recording.
        """
