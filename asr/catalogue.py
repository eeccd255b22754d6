"""The table of task kinds, and the training and prediction that go by it.

Each part of a task is named as ``module:name`` and imported when it is first used; this file itself
imports no task. A new task is a folder of its own and one entry of :data:`TASKS` (CONTRIBUTING.md,
"A new task").
"""

from __future__ import annotations

import functools
import importlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from asr.config import build_config, parse_overrides, read_yaml, save_config
from asr.errors import AsrError, ConfigError, DataError, ModelError
from asr.text.pronunciations import Pronounce

__all__ = [
    "TASKS",
    "Exported",
    "Inputs",
    "Predictor",
    "TaskKind",
    "config_class",
    "export",
    "has_attention",
    "has_predictions",
    "load_attention",
    "load_ensemble",
    "load_estimator",
    "load_predictor",
    "task_of",
    "train",
]

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class TaskKind:
    """Where the parts of a task kind are, each as ``module:name``.

    Attributes:
        config: dataclass that the YAML file of a training fills.
        train: (configuration, resume) -> path of the model folder.
        load: model folder -> model; the estimators' ``load``.
        inputs: class of :class:`Inputs`; empty where ``asr predict`` and the service do not take
            the task.
        predict: (model, rows of the inputs) -> predictions, rounded as users get them.
        attention: (model, text) -> tokens read and written with weights, for reports; empty where
            a network attends to nothing.
        ensemble: models -> a model that averages them and predicts as they do; empty where there is
            none.
        export: (opened folder, output folder, format, fixed ranges) -> what was written, see
            :class:`Exported`; empty where ``asr export`` does not take the task.
    """

    config: str
    train: str
    load: str
    inputs: str = ""
    predict: str = ""
    attention: str = ""
    ensemble: str = ""
    export: str = ""


TASKS = {
    "anomaly": TaskKind(
        config="asr.series.anomalies.config:AnomalyConfig",
        train="asr.series.anomalies.training:train_detector",
        load="asr.series.anomalies.detector:AnomalyDetector.load",
        inputs="asr.series.anomalies.files:AnomalyInputs",
        predict="asr.series.anomalies.files:predict_rows",
    ),
    "classify": TaskKind(
        config="asr.signals.config:ClassifyConfig",
        train="asr.signals.training:train_classifier",
        load="asr.signals.classifier:SequenceClassifier.load",
        inputs="asr.signals.files:SignalInputs",
        predict="asr.signals.files:predict_rows",
    ),
    "classify_text": TaskKind(
        config="asr.language.classification.config:TextConfig",
        train="asr.language.classification.training:train_texts",
        load="asr.language.classification.classifier:TextClassifier.load",
        inputs="asr.language.files:TextInputs",
        predict="asr.language.classification.predict:predict_rows",
        ensemble="asr.language.classification.ensemble:TextClassifierEnsemble",
    ),
    "ctc": TaskKind(
        config="asr.speech.training.config:SpeechConfig",
        train="asr.speech.training.train:train_speech",
        load="asr.speech.recognizer:load_model",
        export="asr.speech.export.exporting:export_model",
    ),
    "forecast": TaskKind(
        config="asr.series.forecasting.config:ForecastConfig",
        train="asr.series.forecasting.training:train_forecast",
        load="asr.series.forecasting.forecaster:Forecaster.load",
        inputs="asr.series.forecasting.files:ForecastInputs",
        predict="asr.series.forecasting.files:predict_rows",
    ),
    "language_model": TaskKind(
        config="asr.language.modelling.config:LmConfig",
        train="asr.language.modelling.training:train_language_model",
        load="asr.language.modelling.estimator:LanguageModel.load",
        inputs="asr.language.files:TextInputs",
        predict="asr.language.modelling.predict:predict_rows",
    ),
    "punctuate": TaskKind(
        config="asr.language.punctuation.config:PunctuateConfig",
        train="asr.language.punctuation.training:train_punctuation",
        load="asr.language.punctuation.restorer:Restorer.load",
        inputs="asr.language.files:TextInputs",
        predict="asr.language.punctuation.restorer:predict_rows",
        export="asr.language.punctuation.exporting:export_punctuation",
    ),
    "speaker": TaskKind(
        config="asr.speakers.config:SpeakerConfig",
        train="asr.speakers.training:train_speakers",
        load="asr.speakers.embedder:SpeakerEmbedder.load",
        export="asr.speakers.exporting:export_speakers",
    ),
    "tag": TaskKind(
        config="asr.language.tagging.config:TagConfig",
        train="asr.language.tagging.training:train_tagger",
        load="asr.language.tagging.tagger:Tagger.load",
        inputs="asr.language.files:TextInputs",
        predict="asr.language.tagging.predict:predict_rows",
        ensemble="asr.language.tagging.ensemble:TaggerEnsemble",
    ),
    "translate": TaskKind(
        config="asr.language.translation.config:TranslateConfig",
        train="asr.language.translation.training:train_translate",
        load="asr.language.translation.translator:Translator.load",
        inputs="asr.language.files:TextInputs",
        predict="asr.language.translation.predict:predict_rows",
        attention="asr.language.translation.translator:Translator.attention_map",
    ),
}


