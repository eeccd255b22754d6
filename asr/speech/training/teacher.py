"""A trained model folder as a teacher, see :mod:`asr.speech.training.distillation`."""

from __future__ import annotations

from collections.abc import Sequence

from asr.errors import ConfigError
from asr.model_folder import Bundle
from asr.speech.acoustics.network import CtcTask
from asr.speech.acoustics.pytorch import load_task
from asr.text.tokenizers import load_tokenizer

__all__ = ["load_teacher"]


def load_teacher(bundle: Bundle, tokens: Sequence[str]) -> CtcTask:
    """Return the network of a model folder, to teach one that has these tokens.

    Raises:
        ModelError: the folder holds no weights.
        ConfigError: the tokens of that network differ from ``tokens``.
    """
    if load_tokenizer(bundle.path).tokens != list(tokens):
        raise ConfigError(
            f"The teacher {bundle.path} has other tokens than the student.",
            "Leave out init_from, or take one with these.",
        )
    return load_task(bundle, len(tokens))
