"""Search spaces such as ``optimizer.lr=log:1e-4:1e-2``, on the command line or in a YAML file.

float:LOW:HIGH[:STEP]   log:LOW:HIGH   int:LOW:HIGH[:STEP]   logint:LOW:HIGH   choice:A,B,C
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.config import read_yaml
from asr.errors import ConfigError

if TYPE_CHECKING:
    from optuna.trial import Trial

__all__ = ["Choices", "Dimension", "Range", "parse_space", "read_space"]

KINDS = ("float", "log", "int", "logint", "choice")
EXAMPLE = (
    "Examples: optimizer.lr=log:1e-4:1e-2, model.dropout=float:0:0.4, "
    "model.num_layers=choice:3,4,5."
)


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included.

    Attributes:
        low: the lowest.
        high: the highest.
        log: drawn uniformly on a logarithmic scale.
        integer: whole numbers alone.
        step: distance between values (None: any value).
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None

    def suggest(self, trial: Trial, key: str) -> int | float:
        """Return a value for a trial."""
        if self.integer:
            return trial.suggest_int(
                key, int(self.low), int(self.high), log=self.log, step=int(self.step or 1)
            )
        return trial.suggest_float(key, self.low, self.high, log=self.log, step=self.step)

    def inside(self, value: Any) -> Any:
        """Return a configuration's value as a trial holds it, or None where it lies outside."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        if not self.low <= value <= self.high:
            return None
        steps = (value - self.low) / (self.step or 1)
        if self.step and not math.isclose(steps, round(steps)):
            return None
        if self.integer:
            return int(value) if value == int(value) else None
        return float(value)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values to try the configuration with."""
        return (int(self.low), int(self.high)) if self.integer else (self.low, self.high)


@dataclass(frozen=True)
class Choices:
    """A list of values.

    Attributes:
        values: as YAML texts.
    """

    values: tuple[str, ...]

    def suggest(self, trial: Trial, key: str) -> str:
        """Return a value for a trial."""
        return str(trial.suggest_categorical(key, list(self.values)))

    def inside(self, value: Any) -> Any:
        """Return a configuration's value as a trial holds it, or None where it is no choice."""
        return next((text for text in self.values if _yaml(text) == value), None)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values to try the configuration with."""
        return self.values


Dimension = Range | Choices


def _yaml(text: str) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.from_dotlist([f"value={text}"])["value"]


def parse_space(arguments: Sequence[str]) -> tuple[dict[str, Dimension], list[str]]:
    """Return the dimensions among ``key=...`` arguments, and the others: plain overrides.

    Raises:
        ConfigError: a range is malformed, or a key comes twice.

    Example:
        >>> parse_space(["optimizer.lr=log:1e-4:1e-2", "seed=3"])
        ({'optimizer.lr': Range(low=0.0001, high=0.01, log=True, integer=False, step=None)},
        ['seed=3'])
    """
    space: dict[str, Dimension] = {}
    fixed = []
    for argument in arguments:
        key, _, text = argument.partition("=")
        if text.partition(":")[0] not in KINDS or ":" not in text:
            fixed.append(argument)
            continue
        if key in space:
            raise ConfigError(f"{key} is searched twice.", "Give one range a key.")
        space[key] = _dimension(key, text)
    return space, fixed


def read_space(path: str | Path) -> dict[str, Dimension]:
    """Return the dimensions in a YAML file: ``key: log:1e-4:1e-2``, or ``key: [a, b]`` for choices.

    Raises:
        ConfigError: the file is missing or malformed.
    """
    return {
        key: _from_yaml(f"{path}: {key}", value) for key, value in _flat(read_yaml(path)).items()
    }


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with the keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _from_yaml(where: str, value: Any) -> Dimension:
    if isinstance(value, list):
        if nested := [v for v in value if isinstance(v, (list, dict))]:
            raise ConfigError(
                f"{where}: the choice {nested[0]!r} is not a single value.",
                "Choose among plain values.",
            )
        return _choices(where, [_text(v) for v in value])
    if not isinstance(value, str) or ":" not in value:
        raise ConfigError(f"{where} is {value!r}, which is not a range.", EXAMPLE)
    return _dimension(where, value)


def _text(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _dimension(key: str, text: str) -> Dimension:
    kind, _, rest = text.partition(":")
    if kind == "choice":
        return _choices(key, [part.strip() for part in rest.split(",") if part.strip()])
    try:
        low, high, *step = (float(part) for part in rest.split(":"))
    except ValueError:
        raise ConfigError(f"{key}={text}: {rest!r} is not LOW:HIGH.", EXAMPLE) from None
    if kind not in KINDS:
        raise ConfigError(f"{key}={text}: {kind} is unknown ({', '.join(KINDS)}).", EXAMPLE)
    integer, log = kind in ("int", "logint"), kind in ("log", "logint")
    if reason := _fault(low, high, step, integer, log):
        raise ConfigError(f"{key}={text}: {reason}.", EXAMPLE)
    return Range(low, high, log, integer, step[0] if step else None)


def _fault(low: float, high: float, step: list[float], integer: bool, log: bool) -> str | None:
    """Return what is wrong with a range, or None."""
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return f"{low:g} must be below {high:g}"
    if log and low <= 0:
        return "a logarithmic range begins above 0"
    if len(step) > 1 or (step and (log or step[0] <= 0)):
        return "at most one STEP, above 0, and none for logarithmic ranges"
    if integer and any(number != int(number) for number in (low, high, *step)):
        return "these must be whole numbers"
    return None


def _choices(key: str, values: Sequence[str]) -> Choices:
    if len(set(values)) < 2 or len(set(values)) < len(values):
        raise ConfigError(
            f"{key} has the choices {', '.join(values)}.", "Give two or more, all different."
        )
    return Choices(tuple(values))
