"""A trained model folder as the teacher of another model; see :mod:`asr.speech.distillation`."""

from __future__ import annotations

from collections.abc import Sequence

from asr.config import build_config
from asr.errors import ConfigError
from asr.model_folder import find_model, open_bundle
from asr.speech.network import CtcTask, CtcTaskConfig
from asr.text.tokenizers import load_tokenizer
from asr.training.task import load_weights

__all__ = ["load_teacher"]


def load_teacher(folder: str, tokens: Sequence[str]) -> CtcTask:
    """Return the model of a folder, to teach one that has these tokens.

    Raises:
        ModelError: no trained speech model there. ConfigError: its tokens are others.
    """
    bundle = open_bundle(find_model(folder), task="ctc")
    if load_tokenizer(bundle.path).tokens != list(tokens):
        raise ConfigError(
            f"The teacher {folder} has other tokens than the student.",
            "Leave out init_from, or take one with these.",
        )
    config = build_config(
        CtcTaskConfig, bundle.config["network"], where=str(bundle.path / "config.yaml")
    )
    task, weights = CtcTask(config, len(tokens)), bundle.weights()
    load_weights(task, weights, bundle.path)
    return task
