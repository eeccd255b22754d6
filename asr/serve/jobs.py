"""Long recordings as jobs: submit, poll, fetch.

POST   /v1/jobs                   a recording -> a job that waits its turn
GET    /v1/jobs/ID                its state and progress
GET    /v1/jobs/ID/transcript     the result, in any format
DELETE /v1/jobs/ID                stop and forget it

Recordings and results lie on disk, so that memory does not grow with their length. A job lives as
long as the process, and no longer than ``job_ttl_s`` after its end.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from asr.audio.reading import open_recording
from asr.errors import AsrError
from asr.files import atomic_write_text
from asr.serve.errors import (
    PROBLEMS,
    BadOption,
    Conflict,
    NotFound,
    Overloaded,
    Problem,
    TooLarge,
    TooLong,
    refusal_of,
)
from asr.serve.forms import FILE_FIELD, read_form
from asr.serve.models import HostedModel
from asr.serve.options import RECORDING, RequestOptions, form_schema, query_parameters, read_options
from asr.serve.service import Service
from asr.serve.speakers import check_speakers, labelled
from asr.serve.transcribe import content, rendered
from asr.speech.transcripts.transcript import read_transcript

__all__ = ["Jobs", "job_routes"]

DECODING = RECORDING - {"output_format", "timestamps"}  # asked for when a job is submitted
FORMAT = frozenset({"output_format", "timestamps"})  # asked for when its result is fetched
MAX_DONE = 256  # results that are kept
RETRY_S = 30.0


class _Stopped(AsrError):  # noqa: N818 - what it says
    """A job was deleted, or the service stops."""


class JobAnswer(BaseModel):
    """A job; progress is the share of the recording that is done."""

    id: str
    status: str
    name: str
    model: str
    progress: float
    duration_s: float | None = None
    error: str | None = None


@dataclass
class Job:
    """A recording that waits, is transcribed, or was.

    Attributes:
        id: which cannot be guessed.
        name: of the file.
        hosted: the model.
        options: of the request.
        folder: where recording and result lie.
        duration_s: of the recording; None where its header does not say.
        status: ``queued``, ``running``, ``done`` or ``failed``.
        done_s: seconds of the recording that are transcribed.
        error: why it failed.
        ended: when, by ``time.monotonic``.
        stopped: it is to stop.
    """

    id: str
    name: str
    hosted: HostedModel
    options: RequestOptions
    folder: Path
    duration_s: float | None = None
    status: str = "queued"
    done_s: float = 0.0
    error: str | None = None
    ended: float = field(default=0.0, repr=False)
    stopped: bool = False

    @property
    def recording(self) -> Path:
        """What was sent."""
        return self.folder / "recording"

    @property
    def result(self) -> Path:
        """The transcript as JSON."""
        return self.folder / "transcript.json"

    def answer(self) -> JobAnswer:
        """Return what clients are told."""
        progress = self.done_s / self.duration_s if self.duration_s else 0.0
        return JobAnswer(
            id=self.id,
            status=self.status,
            name=self.name,
            model=self.hosted.name,
            progress=1.0 if self.status == "done" else round(min(progress, 0.999), 3),
            duration_s=self.duration_s,
            error=self.error,
        )


class Jobs:
    """The queue of jobs, and the one thread that works on them.

    Args:
        service: models and limits.
    """

    def __init__(self, service: Service) -> None:
        self.service, self.config = service, service.config
        self._jobs: dict[str, Job] = {}
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "job")
        self._task: asyncio.Task[None] | None = None
        self._folder: Path | None = None

    def start(self) -> None:
        """Begin to work, in the running event loop."""
        self._folder = Path(tempfile.mkdtemp(prefix="asr-jobs-"))
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Stop the job at work and forget all."""
        for job in self._jobs.values():
            job.stopped = True
        if self._task is not None:
            self._task.cancel()
        await asyncio.to_thread(self._thread.shutdown)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def submit(self, file: UploadFile, hosted: HostedModel, options: RequestOptions) -> Job:
        """Return a new job.

        Raises:
            Overloaded: too many jobs wait.
            TooLarge: the recording has more bytes than allowed.
            TooLong: it is longer than allowed.
            AudioError: it cannot be read.
            BadOption: the model cannot do what is asked.
        """
        self._expire()
        waiting = sum(job.status in ("queued", "running") for job in self._jobs.values())
        if waiting >= self.config.max_jobs:
            raise Overloaded(RETRY_S)
        if (file.size or 0) > self.config.max_job_bytes:
            raise TooLarge(f"The recording is larger than {self.config.max_job_bytes} bytes.")
        await hosted.variant(options)  # refused now rather than in an hour
        assert self._folder is not None
        key = uuid.uuid4().hex
        name = file.filename or "recording"
        job = Job(key, name, hosted, options, self._folder / key)
        self._jobs[key] = job
        try:
            await asyncio.to_thread(self._store, job, file)
        except BaseException:
            self.delete(key)
            raise
        self._queue.put_nowait(job)
        return job

    def get(self, key: str) -> Job:
        """Return the job of that name.

        Raises:
            NotFound: there is none, or it is no longer kept.
        """
        self._expire()
        if key not in self._jobs:
            kept = f"Results are kept for {self.config.job_ttl_s:g} s."
            raise NotFound(f"There is no job {key!r}.", kept)
        return self._jobs[key]

    def delete(self, key: str) -> None:
        """Stop and forget a job."""
        job = self._jobs.pop(key)
        job.stopped = True
        shutil.rmtree(job.folder, ignore_errors=True)

    def _store(self, job: Job, file: UploadFile) -> None:
        job.folder.mkdir()
        with job.recording.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        with open_recording(job.recording) as recording:
            job.duration_s = recording.duration_s
        self._check_length(job.duration_s or 0.0)

    def _check_length(self, seconds: float) -> None:
        if seconds > self.config.max_job_s:
            raise TooLong(f"The recording is longer than {self.config.max_job_s:g} s.", "Cut it.")

    def _expire(self) -> None:
        """Forget results that are too old or too many."""
        ended = sorted((j for j in self._jobs.values() if j.ended), key=lambda job: job.ended)
        oldest = time.monotonic() - self.config.job_ttl_s
        for place, job in enumerate(ended):
            if job.ended < oldest or place < len(ended) - MAX_DONE:
                self.delete(job.id)

    async def _work(self) -> None:
        """Transcribe one job after the other, forever."""
        while True:
            job = await self._queue.get()
            if job.stopped:
                continue
            job.status, started = "running", time.monotonic()
            try:
                work = partial(self._transcribe, job)
                await asyncio.get_running_loop().run_in_executor(self._thread, work)
            except _Stopped:
                continue
            except Exception as error:  # of this job, and the next one is to follow
                self._fail(job, error)
            else:
                job.hosted.metrics.done(time.monotonic() - started, job.duration_s or 0.0, None)
                job.status = "done"
            job.ended = time.monotonic()
            job.recording.unlink(missing_ok=True)

    def _fail(self, job: Job, error: Exception) -> None:
        outcome, job.error = "fault", f"internal error: {type(error).__name__}"
        if isinstance(error, AsrError):
            outcome, job.error = refusal_of(error).outcome, str(error)
        job.hosted.metrics.failed(outcome)
        job.status = "failed"

    def _transcribe(self, job: Job) -> None:
        def progress(seconds: float) -> None:
            if job.stopped:
                raise _Stopped("The job was stopped.")
            job.done_s = seconds
            self._check_length(seconds)

        recognizer = job.hosted.variants.get(job.options)
        transcript = recognizer.transcribe(job.recording, progress=progress)
        progress(transcript.duration_s)
        job.duration_s = transcript.duration_s
        transcript = labelled(transcript, job.recording, job.options)
        atomic_write_text(job.result, transcript.confident(job.options.min_confidence).to_json())


