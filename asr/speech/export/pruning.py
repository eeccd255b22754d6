"""Pruning of a trained network: single weights are set to zero, or whole hidden units removed.

Both write an ordinary speech model folder. Fine-tuning from there with ``init_from`` (and
``keep_zeros`` for single weights) recovers most of the accuracy (Han et al. 2015, "Learning both
Weights and Connections for Efficient Neural Networks").

Legend: H hidden units of a direction.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from asr.config import as_dict, build_config, check_range, yaml_text
from asr.errors import ConfigError, ModelError
from asr.files import atomic_write_text
from asr.model_folder import (
    CONFIG,
    WEIGHTS,
    Bundle,
    check_apart,
    open_model,
    save_weights,
    write_bundle,
)
from asr.speech.acoustics.protocol import ONNX_FILE, STREAM_FILE

if TYPE_CHECKING:
    from torch import Tensor

    from asr.speech.acoustics.network import CtcTaskConfig

__all__ = ["PruningReport", "prune_units", "prune_weights"]

# Files of a model folder that are not copied; an exported network would be the unpruned one.
LEFT_OUT = {WEIGHTS, ONNX_FILE, STREAM_FILE, CONFIG, "bundle.json"}
GATES = {"lstm": 4, "gru": 3}  # blocks of H rows in each weight of a cell
DIRECTIONS = ("forward_cell", "backward_cell")
STACK = "network.encoder"

Weights = dict[str, "Tensor"]


@dataclass(frozen=True)
class PruningReport:
    """Size of a pruned network.

    Attributes:
        folder: the new model folder.
        parameters: weights that it stores.
        nonzero: those of them that are not zero.
        source_parameters: weights of the unpruned network.
        hidden_dim: H.
    """

    folder: Path
    parameters: int
    nonzero: int
    source_parameters: int
    hidden_dim: int


def prune_weights(model: str | Path | Bundle, output: str | Path, sparsity: float) -> PruningReport:
    """Set the smallest weights of a speech model to zero, and write it as a model folder.

    All matrices and convolution kernels are ranked together. A weight counts relative to the root
    mean square of its matrix, so that no layer is emptied because its weights are small. The file
    stays as large, but can be compressed further.

    Args:
        model: trained model folder.
        output: the new one.
        sparsity: share of the weights to set to zero, 0 to 0.99.

    Raises:
        ConfigError: an impossible share, or ``output`` is the model itself.
        ModelError: no trained speech model there.
    """
    import torch

    from asr.sequence.sparsity import is_pruned_weight

    check_range("sparsity", sparsity, 0, 0.99)
    bundle, weights = _open(model, output)
    names = [n for n, w in weights.items() if n.startswith("network.") and is_pruned_weight(n, w)]
    sizes = {
        name: weights[name].abs() / weights[name].square().mean().sqrt().clamp(min=1e-12)
        for name in names
    }
    ranked = torch.cat([size.flatten() for size in sizes.values()])
    count = round(sparsity * len(ranked))
    if count:
        limit = ranked.kthvalue(count).values
        weights |= {name: weights[name].masked_fill(sizes[name] <= limit, 0.0) for name in names}
    return _write(bundle, weights, _config(bundle), output)


def prune_units(model: str | Path | Bundle, output: str | Path, hidden_dim: int) -> PruningReport:
    """Keep the strongest ``hidden_dim`` units of every recurrent layer and direction, and write a
    model folder.

    The new network computes what the old one would if the other units gave zero. With a unit go its
    rows of all gates, its column of the recurrent weights, and its column of the projection. A
    network without projection gets one that puts the remaining units at their old places of the
    residual stream; fine-tuning then improves it. The strength of a unit is the norm of all these
    weights (the groups of Wen et al. 2018, "Learning Intrinsic Sparse Structures within Long
    Short-Term Memory", section 3).

    Args:
        model: trained model folder with LSTM or GRU layers.
        output: the new one.
        hidden_dim: H, below the old.

    Raises:
        ConfigError: as many units as before, or none, or ``output`` is the model itself.
        ModelError: no such model there.
    """
    bundle, weights = _open(model, output)
    config = _config(bundle)
    if config.model.cell not in GATES:
        raise ModelError(
            f"Units of the cell {config.model.cell} cannot be taken out.", "Use lstm or gru."
        )
    if not 1 <= hidden_dim < config.model.hidden_dim:
        raise ConfigError(
            f"hidden_dim is {hidden_dim}, the model has {config.model.hidden_dim} a direction.",
            f"Give a number from 1 to {config.model.hidden_dim - 1}.",
        )
    for layer in range(config.model.num_layers):
        _shrink_layer(weights, layer, config, hidden_dim)
    width = config.model.projection_dim or _width(config)
    smaller = replace(
        config, model=replace(config.model, hidden_dim=hidden_dim, projection_dim=width)
    )
    return _write(bundle, weights, smaller, output)


def _width(config: CtcTaskConfig) -> int:
    """Outputs of a recurrent layer without projection."""
    return config.model.hidden_dim * (2 if config.model.bidirectional else 1)


def _shrink_layer(weights: Weights, layer: int, config: CtcTaskConfig, hidden_dim: int) -> None:
    """Replace the tensors of one layer by those of its strongest units."""
    import torch

    old, projection = config.model.hidden_dim, f"{STACK}.projections.{layer}"
    if f"{projection}.weight" not in weights:  # each unit at its place in the residual stream
        weights[f"{projection}.weight"] = torch.eye(_width(config))
        weights[f"{projection}.bias"] = torch.zeros(_width(config))
    kept = []  # outputs of both directions
    for number, direction in enumerate(DIRECTIONS[: 2 if config.model.bidirectional else 1]):
        prefix = f"{STACK}.layers.{layer}.{direction}"
        columns = weights[f"{projection}.weight"][:, number * old : (number + 1) * old]
        units = _strongest(weights, prefix, columns, GATES[config.model.cell], hidden_dim)
        rows = torch.cat([units + gate * old for gate in range(GATES[config.model.cell])])
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            weights[f"{prefix}.{name}"] = weights[f"{prefix}.{name}"][rows]
        weights[f"{prefix}.weight_hh_l0"] = weights[f"{prefix}.weight_hh_l0"][:, units]
        kept.append(units + number * old)
    weights[f"{projection}.weight"] = weights[f"{projection}.weight"][:, torch.cat(kept)]


def _strongest(weights: Weights, prefix: str, outgoing: Tensor, gates: int, count: int) -> Tensor:
    """Numbers of the units whose weights have the greatest norm, in order."""
    strength = outgoing.square().sum(0) + weights[f"{prefix}.weight_hh_l0"].square().sum(0)
    for name in ("weight_ih_l0", "weight_hh_l0"):
        strength = strength + weights[f"{prefix}.{name}"].square().sum(1).view(gates, -1).sum(0)
    return strength.topk(count).indices.sort().values


def _open(model: str | Path | Bundle, output: str | Path) -> tuple[Bundle, Weights]:
    bundle = open_model(model, task="ctc")
    check_apart(bundle, output)
    if WEIGHTS not in bundle.files:
        raise ModelError(
            f"{bundle.path} is an exported model.", "Prune the trained one, then export."
        )
    return bundle, {
        name: w.float() if w.is_floating_point() else w for name, w in bundle.weights().items()
    }


def _config(bundle: Bundle) -> CtcTaskConfig:
    from asr.speech.acoustics.network import CtcTaskConfig

    return build_config(CtcTaskConfig, bundle.config["network"], where=str(bundle.path / CONFIG))


def _write(
    bundle: Bundle, weights: Weights, config: CtcTaskConfig, output: str | Path
) -> PruningReport:
    def write(folder: Path) -> None:
        for name in set(bundle.files) - LEFT_OUT:
            shutil.copyfile(bundle.path / name, folder / name)
        save_weights(folder, weights)
        kept = {key: value for key, value in bundle.config.items() if key != "export"}
        atomic_write_text(folder / CONFIG, yaml_text({**kept, "network": as_dict(config)}))

    folder = write_bundle(output, write)
    return PruningReport(
        folder=folder,
        parameters=_count(weights, lambda w: w.numel()),
        nonzero=_count(weights, lambda w: int((w != 0).sum())),
        source_parameters=_count(bundle.weights(), lambda w: w.numel()),
        hidden_dim=config.model.hidden_dim,
    )


def _count(weights: Weights, of: Callable[[Tensor], int]) -> int:
    return sum(of(weight) for name, weight in weights.items() if name.startswith("network."))
