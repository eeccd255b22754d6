"""A trained detector: network, scales and thresholds; scores, and is written to a model folder.

Legend: n steps, C channels, T window.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import as_dict, build_config, config_yaml, read_yaml, yaml_text
from asr.errors import DataError
from asr.files import atomic_write_text
from asr.model_folder import Bundle, open_model, save_weights, write_bundle
from asr.series.anomalies.alarms import Alarms
from asr.series.anomalies.config import AnomalyConfig
from asr.series.anomalies.network import AnomalyTask, AnomalyTaskConfig
from asr.series.anomalies.sequences import SequenceAlarms
from asr.series.frames import Series
from asr.series.scaling import Scaler
from asr.training.task import load_weights

__all__ = ["SHARED", "FittedDetector"]

Floats = npt.NDArray[np.float32]
SCALES = "scales.json"
ARRAYS = "sequences.safetensors"
SHARED = ""  # key of scales and alarms that all series share
WINDOWS_AT_ONCE = 512


@dataclass(frozen=True)
class FittedDetector:
    """A trained network with all that is needed to use it.

    Attributes:
        network: in evaluation mode.
        config: how it was trained.
        columns: the channels, in the network's order.
        scalers: of each channel, by series (:data:`SHARED`: of all).
        alarms: from errors to alarms, by series (:data:`SHARED`: of all); none of a detector of
            sequences.
        sequences: from errors to alarms of short sequences; None of a detector of series.
    """

    network: AnomalyTask
    config: AnomalyConfig
    columns: list[str]
    scalers: dict[str, list[Scaler]]
    alarms: dict[str, Alarms]
    sequences: SequenceAlarms | None = None

    def key(self, name: str) -> str:
        """Return the key of a series' scales and alarms.

        Raises:
            DataError: each series has its own, and this one was not there in training.
        """
        key = name if self.config.data.per_series else SHARED
        if key not in self.scalers:
            raise DataError(
                f"Series {name} was not there in training, and each has a scale of its own.",
                "Train on its normal part too, or set per_series to false.",
            )
        return key

    def scaled(self, one: Series) -> Floats:
        """Return the channels of a series (n, C) on the model's scale."""
        pairs = zip(self.scalers[self.key(one.name)], self.columns, strict=True)
        return np.stack(
            [scaler.apply(one.covariates[name], name) for scaler, name in pairs], axis=1
        )

    @torch.inference_mode()
    def errors(self, one: Series) -> Floats:
        """Return the error of every step: (n, C) of a forecaster, (n, 2 C) of an autoencoder.

        A forecaster's are those of its forecast from all steps before. An autoencoder's belong to
        the window that ends at the step; before the first whole window the first step stands in for
        what is missing.
        """
        x, network = self.scaled(one), self.network.eval()
        if network.config.model.kind == "forecast":
            return np.asarray(network.errors(torch.from_numpy(x)[None])[0].numpy())
        T = network.config.window
        padded = np.concatenate([np.repeat(x[:1], T - 1, axis=0), x])
        windows = np.lib.stride_tricks.sliding_window_view(padded, T, axis=0).transpose(0, 2, 1)
        parts = [
            network.errors(torch.from_numpy(windows[start : start + WINDOWS_AT_ONCE].copy()))
            for start in range(0, len(x), WINDOWS_AT_ONCE)
        ]
        return np.concatenate([part.numpy() for part in parts])

    def windows(self, one: Series) -> Floats:
        """Return all windows (W, T, C) within a sequence, scaled.

        Raises:
            DataError: the sequence is shorter than a window.
        """
        x, T = self.scaled(one), self.network.config.window
        if len(x) < T:
            raise DataError(
                f"Sequence {one.name} has {len(x)} steps; the detector reads {T} at once.",
                "Leave it out, or fit with a window that all sequences have.",
            )
        rows = np.lib.stride_tricks.sliding_window_view(x, T, axis=0)
        windows: Floats = rows.transpose(0, 2, 1)
        return windows

    @torch.inference_mode()
    def window_errors(self, windows: Floats) -> Floats:
        """Return what the network leaves over of windows (W, T, C)."""
        network, parts = self.network.eval(), []
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            x = torch.from_numpy(windows[start : start + WINDOWS_AT_ONCE].copy())
            parts.append((x - network(x)[0]).numpy())
        return np.concatenate(parts)

    def sequence_errors(self, series: Sequence[Series]) -> list[Floats]:
        """Return the errors (W, T, C) of the windows of each sequence, all computed together."""
        windows = [self.windows(one) for one in series]
        ends = np.cumsum([len(part) for part in windows])[:-1]
        return np.split(self.window_errors(np.concatenate(windows)), ends)

    def step_scores(self, errors: Floats) -> npt.NDArray[np.float64]:
        """Return the score of every step of a sequence from :meth:`sequence_errors`."""
        assert self.sequences is not None
        return self.sequences.step_scores(errors)

    def threshold(self, name: str) -> float:
        """Return the threshold of the scores of a series' steps."""
        if self.sequences is not None:
            return self.sequences.step_threshold
        return self.alarms[self.key(name)].threshold

    def scores(self, one: Series) -> npt.NDArray[np.float64]:
        """Return the score of every step (n,); those above the threshold are anomalies."""
        alarms = self.alarms[self.key(one.name)]
        return alarms.scores(alarms.smoothed(self.errors(one)))

    def save(self, folder: Path) -> None:
        """Write the model folder."""
        from safetensors.numpy import save_file

        content = {"task": "anomaly", "network": as_dict(self.network.config)}
        scales: dict[str, Any] = {
            "columns": self.columns,
            "scalers": {
                name: [asdict(scaler) for scaler in scalers]
                for name, scalers in self.scalers.items()
            },
            "alarms": {name: alarms.as_dict() for name, alarms in self.alarms.items()},
        }
        if self.sequences is not None:
            scales["sequences"] = self.sequences.as_dict()

        def write(target: Path) -> None:
            atomic_write_text(target / "config.yaml", yaml_text(content))
            atomic_write_text(target / "training.yaml", config_yaml(self.config))
            atomic_write_text(target / SCALES, json.dumps(scales, indent=1) + "\n")
            save_weights(target, self.network.state_dict())
            if self.sequences is not None:
                save_file(self.sequences.arrays(), target / ARRAYS)

        write_bundle(folder, write)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedDetector:
        """Return the detector in a model folder.

        Raises:
            ModelError: the folder is no detector, or is damaged.
        """
        from safetensors.numpy import load_file

        bundle = open_model(folder, task="anomaly")
        where = str(bundle.path)
        network = AnomalyTask(
            build_config(AnomalyTaskConfig, bundle.config["network"], where=where)
        )
        load_weights(network, bundle.weights(), bundle.path)
        training = read_yaml(bundle.file("training.yaml"))
        scales = json.loads(bundle.file(SCALES).read_text(encoding="utf-8"))
        sequences = None
        if "sequences" in scales:
            arrays = load_file(bundle.file(ARRAYS))
            sequences = SequenceAlarms.from_parts(scales["sequences"], arrays)
        return cls(
            network=network.eval(),
            config=build_config(AnomalyConfig, training, where=where),
            columns=scales["columns"],
            scalers={
                name: [Scaler(**fields) for fields in parts]
                for name, parts in scales["scalers"].items()
            },
            alarms={name: Alarms.from_dict(part) for name, part in scales["alarms"].items()},
            sequences=sequences,
        )
