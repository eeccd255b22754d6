"""What estimators have in common: settings by name, as scikit-learn has them, and the settings of a
training.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any, TypeVar

from asr.errors import ConfigError

__all__ = ["Estimator", "with_training"]

Self = TypeVar("Self", bound="Estimator")  # typing's own comes with Python 3.11
Config = TypeVar("Config")


class Estimator:
    """Base of estimators whose constructor's arguments are attributes of the same names."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name, as scikit-learn's ``clone`` asks for them."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self: Self, **settings: Any) -> Self:
        """Change settings.

        Raises:
            ConfigError: a setting is unknown.
        """
        known = self.get_params()
        for name, value in settings.items():
            if name not in known:
                raise ConfigError(
                    f"{type(self).__name__} has no setting {name}.", f"Known: {', '.join(known)}."
                )
            setattr(self, name, value)
        return self


def with_training(
    config: Config, random_state: int | None, time_limit_s: float | None, max_epochs: int | None
) -> Config:
    """Return the configuration of a training (any with ``seed`` and ``trainer``) with what was
    given in its place.
    """
    settings: Any = config
    given = {"time_limit_s": time_limit_s, "max_epochs": max_epochs}
    trainer = replace(
        settings.trainer, **{name: value for name, value in given.items() if value is not None}
    )
    seed = settings.seed if random_state is None else random_state
    changed: Config = replace(settings, seed=seed, trainer=trainer)
    return changed
