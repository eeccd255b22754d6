"""The application: its parts put together.

POST /v1/transcribe    one or many recordings -> transcripts
POST /v1/spot          recordings -> where phrases are said
WebSocket /v1/stream   16-bit samples -> partial and final results
WebSocket /            the same as vosk-server's
POST /v1/predict       texts, signals or series -> predictions of a model of another task
POST /v1/audio/...     as OpenAI's API
POST /v1/jobs          a long recording -> a job, asked for later
POST /v1/render        a transcript -> subtitles and other formats
POST /v1/corrections   a corrected transcript and its recording, where the operator keeps them
POST /v1/learn         learning from these, where the operator allows it
GET  /v1/models  /health  /ready  /metrics  /docs  /
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from asr.serve.config import ServeConfig
from asr.serve.corrections import Corrections, corrections_routes
from asr.serve.documentation import documentation_routes
from asr.serve.errors import Problem, add_error_handlers
from asr.serve.guard import Guard
from asr.serve.jobs import Jobs, job_routes
from asr.serve.learning import Learning, learning_routes
from asr.serve.live import Streams
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet
from asr.serve.openai import openai_routes
from asr.serve.page import page_routes
from asr.serve.predicting import predict_route
from asr.serve.rendering import render_route
from asr.serve.service import Service
from asr.serve.spot import spot_route
from asr.serve.streams import stream_routes
from asr.serve.transcribe import transcribe_route
from asr.serve.vosk import vosk_route
from asr.serve.wyoming import WyomingServer

__all__ = ["create_app"]


def create_app(models: Sequence[str | Path], config: ServeConfig | None = None) -> Guard:
    """Return the ASGI application that serves model folders.

    Args:
        models: folders, trained or exported.
        config: settings.

    Raises:
        ModelError: a folder holds no model.
        ConfigError: the traffic split does not fit the models, or none of them can learn.
        DataError: the table of corrections is damaged.
    """
    config, metrics = config or ServeConfig(), ServiceMetrics()
    service = Service(Fleet(models, config, metrics), config, metrics)
    fleet, streams = service.fleet, Streams(service.fleet, config, metrics)
    wyoming, jobs = WyomingServer(service, streams), Jobs(service)
    corrections = Corrections(Path(config.corrections_dir)) if config.corrections_dir else None
    learning = None
    if corrections is not None and config.learn_s:
        learning = Learning(fleet, corrections, config.learn_s)
    ready = asyncio.Event()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for model in fleet.models.values():
            await loop.run_in_executor(service.readers, model.warm_up)
            model.batcher.start()
        if config.max_jobs:
            jobs.start()
        if config.wyoming_port:
            await wyoming.start(config.host, config.wyoming_port)
        ready.set()
        yield
        ready.clear()
        await wyoming.stop()
        if learning is not None:
            await asyncio.to_thread(learning.stop)
        await jobs.stop()
        for model in fleet.models.values():
            await model.batcher.stop()
        for predictor in fleet.predictors.values():
            predictor.stop()
        streams.stop()
        service.readers.shutdown()

    app = FastAPI(
        title="asr",
        version="1",
        description="Speech recognition and more.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    _add_status_routes(app, metrics, ready)
    page_routes(app, config)
    documentation_routes(app)
    transcribe_route(app, service)
    spot_route(app, service)
    render_route(app)
    openai_routes(app, service)
    if config.max_jobs:
        job_routes(app, jobs)
    if corrections is not None:
        corrections_routes(app, corrections, service)
    if learning is not None:
        learning_routes(app, learning)
    stream_routes(app, streams)
    vosk_route(app, streams)
    predict_route(app, fleet.predictors, config)
    add_error_handlers(app)
    return Guard(app, config, metrics)


def _add_status_routes(app: FastAPI, metrics: ServiceMetrics, ready: asyncio.Event) -> None:
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
