"""A trained model -> the two files that sherpa-onnx loads: ``model.onnx`` and ``tokens.txt``.

sherpa-onnx (k2-fsa) runs ONNX networks on phones, in browsers and from twelve languages. Of its
kinds of CTC model one takes samples, Omnilingual ASR's, so our features stay inside the graph.
Legend: B recordings, N samples, T' output frames of 20 ms, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.errors import ModelError, require
from asr.files import atomic_write_text
from asr.model_folder import Bundle
from asr.onnx.sessions import new_session
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.graphs import OfflineGraph
from asr.speech.acoustics.protocol import ONNX_FILE
from asr.speech.export.onnx_files import export_onnx

if TYPE_CHECKING:
    from asr.speech.acoustics.network import CtcTask
    from asr.speech.acoustics.pytorch import TorchAcoustics

__all__ = [
    "TOKENS_FILE",
    "SherpaGraph",
    "WithoutMean",
    "as_sherpa_calls",
    "frames_of_20_ms",
    "write_sherpa",
]

TOKENS_FILE = "tokens.txt"
RATE, FRAME_S = 16000, 0.02  # what sherpa-onnx takes for granted of this kind of model
# It divides the samples by sqrt(variance + EPSILON), after their mean is subtracted.
EPSILON = 1e-5

Array = npt.NDArray[np.float32]


class SherpaGraph(OfflineGraph):
    """Samples of a recording as sherpa-onnx gives them -> log-probabilities every 20 ms.

    Args:
        task: the trained network.
        repeats: frames of 20 ms that an output frame of the network lasts.
    """

    def __init__(self, task: CtcTask, repeats: int) -> None:
        super().__init__(task)
        self.repeats = repeats

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the arguments of :meth:`forward`."""
        return ("x",)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what :meth:`forward` returns."""
        return ("logits",)

    @property
    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Axes of any length."""
        return {"x": {0: "N", 1: "num_samples"}, "logits": {0: "N", 1: "num_frames"}}

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Return a second of noise."""
        return (torch.randn(1, RATE),)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(1, N) -> (1, T', V)."""
        samples = self._as_recorded(x)
        lens = torch.ones_like(x[:, 0]).long() * x.shape[1]
        log_probs, _ = super().forward(samples, lens)
        return log_probs.repeat_interleave(self.repeats, dim=1)

    @staticmethod
    def _as_recorded(x: Tensor) -> Tensor:
        """The samples at the level that they had: the variance that is left, v / (v + epsilon) of
        it, says what v was.
        """
        left = x.double().square().mean(1, keepdim=True)
        variance = EPSILON * left / (1 - left).clamp(min=EPSILON)
        return x * (variance + EPSILON).sqrt().float()


@dataclass(frozen=True)
class WithoutMean:
    """A trained network that hears recordings without their mean, as sherpa-onnx does.

    Attributes:
        source: the network.
    """

    source: TorchAcoustics

    @property
    def frames(self) -> FrameShape:
        """Shape of its frames."""
        return self.source.frames

    @property
    def tokens(self) -> Sequence[str]:
        """Tokens of its output."""
        return self.source.tokens

    def log_probs(self, recordings: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', V) of recordings (n,)."""
        return self.source.log_probs([r - np.float32(r.mean(dtype=np.float64)) for r in recordings])


def frames_of_20_ms(bundle: Bundle) -> int:
    """Return how many frames of 20 ms an output frame of a model lasts.

    Raises:
        ModelError: sherpa-onnx could not run it, or would give wrong times.
    """
    frames = FrameShape.of(bundle)
    if frames.sample_rate != RATE:
        raise ModelError(
            f"sherpa-onnx gives such a network samples at {RATE} Hz, and {bundle.name} takes "
            f"{frames.sample_rate}.",
            f"Train one with features.sample_rate={RATE}.",
        )
    repeats = frames.seconds_per_frame / FRAME_S
    if repeats < 1 or abs(repeats - round(repeats)) > 1e-6:
        raise ModelError(
            f"sherpa-onnx counts frames of 20 ms, and those of {bundle.name} last "
            f"{1000 * frames.seconds_per_frame:g} ms: its times would be wrong.",
            "Train one with model.subsampling of 2, 4 or 8.",
        )
    return round(repeats)


def write_sherpa(source: TorchAcoustics, folder: Path, repeats: int) -> None:
    """Write the network and its tokens.

    Args:
        source: the trained network.
        folder: where to; it exists.
        repeats: what :func:`frames_of_20_ms` returned.
    """
    onnx = require("onnx", "export")
    path = folder / ONNX_FILE
    export_onnx(SherpaGraph(source.task, repeats).eval(), path)
    model = onnx.load(str(path))
    metadata = {
        "model_type": "omnilingual-asr",
        "model_author": "asr",
        "version": "1",
        "vocab_size": str(len(source.tokens)),
        "sample_rate": str(RATE),
    }
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    lines = (f"{token} {number}\n" for number, token in enumerate(source.tokens))
    atomic_write_text(folder / TOKENS_FILE, "".join(lines))


def as_sherpa_calls(path: Path, repeats: int) -> Callable[[Sequence[Array]], list[Array]]:
    """Return recordings (n,) -> log-probabilities (T', V) of a file, called as sherpa-onnx does.

    Args:
        path: of the ONNX file.
        repeats: what :func:`frames_of_20_ms` returned.
    """
    session = new_session(path, "Please report this with the model's config.yaml.")

    def log_probs(recordings: Sequence[Array]) -> list[Array]:
        outputs = []
        for samples in recordings:
            mean = samples.mean()
            variance = max(np.square(samples).mean() - mean * mean, np.float32(0))
            x = (samples - mean) / np.sqrt(variance + np.float32(EPSILON))
            (scores,) = session.run(None, {"x": x[None].astype(np.float32)})
            outputs.append(scores[0, ::repeats])
        return outputs

    return log_probs
