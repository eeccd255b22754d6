"""The model folder of a text task: what the four tasks write and read alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from asr.config import config_yaml
from asr.files import atomic_write_text
from asr.model_folder import Bundle, save_weights, write_bundle

__all__ = ["training_of", "write_text_model"]

TRAINING = "training.yaml"  # the configuration of the training: for people, not needed for loading


class Units(Protocol):
    """Vocabularies or pieces that a model folder keeps beside the weights."""

    def save(self, folder: Path) -> None:
        """Write them into the folder."""


def write_text_model(
    folder: str | Path, config: Any, units: Units, weights: Mapping[str, Any], *, training: str
) -> Path:
    """Write a model folder whole; return its path.

    Args:
        folder: its path.
        config: dataclass for ``config.yaml``: the task and the shape of the network.
        units: vocabularies or pieces.
        weights: torch tensors by name.
        training: configuration of the training, as YAML.
    """

    def write(target: Path) -> None:
        atomic_write_text(target / "config.yaml", config_yaml(config))
        atomic_write_text(target / TRAINING, training)
        units.save(target)
        save_weights(target, weights)

    return write_bundle(folder, write)


def training_of(bundle: Bundle) -> str:
    """Return the configuration of a model's training as YAML; empty where it was not kept."""
    if TRAINING not in bundle.files:
        return ""
    return bundle.file(TRAINING).read_text(encoding="utf-8")
