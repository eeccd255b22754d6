"""A trained speaker embedding on torch, and its model folder.

Legend: B windows, T frames, F mel bands, E embedding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config, config_yaml
from asr.features.front_end import FrontEnd
from asr.files import atomic_write_text
from asr.model_folder import CONFIG, Bundle, open_model, save_weights, write_bundle
from asr.speakers.config import EmbeddingConfig, front_end
from asr.speakers.network import EmbeddingNetwork
from asr.training.task import load_weights

__all__ = ["FittedSpeakers", "SavedSpeakers"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SavedSpeakers:
    """``config.yaml`` of a model folder.

    Attributes:
        task: ``speaker``.
        features: how samples become frames.
        network: its shape.
        export: format, where it was exported.
        calibration: see :class:`asr.speakers.embedder.Calibration`; may be empty.
    """

    task: str = "speaker"
    features: FrontEnd = field(default_factory=front_end)
    network: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    export: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FittedSpeakers:
    """The content of a model folder.

    Attributes:
        network: the embedding.
        features: how samples become frames.
        training: the configuration of its training, as YAML.
        calibration: see :class:`SavedSpeakers`.
    """

    network: EmbeddingNetwork
    features: FrontEnd
    training: str = ""
    calibration: dict[str, Any] = field(default_factory=dict)

    @torch.inference_mode()
    def embed(self, windows: Floats) -> Floats:
        """Return the embeddings (B, E) of log-Mel features (B, T, F)."""
        self.network.eval()
        device = self.network.mean.device
        x = torch.from_numpy(np.ascontiguousarray(windows)).to(device)
        lens = torch.full((len(x),), x.size(1), dtype=torch.int64, device=device)
        embeddings: Floats = self.network(x, lens).float().cpu().numpy()
        return embeddings

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; return its path."""
        content = SavedSpeakers(
            features=self.features, network=self.network.config, calibration=self.calibration
        )

        def write(target: Path) -> None:
            atomic_write_text(target / CONFIG, config_yaml(content))
            if self.training:
                atomic_write_text(target / "training.yaml", self.training)
            save_weights(target, self.network.state_dict())

        return write_bundle(folder, write)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedSpeakers:
        """Return the model in a model folder, or in a run folder that holds one.

        Raises:
            ModelError: no trained model there, a damaged one, or one of another task.
        """
        bundle = open_model(folder, task="speaker")
        config = build_config(SavedSpeakers, bundle.config, where=str(bundle.path))
        network = EmbeddingNetwork(config.network, config.features.n_mels)
        load_weights(network, bundle.weights(), bundle.path)
        text = bundle.path / "training.yaml"
        training = text.read_text(encoding="utf-8") if text.is_file() else ""
        return cls(network.eval(), config.features, training, config.calibration)
