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
from asr.serve.errors import Refusal, problem
from asr.serve.metrics import ServiceMetrics

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

OPEN_ROUTES = ("/", "/health", "/ready", "/openapi.json", "/docs")  # need no key
OPEN_FILES = ("/docs/files/", "/page/")
NO_KEY = Refusal(401, "no_key", "A valid API key is needed.")
LARGE = ("/v1/jobs", "/v1/corrections")  # take long recordings
FORM_BYTES = 100_000  # what a form has beside its recording
LINGER_S = 2.0  # for a client that still sends to read its refusal, before the connection closes
logger = logging.getLogger("asr.serve")


@dataclass
class _Upload:
    """The body of a request.

    Attributes:
        max_bytes: that it may have.
        timeout_s: that it may take.
        refused: it was refused before all of it was read.
    """

    max_bytes: int
    timeout_s: float
    refused: bool = False


class Guard:
    """The middleware before every route.

    Args:
        app: the application behind it.
        config: settings.
        metrics: where requests are counted.

    Attributes:
        open_streams: WebSockets that are open.
    """

    def __init__(self, app: Any, config: ServeConfig, metrics: ServiceMetrics) -> None:
        self.app, self.config, self.metrics = app, config, metrics
        self.open_streams = 0

    async def drain(self, seconds: float) -> None:
        """Return when no WebSocket is open any more, or after so many seconds."""
        deadline = time.monotonic() + seconds
        while self.open_streams and time.monotonic() < deadline:
            await asyncio.sleep(0.02)

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
            await self._http(scope, headers, receive, send, refuse=NO_KEY)
            return
        if scope["type"] == "websocket":
            self.open_streams += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.open_streams -= 1
            return
        await self._http(scope, headers, receive, send)

    def _allowed(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Return whether a request has a valid key, or needs none."""
        path = scope["path"]
        is_open = path in OPEN_ROUTES or path.startswith(OPEN_FILES)
        if not self.config.api_keys or (scope["type"] == "http" and is_open):
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
        refuse: Refusal | None = None,
    ) -> None:
        """Pass a request on, or refuse it; count and log it either way."""
        started, status, upload = time.monotonic(), 500, self._upload(scope["path"])
        request_id = headers.get("x-request-id", "")[:64] or uuid.uuid4().hex[:16]
        limit, announced = upload.max_bytes, headers.get("content-length", "")
        if refuse is None and announced.isdigit() and int(announced) > limit:
            refuse = _too_large(limit)

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
                upload.refused = refuse.status == 413
                await _answer(sending, scope["path"], refuse)
            else:
                await self.app(scope, _limited(receive, upload), sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")  # set where the request was routed
            self.metrics.requests.labels(route, str(status)).inc()
            _log_request(scope, request_id, status, time.monotonic() - started)

    def _upload(self, path: str) -> _Upload:
        config = self.config
        if path in LARGE:
            return _Upload(config.max_job_bytes + FORM_BYTES, config.job_upload_timeout_s)
        return _Upload(config.max_bytes * config.max_files, config.upload_timeout_s)


def _limited(receive: Receive, upload: _Upload) -> Receive:
    """Return a ``receive`` that refuses a body that is too large or comes too slowly.

    What counts is the body itself: headers may say anything.
    """
    deadline, size, complete = time.monotonic() + upload.timeout_s, 0, False

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
        if size > upload.max_bytes:
            upload.refused = True
            raise HTTPException(413, _too_large(upload.max_bytes).detail)
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


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "too_large", f"The request is larger than {limit} bytes.")


async def _answer(send: Send, path: str, refusal: Refusal) -> None:
    status, content = problem(path, refusal)
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