def job_routes(app: FastAPI, jobs: Jobs) -> None:
    """Add the routes."""
    service = jobs.service
    tags: list[str | Enum] = ["jobs"]
    form = form_schema(DECODING, {"file": FILE_FIELD})
    asked = {"parameters": query_parameters(DECODING), "requestBody": form}
    conflict: dict[int | str, dict[str, Any]] = {409: {"model": Problem}}

    @app.post(
        "/v1/jobs",
        tags=tags,
        status_code=202,
        responses=PROBLEMS,
        response_model=JobAnswer,
        openapi_extra=asked,
    )
    async def submit(request: Request) -> Response:
        """Transcribe a long recording later; poll the job, then fetch its transcript."""
        async with read_form(request, ("file",)) as given:
            options = read_options(given.fields, DECODING)
            check_speakers(options)
            if len(given.files) > 1:
                raise BadOption("file", "A job takes one file.", "Submit a job for each.")
            job = await jobs.submit(given.files[0], service.fleet.choose(options.model), options)
        headers = {"Location": f"/v1/jobs/{job.id}"}
        return JSONResponse(job.answer().model_dump(), 202, headers)

    @app.get("/v1/jobs/{key}", tags=tags, responses=PROBLEMS)
    async def status(key: str) -> JobAnswer:
        """The state of a job: queued, running, done or failed."""
        return jobs.get(key).answer()

    @app.get(
        "/v1/jobs/{key}/transcript",
        tags=tags,
        responses={**PROBLEMS, **conflict},
        openapi_extra={"parameters": query_parameters(FORMAT)},
    )
    async def transcript(request: Request, key: str) -> Response:
        """The transcript of a job that is done."""
        options = read_options(request.query_params.multi_items(), FORMAT)
        job = jobs.get(key)
        if job.status != "done":
            raise Conflict(f"The job is {job.status}.", job.error or "Ask again later.")
        text = await asyncio.to_thread(job.result.read_text, encoding="utf-8")
        result = read_transcript(json.loads(text))
        if options.output_format == "rttm":
            check_speakers(job.options.model_copy(update={"output_format": "rttm"}))
        if options.output_format != "json":
            return rendered(result, options.output_format, job.name)
        return JSONResponse({"name": job.name, **content(result, options)})

    @app.delete("/v1/jobs/{key}", tags=tags, status_code=204, responses=PROBLEMS)
    async def delete(key: str) -> None:
        """Stop a job and forget it."""
        jobs.delete(jobs.get(key).id)
