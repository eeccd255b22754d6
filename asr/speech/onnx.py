"""Exported models in ONNX Runtime: samples -> log-probabilities, without torch.

Legend: B recordings, N samples, T' output frames, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError, ConfigError, ModelError
from asr.model_folder import Bundle

__all__ = ["ONNX_FILE", "STREAM_FILE", "OnnxModel", "check_lengths", "onnx_session", "providers"]

ONNX_FILE = "model.onnx"
STREAM_FILE = "stream.onnx"
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
SLOWER_FUSIONS = [
    "SkipLayerNormFusion"
]  # on processors an addition and a normalisation take a third of the time
MAX_BATCH_S = (
    600  # a batch of more padded seconds is computed in parts, so that memory stays bounded
)


def providers(device: str, available: Sequence[str] | None = None) -> list[str]:
    """Return ONNX Runtime's execution providers for a device, the preferred one first.

    Args:
        device: ``cpu``, ``cuda``, ``tensorrt``, or ``auto``: the fastest that this installation
            has.
        available: providers of the installation; ONNX Runtime is asked by default.

    Raises:
        ConfigError: another device, or one that this installation of ONNX Runtime lacks.
    """
    if available is None:
        import onnxruntime

        available = onnxruntime.get_available_providers()
    name = device.partition(":")[0]
    if name == "auto":
        name = next(d for d in ("tensorrt", "cuda", "cpu") if PROVIDERS[d] in available)
    if name not in PROVIDERS:
        raise ConfigError(
            f"Unknown device {device!r} for ONNX Runtime.",
            f"Choose of: auto, {', '.join(PROVIDERS)}.",
        )
    if PROVIDERS[name] not in available:
        raise ConfigError(
            f"This installation of ONNX Runtime has no {PROVIDERS[name]} for --device {device}; it has: "
            f"{', '.join(available)}.",
            "Install it: pip install onnxruntime-gpu (instead of onnxruntime).",
        )
    wanted = {"cpu": ("cpu",), "cuda": ("cuda", "cpu"), "tensorrt": ("tensorrt", "cuda", "cpu")}[
        name
    ]
    return [PROVIDERS[d] for d in wanted if PROVIDERS[d] in available]


def onnx_session(bundle: Bundle, file: str, device: str = "cpu", threads: int = 0) -> Any:
    """Return an ``onnxruntime.InferenceSession`` of a file in a model folder; ``threads`` 0 leaves
    them to the runtime.

    Raises:
        ModelError: the folder holds no such file, or ONNX Runtime cannot read it. ConfigError: see
        :func:`providers`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # waiting threads would otherwise spin and take the processor from the beam search
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = bundle.file(file)
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=providers(device), disabled_optimizers=SLOWER_FUSIONS
        )
    except ConfigError:
        raise
    except Exception as error:  # onnxruntime raises classes of its C++ side
        raise ModelError(
            f"ONNX Runtime cannot load {path}: {error}", "Export the model again."
        ) from error


class OnnxModel:
    """The network of an exported model folder, features included.

    Args:
        bundle: model folder that `asr export` wrote.
        device: see :func:`providers`.
        threads: of the processor, 0: all.

    Attributes:
        sample_rate: in Hz.
        frame_length: of the features, in samples.
    """

    def __init__(self, bundle: Bundle, device: str = "cpu", threads: int = 0) -> None:
        features = bundle.config["network"]["features"]
        self.session = onnx_session(bundle, ONNX_FILE, device, threads)
        self.sample_rate = int(features["sample_rate"])
        self.frame_length = round(self.sample_rate * features["frame_length_ms"] / 1000)

    def log_probs(
        self, recordings: Sequence[npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """Return log-probabilities (T', V) of mono recordings (n,) at :attr:`sample_rate`.

        Raises:
            AudioError: a recording is shorter than one frame.
        """
        check_lengths(recordings, self.frame_length, self.sample_rate)
        limit = max(MAX_BATCH_S * self.sample_rate, max(map(len, recordings), default=0))
        found: list[npt.NDArray[np.float32]] = []
        for part in _parts(recordings, limit):
            samples, lens = _pad(part)
            output, output_lens = self.session.run(None, {"samples": samples, "lens": lens})
            found += [array[:n] for array, n in zip(output, output_lens.tolist(), strict=True)]
        return found


def check_lengths(
    recordings: Sequence[npt.NDArray[np.float32]], frame_length: int, sample_rate: int
) -> None:
    """Raise an AudioError where a recording is shorter than one frame."""
    shortest = min((len(recording) for recording in recordings), default=frame_length)
    if shortest < frame_length:
        needed = f"Give at least {1000 * frame_length / sample_rate:g} ms."
        raise AudioError(f"A recording of {shortest} samples is shorter than one frame.", needed)


def _parts(
    recordings: Sequence[npt.NDArray[np.float32]], limit: int
) -> list[Sequence[npt.NDArray[np.float32]]]:
    """Runs of recordings whose padded batch has at most ``limit`` samples."""
    parts, start = [], 0
    for end in range(1, len(recordings) + 1):
        following = recordings[start : end + 1]
        if end == len(recordings) or len(following) * max(map(len, following)) > limit:
            parts.append(recordings[start:end])
            start = end
    return parts


def _pad(
    recordings: Sequence[npt.NDArray[np.float32]],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    lens = np.array([len(recording) for recording in recordings], np.int64)
    samples = np.zeros((len(recordings), int(lens.max())), np.float32)
    for row, recording in zip(samples, recordings, strict=True):
        row[: len(recording)] = recording
    return samples, lens
