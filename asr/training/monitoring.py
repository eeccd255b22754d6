"""The log of a run: curves, gradient norms by layer, and pictures, for TensorBoard and as text."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from matplotlib.figure import Figure

    from asr.training.experiment import Experiment
    from asr.training.position import Position

__all__ = ["LOWEST_HEALTHY", "GradientMonitor", "RunLog", "add_figure", "layer_name"]

EVERY = 25  # steps between records: the norm of every matrix costs little, but not nothing
MOST = 400  # records kept; then every other one is dropped
LOWEST_HEALTHY = 1e-3  # below this a layer hardly learns: a thousandth of a loss of about 1 a label
HIGHEST_HEALTHY = 10.0  # where no clipping says what is too much
BETWEEN_PICTURES_S = 60.0  # a short training shall not wait for pictures of its gradients alone


def layer_name(parameter: str) -> str:
    """Return the layer of a parameter: its name up to the first number, or without its last part.

    Example:
        >>> layer_name("network.encoder.layers.3.forward_cell.weight_ih_l0")
        'network.encoder.layers.3'
        >>> layer_name("network.output.weight")
        'network.output'
    """
    numbered = re.match(r"(.*?\.\d+)\.", parameter)
    return numbered[1] if numbered else parameter.rpartition(".")[0] or parameter


class GradientMonitor:
    """Records the norm of each layer's gradient (its matrices), before clipping.

    The healthy band reaches from :data:`LOWEST_HEALTHY` to the norm at which gradients are clipped:
    a layer above it spends every step clipped, one below it hardly learns (Pascanu et al. 2013, on
    vanishing and exploding gradients).

    Args:
        module: whose parameters are watched.
        clip_norm: largest norm of the whole gradient, 0 for no limit.
    """

    def __init__(self, module: nn.Module, clip_norm: float = 0.0) -> None:
        self.band = (LOWEST_HEALTHY, clip_norm or HIGHEST_HEALTHY)
        self.layers: dict[str, list[nn.Parameter]] = {}
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and parameter.dim() > 1:
                self.layers.setdefault(layer_name(name), []).append(parameter)
        self.every, self.steps = EVERY, list[int]()
        self.norms: dict[str, list[float]] = {name: [] for name in self.layers}

    def is_due(self, step: int) -> bool:
        """Return whether the gradient of this step is recorded."""
        return step % self.every == 0

    def record(self, step: int) -> dict[str, float]:
        """Record the norm of each layer's present gradient, and return the norms."""
        norms = torch.stack([_norm(parameters) for parameters in self.layers.values()]).tolist()
        self.steps.append(step)
        for name, norm in zip(self.layers, norms, strict=True):
            self.norms[name].append(norm)
        if len(self.steps) > MOST:
            self.every *= 2
            self.steps = self.steps[::2]
            self.norms = {name: values[::2] for name, values in self.norms.items()}
        return dict(zip(self.layers, norms, strict=True))

    def draw(self) -> Figure:
        """Return a picture of the norms over the steps, the healthy band shaded."""
        from asr.plots import curves

        figure = curves(
            {name: (self.steps, values) for name, values in self.norms.items()},
            ylabel="gradient norm",
            log=True,
        )
        axes = figure.axes[0]
        axes.axhspan(*self.band, color="#3c9a5f", alpha=0.12, linewidth=0)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=6)
        figure.set_size_inches(8, 3.4)
        return figure


class RunLog:
    """Writes ``log/`` in the run folder: TensorBoard's events, and the curves as JSON lines.

    Args:
        fabric: its logger gets the curves; the first rank alone writes.
        logger: TensorBoard's, which gets the pictures.
        run_dir: the run folder.
        pictures_every: epochs between pictures (0: none, and no gradient norms either).
    """

    def __init__(self, fabric: Fabric, logger: Any, run_dir: Path, pictures_every: int) -> None:
        self.fabric, self.logger, self.run_dir = fabric, logger, run_dir
        self.pictures_every = pictures_every if fabric.is_global_zero else 0
        self.drawn_at = time.monotonic()

    def watch(self, module: nn.Module, clip_norm: float) -> None:
        """Take the network whose gradients are recorded; see :class:`GradientMonitor`."""
        self.gradients = GradientMonitor(module, clip_norm)

    def write(self, figures: dict[str, float], position: Position) -> None:
        """Add a point to each curve."""
        self.fabric.log_dict(figures, step=position.step)
        if self.fabric.is_global_zero:  # the same as text, for people and for reports
            row = {"step": position.step, "epoch": position.epoch, **figures}
            with (self.run_dir / "log" / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def record_gradients(self, position: Position) -> None:
        """Record the norms of the present gradients by layer, now and then."""
        if self.pictures_every and self.gradients.is_due(position.step):
            norms = self.gradients.record(position.step)
            curves = {f"gradients/{name}": norm for name, norm in norms.items()}
            self.fabric.log_dict(curves, step=position.step)

    def draw(self, experiment: Experiment, position: Position) -> None:
        """Show the experiment's pictures and the gradient norms after some of the epochs."""
        every, epoch = self.pictures_every, position.epoch + 1
        if not every or not (epoch == 1 or epoch % every == 0):
            return
        with torch.inference_mode():
            figures = experiment.pictures(experiment.task) if experiment.pictures else {}
        if not figures and time.monotonic() - self.drawn_at < BETWEEN_PICTURES_S:
            return
        self.drawn_at = time.monotonic()
        if len(self.gradients.steps) > 1:
            figures["gradient norms"] = self.gradients.draw()
        for name, figure in figures.items():
            add_figure(self.logger.experiment, name, figure, position.step)


def _norm(parameters: list[nn.Parameter]) -> Tensor:
    gradients = [p.grad for p in parameters if p.grad is not None]
    return nn.utils.get_total_norm(gradients).detach().cpu() if gradients else torch.zeros(())


def add_figure(writer: Any, name: str, figure: Figure, step: int) -> None:
    """Show a figure in TensorBoard; ``writer`` is a ``SummaryWriter``."""
    from matplotlib.image import imread

    from asr.plots import to_png

    writer.add_image(name, imread(io.BytesIO(to_png(figure, dpi=90))), step, dataformats="HWC")
