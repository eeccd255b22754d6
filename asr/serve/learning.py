"""Learning from corrected transcripts, as a job that clients start where the operator allows it.

POST   /v1/learn    begin; one job at a time
GET    /v1/learn    its state, stage and progress, and in the end the gain
DELETE /v1/learn    stop it

The job is `asr learn` in a process of its own, beside the models that are served. The new model is
a folder below that of the corrections; the operator decides whether to serve it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from asr.errors import ConfigError
from asr.model_folder import WEIGHTS
from asr.serve.corrections import Corrections
from asr.serve.errors import PROBLEMS, Conflict, Problem
from asr.serve.models import Fleet

__all__ = ["Learning", "learning_routes"]

LEARNED, LOG, RESULT = "learned", "log.txt", "learned.json"
# share of the job that is done when a stage begins; training has what is between its two
STAGES = {"preparing": 0.0, "before": 0.05, "training": 0.1, "after": 0.95}
NORMALIZERS = {"zh": "mandarin"}  # language -> what writes transcripts as the model spells
TERMINATE_S = 10.0


class LearnedAnswer(BaseModel):
    """The gain on recordings that were kept apart: word error rates, 0 to 1; low and high bound
    their difference (95 %), negative where the new model is better.
    """

    before: float
    after: float
    low: float | None = None
    high: float | None = None
    accepted: bool
    verdict: str


class LearnAnswer(BaseModel):
    """The job: idle before the first one, then running, done, failed or stopped."""

    status: str
    stage: str = ""
    progress: float = 0.0
    corrections: int = 0
    folder: str | None = None
    result: LearnedAnswer | None = None
    error: str | None = None


@dataclass
class _Job:
    """A call of `asr learn`.

    Attributes:
        process: that runs it.
        folder: its output.
        corrections: recordings that it learns from.
        stopped: somebody stopped it.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    corrections: int
    stopped: bool = False


class Learning:
    """Starts the job and looks after it.

    Args:
        fleet: the first of its speech models that has weights is the one that learns.
        corrections: to learn from.
        time_limit_s: of a training.

    Raises:
        ConfigError: no model has weights.
    """

    def __init__(self, fleet: Fleet, corrections: Corrections, time_limit_s: float) -> None:
        trained = [m for m in fleet.models.values() if WEIGHTS in m.recognizer.bundle.files]
        if not trained:
            raise ConfigError(
                "None of the served models can learn: they are exported ones.",
                "Serve the trained model too, or leave out --learn-s.",
            )
        self.model, self.corrections, self.time_limit_s = trained[0], corrections, time_limit_s
        self._job: _Job | None = None

    def start(self) -> LearnAnswer:
        """Begin to learn.

        Raises:
            Conflict: a job is running, or there are no corrections.
        """
        if self._job is not None and self._job.process.poll() is None:
            raise Conflict("A job is learning already.", "Wait for it, or stop it.")
        count = sum(bool(answer.text) for answer in self.corrections.listed())
        if not count:
            raise Conflict("There are no corrections to learn from.", "Correct some transcripts.")
        folder = self._free_folder()
        arguments = [
            *("learn", str(self.model.recognizer.bundle.path), str(self.corrections.table)),
            *("--output-dir", str(folder), f"trainer.time_limit_s={self.time_limit_s:g}"),
            *("--normalizer", NORMALIZERS.get(self.model.language[:2], "librispeech")),
        ]
        with (folder / LOG).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "asr", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._job = _Job(process, folder, count)
        return self.state()

    def state(self) -> LearnAnswer:
        """Return the state of the last job."""
        job = self._job
        if job is None:
            return LearnAnswer(status="idle")
        answer = LearnAnswer(
            status="running",
            corrections=job.corrections,
            folder=job.folder.relative_to(self.corrections.folder).as_posix(),
        )
        if job.process.poll() is None:
            answer.stage, answer.progress = self._stage(job)
            return answer
        result = _read_json(job.folder / RESULT)
        if result is not None:
            return answer.model_copy(
                update={"status": "done", "progress": 1.0, "result": LearnedAnswer(**result)}
            )
        if job.stopped:
            return answer.model_copy(update={"status": "stopped"})
        return answer.model_copy(update={"status": "failed", "error": _complaint(job)})

    def stop(self) -> None:
        """Stop the job, if there is one."""
        job = self._job
        if job is None or job.process.poll() is not None:
            return
        job.stopped = True
        job.process.terminate()
        try:
            job.process.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()

    def _free_folder(self) -> Path:
        number = 1
        while (folder := self.corrections.folder / LEARNED / str(number)).exists():
            number += 1
        folder.mkdir(parents=True)
        return folder

    def _stage(self, job: _Job) -> tuple[str, float]:
        """Return the stage of a running job by what it has written, and its progress, 0 to 1."""
        if not (job.folder / "data" / "test" / ".completed").exists():
            return "preparing", STAGES["preparing"]
        measured = job.folder / "before" / "metrics.json"
        if not measured.exists():
            return "before", STAGES["before"]
        since_s = time.time() - measured.stat().st_mtime
        if since_s >= self.time_limit_s:
            return "after", STAGES["after"]
        first, last = STAGES["training"], STAGES["after"]
        return "training", round(first + (last - first) * since_s / self.time_limit_s, 3)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content


def _complaint(job: _Job) -> str:
    """Return why a job failed: the last error that it wrote."""
    lines = (job.folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[-1] if errors else f"asr learn ended with status {job.process.returncode}."


def learning_routes(app: FastAPI, learning: Learning) -> None:
    """Add the routes."""
    tags: list[str | Enum] = ["corrections"]
    conflict: dict[int | str, dict[str, Any]] = {409: {"model": Problem}}

    @app.post("/v1/learn", tags=tags, status_code=202, responses={**PROBLEMS, **conflict})
    def start() -> LearnAnswer:
        """Begin to learn from what was corrected; poll the job."""
        return learning.start()

    @app.get("/v1/learn", tags=tags, responses=PROBLEMS)
    def state() -> LearnAnswer:
        """The last job: its stage and progress, and in the end the gain."""
        return learning.state()

    @app.delete("/v1/learn", tags=tags, status_code=204, responses=PROBLEMS)
    def stop() -> None:
        """Stop the job that is running."""
        learning.stop()
