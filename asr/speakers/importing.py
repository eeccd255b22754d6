"""A speaker embedding in ONNX that another toolkit trained -> a model folder.

Legend: B windows, T frames, F mel bands, N samples, E embedding.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asr.config import build_config, yaml_text
from asr.errors import ConfigError, ModelError
from asr.features.front_end import FRONT_ENDS, FrontEnd
from asr.files import atomic_write_text
from asr.model_folder import CONFIG, write_bundle
from asr.onnx.sessions import new_session
from asr.speakers.embedder import NETWORK_FILE, TASK, Calibration, OnnxNetwork
from asr.speakers.windows import WINDOW_S, Array

__all__ = ["EMBEDDER_FEATURES", "ImportedSpeakers", "import_speakers"]

# What speaker networks take, beside the front ends of recognisers.
EMBEDDER_FEATURES: dict[str, tuple[FrontEnd, bool]] = {
    # wespeaker.dataset.processor.compute_fbank, then the mean of each window taken away
    "wespeaker": (FrontEnd(scale=32768.0, window="hamming"), True),
    # 3D-Speaker, and other users of torchaudio.compliance.kaldi.fbank on samples in [-1, 1]
    "3dspeaker": (FrontEnd(), True),
}


@dataclass(frozen=True)
class ImportedSpeakers:
    """What was understood of a network, and written.

    Attributes:
        folder: the new model folder.
        features: what the network is given.
        centred: whether the mean of each window is taken away first.
        dim: E.
    """

    folder: Path
    features: FrontEnd
    centred: bool
    dim: int

    def lines(self) -> list[str]:
        """Return it for people, a line each."""
        kind = "samples" if self.features.kind == "samples" else f"{self.features.n_mels} mel bands"
        less = ", less the mean of each window" if self.centred else ""
        return [
            f"input: {kind} at {self.features.sample_rate} Hz{less}",
            f"output: an embedding of {self.dim} numbers",
            "note: give the number of speakers; what cosines mean here was not measured",
        ]


def import_speakers(
    model: str | Path,
    output: str | Path,
    features: str = "wespeaker",
    settings: Mapping[str, Any] | None = None,
    centred: bool | None = None,
) -> ImportedSpeakers:
    """Write a model folder of a speaker embedding in ONNX, after a trial.

    The graph has one input, features (B, T, F) or samples (B, N); its first output is (B, E).

    Args:
        model: the ONNX file.
        output: the new folder.
        features: name in :data:`EMBEDDER_FEATURES` or :data:`asr.features.front_end.FRONT_ENDS`.
        settings: of the front end, other than those of that name.
        centred: take the mean of each window away first; None: as the name says.

    Raises:
        ConfigError: unknown features or settings.
        ModelError: no ONNX file, or a graph that gives no embeddings.
    """
    front_end, usual = _front_end(features)
    front_end = replace(front_end, **dict(settings or {})) if settings else front_end
    front_end = build_config(FrontEnd, asdict(front_end), where="--feature")
    centred = usual if centred is None else centred
    path = Path(model)
    if not path.is_file():
        raise ModelError(f"There is no file {path}.", "Name the ONNX file of the network.")
    session = new_session(path, "Export it again, as one file.")
    dim = _tried(OnnxNetwork(session, centred), session, front_end)
    content = {
        "task": TASK,
        "features": asdict(front_end),
        "centred": centred,
        "calibration": asdict(Calibration()),
        "imported": path.name,
    }

    def write(folder: Path) -> None:
        shutil.copyfile(path, folder / NETWORK_FILE)
        atomic_write_text(folder / CONFIG, yaml_text(content))

    return ImportedSpeakers(write_bundle(output, write), front_end, centred, dim)


def _front_end(name: str) -> tuple[FrontEnd, bool]:
    if name in EMBEDDER_FEATURES:
        return EMBEDDER_FEATURES[name]
    if name in FRONT_ENDS:
        return FRONT_ENDS[name], False
    known = ", ".join([*EMBEDDER_FEATURES, *FRONT_ENDS])
    raise ConfigError(f"The features {name!r} are unknown.", f"Choose one of: {known}.")


def _tried(network: OnnxNetwork, session: Any, features: FrontEnd) -> int:
    """Return E, of a trial with made sounds."""
    inputs = session.get_inputs()
    rank = 2 if features.kind == "samples" else 3
    if len(inputs) != 1 or len(inputs[0].shape) != rank:
        shapes = ", ".join(f"{port.name} {port.shape}" for port in inputs)
        needed = "samples (B, N)" if rank == 2 else "features (B, T, F)"
        raise ModelError(
            f"The network has the inputs {shapes}; needed is one, {needed}.",
            "Choose other features, or export the network with that input alone.",
        )
    rng = np.random.default_rng(0)
    length = network.length or round(WINDOW_S * features.sample_rate / features.frame_shift)
    samples = features.num_samples(length)
    sounds: list[Array] = [
        (0.1 * rng.standard_normal(samples) * np.hanning(samples) ** power).astype(np.float32)
        for power in (0, 4)
    ]
    try:
        rows = network(np.stack([features(sound)[:length] for sound in sounds]))
    except Exception as error:  # onnxruntime's errors have no common class
        raise ModelError(
            f"The network does not take {features.n_mels} features: {str(error)[:200]}",
            "Choose other features: --features NAME, --feature n_mels=NUMBER.",
        ) from error
    if rows.ndim != 2 or rows.shape[1] < 2 or not np.isfinite(rows).all():
        raise ModelError(
            f"The network gives an array of shape {rows.shape}, no finite embeddings (B, E).",
            "Export it with the embedding as its first output.",
        )
    return int(rows.shape[1])
