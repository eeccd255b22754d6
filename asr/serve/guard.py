"""What stands before every route: keys, size and time of uploads, shutting down, request log."""

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
LINGER_S = 2.0  # for a client that still sends to read its refusal, before it is hung up on
logger = logging.getLogger("asr.serve")


@dataclass
class _Upload:
    """A request's body; ``refused`` before all of it was read."""

    refused: bool = False


class Guard:
    """ASGI middleware."""

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
            seconds = round(time.monotonic() - started, 4)
            level = logging.DEBUG if route in ("/health", "/ready", "/metrics") else logging.INFO
            logger.log(
                level,
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "seconds": seconds,
                    "client": (scope.get("client") or ["?"])[0],
                },
            )

    def _limited(self, receive: Receive, limit: int, upload: _Upload) -> Receive:
        """Stop a body that is too large, or that comes too slowly, whatever its headers say."""
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


async def _linger(receive: Receive) -> None:
    """Take what a client still sends, for a moment: a connection closed in its face would lose it
    the answer.
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
