"""Errors of the service: which status each has, and the handlers that answer with it.

There is one place for each error. Its body is ``{"detail": ...}`` on our routes, and has the shape
of OpenAI's on theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from asr.errors import AsrError, AudioError, ConfigError, DataError, ModelError

__all__ = [
    "PROBLEMS",
    "BadOption",
    "Conflict",
    "NoSuchModel",
    "NotFound",
    "Overloaded",
    "Problem",
    "Refusal",
    "TimedOut",
    "TooLarge",
    "TooLong",
    "add_error_handlers",
    "answered",
    "problem",
    "refusal_of",
    "within",
]

T = TypeVar("T")


class NoSuchModel(ModelError):  # noqa: N818 - what it says
    """No model of that name is served."""


class BadOption(ConfigError):  # noqa: N818 - what it says
    """An option of a request is unknown, has no effect where it is given, or has a wrong value.

    Args:
        name: of the option.
        message: see :class:`asr.errors.AsrError`.
        remedy: see :class:`asr.errors.AsrError`.
    """

    def __init__(self, name: str, message: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy)
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.message, self.remedy)


class NotFound(DataError):  # noqa: N818 - what it says
    """There is nothing of that name."""


class Conflict(AsrError):  # noqa: N818 - what it says
    """What is asked for is not possible in the present state."""


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
    status: {"model": Problem} for status in (400, 401, 404, 408, 413, 422, 503, 504)
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
        param: name of the option that is wrong.
    """

    status: int
    outcome: str
    detail: str
    retry_after_s: float = 0.0
    param: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        return {"Retry-After": f"{self.retry_after_s:.0f}"} if self.retry_after_s else {}


# The first class that an error belongs to decides.
STATUSES: tuple[tuple[type[AsrError], int, str], ...] = (
    (NoSuchModel, 404, "no_model"),
    (NotFound, 404, "not_found"),
    (BadOption, 422, "bad_option"),
    (Conflict, 409, "conflict"),
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
    param = "model" if isinstance(error, NoSuchModel) else getattr(error, "name", None)
    return Refusal(status, outcome, str(error), retry_after_s, param)


def problem(path: str, refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Return status and body of the answer to a refused request, as clients of its route expect."""
    if not path.startswith(("/v1/audio/", "/v1/models")):
        return refusal.status, {"detail": refusal.detail}
    kind = "invalid_request_error" if refusal.status < 500 else "server_error"
    error = {"message": refusal.detail, "type": kind, "param": refusal.param}
    code = {"no_model": "model_not_found", "no_key": "invalid_api_key"}.get(refusal.outcome)
    status = 400 if refusal.status == 422 else refusal.status
    return status, {"error": error | {"code": code}}


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of every route as JSON; all are registered here."""

    def respond(request: Request, refusal: Refusal, headers: Any = None) -> Response:
        status, body = problem(request.url.path, refusal)
        return JSONResponse(body, status, {**refusal.headers, **(headers or {})})

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, AsrError)
        return respond(request, refusal_of(error))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return respond(request, Refusal(422, "invalid", _complaints(error.errors())))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refusal = Refusal(error.status_code, "http", str(error.detail))
        return respond(request, refusal, error.headers)

    async def gone(_: Request, error: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it; the log and the metrics have it

    async def fail(request: Request, error: Exception) -> Response:
        return respond(request, Refusal(500, "fault", f"internal error: {type(error).__name__}"))

    app.add_exception_handler(AsrError, refuse)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, fail)


def _complaints(errors: Sequence[Any]) -> str:
    """Return what is wrong with a request; not its values, which JSON may be unable to hold."""
    places = (".".join(str(part) for part in error["loc"]) for error in errors)
    texts = [f"{place}: {error['msg']}" for place, error in zip(places, errors, strict=True)]
    return "; ".join(dict.fromkeys(texts[:5]))


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Return the result of ``work``, which is cancelled when the time is over.

    Raises:
        TimedOut: the work took longer.
    """
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise TimedOut(f"not done after {seconds:g} s") from None


async def answered(request: Request, work: Awaitable[T]) -> T:
    """Return the result of ``work``, which is cancelled when the client closes the connection.

    That raises Starlette's ``ClientDisconnect``.
    """
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return await task
    finally:
        for each in (task, leaving):
            each.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


async def _until_gone(request: Request) -> None:
    """Return when the client has closed the connection; its request was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
