"""A trained model folder as the teacher of another model; see :mod:`asr.tasks.distill`."""

from __future__ import annotations

from collections.abc import Sequence

from asr.bundle import open_bundle
from asr.config import build_config
from asr.errors import ConfigError, ModelError
from asr.tasks.base import first_difference
from asr.tasks.ctc import CtcTask, CtcTaskConfig
from asr.text.tokenizers import load_tokenizer

__all__ = ["load_teacher"]


def load_teacher(folder: str, tokens: Sequence[str]) -> CtcTask:
    """Return the model of a folder, to teach one that has these tokens.

    Raises:
        ModelError: no trained speech model there. ConfigError: its tokens are others.
    """
    bundle = open_bundle(folder, task="ctc")
    if load_tokenizer(bundle.path).tokens != list(tokens):
        raise ConfigError(
            f"The teacher {folder} has other tokens than the student.", "Leave out init_from, or take one with these."
        )
    config = build_config(CtcTaskConfig, bundle.config["network"], where=str(bundle.path / "config.yaml"))
    task, weights = CtcTask(config, len(tokens)), bundle.weights()
    if difference := first_difference(task.state_dict(), weights):
        raise ModelError(f"The weights in {bundle.path} do not fit its configuration: {difference}.", "Copy it again.")
    task.load_state_dict(weights)
    return task
