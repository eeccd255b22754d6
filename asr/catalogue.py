"""A configuration file names its task; this finds the training that belongs to it."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asr.config import build_config, parse_overrides, read_yaml, save_config
from asr.errors import AsrError, ConfigError

__all__ = ["config_class", "train"]

# task -> module, its configuration, and the function (configuration, resume) -> model folder
TASKS = {
    "anomaly": ("asr.series.anomalies.training", "AnomalyConfig", "train_detector"),
    "classify": ("asr.signals.training", "ClassifyConfig", "train_classifier"),
    "classify_text": ("asr.language.classification.training", "TextConfig", "train_texts"),
    "ctc": ("asr.speech.training", "SpeechConfig", "train_speech"),
    "forecast": ("asr.series.forecasting.training", "ForecastConfig", "train_forecast"),
    "language_model": ("asr.language.modelling.training", "LmConfig", "train_language_model"),
    "tag": ("asr.language.tagging.training", "TagConfig", "train_tagger"),
    "translate": ("asr.language.translation.training", "TranslateConfig", "train_translate"),
}


def train(config: str | Path, overrides: Sequence[str] = (), resume: bool = True) -> Path:
    """Train what a YAML file describes, and return the model folder.

    Args:
        config: path of the file; its key ``task`` decides which other keys there are.
        overrides: ``key=value``.
        resume: go on from the checkpoint in the output folder, if there is one.

    Raises:
        ConfigError: the file or an override is wrong. Others: see the task's own training.
    """
    content, changes = read_yaml(config), parse_overrides(overrides)
    merged = {**content, **changes}
    settings = build_config(config_class(merged, config), content, changes, where=str(config))
    if not settings.output_dir:
        raise ConfigError(f"{config} names no output_dir.", "Give -o FOLDER.")
    folder = Path(settings.output_dir)
    new = not folder.exists()
    save_config(settings, folder / "config.yaml")
    module_name, _, function_name = TASKS[_task(merged, config)]
    try:
        return Path(getattr(importlib.import_module(module_name), function_name)(settings, resume))
    except AsrError:
        if new and [path.name for path in folder.iterdir()] == [
            "config.yaml"
        ]:  # it did not come to a training
            shutil.rmtree(folder)
        raise


def config_class(content: Mapping[str, Any], where: str | Path) -> type[Any]:
    """Return the dataclass that a configuration's ``task`` asks for.

    Raises:
        ConfigError: there is no such task.
    """
    module_name, config_name, _ = TASKS[_task(content, where)]
    schema: type[Any] = getattr(importlib.import_module(module_name), config_name)
    return schema


def _task(content: Mapping[str, Any], where: str | Path) -> str:
    task = str(content.get("task", "ctc"))
    if task not in TASKS:
        raise ConfigError(f"{where}: unknown task {task!r}.", f"Known tasks: {', '.join(TASKS)}.")
    return task
