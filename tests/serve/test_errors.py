"""Every error of the service has one status, wherever it is raised."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from asr.errors import AsrError, DataError
from asr.serve.errors import (
    NoSuchModel,
    Overloaded,
    TimedOut,
    TooLarge,
    TooLong,
    add_error_handlers,
    refusal_of,
    within,
)


@pytest.mark.parametrize(
    ("error", "status", "outcome", "headers"),
    [
        (NoSuchModel("no", "other"), 404, "no_model", {}),
        (TooLarge("big"), 413, "too_large", {}),
        (TooLong("long"), 413, "too_long", {}),
        (Overloaded(7.0), 503, "refused", {"Retry-After": "7"}),
        (TimedOut("late"), 504, "timeout", {}),
        (DataError("what", "do"), 400, "unreadable", {}),
    ],
)
def test_refusals(error: AsrError, status: int, outcome: str, headers: dict[str, str]) -> None:
    refusal = refusal_of(error)
    assert (refusal.status, refusal.outcome, refusal.headers) == (status, outcome, headers)
    assert refusal.detail == str(error)


def test_routes_need_no_handlers_of_their_own() -> None:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/busy")
    async def busy() -> None:
        raise Overloaded(3.0)

    @app.get("/slow")
    async def slow() -> None:
        await within(0.01, asyncio.sleep(5))

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret")

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path)

    answer = asyncio.run(ask("/busy"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json() == {"detail": "The service is busy. Try again in 3 s."}
    answer = asyncio.run(ask("/slow"))
    assert (answer.status_code, answer.json()) == (504, {"detail": "not done after 0.01 s"})
    answer = asyncio.run(ask("/broken"))
    assert (answer.status_code, answer.json()) == (500, {"detail": "internal error: RuntimeError"})
