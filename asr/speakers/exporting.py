"""A trained speaker embedding -> a folder that needs no torch, compared with it first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asr.config import config_yaml
from asr.files import atomic_write_text
from asr.model_folder import CONFIG, Bundle, open_model
from asr.speakers.embedder import NETWORK_FILE, SpeakerEmbedder
from asr.speakers.sharing import PIECE
from asr.speakers.windows import Array
from asr.training.exporting import Comparison, Export, check_format, export_folder

__all__ = ["export_speakers"]

FULL_FILE = "full.onnx"
MIN_COSINE = {"onnx": 0.9999, "onnx-int8": 0.97}  # on made sounds
CHECKED = 32  # windows


def export_speakers(
    model: str | Path | Bundle,
    output: str | Path,
    output_format: str = "onnx",
    fixed_ranges: bool = False,
) -> Export:
    """Write a trained model as a folder for ONNX Runtime; return how the two compare.

    Args:
        model: model or run folder with trained weights.
        output: the new folder.
        output_format: ``onnx`` or ``onnx-int8``.
        fixed_ranges: not for this task: every window is computed alone.

    Raises:
        ConfigError: another format, fixed ranges, or ``output`` is the model itself.
        ModelError: no trained model there, or what was exported has other embeddings; nothing is
            written then.
    """
    check_format(output_format, fixed_ranges, "speaker")
    bundle = open_model(model, task="speaker")
    return export_folder(
        bundle,
        Path(output),
        output_format,
        NETWORK_FILE,
        write=lambda folder: _write(bundle, folder, output_format),
        compare=lambda made: _compared(bundle, made, MIN_COSINE[output_format]),
    )


def _write(bundle: Bundle, folder: Path, output_format: str) -> None:
    import torch

    from asr.onnx.files import quantize, write_graph
    from asr.speakers.graph import EmbeddingGraph
    from asr.speakers.model import FittedSpeakers, SavedSpeakers

    model = FittedSpeakers.load(bundle)
    int8 = output_format == "onnx-int8"
    path = folder / (FULL_FILE if int8 else NETWORK_FILE)
    steps = -(-PIECE // model.network.front.subsampling)
    outputs = {"embeddings": {0: "W"}}
    if model.network.overlap is not None:
        outputs["overlap"] = {0: "B", 1: "S"}
    write_graph(
        EmbeddingGraph(model.network).eval(),
        path,
        inputs=(torch.zeros(2, PIECE, model.features.n_mels), torch.ones(3, 2 * steps)),
        names=(["features", "windows"], list(outputs)),
        dynamic_axes={
            "features": {0: "B", 1: "T"},
            "windows": {0: "W", 1: "N"},
            **outputs,
        },
    )
    if int8:
        quantize(path, folder / NETWORK_FILE)
        path.unlink()
    config = SavedSpeakers(
        features=model.features,
        network=model.network.config,
        export={"format": output_format, "model": bundle.name},
        calibration=model.calibration,
    )
    atomic_write_text(folder / CONFIG, config_yaml(config))


def _compared(bundle: Bundle, made: Path, least: float) -> Comparison:
    cosine = _agreement(bundle, made)
    text = f"embeddings of {CHECKED} made sounds have a cosine of at least {cosine:.4f}"
    return Comparison(cosine, least, text)


def _agreement(bundle: Bundle, made: Path) -> float:
    """Least cosine between the two networks' embeddings of made sounds."""
    windows = _made_windows(SpeakerEmbedder.load(bundle))
    rows = [SpeakerEmbedder.load(model).embed_windows(windows) for model in (bundle, made)]
    return float((rows[0] * rows[1]).sum(1).min())


def _made_windows(embedder: SpeakerEmbedder) -> Array:
    """Log-Mel features (B, T, F) of vowels that are made of harmonics."""
    rng, rate = np.random.default_rng(0), embedder.sample_rate
    time_s = np.arange(round(1.6 * rate)) / rate
    windows = []
    for _ in range(CHECKED):
        pitch, formant = rng.uniform(80, 260), rng.uniform(300, 2500)
        bend = 1 + 0.05 * np.sin(2 * np.pi * rng.uniform(1, 5) * time_s)
        harmonics = np.arange(1, 30)[:, None] * pitch
        loudness = np.exp(-np.square((harmonics - formant) / 700)) + 0.05
        sound = (loudness * np.sin(2 * np.pi * harmonics * time_s * bend)).sum(0)
        sound = sound * (1 + np.sin(2 * np.pi * rng.uniform(2, 6) * time_s))
        sound = 0.02 * sound + 0.001 * rng.standard_normal(len(time_s))
        windows.append(embedder.frames(sound.astype(np.float32))[:150])
    return np.stack(windows)
