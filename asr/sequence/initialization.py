"""Weight initialisations of recurrent layers, by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

__all__ = ["INITIALIZATIONS", "initialize"]


def _xavier(weight: Tensor) -> None:
    nn.init.xavier_uniform_(weight)


def _kaiming(weight: Tensor) -> None:
    nn.init.kaiming_uniform_(weight, nonlinearity="linear")  # gates are not ReLUs: gain 1


def _orthogonal(weight: Tensor) -> None:
    nn.init.orthogonal_(weight)


_RULES: dict[str, Callable[[Tensor], None]] = {
    "xavier": _xavier,
    "kaiming": _kaiming,
    "orthogonal": _orthogonal,
}
INITIALIZATIONS = ("default", *_RULES)


def initialize(module: nn.Module, name: str) -> None:
    """Initialise the weight matrices of all recurrent cells in ``module``; biases do not change.

    The matrix of each gate is initialised separately.

    Args:
        module: contains cells whose weights have torch's names (``weight_ih_l0``,
            ``weight_hh_l0``).
        name: ``xavier`` (Glorot & Bengio 2010, uniform), ``kaiming`` (He et al. 2015, uniform in
            +-sqrt(3 / inputs)), ``orthogonal`` (Saxe et al. 2014), or ``default``: no change; cells
            start with orthogonal recurrent and Xavier input weights.

    Raises:
        ValueError: there is no such name.
    """
    if name not in INITIALIZATIONS:
        raise ValueError(f"unknown initialisation {name!r}; known: {', '.join(INITIALIZATIONS)}")
    if name == "default":
        return
    for cell in module.modules():
        for parameter_name, parameter in cell.named_parameters(recurse=False):
            if parameter_name.startswith(("weight_ih", "weight_hh")):
                for gate in parameter.data.chunk(len(parameter) // int(str(cell.hidden_size))):
                    _RULES[name](gate)
