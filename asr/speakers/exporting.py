"""A trained speaker embedding -> a folder that needs no torch, compared with it first."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.config import config_yaml
from asr.errors import ConfigError, ModelError, require
from asr.files import atomic_write_text
from asr.model_folder import (
    CARD,
    CONFIG,
    WEIGHTS,
    Bundle,
    check_apart,
    copy_files,
    open_model,
    write_bundle,
)
from asr.speakers.embedder import NETWORK_FILE, SpeakerEmbedder
from asr.speakers.windows import Array

__all__ = ["FORMATS", "SpeakerExport", "export_speakers"]

FORMATS = ("onnx", "onnx-int8")
FULL_FILE = "full.onnx"
MIN_COSINE = {"onnx": 0.9999, "onnx-int8": 0.97}  # on made sounds
CHECKED = 32  # windows


@dataclass(frozen=True)
class SpeakerExport:
    """What was written and how it compares.

    Attributes:
        folder: the new model folder.
        format: of :data:`FORMATS`.
        network_bytes: size of the exported network.
        source_bytes: size of the trained weights.
        cosine: least cosine between an embedding of the trained network and of the exported one.
    """

    folder: Path
    format: str
    network_bytes: int
    source_bytes: int
    cosine: float

    @property
    def comparisons(self) -> list[str]:
        """How it compares with the trained model, for people to read."""
        return [f"embeddings of {CHECKED} made sounds have a cosine of at least {self.cosine:.4f}"]

    @property
    def streams(self) -> bool:
        """Whether it can be used on streams: always, window by window."""
        return True


def export_speakers(
    model: str | Path | Bundle,
    output: str | Path,
    output_format: str = "onnx",
    fixed_ranges: bool = False,
) -> SpeakerExport:
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
    if output_format not in FORMATS:
        raise ConfigError(
            f"A speaker model has no export format {output_format!r}.",
            f"Choose of: {', '.join(FORMATS)}.",
        )
    if fixed_ranges:
        raise ConfigError("A speaker model has no ranges to fix.", "Leave it out.")
    require("onnx", "export")
    require("torch", "train")
    bundle, output = open_model(model, task="speaker"), Path(output)
    check_apart(bundle, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as temporary:
        made = write_bundle(
            Path(temporary) / output.name, lambda folder: _write(bundle, folder, output_format)
        )
        cosine = _agreement(bundle, made)
        if not cosine >= MIN_COSINE[output_format]:
            raise ModelError(
                f"An embedding of the exported model has a cosine of only {cosine:.3f} with that "
                "of the trained one.",
                "Nothing was written; export with --format onnx.",
            )
        _replace(made, output)
    return SpeakerExport(
        folder=output,
        format=output_format,
        network_bytes=(output / NETWORK_FILE).stat().st_size,
        source_bytes=(bundle.path / WEIGHTS).stat().st_size,
        cosine=cosine,
    )


def _replace(made: Path, output: Path) -> None:
    """Write the folder for good; a card that is there stays."""
    card = output / CARD
    kept = card.read_text(encoding="utf-8") if card.is_file() else None

    def write(folder: Path) -> None:
        copy_files(made, folder)
        if kept is not None:
            atomic_write_text(folder / CARD, kept)

    write_bundle(output, write)


def _write(bundle: Bundle, folder: Path, output_format: str) -> None:
    import torch

    from asr.onnx.files import quantize, write_graph
    from asr.speakers.graph import EmbeddingGraph
    from asr.speakers.model import FittedSpeakers, SavedSpeakers

    model = FittedSpeakers.load(bundle)
    int8 = output_format == "onnx-int8"
    path = folder / (FULL_FILE if int8 else NETWORK_FILE)
    write_graph(
        EmbeddingGraph(model.network).eval(),
        path,
        inputs=(torch.zeros(2, 150, model.features.n_mels),),
        names=(["features"], ["embeddings"]),
        dynamic_axes={"features": {0: "B", 1: "T"}, "embeddings": {0: "B"}},
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
