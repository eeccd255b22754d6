"""WebSocket streaming: samples in, partial and final results out.

The client sends 16-bit little-endian mono samples as binary messages, and ``{"type": "end"}`` as
text when it is done. Options are in the query or, before the first samples, in
``{"type": "options", NAME: VALUE, ...}``. The service sends ``{"type": "partial" | "final", "text",
"start", "end", "words", "utterance"}``, where ``phrases`` were asked for ``{"type": "spot",
"phrase", "start", "end", "score"}``, at the end ``{"type": "done", "seconds"}``, and ``{"type":
"error", "detail"}`` before it closes the connection for another reason. Where ``speakers`` were
asked for, final results have a ``speaker``, and the end has ``turns``: by then later speech may
have changed who spoke earlier.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from asr.errors import AsrError
from asr.serve.errors import TooLong
from asr.serve.live import LiveStream, Streams, TooManyStreams
from asr.serve.models import HostedModel
from asr.serve.options import STREAM, RequestOptions, read_options
from asr.speech.streaming import StreamResult

__all__ = ["close_socket", "next_message", "parsed", "stream_routes"]

POLICY, TOO_BIG, TRY_LATER = 1008, 1009, 1013  # close codes (RFC 6455, section 7.4.1, and IANA's)
CODES: dict[type[AsrError], int] = {TooLong: TOO_BIG, TooManyStreams: TRY_LATER}


def stream_routes(app: FastAPI, streams: Streams) -> None:
    """Add the WebSocket route."""

    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        try:
            with await streams.place():
                await _Session(socket, streams).run()
        except AsrError as error:
            await close_socket(socket, error, {"type": "error", "detail": str(error)})
        except WebSocketDisconnect:
            pass  # the client closed it


async def close_socket(socket: WebSocket, error: AsrError, content: dict[str, Any]) -> None:
    """Say why, and close the connection."""
    try:
        await socket.send_json(content)
        await socket.close(CODES.get(type(error), POLICY), str(error)[:100])
    except (WebSocketDisconnect, RuntimeError):
        pass  # the client has closed it already


async def next_message(socket: WebSocket, seconds: float) -> bytes | str:
    """Return the next message; Starlette's ``WebSocketDisconnect`` is raised where none follows.

    Raises:
        AsrError: none came for so many seconds.
    """
    try:
        message = await asyncio.wait_for(socket.receive(), seconds)
    except asyncio.TimeoutError:
        raise AsrError(f"No audio for {seconds:g} s.", "Open the stream again.") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    data: bytes | str | None = message.get("bytes")
    return data if data is not None else str(message.get("text") or "")


class _Session:
    """One connection.

    Args:
        socket: accepted.
        streams: of the service.
    """

    def __init__(self, socket: WebSocket, streams: Streams) -> None:
        self.socket, self.streams = socket, streams
        query = socket.query_params.multi_items()
        self.asked = [(name, value) for name, value in query if name != "key"]
        self.hosted: HostedModel
        self.options: RequestOptions
        self.speech: LiveStream | None = None

    async def run(self) -> None:
        """Pass messages on until the client ends the stream, is silent too long, or breaks a
        rule.
        """
        self._read()
        idle_s = self.streams.config.stream_idle_s
        while True:
            message = await next_message(self.socket, idle_s)
            if isinstance(message, bytes):
                self.speech = self.speech or await self._open()
                await self._send(await self.speech.push(message))
            elif await self._command(message):
                return

    def _read(self) -> None:
        self.options = read_options(self.asked, STREAM)
        self.hosted = self.streams.choose(self.options.model)

    async def _open(self) -> LiveStream:
        return await self.streams.open(self.hosted, self.options)

    async def _command(self, text: str) -> bool:
        """Obey a text message; return whether the stream has ended."""
        command = parsed(text)
        if command.get("type") == "end":
            self.speech = self.speech or await self._open()
            await self._send(await self.speech.finish())
            content = {"type": "done", "seconds": round(self.speech.seconds, 3)}
            await self.socket.send_json(content | self.speech.turns())
            await self.socket.close()
            return True
        if command.pop("type", None) != "options" or self.speech is not None:
            raise AsrError(
                'A text message must be {"type": "end"}, or {"type": "options", ...} before audio.'
            )
        self.asked += command.items()
        self._read()
        return False

    async def _send(self, results: list[StreamResult]) -> None:
        for result in results:
            content = dataclasses.asdict(result)
            for unasked in ("alternatives", "written", "slots", "speaker"):
                if content[unasked] in (None, ()):
                    del content[unasked]
            kind = "final" if content.pop("final") else "partial"
            await self.socket.send_json({"type": kind, **content})
        for spot in self.speech.take_spots() if self.speech is not None else []:
            await self.socket.send_json({"type": "spot", **dataclasses.asdict(spot)})


def parsed(text: str) -> dict[str, Any]:
    """Return the JSON object of a text message; an empty one where it is none."""
    try:
        message: Any = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
