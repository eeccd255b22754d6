"""A trained classifier of signals: network and classes; predicts, and is written to a model folder.

Legend: N sequences, T steps, D channels, S static features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import as_dict, build_config, config_yaml, yaml_text
from asr.errors import AsrError, ModelError
from asr.files import atomic_write_text
from asr.model_folder import Bundle, open_model, save_weights, write_bundle
from asr.signals.batches import LabelledLoader
from asr.signals.config import ClassifyConfig
from asr.signals.data import Labels
from asr.signals.network import ClassifierTask, ClassifierTaskConfig
from asr.training.task import load_weights

__all__ = ["FittedClassifier"]

Floats = npt.NDArray[np.float32]
SEQUENCES_AT_ONCE = 256


@dataclass(frozen=True)
class FittedClassifier:
    """A trained network with all that is needed to use it.

    Attributes:
        network: normalises its input itself.
        classes: C labels, in the order of its scores.
        config: how it was trained; None where that is not known.
    """

    network: ClassifierTask
    classes: Labels
    config: ClassifyConfig | None = None

    @property
    def channels(self) -> int:
        """D."""
        return len(self.network.mean)

    @property
    def static_dim(self) -> int:
        """S."""
        return len(self.network.static_mean)

    @torch.inference_mode()
    def predict_proba(self, sequences: Sequence[Floats], static: Floats) -> npt.NDArray[np.float64]:
        """Return the probabilities (N, C) of sequences (T, D) with static features (N, S)."""
        network = self.network.eval()
        device = network.mean.device
        unknown = np.zeros(len(sequences), np.int64)  # predictions need no labels
        loader = LabelledLoader(sequences, unknown, static, SEQUENCES_AT_ONCE, shuffle=False)
        probabilities = np.zeros((len(sequences), len(self.classes)))
        for position, items in enumerate(loader.item_numbers(0)):
            batch = loader.load(0, position).to(device)
            scores = network(batch.x, batch.x_lens, batch.static)
            probabilities[items] = scores.double().softmax(-1).cpu().numpy()
        return probabilities

    def save(self, folder: Path) -> None:
        """Write the model folder."""
        content: dict[str, Any] = {
            "task": "classify",
            "classes": list(self.classes),
            "input_dim": self.channels,
            "static_dim": self.static_dim,
            "network": as_dict(self.network.config),
        }

        def write(target: Path) -> None:
            atomic_write_text(target / "config.yaml", yaml_text(content))
            if self.config is not None:
                atomic_write_text(target / "training.yaml", config_yaml(self.config))
            save_weights(target, self.network.state_dict())

        write_bundle(folder, write)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedClassifier:
        """Return the classifier in a model folder; its ``config`` is None.

        Raises:
            ModelError: the folder is missing or damaged, or holds a model of another task.
        """
        bundle = open_model(folder, task="classify")
        content, where = bundle.config, str(bundle.path / "config.yaml")
        try:
            config = build_config(ClassifierTaskConfig, content["network"], where=where)
            classes: Labels = tuple(content["classes"])
            dims = int(content["input_dim"]), len(classes), int(content["static_dim"])
        except AsrError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{where} lacks {error}.", "Copy the whole folder again.") from error
        network = ClassifierTask(config, *dims)
        load_weights(network, bundle.weights(), bundle.path)
        return cls(network.eval(), classes)
