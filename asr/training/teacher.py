"""A trained model folder as the teacher of another model; see :mod:`asr.tasks.distill`."""

from __future__ import annotations

from collections.abc import Sequence

from asr.bundle import open_bundle
from asr.config import build_config
from asr.errors import ConfigError
from asr.pretrained import find_model
from asr.tasks.base import load_weights
from asr.tasks.ctc import CtcTask, CtcTaskConfig
from asr.text.tokenizers import load_tokenizer

__all__ = ["load_teacher"]


def load_teacher(folder: str, tokens: Sequence[str]) -> CtcTask:
    """Return the model of a folder, to teach one that has these tokens.

    Raises:
        ModelError: no trained speech model there. ConfigError: its tokens are others.
    """
    bundle = open_bundle(find_model(folder), task="ctc")
    if load_tokenizer(bundle.path).tokens != list(tokens):
        raise ConfigError(
            f"The teacher {folder} has other tokens than the student.", "Leave out init_from, or take one with these."
        )
    config = build_config(CtcTaskConfig, bundle.config["network"], where=str(bundle.path / "config.yaml"))
    task, weights = CtcTask(config, len(tokens)), bundle.weights()
    load_weights(task, weights, bundle.path)
    return task
