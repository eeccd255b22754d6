"""A network of another toolkit in ONNX Runtime, with its features computed here, without torch.

Legend: B recordings, n samples, T steps of the input, F features, T' output frames, V outputs of
the graph, N tokens: outputs without those that are never text, the blank first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.inputs import log_softmax
from asr.decoding.vocabulary import Vocabulary
from asr.errors import ModelError
from asr.model_folder import Bundle
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.imported_network import ImportedNetwork
from asr.speech.acoustics.onnx import MAX_BATCH_S, in_parts, onnx_session
from asr.speech.acoustics.protocol import ONNX_FILE, Array, StreamingNetwork

__all__ = ["ImportedAcoustics", "ImportedGraph", "log_probs_of"]

# Element types of ONNX Runtime as numpy's.
DTYPES: Mapping[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}


def log_probs_of(scores: npt.NDArray[Any], scores_are: str) -> Array:
    """Return natural log-probabilities (..., V) of what a graph gives.

    Args:
        scores: (..., V).
        scores_are: ``logits``, ``log_probs`` or ``probs``.
    """
    scores = np.asarray(scores, np.float32)
    if scores_are == "probs":
        scores = np.asarray(np.log(np.maximum(scores, np.finfo(np.float32).tiny)))
    return np.asarray(log_softmax(scores))  # log-probabilities may be in half precision


class ImportedGraph:
    """The graph with its inputs and outputs put in order.

    Args:
        session: an ``onnxruntime.InferenceSession``.
        network: how it is fed.
    """

    def __init__(self, session: Any, network: ImportedNetwork) -> None:
        self.network, self._session = network, session
        self._dtypes = {node.name: DTYPES[node.type] for node in session.get_inputs()}

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Return the scores (T', V) of inputs (n,) or (T, F), computed as one batch."""
        network = self.network
        names = [name for name in (network.scores, network.frame_lens) if name]
        scores, *more = self._session.run(names, self.feed(inputs))
        arrays = np.transpose(scores, [network.axes.index(axis) for axis in "BTV"])
        if len(inputs) == 1:
            return [arrays[0]]
        counts = more[0] if more else [network.num_outputs(len(item)) for item in inputs]
        return [array[: int(n)] for array, n in zip(arrays, counts, strict=True)]

    def feed(self, inputs: Sequence[Array]) -> dict[str, npt.NDArray[Any]]:
        """Return the graph's inputs by name, for inputs (n,) or (T, F) as one batch."""
        network = self.network
        lens = np.array([len(item) for item in inputs], np.int64)
        feed = {network.audio: self._padded(inputs, int(lens.max()))}
        if network.lengths:
            feed[network.lengths] = self._lengths(lens)
        if network.mask:
            valid = np.arange(lens.max()) < lens[:, None]
            feed[network.mask] = valid.astype(self._dtypes[network.mask])
        return feed

    def _padded(self, inputs: Sequence[Array], longest: int) -> npt.NDArray[Any]:
        """The inputs as one array with zeros behind them, its axes as the graph wants them."""
        network = self.network
        shape = (len(inputs), longest, *inputs[0].shape[1:])
        batch: npt.NDArray[Any] = np.zeros(shape, self._dtypes[network.audio])
        for row, item in zip(batch, inputs, strict=True):
            row[: len(item)] = item
        if network.layout == "BCN":
            return batch[:, None]
        return batch.transpose(0, 2, 1) if network.layout == "BFT" else batch

    def _lengths(self, lens: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        dtype = self._dtypes[self.network.lengths]
        if np.issubdtype(dtype, np.floating):  # shares of the longest, as SpeechBrain has them
            return np.asarray(lens / lens.max(), dtype)
        return lens.astype(dtype)


class ImportedAcoustics:
    """:class:`asr.speech.acoustics.protocol.Acoustics` of an imported model folder.

    Args:
        bundle: model folder that `asr import` wrote.
        outputs: what the outputs of its network are.
        device: see :func:`asr.onnx.sessions.providers`.
        threads: of the processor, 0: all.

    Raises:
        ModelError: the folder holds no network, or it is damaged.
        ConfigError: see :func:`asr.onnx.sessions.providers`.
    """

    backend = "onnxruntime"
    streams = False

    def __init__(
        self, bundle: Bundle, outputs: Vocabulary, *, device: str = "cpu", threads: int = 0
    ) -> None:
        self.tokens, self.frames = outputs.tokens, FrameShape.of(bundle)
        self._outputs = outputs
        self._bundle, self._network = bundle, ImportedNetwork.of(bundle)
        session = onnx_session(bundle, ONNX_FILE, device, threads)
        self._graph = ImportedGraph(session, self._network)

    def log_probs(self, recordings: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', N) of mono recordings (n,); see
        :meth:`asr.speech.acoustics.protocol.Acoustics.log_probs`.
        """
        self.frames.check_lengths(recordings)
        return self._log_probs([self._network.features(recording) for recording in recordings])

    def features(self, recordings: Sequence[Array]) -> list[Array]:
        """Return features (T, F), before normalisation, of mono recordings (n,).

        Raises:
            AudioError: a recording is shorter than one frame.
            ModelError: the network takes samples.
        """
        self._check_takes_features()
        self.frames.check_lengths(recordings)
        return [self._network.features.features(recording) for recording in recordings]

    def log_probs_of_features(self, features: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', N) of features (T, F) from :meth:`features`.

        Raises:
            ModelError: the network takes samples.
        """
        self._check_takes_features()
        return self._log_probs([self._network.features.normalized(x) for x in features])

    def streaming_network(self, threads: int = 0) -> StreamingNetwork:
        """Refuse: an imported network takes whole recordings.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"The imported model {self._bundle.name} has to see the whole recording and cannot "
            "stream.",
            "Use asr transcribe, or a model that was trained to stream.",
        )

    def _check_takes_features(self) -> None:
        if self._network.features.kind == "samples":
            raise ModelError(
                f"The imported network of {self._bundle.name} takes samples and has no features.",
                "Give it recordings.",
            )

    def _log_probs(self, inputs: Sequence[Array]) -> list[Array]:
        """Log-probabilities (T', N) of inputs (n,) or (T, F), in as many batches as need be."""
        step_s = self._network.frame_shift / self._network.sample_rate
        longest = max(map(len, inputs), default=0)
        limit = max(round(MAX_BATCH_S / step_s), longest) if self._network.batches else 0
        scores = [array for part in in_parts(inputs, limit) for array in self._graph(part)]
        return [self._of_tokens(array) for array in scores]

    def _of_tokens(self, scores: npt.NDArray[Any]) -> Array:
        """Log-probabilities (T', N) of the tokens, of scores (T', V): special labels get nothing,
        and what is left sums to one.
        """
        log_probs = log_probs_of(scores, self._network.scores_are)
        return np.asarray(log_softmax(self._outputs.arrange(log_probs)))
