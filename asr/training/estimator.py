"""Base class of the seven estimators: scikit-learn's protocol, without importing scikit-learn."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from asr.config import build_config
from asr.errors import ConfigError, NotFittedError

__all__ = ["Estimator", "config_from", "not_fitted", "seed_from"]

Self = TypeVar("Self", bound="Estimator[Any]")  # typing's own comes with Python 3.11
Model = TypeVar("Model")
Config = TypeVar("Config")


class Estimator(Generic[Model]):
    """Base of the estimators; ``Model`` is what ``fit`` learns and keeps in ``model_``.

    The contract is scikit-learn's ("Developing scikit-learn estimators"): the constructor stores
    its arguments unchanged, each in an attribute of its own name, and checks nothing; ``fit``
    checks them, leaves what it learned in attributes whose names end with an underscore, and
    returns the estimator. ``predict`` and ``score`` raise :class:`asr.errors.NotFittedError` before
    ``fit``.

    Attributes:
        learning_rate: peak learning rate; None: the configuration's.
        validation_share: share of the training data, 0 to 1, set aside to choose the best epoch.
        max_epochs: passes over the training data; None: the configuration's.
        random_state: seed of weights, split, batches and dropout; see :func:`seed_from`.
        time_limit_s: seconds that training may take; None: no limit.
        run_dir: folder for curves, checkpoints and model; None: a temporary one.
        model_: what was learned, after ``fit`` or ``load``.
    """

    # scikit-learn's word for the kind: "classifier", "regressor", "outlier_detector", ...
    _estimator_type: ClassVar[str | None] = None
    # whether X may be a plain 2-D array of numbers; else frames, texts or lists of words
    _takes_arrays: ClassVar[bool] = False

    learning_rate: float | None
    validation_share: float
    max_epochs: int | None
    random_state: int | np.random.RandomState | np.random.Generator | None
    time_limit_s: float | None
    run_dir: str | Path | None
    model_: Model

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name, as scikit-learn's ``clone`` asks for them."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self: Self, **params: Any) -> Self:
        """Change arguments of the constructor; return the estimator.

        Raises:
            ConfigError: an argument is unknown.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ConfigError(
                    f"{type(self).__name__} has no argument {name}.", f"Known: {', '.join(known)}."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """The class and the arguments that differ from their defaults."""
        parameters = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, parameter in parameters.items()
            if repr(getattr(self, name)) != repr(parameter.default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    # ----------------------------------------------------------------------------------------------
    # asked by scikit-learn

    def __sklearn_is_fitted__(self) -> bool:
        """Whether ``fit`` or ``load`` was called."""
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn's tools may expect of this estimator; they alone call it."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        kind = self._estimator_type
        return Tags(
            estimator_type=kind,
            target_tags=TargetTags(required=kind == "classifier"),
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
            input_tags=InputTags(
                two_d_array=self._takes_arrays,
                three_d_array=self._takes_arrays,
                string=not self._takes_arrays,
            ),
        )

    # ----------------------------------------------------------------------------------------------
    # for subclasses

    def _fitted(self) -> Model:
        """Return ``model_``.

        Raises:
            NotFittedError: neither ``fit`` nor ``load`` was called.
        """
        if not self.__sklearn_is_fitted__():
            raise not_fitted(type(self).__name__)
        return self.model_

    def _configured(self, config: Config) -> Config:
        """Return a task's configuration with the estimator's own arguments in it.

        Args:
            config: any with ``seed``, ``optimizer`` and ``trainer``; not changed.

        Raises:
            ConfigError: an argument is out of range.
        """
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise ConfigError(
                f"time_limit_s is {self.time_limit_s}, but must be positive.",
                "Give seconds, or None.",
            )
        if not 0 <= self.validation_share < 1:
            raise ConfigError(
                f"validation_share is {self.validation_share}, but must be at least 0 and below 1.",
                "0.1 sets a tenth of the training data aside.",
            )
        settings: Any = config
        trainer = {"max_epochs": self.max_epochs, "time_limit_s": self.time_limit_s}
        changed: Config = dataclasses.replace(
            settings,
            seed=seed_from(self.random_state),
            optimizer=_with(settings.optimizer, {"lr": self.learning_rate}),
            trainer=_with(settings.trainer, trainer),
        )
        return changed

    @contextlib.contextmanager
    def _run_folder(self) -> Iterator[Path]:
        """Provide the folder that training writes to: ``run_dir``, or a temporary one."""
        if self.run_dir is not None:
            yield Path(self.run_dir)
            return
        with tempfile.TemporaryDirectory(prefix="asr-fit-") as folder:
            yield Path(folder)


def config_from(
    schema: type[Config], config: Config | Mapping[str, Any] | None, where: str
) -> Config:
    """Return the argument ``config`` of an estimator as the dataclass ``schema``.

    Args:
        schema: configuration class of the task.
        config: an instance, a nested mapping with some of its keys, or None for its defaults.
        where: name of the estimator, for errors.

    Raises:
        ConfigError: an unknown key or a wrong value.
    """
    if isinstance(config, schema):
        return config
    if config is not None and not isinstance(config, Mapping):
        raise ConfigError(
            f"{where}: config is a {type(config).__name__}.",
            f"Give a {schema.__name__}, or a mapping of its keys.",
        )
    return build_config(schema, dict(config or {}), where=where)


def seed_from(random_state: int | np.random.RandomState | np.random.Generator | None) -> int:
    """Return the seed that scikit-learn's ``random_state`` stands for.

    Args:
        random_state: the seed itself; a numpy generator to draw it from; or None for numpy's
            global generator.

    Raises:
        ConfigError: it is something else, or negative.
    """
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(1 << 31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(1 << 31))
    if random_state is None:
        return int(np.random.randint(1 << 31))
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        return int(random_state)
    raise ConfigError(
        f"random_state is {random_state!r}.",
        "Give a whole number from 0, a numpy generator or None.",
    )


def not_fitted(name: str) -> NotFittedError:
    """Return the error of an estimator that is used before ``fit``.

    Where scikit-learn is loaded, the error is also its ``sklearn.exceptions.NotFittedError``, so
    that its tools recognise it. Python looks at real base classes in ``except``: hence a class that
    has both.
    """
    message, remedy = f"This {name} is not fitted.", f"Call fit, or {name}.load(FOLDER)."
    exceptions = sys.modules.get("sklearn.exceptions")
    if exceptions is None:
        return NotFittedError(message, remedy)
    both = type("NotFittedError", (NotFittedError, exceptions.NotFittedError), {})
    error: NotFittedError = both(message, remedy)
    return error


def _with(section: Any, values: Mapping[str, Any]) -> Any:
    """Return a section of a configuration with those of ``values`` that are not None."""
    given = {name: value for name, value in values.items() if value is not None}
    return dataclasses.replace(section, **given)
