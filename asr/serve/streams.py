"""WebSocket streaming: samples in, partial and final results out.

The client sends 16-bit little-endian mono samples as binary messages, and ``{"type": "end"}`` as
text when it is done. The service sends ``{"type": "partial" | "final", "text", "start", "end",
"words", "utterance"}``, at the end ``{"type": "done", "seconds"}``, and ``{"type": "error",
"detail"}`` before it closes the connection for another reason.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from fastapi import FastAPI, WebSocket
from starlette.websockets import WebSocketDisconnect

from asr.errors import AsrError
from asr.serve.config import ServeConfig
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet
from asr.speech.streaming import SpeechStream, StreamResult

__all__ = ["stream_routes"]

RATES = (8000, 96000)  # Hz
POLICY, TOO_BIG, TRY_LATER = 1008, 1009, 1013  # close codes (RFC 6455, section 7.4.1, and IANA's)


class _Refused(Exception):  # noqa: N818
    """A stream is closed, with the close code and the reason for the client."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def stream_routes(app: FastAPI, fleet: Fleet, config: ServeConfig, metrics: ServiceMetrics) -> None:
    """Add the WebSocket route."""
    threads = ThreadPoolExecutor(2, "stream")
    count = 0

    @app.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        nonlocal count
        await socket.accept()
        if count >= config.max_streams:
            await _close(socket, TRY_LATER, f"{config.max_streams} streams are open already.")
            return
        count += 1
        metrics.streams.set(count)
        try:
            await _serve(socket, _open(socket, fleet), config, threads)
        except _Refused as error:
            await _close(socket, error.code, error.detail)
        except AsrError as error:
            await _close(socket, POLICY, str(error))
        except WebSocketDisconnect:
            pass  # the client closed it
        finally:
            count -= 1
            metrics.streams.set(count)


async def _close(socket: WebSocket, code: int, detail: str) -> None:
    try:
        await socket.send_json({"type": "error", "detail": detail})
        await socket.close(code, detail[:100])
    except (WebSocketDisconnect, RuntimeError):
        pass  # the client has closed it already


def _open(socket: WebSocket, fleet: Fleet) -> SpeechStream:
    """Begin the stream that the query asks for: the model and the sample rate."""
    given = socket.query_params
    model = given.get("model") or next((m.name for m in fleet.models.values() if m.streaming), None)
    hosted = fleet.choose(model)
    if hosted.streaming is None:
        raise _Refused(POLICY, f"The model {hosted.name} cannot stream.")
    text = given.get("sample_rate", str(hosted.recognizer.sample_rate))
    if not text.isdecimal() or not RATES[0] <= int(text) <= RATES[1]:
        raise _Refused(
            POLICY, f"sample_rate is {text!r}; give a number of Hz from {RATES[0]} to {RATES[1]}."
        )
    return hosted.streaming.stream(int(text))


async def _serve(
    socket: WebSocket, speech: SpeechStream, config: ServeConfig, threads: ThreadPoolExecutor
) -> None:
    """Pass messages on until the client ends the stream, is silent too long, or breaks a rule."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            message = await asyncio.wait_for(socket.receive(), config.stream_idle_s)
        except asyncio.TimeoutError:
            raise _Refused(POLICY, f"No audio for {config.stream_idle_s:g} s.") from None
        if message["type"] == "websocket.disconnect":
            return
        if (data := message.get("bytes")) is not None:
            if len(data) % 2:
                raise _Refused(
                    POLICY, "A binary message holds 16-bit samples, so an even number of bytes."
                )
            if speech.seconds + len(data) / 2 / speech.source_rate > config.max_duration_s:
                raise _Refused(TOO_BIG, f"The stream is longer than {config.max_duration_s:g} s.")
            samples = np.frombuffer(data, "<i2")
            await _send(socket, await loop.run_in_executor(threads, speech.push, samples))
        elif _is_end(message.get("text") or ""):
            await _send(socket, await loop.run_in_executor(threads, speech.finish))
            await socket.send_json({"type": "done", "seconds": round(speech.seconds, 3)})
            await socket.close()
            return
        else:
            raise _Refused(POLICY, 'A text message must be {"type": "end"}.')


def _is_end(text: str) -> bool:
    try:
        message: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("type") == "end"


async def _send(socket: WebSocket, results: list[StreamResult]) -> None:
    for result in results:
        content = dataclasses.asdict(result)
        await socket.send_json({"type": "final" if content.pop("final") else "partial", **content})