def _part(name: str) -> Any:
    """Import ``module:name``, where the name may be that of a class and its method."""
    module, _, path = name.partition(":")
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))


# --------------------------------------------------------------------------------------------------
# training


def train(
    config: str | Path,
    overrides: Sequence[str] = (),
    resume: bool = True,
    pronounce: Pronounce | None = None,
) -> Path:
    """Train what a YAML file describes, and return the model folder.

    Args:
        config: path of the file; its key ``task`` decides which other keys there are.
        overrides: ``key=value``.
        resume: continue from the checkpoint in the output folder, if there is one.
        pronounce: says the words of the transcripts that a dictionary lacks, for speech whose units
            are phones, such as :func:`data_prep.pronounce.say_by_letters`. Without it, utterances
            with such a word are left out and listed.

    Raises:
        ConfigError: the file or an override is wrong.
        AsrError: what the training of the task raises, such as DataError.
    """
    content, changes = read_yaml(config), parse_overrides(overrides)
    kind = _kind({**content, **changes}, config)
    settings = build_config(_part(kind.config), content, changes, where=str(config))
    if not settings.output_dir:
        raise ConfigError(f"{config} names no output_dir.", "Give -o FOLDER.")
    folder = Path(settings.output_dir)
    is_new = not folder.exists()
    save_config(settings, folder / "config.yaml")
    options = {"pronounce": pronounce} if pronounce and kind is TASKS["ctc"] else {}
    try:
        return Path(_part(kind.train)(settings, resume, **options))
    except AsrError:
        # Refused before the training began: leave no empty run folder behind.
        if is_new and [path.name for path in folder.iterdir()] == ["config.yaml"]:
            shutil.rmtree(folder)
        raise


def config_class(content: Mapping[str, Any], where: str | Path) -> type[Any]:
    """Return the dataclass of a configuration's ``task``.

    Args:
        content: the configuration; without ``task`` it is one of speech.
        where: its name in errors.

    Raises:
        ConfigError: there is no such task.
    """
    schema: type[Any] = _part(_kind(content, where).config)
    return schema


def task_of(content: Mapping[str, Any]) -> str:
    """Return the task of a configuration: speech, ``ctc``, where it names none."""
    return str(content.get("task", "ctc"))


def _kind(content: Mapping[str, Any], where: str | Path) -> TaskKind:
    task = task_of(content)
    if task not in TASKS:
        raise ConfigError(f"{where}: unknown task {task!r}.", f"Known tasks: {', '.join(TASKS)}.")
    return TASKS[task]


# --------------------------------------------------------------------------------------------------
# prediction


class OpenedModel(Protocol):
    """A model folder that was opened and checked, such as :class:`asr.model_folder.Bundle`."""

    @property
    def path(self) -> Path:
        """The folder."""

    @property
    def task(self) -> str:
        """Its task kind."""


class Inputs(Protocol):
    """Reads what a model predicts from and writes its predictions, as files and as JSON.

    Attributes:
        keys: of a JSON request: the first is required, the others are optional.
    """

    keys: tuple[str, ...]

    def read_file(self, model: Any, file: Path, future: Path | None) -> Any:
        """Return the rows of a file; ``future`` is None unless ``keys`` has it."""

    def read_json(self, model: Any, request: Mapping[str, Any]) -> Any:
        """Return the rows of a request that has the right keys."""

    def write_file(self, rows: Any, predictions: Any, output_dir: Path | None) -> str:
        """Return the predictions as text, or write them to a folder and return the paths."""

    def write_json(self, predictions: Any) -> Rows:
        """Return the predictions as JSON objects."""


@dataclass(frozen=True)
class Predictor:
    """A loaded model behind ``asr predict`` and ``POST /v1/predict``.

    Attributes:
        task: its kind.
        model: the estimator.
        inputs: reads rows and writes predictions.
        predict: (model, rows) -> predictions.
    """

    task: str
    model: Any
    inputs: Inputs
    predict: Callable[[Any, Any], Any]

    def predict_file(
        self, file: Path, output_dir: Path | None = None, future: Path | None = None
    ) -> str:
        """Return the predictions for a file as text, or write them and return the paths.

        Args:
            file: what the task predicts from.
            output_dir: folder to write to.
            future: for forecasts, a file with the columns known ahead.

        Raises:
            DataError: a file is missing or cannot be used, or the task takes no ``future``.
        """
        if future is not None and "future" not in self.inputs.keys:
            raise DataError(f"The task {self.task} takes no future values.", "Leave out --future.")
        rows = self.inputs.read_file(self.model, file, future)
        return self.inputs.write_file(rows, self.predict(self.model, rows), output_dir)

    def predict_json(self, request: Mapping[str, Any]) -> Rows:
        """Return the predictions for a request.

        Raises:
            DataError: the request lacks what the task takes, has other keys, or cannot be used.
        """
        needed, *optional = self.inputs.keys
        if set(request) - set(optional) != {needed}:
            also = f" and perhaps {', '.join(map(repr, optional))}" if optional else ""
            raise DataError(f"The task {self.task} takes {needed!r}{also}, and nothing else.")
        rows = self.inputs.read_json(self.model, request)
        return self.inputs.write_json(self.predict(self.model, rows))


