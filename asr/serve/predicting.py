"""Models of other tasks than speech recognition behind ``POST /v1/predict``: JSON in, JSON out.

What a model is asked, and what it answers, follows from the task of its folder, as in ``asr
predict``.
"""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from asr.errors import AsrError, DataError, ModelError
from asr.model_folder import Bundle
from asr.serve.batching import Overloaded
from asr.serve.config import ServeConfig

__all__ = ["HostedPredictor", "PredictAnswer", "PredictRequest", "is_predictor", "predict_route"]

Rows = list[dict[str, Any]]
Value = float | str | None
MAX_ITEMS = 10_000


class PredictRequest(BaseModel):
    """What to predict from: the key that the model's task takes, and no other."""

    model_config = ConfigDict(extra="forbid")
    texts: list[str] | None = Field(
        None, max_length=MAX_ITEMS, description="For text: labels, tags, translations."
    )
    sequences: list[list[list[float]]] | None = Field(
        None,
        max_length=MAX_ITEMS,
        description="For classifiers of signals: n sequences of steps of channels.",
    )
    series: list[dict[str, Value]] | None = Field(
        None,
        max_length=1_000_000,
        description="For forecasts and anomalies: rows with unique_id, ds, y or channels.",
    )
    future: list[dict[str, Value]] | None = Field(
        None,
        max_length=1_000_000,
        description="For forecasts: the columns known ahead, a row a step.",
    )


class PredictAnswer(BaseModel):
    """One prediction a text, a sequence, or a step of a series."""

    model: str
    task: str
    predictions: list[dict[str, Any]]


Predict = Callable[[PredictRequest], Rows]


class HostedPredictor:
    """A loaded model with a queue of its own: one request after the other, as many waiting as the
    settings allow.

    Args:
        name: in routes and answers.
        bundle: its folder.
        config: settings.
    """

    def __init__(self, name: str, bundle: Bundle, config: ServeConfig) -> None:
        self.name, self.task, self.config = name, bundle.task, config
        self.key = INPUTS[bundle.task]
        self._predict = LOADERS[bundle.task](bundle.path)
        self._thread, self._waiting = ThreadPoolExecutor(1, "predict"), 0

    async def predict(self, request: PredictRequest) -> PredictAnswer:
        """Return predictions.

        Raises:
            DataError: the request lacks what the task takes. Overloaded: too many wait. AsrError:
            the model's own.
        """
        given = {key for key, value in request if value is not None} - (
            {"future"} if self.task == "forecast" else set()
        )
        if given != {self.key}:
            raise DataError(
                f"The model {self.name} ({self.task}) takes {self.key!r}, and nothing else."
            )
        if self._waiting >= self.config.queue_size:
            raise Overloaded(1.0)
        self._waiting += 1
        try:
            rows = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._predict, request
            )
        finally:
            self._waiting -= 1
        return PredictAnswer(model=self.name, task=self.task, predictions=rows)

    def stop(self) -> None:
        """Finish what waits."""
        self._thread.shutdown()


def _forecast(folder: Path) -> Predict:
    from asr.series.forecasting.forecaster import Forecaster
    from asr.series.frames import read_frame, read_table

    forecaster = Forecaster.load(folder)
    data = forecaster.config.data

    def predict(request: PredictRequest) -> Rows:
        with (
            tempfile.TemporaryDirectory() as temporary
        ):  # what reads and checks files shall check this too
            series = _csv(request.series, Path(temporary) / "series.csv")
            future = (
                None
                if request.future is None
                else read_table(_csv(request.future, Path(temporary) / "future.csv"))
            )
            frame = read_frame(
                series, data.time, data.targets, [*data.past_columns, *data.future_columns]
            )
        return _rows(forecaster.predict(frame, future))

    return predict


def _anomaly(folder: Path) -> Predict:
    from asr.series.anomalies.detector import AnomalyDetector
    from asr.series.frames import read_table

    detector = AnomalyDetector.load(folder)

    def predict(request: PredictRequest) -> Rows:
        with tempfile.TemporaryDirectory() as temporary:
            table = read_table(_csv(request.series, Path(temporary) / "series.csv"))
        return _rows(detector.predict(table))

    return predict


def _csv(rows: Sequence[dict[str, Value]] | None, path: Path) -> Path:
    import pandas as pd

    pd.DataFrame(list(rows or [])).to_csv(path, index=False)
    return path


def _rows(frame: Any) -> Rows:
    found: Rows = json.loads(frame.to_json(orient="records", date_format="iso"))
    return found


