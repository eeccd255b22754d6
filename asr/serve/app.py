"""The application: routes of the service.

POST /v1/transcribe   one or many files -> transcripts     WebSocket /v1/stream   16-bit samples ->
partials, finals POST /v1/predict      texts, signals or series -> what a model of another task says
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
from typing import Annotated, Any

from fastapi import FastAPI, File, Header, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.types import ASGIApp

from asr.errors import AsrError, ModelError
from asr.serve.batching import Overloaded
from asr.serve.config import ServeConfig
from asr.serve.guard import Guard
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet, HostedModel, TooLong
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


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


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
        ModelError: a folder holds no model. ConfigError: the traffic split does not fit the models.
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
    predict_route(app, fleet.predictors, config, PROBLEMS)
    app.add_exception_handler(Exception, _unexpected)
    return Guard(app, config, metrics)


async def _unexpected(_: Request, error: Exception) -> Response:
    return JSONResponse({"detail": f"internal error: {type(error).__name__}"}, 500)


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


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 404, 408, 413, 503, 504)
}


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
        try:
            hosted = fleet.choose(model or None, x_client_id)
        except ModelError as error:
            return JSONResponse({"detail": str(error)}, 404)
        if len(files) > config.max_files:
            return JSONResponse(
                {"detail": f"More than {config.max_files} files in one request."}, 413
            )
        outcomes = await asyncio.gather(*(_one(file, hosted, config, readers) for file in files))
        worst = max(status for status, _, _ in outcomes)
        if all(status != 200 for status, _, _ in outcomes):
            retry = max(seconds for _, _, seconds in outcomes)
            headers = {"Retry-After": f"{retry:.0f}"} if worst == 503 else {}
            return JSONResponse(
                {"detail": "; ".join(str(a.error) for _, a, _ in outcomes)}, worst, headers
            )
        return JSONResponse({"results": [answer.model_dump() for _, answer, _ in outcomes]})


async def _transcript(
    file: UploadFile, hosted: HostedModel, readers: ThreadPoolExecutor
) -> Transcript:
    samples = await asyncio.get_running_loop().run_in_executor(
        readers, hosted.read, await file.read()
    )
    return await hosted.transcribe(samples)


async def _one(
    file: UploadFile, hosted: HostedModel, config: ServeConfig, readers: ThreadPoolExecutor
) -> tuple[int, FileAnswer, float]:
    """Status, answer, and after how many seconds to try again."""
    name, started = file.filename or "recording", time.monotonic()

    def failed(
        status: int, outcome: str, error: str, retry: float = 0.0
    ) -> tuple[int, FileAnswer, float]:
        hosted.metrics.failed(outcome)
        return status, FileAnswer(name=name, model=hosted.name, error=f"{name}: {error}"), retry

    if (file.size or 0) > config.max_bytes:
        return failed(413, "too_large", f"larger than {config.max_bytes} bytes")
    try:
        transcript = await asyncio.wait_for(
            _transcript(file, hosted, readers), config.request_timeout_s
        )
    except TooLong as error:
        return failed(413, "too_long", str(error))
    except Overloaded as error:
        return failed(503, "refused", str(error), error.retry_after_s)
    except asyncio.TimeoutError:
        return failed(504, "timeout", f"not done after {config.request_timeout_s:g} s")
    except AsrError as error:
        return failed(400, "unreadable", str(error))
    confidence = (
        sum(w.confidence for w in transcript.words) / len(transcript.words)
        if transcript.words
        else None
    )
    hosted.metrics.done(time.monotonic() - started, transcript.duration_s, confidence)
    return 200, FileAnswer(name=name, **dataclasses.asdict(transcript)), 0.0