def has_predictions(task: str) -> bool:
    """Return whether ``asr predict`` and ``POST /v1/predict`` take models of this task."""
    return task in TASKS and bool(TASKS[task].predict)


def load_predictor(folder: OpenedModel) -> Predictor:
    """Load the model of an opened folder for predictions.

    Raises:
        ModelError: the folder is damaged, or its task has no predictions.
    """
    task = folder.task
    if not has_predictions(task):
        known = ", ".join(filter(has_predictions, TASKS))
        remedy = "Use asr transcribe." if task == "ctc" else f"Tasks with predictions: {known}."
        raise ModelError(f"{folder.path} is a model for the task {task}.", remedy)
    kind = TASKS[task]
    return Predictor(task, load_estimator(folder), _part(kind.inputs)(), _part(kind.predict))


def load_ensemble(folders: Sequence[OpenedModel]) -> Predictor:
    """Load the models of opened folders for predictions that are averaged over them.

    Raises:
        ModelError: a folder is damaged; or the models are of several tasks, of one that is not
            averaged, or have other labels than the first one.
    """
    if len(folders) == 1:
        return load_predictor(folders[0])
    tasks = list(dict.fromkeys(folder.task for folder in folders))
    averaged = [task for task, kind in TASKS.items() if kind.ensemble]
    if len(tasks) > 1 or tasks[0] not in averaged:
        raise ModelError(
            f"Models for {' and '.join(tasks)} cannot be averaged.",
            f"Give one --model, or several for the same task among: {', '.join(averaged)}.",
        )
    kind = TASKS[tasks[0]]
    model = _part(kind.ensemble)([load_estimator(folder) for folder in folders])
    return Predictor(tasks[0], model, _part(kind.inputs)(), _part(kind.predict))


def load_estimator(folder: OpenedModel) -> Any:
    """Load the model of an opened folder, whatever its task: an estimator, or a recognizer.

    Raises:
        ModelError: the folder is damaged, or its task is unknown.
    """
    if folder.task not in TASKS:
        raise ModelError(
            f"{folder.path} is a model for the unknown task {folder.task!r}.",
            f"Known tasks: {', '.join(TASKS)}.",
        )
    return _part(TASKS[folder.task].load)(folder)


# --------------------------------------------------------------------------------------------------
# export


class Exported(Protocol):
    """A model folder to deploy, and how it compares with the trained one."""

    @property
    def folder(self) -> Path:
        """The new model folder."""

    @property
    def format(self) -> str:
        """Format of the network."""

    @property
    def network_bytes(self) -> int:
        """Size of the exported network."""

    @property
    def source_bytes(self) -> int:
        """Size of the trained network's weights."""

    @property
    def streams(self) -> bool:
        """Whether it can be used on streams."""

    @property
    def comparisons(self) -> list[str]:
        """How it compares with the trained model, a line each."""


def export(
    folder: OpenedModel, output: Path, output_format: str, fixed_ranges: bool = False
) -> Exported:
    """Write the model of an opened folder in a form to deploy; return how the two compare.

    Raises:
        ConfigError: the task has no such format.
        ModelError: the task is not exported, or what was exported computes something else.
    """
    task = folder.task
    if task not in TASKS or not TASKS[task].export:
        known = ", ".join(name for name, kind in TASKS.items() if kind.export)
        raise ModelError(
            f"{folder.path} is a model for the task {task}, which is not exported.",
            f"Tasks with an export: {known}.",
        )
    exported: Exported = _part(TASKS[task].export)(folder, output, output_format, fixed_ranges)
    return exported


# --------------------------------------------------------------------------------------------------
# reports


def has_attention(task: str) -> bool:
    """Return whether models of this task can show what they attend to."""
    return task in TASKS and bool(TASKS[task].attention)


def load_attention(folder: OpenedModel) -> Callable[[str], Any]:
    """Load a model whose task has attention: text -> ``source``, ``target`` and ``weights``.

    Raises:
        ModelError: the folder is damaged.
    """
    return functools.partial(_part(TASKS[folder.task].attention), load_estimator(folder))