def _classify(folder: Path) -> Predict:
    import numpy as np

    from asr.signals.classifier import SequenceClassifier

    classifier = SequenceClassifier.load(folder)
    names = [str(name) for name in classifier.classes_]

    def predict(request: PredictRequest) -> Rows:
        try:
            sequences = [np.array(sequence, np.float32) for sequence in request.sequences or []]
        except ValueError:
            raise DataError("Steps of a sequence have different numbers of channels.") from None
        return (
            [_best(names, row) for row in classifier.predict_proba(sequences).tolist()]
            if sequences
            else []
        )

    return predict


def _best(names: Sequence[str], probabilities: Sequence[float]) -> dict[str, Any]:
    best = max(range(len(names)), key=probabilities.__getitem__)
    return {"label": names[best], "probability": probabilities[best]}


def _classify_text(folder: Path) -> Predict:
    from asr.language.classification.classifier import TextClassifier

    classifier = TextClassifier.load(folder)

    def predict(request: PredictRequest) -> Rows:
        texts = request.texts or []
        probabilities = classifier.predict_proba(texts)
        best = probabilities.max(1).tolist() if texts else []
        labels = classifier.labels_of(probabilities, texts)
        return [{"label": label, "probability": p} for label, p in zip(labels, best, strict=True)]

    return predict


def _tag(folder: Path) -> Predict:
    from asr.language.files import entities
    from asr.language.tagging.tagger import Tagger

    tagger = Tagger.load(folder)

    def predict(request: PredictRequest) -> Rows:
        tokens = [text.split() for text in request.texts or []]
        tags, labels = tagger.predict_both(tokens)
        rows: Rows = [
            {"tokens": words, "tags": given, "entities": entities(words, given)}
            for words, given in zip(tokens, tags, strict=True)
        ]
        return (
            rows
            if labels is None
            else [{**row, "label": label} for row, label in zip(rows, labels, strict=True)]
        )

    return predict


def _language_model(folder: Path) -> Predict:
    from asr.language.modelling.estimator import LanguageModel

    model = LanguageModel.load(folder)

    def predict(request: PredictRequest) -> Rows:
        texts = request.texts or []
        return [
            {"log_prob": float(s), "perplexity": math.exp(min(700.0, -s / (len(t.split()) + 1)))}
            for s, t in zip(model.score(texts), texts, strict=True)
        ]

    return predict


def _translate(folder: Path) -> Predict:
    from asr.language.translation.translator import Translator

    translator = Translator.load(folder)
    return lambda request: [
        {"translation": text} for text in translator.predict(request.texts or [])
    ]


LOADERS: dict[str, Callable[[Path], Predict]] = {
    "anomaly": _anomaly,
    "classify": _classify,
    "classify_text": _classify_text,
    "forecast": _forecast,
    "language_model": _language_model,
    "tag": _tag,
    "translate": _translate,
}
INPUTS = {
    "anomaly": "series",
    "classify": "sequences",
    "classify_text": "texts",
    "forecast": "series",
    "language_model": "texts",
    "tag": "texts",
    "translate": "texts",
}


def is_predictor(bundle: Bundle) -> bool:
    """Return whether a folder holds a model that this route serves."""
    return bundle.task in LOADERS


def predict_route(
    app: FastAPI,
    predictors: dict[str, HostedPredictor],
    config: ServeConfig,
    problems: dict[int | str, dict[str, Any]],
) -> None:
    """Add the route; ``problems`` describe its refusals in the OpenAPI schema."""

    @app.post("/v1/predict", tags=["predict"], responses=problems, response_model=PredictAnswer)
    async def predict(
        request: PredictRequest,
        model: str | None = Query(
            None, description="Name of a model; needed where there are several."
        ),
    ) -> Response:
        """Forecast, find anomalies, classify, tag, score or translate: the model's task decides."""
        try:
            hosted = _choose(predictors, model or None)
            answer = await asyncio.wait_for(hosted.predict(request), config.request_timeout_s)
        except Overloaded as error:
            return JSONResponse(
                {"detail": str(error)}, 503, {"Retry-After": f"{error.retry_after_s:.0f}"}
            )
        except asyncio.TimeoutError:
            return JSONResponse({"detail": f"not done after {config.request_timeout_s:g} s"}, 504)
        except _NoModel as error:
            return JSONResponse({"detail": str(error)}, 404)
        except AsrError as error:
            return JSONResponse({"detail": str(error)}, 400)
        return JSONResponse(answer.model_dump())


class _NoModel(ModelError):  # noqa: N818 - what it says
    pass


def _choose(predictors: dict[str, HostedPredictor], name: str | None) -> HostedPredictor:
    if name is None and len(predictors) == 1:
        return next(iter(predictors.values()))
    if name not in predictors:
        what = (
            "No model is named" if name is None else f"There is no model {name!r} for predictions"
        )
        raise _NoModel(f"{what}.", f"Served are: {', '.join(predictors) or 'none'}.")
    return predictors[name]
