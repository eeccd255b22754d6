"""ASGI middleware: API keys, upload limits, request identifiers and the request log."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException

from asr.serve.config import ServeConfig
from asr.serve.metrics import ServiceMetrics

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

OPEN_ROUTES = ("/", "/health", "/ready", "/openapi.json", "/docs")
ROUTES = {*OPEN_ROUTES, "/metrics", "/v1/models", "/v1/predict", "/v1/transcribe", "/v1/stream"}
LINGER_S = 2.0  # for a client that still sends to read its refusal, before the connection closes
logger = logging.getLogger("asr.serve")


@dataclass
class _Upload:
    """The body of a request.

    Attributes:
        refused: it was refused before all of it was read.
    """

    refused: bool = False


class Guard:
    """The middleware before every route.

    Args:
        app: the application behind it.
        config: settings.
        metrics: where requests are counted.
    """

    def __init__(self, app: Any, config: ServeConfig, metrics: ServiceMetrics) -> None:
        self.app, self.config, self.metrics = app, config, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if not self._allowed(scope, headers):
            if scope["type"] == "websocket":
                await send(
                    {"type": "websocket.close", "code": 1008, "reason": "a valid API key is needed"}
                )
                return
            await self._http(
                scope, headers, receive, send, refuse=(401, "A valid API key is needed.")
            )
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        await self._http(scope, headers, receive, send)

    def _allowed(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Return whether a request has a valid key, or needs none."""
        if not self.config.api_keys or scope["path"] in OPEN_ROUTES:
            return True
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if scope["type"] == "websocket" and not given:  # browsers cannot set headers of a WebSocket
            from urllib.parse import parse_qs

            given = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        return any(
            hmac.compare_digest(given.encode(), key.encode()) for key in self.config.api_keys
        )

    async def _http(
        self,
        scope: Scope,
        headers: dict[str, str],
        receive: Receive,
        send: Send,
        refuse: tuple[int, str] | None = None,
    ) -> None:
        """Pass a request on, or refuse it with (status, detail); count and log it either way."""
        started, status, upload = time.monotonic(), 500, _Upload()
        request_id = headers.get("x-request-id", "")[:64] or uuid.uuid4().hex[:16]
        limit = self.config.max_bytes * self.config.max_files
        announced = headers.get("content-length", "")
        if refuse is None and announced.isdigit() and int(announced) > limit:
            refuse = (413, f"The request is larger than {limit} bytes.")

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode("latin-1")),
                ]
                if upload.refused:
                    message["headers"].append((b"connection", b"close"))
            elif upload.refused and not message.get("more_body", False):
                # Hold the last, empty piece of the answer back until the client had time to read.
                await send({**message, "more_body": True})
                await _linger(receive)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            if refuse is not None:
                upload.refused = refuse[0] == 413
                await _answer(sending, *refuse)
            else:
                await self.app(scope, self._limited(receive, limit, upload), sending)
        finally:
            route = scope["path"] if scope["path"] in ROUTES else "other"
            self.metrics.requests.labels(route, str(status)).inc()
            _log_request(scope, request_id, status, time.monotonic() - started)

    def _limited(self, receive: Receive, limit: int, upload: _Upload) -> Receive:
        """Return a ``receive`` that refuses a body that is too large or comes too slowly.

        What counts is the body itself: headers may say anything.
        """
        deadline, size, complete = time.monotonic() + self.config.upload_timeout_s, 0, False

        async def receiving() -> MutableMapping[str, Any]:
            nonlocal size, complete
            if complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, deadline - time.monotonic()))
            except asyncio.TimeoutError:
                upload.refused = True
                raise HTTPException(408, "The request's body took too long.") from None
            size += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if size > limit:
                upload.refused = True
                raise HTTPException(413, f"The request is larger than {limit} bytes.")
            return message

        return receiving


def _log_request(scope: Scope, request_id: str, status: int, seconds: float) -> None:
    entry = {
        "request_id": request_id,
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "seconds": round(seconds, 4),
        "client": (scope.get("client") or ["?"])[0],
    }
    quiet = scope["path"] in ("/health", "/ready", "/metrics")  # probes ask every few seconds
    logger.log(logging.DEBUG if quiet else logging.INFO, "request", extra=entry)


async def _linger(receive: Receive) -> None:
    """Read what a client still sends, for a moment.

    A connection that is closed while the client sends would be reset, and the answer lost.
    """

    async def rest() -> None:
        while (message := await receive())["type"] == "http.request" and message.get(
            "more_body", False
        ):
            pass

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(rest(), LINGER_S)


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
