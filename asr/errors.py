"""Errors for users: they name what was given, what was needed, and the remedy."""

from __future__ import annotations

import importlib
from types import ModuleType


class AsrError(Exception):
    """Base of every error that a user can fix.

    Args:
        message: what was given and what was needed, in one sentence that names the file, key or
            value.
        remedy: what to do about it, in one sentence; printed after the message.
    """

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message

    def __reduce__(self) -> tuple[type[AsrError], tuple[str, str | None]]:
        # pickled by its arguments, so that it comes back whole from a worker process
        return type(self), (self.message, self.remedy)


class ConfigError(AsrError, ValueError):
    """A configuration file, a ``key=value`` override or an argument is wrong."""


class AudioError(AsrError):
    """Audio is missing, empty, damaged or of a kind that cannot be read."""


class DataError(AsrError, ValueError):
    """A corpus, manifest, transcript or table is missing or inconsistent."""


class OutputError(AsrError):
    """A file cannot be written: the disk is full, the place read-only, the name too long."""


class TokenError(AsrError):
    """A text and a tokenizer do not fit, or a tokenizer cannot be read."""


class LanguageModelError(AsrError):
    """An n-gram model is missing, malformed or does not fit."""


class DecodingError(AsrError, ValueError):
    """Log-probabilities, tokens or decoder settings cannot be used."""


class ScoringError(AsrError):
    """References and hypotheses cannot be compared."""


class ModelError(AsrError):
    """A model folder or checkpoint is missing, damaged or of another kind."""


class NotFittedError(ModelError, ValueError, AttributeError):
    """An estimator is used before ``fit`` or ``load``.

    Its bases are those of ``sklearn.exceptions.NotFittedError``; see
    :func:`asr.training.estimator.not_fitted`.
    """

    def __reduce__(self) -> tuple[type[AsrError], tuple[str, str | None]]:
        return NotFittedError, (self.message, self.remedy)  # its subclasses are made at run time


class TrainingError(AsrError):
    """Training cannot start or has to stop."""


class MissingDependencyError(AsrError):
    """An optional package is not installed."""


def require(package: str, extra: str) -> ModuleType:
    """Import an optional package, or say which line installs it.

    Args:
        package: module name as in ``import package``.
        extra: the extra of this project that brings it, such as ``train``.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".")[0]:
            raise  # the package is there, but not one that it needs: the original message is best
        raise MissingDependencyError(
            f"This needs the package {package}, which is not installed.",
            f"Install it: pip install 'asr[{extra}]'",
        ) from None
