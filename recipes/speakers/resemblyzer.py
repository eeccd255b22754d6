"""Resemblyzer's network (GE2E, Apache-2.0) as a model folder.

    pip install --target PACKAGE --no-deps resemblyzer
    python recipes/speakers/resemblyzer.py PACKAGE -o resemblyzer

PACKAGE is where it was installed; nothing of it is run, its weights alone are read. Its features
are linear mel powers of recordings that were raised to -30 dBFS; here each window is raised.

Legend: B windows, T frames, F mel bands, E embedding.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.cli.guard import run_script
from asr.errors import ModelError
from asr.features.mel_filters import mel_corners
from asr.model_folder import add_to_bundle
from asr.onnx.files import write_graph
from asr.speakers.importing import ImportedSpeakers, import_speakers

# The logarithm of librosa.feature.melspectrogram(n_fft=400, hop_length=160, n_mels=40).
FEATURES: dict[str, Any] = {
    "n_mels": 40,
    "n_fft": 400,
    "window": "hann-periodic",
    "edges": "zeros",
    "remove_dc": False,
    "preemphasis": 0.0,
    "mel_scale": "slaney",
    "f_min": 0.0,
    "floor": 1e-14,
}
# See asr.speakers.embedder.Calibration. Measured on LibriSpeech dev-clean: `scale` and `shift` on
# pairs of recordings, `threshold` and `noise` on conversations (benchmarks/speakers).
CALIBRATION = {"scale": 31.561, "shift": -22.192, "threshold": 0.03, "noise": 0.08}
LEAST_POWER = 1e-3  # mean square of samples, -30 dBFS
WINDOW_FRAMES = 160


class Resemblyzer(nn.Module):
    """Three LSTM layers of 256; the embedding is made from the last state.

    Args:
        state: its trained weights.
    """

    widths: Tensor

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        self.load_state_dict(state, strict=False)
        self.register_buffer("widths", torch.from_numpy(power_weights()))

    def forward(self, features: Tensor) -> Tensor:
        """Log-Mel features (B, T, F) -> embeddings (B, E) of length 1."""
        mel = features.exp()
        power = (mel @ self.widths).mean(1)
        mel = mel * (LEAST_POWER / power.clamp(min=1e-12)).clamp(min=1).view(-1, 1, 1)
        _, (hidden, _) = self.lstm(mel)
        return functional.normalize(functional.relu(self.linear(hidden[-1])), dim=-1)


def power_weights() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return what the mel powers (F,) add to the mean square of the samples.

    Triangles of area one, each times half of its width in Hz, add up to one over frequency; by
    Parseval's theorem the power spectrum of a window adds up to its samples' energy.
    """
    corners = mel_corners("slaney", n_mels=FEATURES["n_mels"], f_min=0.0, f_max=8000.0)
    energy = float(np.square(np.hanning(FEATURES["n_fft"] + 1)).sum())
    weights = (corners[2:] - corners[:-2]) / 2 * 2 / (FEATURES["n_fft"] * energy)
    scaled: np.ndarray[Any, np.dtype[np.float32]] = weights.astype(np.float32)
    return scaled


def convert(package: Path, output: Path) -> ImportedSpeakers:
    """Write the model folder.

    Raises:
        ModelError: there are no weights in ``package``.
    """
    path = package / "resemblyzer" / "pretrained.pt"
    if not path.is_file():
        raise ModelError(
            f"There is no file {path}.",
            f"pip install --target {package} --no-deps resemblyzer",
        )
    state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "resemblyzer.onnx"
        write_graph(
            Resemblyzer(state).eval(),
            graph,
            inputs=(torch.zeros(2, WINDOW_FRAMES, FEATURES["n_mels"]),),
            names=(["features"], ["embeddings"]),
            dynamic_axes={"features": {0: "B", 1: "T"}, "embeddings": {0: "B"}},
        )
        made = import_speakers(graph, output, "wespeaker", {"scale": 1.0, **FEATURES}, False)
    add_to_bundle(made.folder, {}, config={"calibration": CALIBRATION})
    return made


def main() -> None:
    """Convert, and print what was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path)
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("resemblyzer"))
    args = parser.parse_args()
    made = convert(args.package, args.output_dir)
    print(f"{made.folder}: embeddings of {made.dim} numbers, calibrated")


if __name__ == "__main__":
    run_script(main)
