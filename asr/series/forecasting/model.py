"""A trained forecaster: network, columns and scales; predicts, and is written to a model folder.

Legend: W windows, h horizon, C targets, Q quantiles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import as_dict, build_config, config_yaml, read_yaml, yaml_text
from asr.files import atomic_write_text
from asr.model_folder import Bundle, open_model, save_weights, write_bundle
from asr.series.forecasting.config import ForecastConfig
from asr.series.forecasting.network import ForecastTask, ForecastTaskConfig
from asr.series.frames import Series
from asr.series.panels import Layout
from asr.series.windows import Panel, WindowLoader, Windows
from asr.training.task import load_weights

__all__ = ["ForecastModel", "predict_windows"]

Floats = npt.NDArray[np.float64]
LAYOUT = "layout.json"


@dataclass(frozen=True)
class ForecastModel:
    """A trained network with all that is needed to use it.

    Attributes:
        network: in evaluation mode.
        layout: columns and scales.
        config: how it was trained; its lookback is filled in.
        learned_until: last step of each series that anything was learned from, as text.
    """

    network: ForecastTask
    layout: Layout
    config: ForecastConfig
    learned_until: dict[str, str]

    def learned_steps(self, one: Series) -> int:
        """Return how many of the first steps of a series anything was learned from."""
        until = self.learned_until.get(one.name)
        ends = range(len(one.ds), 0, -1)  # it is near the end as a rule
        return next((end for end in ends if str(one.ds[end - 1]) == until), 0) if until else 0

    def scaled(self, one: Series) -> Floats:
        """Return the values of a series (n,) on the model's scale."""
        scaler = self.layout.scalers[one.name]
        return scaler.apply(one.values, f"Series {one.name}").astype(np.float64)

    def spread(self, scaled: Floats, origin: int) -> float:
        """Return the mean absolute change a step over the lookback before ``origin``.

        Args:
            scaled: (n,) values of a series, see :meth:`scaled`.
            origin: first step that is not known.
        """
        changes = np.abs(np.diff(scaled[:origin]))
        return max(
            float(changes[-self.config.lookback :].mean()), 0.1 * float(changes.mean()), 1e-6
        )

    def predict(
        self,
        series: Sequence[Series],
        origins: Sequence[Sequence[int]],
        ahead: Mapping[str, Series] | None = None,
    ) -> dict[str, Floats]:
        """Return the scaled forecasts (W, h, Q) of each series from each of its origins.

        Quantiles rise: each is an output of its own, and sorting undoes crossings (Chernozhukov,
        Fernandez-Val & Galichon 2010).

        Args:
            series: history; beyond an origin nothing of it is read but columns known ahead.
            origins: of each series, the steps first predicted; its length for what comes next.
            ahead: by series, rows with the columns known ahead of ``h`` steps after its end.

        Raises:
            DataError: a series was not there in training, or its columns do not fit.
        """
        h = self.config.h
        pairs = zip(series, origins, strict=True)
        reaches_out = any(max(starts) + h > len(one) for one, starts in pairs)
        panels = self.layout.panels(series, ahead, h if reaches_out else 0)
        starts = origins[: len(panels)]  # joint series are the channels of one panel
        rows = [[number, at] for number, part in enumerate(starts) for at in part]
        _, values = predict_windows(self.network, panels, np.array(rows, np.int64))
        parts = np.split(np.sort(values, axis=-1), np.cumsum([len(part) for part in starts])[:-1])
        if self.layout.joint:
            return {name: parts[0][:, :, at] for at, name in enumerate(self.layout.names)}
        return {one.name: part[:, :, 0] for one, part in zip(series, parts, strict=True)}

    def save(
        self,
        folder: Path,
        extra: Mapping[str, Any] | None = None,
        also: Callable[[Path], None] | None = None,
    ) -> None:
        """Write the model folder.

        Args:
            folder: its path.
            extra: more sections of its ``config.yaml``.
            also: writes more files to it.
        """
        content = {"task": "forecast", "network": as_dict(self.network.config), **(extra or {})}
        layout = {"layout": self.layout.as_dict(), "learned_until": self.learned_until}

        def write(target: Path) -> None:
            atomic_write_text(target / "config.yaml", yaml_text(content))
            atomic_write_text(target / "training.yaml", config_yaml(self.config))
            atomic_write_text(target / LAYOUT, json.dumps(layout, indent=1) + "\n")
            save_weights(target, self.network.state_dict())
            if also is not None:
                also(target)

        write_bundle(folder, write)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> ForecastModel:
        """Return the forecaster in a model folder.

        Raises:
            ModelError: the folder is no forecaster, or is damaged.
        """
        bundle = open_model(folder, task="forecast")
        where = str(bundle.path)
        network = ForecastTask(
            build_config(ForecastTaskConfig, bundle.config["network"], where=where)
        )
        load_weights(network, bundle.weights(), bundle.path)
        training = read_yaml(bundle.file("training.yaml"))
        content = json.loads(bundle.file(LAYOUT).read_text(encoding="utf-8"))
        return cls(
            network=network.eval(),
            layout=Layout.from_dict(content["layout"]),
            config=build_config(ForecastConfig, training, where=where),
            learned_until=content["learned_until"],
        )


@torch.inference_mode()
def predict_windows(
    network: ForecastTask, panels: Sequence[Panel], windows: Windows, batch_size: int = 512
) -> tuple[Floats, Floats]:
    """Return truth (W, h, C) and forecasts (W, h, C, Q) of windows, both scaled.

    Where a window reaches beyond its panel, the truth is NaN.
    """
    config = network.config
    network.eval()
    device = next(network.parameters()).device
    loader = WindowLoader(panels, windows, config.lookback, config.h, batch_size=batch_size)
    truths, forecasts = [], []
    for position in range(loader.num_batches(0)):
        batch = loader.load(0, position)
        truths.append(batch.truth.numpy())
        forecasts.append(network(batch.to(device)).cpu().numpy())
    return np.concatenate(truths).astype(np.float64), np.concatenate(forecasts).astype(np.float64)
