"""``POST /v1/predict``: models of other tasks than speech recognition, JSON in, JSON out.

The task of a model decides what it is asked and what it answers, as in ``asr predict``; see
:class:`asr.catalogue.Predictor`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from asr.catalogue import load_predictor
from asr.model_folder import Bundle
from asr.serve.config import ServeConfig
from asr.serve.errors import PROBLEMS, NoSuchModel, Overloaded, within

__all__ = ["HostedPredictor", "PredictAnswer", "PredictRequest", "predict_route"]

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]  # larger ones become floats
Value = Whole | float | str | None
MAX_ITEMS = 10_000
MAX_ROWS = 1_000_000


class PredictRequest(BaseModel):
    """What to predict from: the key that the model's task takes, and no other."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
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
        max_length=MAX_ROWS,
        description="For forecasts and anomalies: rows with unique_id, ds, y or channels.",
    )
    future: list[dict[str, Value]] | None = Field(
        None,
        max_length=MAX_ROWS,
        description="For forecasts: the columns known ahead, a row a step.",
    )


class PredictAnswer(BaseModel):
    """One prediction a text, a sequence, or a step of a series."""

    model: str
    task: str
    predictions: list[dict[str, Any]]


class HostedPredictor:
    """A loaded model with a queue of its own, computed one request after the other.

    Args:
        name: in routes and answers.
        bundle: its model folder.
        config: settings; ``queue_size`` requests may wait.
    """

    def __init__(self, name: str, bundle: Bundle, config: ServeConfig) -> None:
        self.name, self.config, self.created = name, config, bundle.created
        self.predictor = load_predictor(bundle)
        self._thread, self._waiting = ThreadPoolExecutor(1, "predict"), 0

    @property
    def task(self) -> str:
        """The task of the model."""
        return self.predictor.task

    async def predict(self, request: PredictRequest) -> PredictAnswer:
        """Return predictions.

        Raises:
            DataError: the request lacks what the task takes.
            Overloaded: too many requests wait.
            AsrError: the model refuses what the request holds.
        """
        if self._waiting >= self.config.queue_size:
            raise Overloaded(1.0)
        given = {key: value for key, value in request if value is not None}
        self._waiting += 1
        try:
            rows = await asyncio.get_running_loop().run_in_executor(
                self._thread, self.predictor.predict_json, given
            )
        finally:
            self._waiting -= 1
        return PredictAnswer(model=self.name, task=self.task, predictions=rows)

    def stop(self) -> None:
        """Finish what waits."""
        self._thread.shutdown()


def predict_route(
    app: FastAPI, predictors: dict[str, HostedPredictor], config: ServeConfig
) -> None:
    """Add the route."""

    @app.post("/v1/predict", tags=["predict"], responses=PROBLEMS, response_model=PredictAnswer)
    async def predict(
        request: PredictRequest,
        model: str | None = Query(
            None, description="Name of a model; needed where there are several."
        ),
    ) -> Response:
        """Forecast, find anomalies, classify, tag, score or translate: the model's task decides."""
        hosted = _choose(predictors, model or None)
        answer = await within(config.request_timeout_s, hosted.predict(request))
        return JSONResponse(answer.model_dump())


def _choose(predictors: dict[str, HostedPredictor], name: str | None) -> HostedPredictor:
    if name is None and len(predictors) == 1:
        return next(iter(predictors.values()))
    if name not in predictors:
        what = (
            "No model is named" if name is None else f"There is no model {name!r} for predictions"
        )
        raise NoSuchModel(f"{what}.", f"Served are: {', '.join(predictors) or 'none'}.")
    return predictors[name]
