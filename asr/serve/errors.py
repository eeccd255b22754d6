"""Errors of the service: which status each has, and the handlers that answer with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from asr.errors import AsrError, AudioError, DataError, ModelError

__all__ = [
    "PROBLEMS",
    "NoSuchModel",
    "Overloaded",
    "Problem",
    "Refusal",
    "TimedOut",
    "TooLarge",
    "TooLong",
    "add_error_handlers",
    "refusal_of",
    "within",
]

T = TypeVar("T")


class NoSuchModel(ModelError):  # noqa: N818 - what it says
    """No model of that name is served."""


class TooLarge(DataError):  # noqa: N818 - what it says
    """A request holds more bytes or files than the service takes."""


class TooLong(AudioError):  # noqa: N818 - what it says
    """A recording is longer than the service takes."""


class TimedOut(AsrError):  # noqa: N818 - what it says
    """An answer was not ready in time."""


class Overloaded(AsrError):  # noqa: N818 - what it says
    """The queue is full.

    Args:
        retry_after_s: seconds after which the client may try again.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("The service is busy.", f"Try again in {retry_after_s:.0f} s.")
        self.retry_after_s = retry_after_s


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (400, 401, 404, 408, 413, 503, 504)
}
"""The refusals of a route, for the OpenAPI schema."""


@dataclass(frozen=True)
class Refusal:
    """How an error is answered.

    Attributes:
        status: of HTTP.
        outcome: name in the metrics.
        detail: text for the client.
        retry_after_s: seconds after which to try again; 0: not said.
    """

    status: int
    outcome: str
    detail: str
    retry_after_s: float = 0.0

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {"Retry-After": f"{self.retry_after_s:.0f}"} if self.retry_after_s else {}


# The first class that an error belongs to decides.
STATUSES: tuple[tuple[type[AsrError], int, str], ...] = (
    (NoSuchModel, 404, "no_model"),
    (TooLarge, 413, "too_large"),
    (TooLong, 413, "too_long"),
    (Overloaded, 503, "refused"),
    (TimedOut, 504, "timeout"),
    (AsrError, 400, "unreadable"),
)


def refusal_of(error: AsrError) -> Refusal:
    """Return how an error is answered."""
    status, outcome = next((s, o) for kind, s, o in STATUSES if isinstance(error, kind))
    retry_after_s = error.retry_after_s if isinstance(error, Overloaded) else 0.0
    return Refusal(status, outcome, str(error), retry_after_s)


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of every route as JSON with a ``detail``."""

    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, AsrError)
        refusal = refusal_of(error)
        return JSONResponse({"detail": refusal.detail}, refusal.status, refusal.headers)

    async def fail(_: Request, error: Exception) -> Response:
        return JSONResponse({"detail": f"internal error: {type(error).__name__}"}, 500)

    app.add_exception_handler(AsrError, refuse)
    app.add_exception_handler(Exception, fail)


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Return the result of ``work``, which is cancelled when the time is over.

    Raises:
        TimedOut: the work took longer.
    """
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise TimedOut(f"not done after {seconds:g} s") from None
