"""The network of a speech model in torch.

Legend: T feature frames, F features, T' output frames, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from asr.config import build_config
from asr.errors import ConfigError
from asr.features.extraction import LogMel
from asr.model_folder import Bundle
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.graphs import StreamingGraph
from asr.speech.acoustics.network import CtcTask, CtcTaskConfig
from asr.speech.acoustics.protocol import Array, State, StreamingNetwork
from asr.training.batching.padding import pad_sequences
from asr.training.task import load_weights

__all__ = ["TorchAcoustics", "TorchStreamingNetwork", "load_task"]


def load_task(bundle: Bundle, vocab_size: int) -> CtcTask:
    """Return the trained network of a model folder, for inference.

    Raises:
        ModelError: no weights there, or others than the configuration describes.
    """
    where = str(bundle.path / "config.yaml")
    config = build_config(CtcTaskConfig, bundle.config["network"], where=where)
    task, weights = CtcTask(config, vocab_size), bundle.weights()
    load_weights(task, weights, bundle.path)
    return task.eval()


class TorchAcoustics:
    """:class:`asr.speech.acoustics.protocol.Acoustics` with the trained weights.

    Args:
        bundle: model folder with weights.
        tokens: of its tokenizer.
        device: torch's name.
        threads: of the processor, 0 for torch's choice.

    Attributes:
        task: the network.

    Raises:
        ModelError: see :func:`load_task`.
        ConfigError: torch cannot use the device.
    """

    backend = "torch"

    def __init__(
        self, bundle: Bundle, tokens: Sequence[str], *, device: str = "cpu", threads: int = 0
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        self.tokens, self.device = tokens, device
        self.frames = FrameShape.of(bundle)
        self.streams = self.frames.streams
        self.task = _moved(load_task(bundle, len(tokens)), device)
        self._extractor = LogMel(self.task.config.features)

    def features(self, recordings: Sequence[Array]) -> list[Array]:
        """Return features (T, F) of recordings (n,); see
        :meth:`asr.speech.acoustics.protocol.Acoustics.features`.
        """
        self.frames.check_lengths(recordings)
        if not recordings:
            return []
        samples, lens = pad_sequences(recordings)
        with torch.inference_mode():
            features, feature_lens = self._extractor(samples, lens)
        return [array[:n].numpy() for array, n in zip(features, feature_lens.tolist(), strict=True)]

    def log_probs(self, recordings: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', V) of recordings (n,)."""
        return self.log_probs_of_features(self.features(recordings))

    def log_probs_of_features(self, features: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', V) of features (T, F)."""
        if not features:
            return []
        x, x_lens = pad_sequences(features)
        with torch.inference_mode():
            log_probs, lens = self.task(x.to(self.device), x_lens.to(self.device))
        arrays = log_probs.cpu().numpy()
        return [array[:n] for array, n in zip(arrays, lens.tolist(), strict=True)]

    def streaming_network(self, threads: int = 0) -> StreamingNetwork:
        """Return the network for streams, with torch's own threads."""
        return TorchStreamingNetwork(self.task)


def _moved(task: CtcTask, device: str) -> CtcTask:
    try:
        return task.to(device)
    except (RuntimeError, AssertionError) as error:  # torch's own words run on for pages
        reason = str(error).strip().splitlines()[0][:200]
        raise ConfigError(
            f"torch cannot use the device {device!r} here ({reason}).",
            "Take --device cpu, or see what torch.cuda.is_available() says.",
        ) from error


class TorchStreamingNetwork:
    """:class:`asr.speech.acoustics.protocol.StreamingNetwork` of a trained network.

    Raises:
        ModelError: the network has to see the whole recording.
    """

    def __init__(self, task: CtcTask) -> None:
        self._graph = StreamingGraph(task).eval()

    def initial_state(self) -> State:
        """Return the state before the first sample."""
        return self._graph.initial_state()

    def step(self, samples: Array, state: State, tail: int) -> tuple[Array, State]:
        """Return the log-probabilities (T', V) of the next samples (n,), and the new state."""
        zeros = torch.zeros(1, 1, tail, 1)
        with torch.inference_mode():
            log_probs, *after = self._graph(torch.from_numpy(samples[None]), zeros, *state)
        return log_probs[0].numpy(), after
