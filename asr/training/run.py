"""A configuration file names its task; this finds the training that belongs to it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from asr.config import build_config, parse_overrides, read_yaml, save_config
from asr.errors import ConfigError

__all__ = ["train"]

# task -> module, its configuration, and the function (configuration, resume) -> model folder
TASKS = {
    "anomaly": ("asr.training.anomaly", "AnomalyConfig", "train_detector"),
    "classify": ("asr.training.classify", "ClassifyConfig", "train_classifier"),
    "classify_text": ("asr.training.classify_text", "TextConfig", "train_texts"),
    "ctc": ("asr.training.speech", "SpeechConfig", "train_speech"),
    "forecast": ("asr.training.forecast", "ForecastConfig", "train_forecast"),
    "language_model": ("asr.training.language_model", "LmConfig", "train_language_model"),
    "tag": ("asr.training.tag", "TagConfig", "train_tagger"),
    "translate": ("asr.training.translate", "TranslateConfig", "train_translate"),
}


def train(config: str | Path, overrides: Sequence[str] = (), resume: bool = True) -> Path:
    """Train what a YAML file describes, and return the model folder.

    Args:
        config: path of the file; its key ``task`` decides which other keys there are. overrides: ``key=value``.
        resume: go on from the checkpoint in the output folder, if there is one.

    Raises:
        ConfigError: the file or an override is wrong. Others: see the task's own training.
    """
    content, changes = read_yaml(config), parse_overrides(overrides)
    task = str({**content, **changes}.get("task", "ctc"))
    if task not in TASKS:
        raise ConfigError(f"{config}: unknown task {task!r}.", f"Known tasks: {', '.join(TASKS)}.")
    module_name, config_name, function_name = TASKS[task]
    module = importlib.import_module(module_name)
    settings = build_config(getattr(module, config_name), content, changes, where=str(config))
    if not settings.output_dir:
        raise ConfigError(f"{config} names no output_dir.", "Give -o FOLDER.")
    save_config(settings, Path(settings.output_dir) / "config.yaml")
    return Path(getattr(module, function_name)(settings, resume))
