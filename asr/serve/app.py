"""The application: routes of the service.

POST /v1/transcribe    one or many recordings -> transcripts
WebSocket /v1/stream   16-bit samples -> partial and final results
POST /v1/predict       texts, signals or series -> predictions of a model of another task
GET  /v1/models  /health  /ready  /metrics  /
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, File, Header, Query, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.types import ASGIApp

from asr.errors import AsrError
from asr.serve.config import ServeConfig
from asr.serve.errors import (
    PROBLEMS,
    Problem,
    Refusal,
    TooLarge,
    add_error_handlers,
    refusal_of,
    within,
)
from asr.serve.guard import Guard
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet, HostedModel
from asr.serve.predicting import predict_route
from asr.serve.streams import stream_routes
from asr.speech.transcript import Transcript

__all__ = ["create_app"]

PAGE = Path(__file__).with_name("page.html")


class WordAnswer(BaseModel):
    """A word, its times in seconds and its confidence."""

    word: str
    start: float
    end: float
    confidence: float


class SegmentAnswer(BaseModel):
    """A stretch of speech."""

    start: float
    end: float
    text: str
    confidence: float
    words: list[WordAnswer]


class FileAnswer(BaseModel):
    """The transcript of a file, or why there is none."""

    name: str
    model: str
    text: str | None = None
    duration_s: float | None = None
    segments: list[SegmentAnswer] = []
    error: str | None = None


class TranscribeAnswer(BaseModel):
    """One result a file, in the order of the request."""

    results: list[FileAnswer]


class ModelAnswer(BaseModel):
    """A model that is served; what only speech models have is null for others."""

    name: str
    task: str
    backend: str
    sample_rate: int | None = None
    streaming: bool | None = None
    share: float | None = None


def create_app(models: Sequence[str | Path], config: ServeConfig | None = None) -> ASGIApp:
    """Return the ASGI application that serves model folders.

    Args:
        models: folders, trained or exported.
        config: settings.

    Raises:
        ModelError: a folder holds no model.
        ConfigError: the traffic split does not fit the models.
    """
    config, metrics = config or ServeConfig(), ServiceMetrics()
    fleet = Fleet(models, config, metrics)
    readers = ThreadPoolExecutor(2, "read")
    ready = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for model in fleet.models.values():
            await loop.run_in_executor(readers, model.warm_up)
            model.batcher.start()
        ready.set()
        yield
        ready.clear()
        for model in fleet.models.values():
            await model.batcher.stop()
        for predictor in fleet.predictors.values():
            predictor.stop()
        readers.shutdown()

    app = FastAPI(
        title="asr", version="1", description="Speech recognition and more.", lifespan=lifespan
    )
    _add_status_routes(app, fleet, metrics, ready)
    _add_transcribe(app, fleet, config, readers)
    stream_routes(app, fleet, config, metrics)
    predict_route(app, fleet.predictors, config)
    add_error_handlers(app)
    return Guard(app, config, metrics)


def _add_status_routes(
    app: FastAPI, fleet: Fleet, metrics: ServiceMetrics, ready: asyncio.Event
) -> None:
    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> str:
        return PAGE.read_text(encoding="utf-8")

    @app.get("/health", tags=["status"])
    async def health() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/ready", tags=["status"], responses={503: {"model": Problem}})
    async def is_ready() -> Response:
        """Requests are answered: models are loaded and the service is not shutting down."""
        if ready.is_set():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"detail": "not ready"}, 503)

    @app.get("/metrics", tags=["status"], response_class=Response)
    async def prometheus() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models", tags=["speech"], responses={401: {"model": Problem}})
    async def models() -> list[ModelAnswer]:
        """The models that are served and their shares of the traffic."""
        return [ModelAnswer(**entry) for entry in fleet.describe()]


def _add_transcribe(
    app: FastAPI, fleet: Fleet, config: ServeConfig, readers: ThreadPoolExecutor
) -> None:
    @app.post(
        "/v1/transcribe", tags=["speech"], responses=PROBLEMS, response_model=TranscribeAnswer
    )
    async def transcribe(
        files: Annotated[
            list[UploadFile], File(min_length=1, description="Recordings: WAV, FLAC, OGG or MP3.")
        ],
        model: Annotated[
            str | None, Query(description="Name of a model; by traffic split if not given.")
        ] = None,
        x_client_id: Annotated[
            str | None, Header(description="The same client always gets the same model.")
        ] = None,
    ) -> Response:
        """Transcribe one or many recordings.

        A file that fails has `error`; if all fail, the status says why.
        """
        hosted = fleet.choose(model or None, x_client_id)
        if len(files) > config.max_files:
            raise TooLarge(f"More than {config.max_files} files in one request.")
        outcomes = await asyncio.gather(*(_answer(file, hosted, readers) for file in files))
        refusals = [refusal for _, refusal in outcomes if refusal is not None]
        if len(refusals) < len(files):
            return JSONResponse({"results": [answer.model_dump() for answer, _ in outcomes]})
        detail = "; ".join(str(answer.error) for answer, _ in outcomes)
        worst = max(refusals, key=lambda refusal: (refusal.status, refusal.retry_after_s))
        return JSONResponse({"detail": detail}, worst.status, worst.headers)


async def _answer(
    file: UploadFile, hosted: HostedModel, readers: ThreadPoolExecutor
) -> tuple[FileAnswer, Refusal | None]:
    """Return the answer for a file and, where that is an error, how it is refused."""
    name, started = file.filename or "recording", time.monotonic()
    try:
        work = _transcript(file, hosted, readers)
        transcript = await within(hosted.config.request_timeout_s, work)
    except AsrError as error:
        refusal = refusal_of(error)
        hosted.metrics.failed(refusal.outcome)
        text = f"{name}: {refusal.detail}"
        return FileAnswer(name=name, model=hosted.name, error=text), refusal
    confidences = [word.confidence for word in transcript.words]
    mean = sum(confidences) / len(confidences) if confidences else None
    hosted.metrics.done(time.monotonic() - started, transcript.duration_s, mean)
    return FileAnswer(name=name, **dataclasses.asdict(transcript)), None


async def _transcript(
    file: UploadFile, hosted: HostedModel, readers: ThreadPoolExecutor
) -> Transcript:
    if (file.size or 0) > hosted.config.max_bytes:
        raise TooLarge(f"larger than {hosted.config.max_bytes} bytes")
    data = await file.read()
    samples = await asyncio.get_running_loop().run_in_executor(readers, hosted.read, data)
    return await hosted.transcribe(samples)
