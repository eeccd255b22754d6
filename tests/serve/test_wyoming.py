"""Wyoming over TCP, with the package that Home Assistant uses."""

from __future__ import annotations

import asyncio
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from service import RATE, Server, free_port, save_tiny

import asr
from asr.audio.synthetic import made_audio
from asr.speech.export.exporting import export_model
from asr.speech.streaming import StreamingRecognizer

with warnings.catch_warnings():  # wyoming.audio tries audioop, which Python 3.13 no longer has
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming.asr import Transcribe
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient
    from wyoming.event import Event
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping

SOUND = made_audio(3.0, RATE, 1)
PCM = (SOUND * 32767).astype("<i2")


@pytest.fixture(scope="module")
def models(streaming_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wyoming")
    whole = export_model(save_tiny(folder / "t1", 1, trim=True), folder / "de-whole").folder
    return [whole, streaming_model]


@pytest.fixture(scope="module")
def port(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    log, port = tmp_path_factory.mktemp("log") / "log", free_port()
    running = Server(
        models, log, wyoming_port=port, max_duration_s=40.0, stream_idle_s=5.0, max_streams=2
    )
    yield port
    assert running.stop() == 0, log.read_text()


async def events_after(client: Any, last: str) -> list[Event]:
    """Return the events until one of this type, or an error."""
    events: list[Event] = []
    while not events or events[-1].type not in (last, "error"):
        event = await asyncio.wait_for(client.read_event(), 100)
        assert event is not None, "the connection was closed"
        events.append(event)
    return events


async def send_audio(
    client: Any, data: bytes, rate: int, width: int = 2, channels: int = 1
) -> None:
    await client.write_event(AudioStart(rate, width, channels).event())
    for begin in range(0, len(data), 2048):
        chunk = AudioChunk(rate, width, channels, data[begin : begin + 2048])
        await client.write_event(chunk.event())
    await client.write_event(AudioStop().event())


def transcribed(port: int, data: bytes, rate: int = RATE, **asked: Any) -> list[Event]:
    width, channels = asked.pop("width", 2), asked.pop("channels", 1)
    last = asked.pop("last", "transcript")

    async def go() -> list[Event]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Transcribe(**asked).event())
            await send_audio(client, data, rate, width, channels)
            return await events_after(client, last)

    return asyncio.run(go())


def test_describe_says_what_is_served(port: int) -> None:
    async def go() -> tuple[Event, Event]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Ping("hello").event())
            pong = await client.read_event()
            await client.write_event(Describe().event())
            return pong, await client.read_event()

    pong, event = asyncio.run(go())
    assert (pong.type, pong.data["text"]) == ("pong", "hello")
    program = Info.from_event(event).asr[0]
    assert program.supports_transcript_streaming
    listed = [(model.name, model.languages) for model in program.models]
    assert listed == [("tiny", ["en"]), ("de-whole", ["de"])]


def test_a_streaming_model_sends_utterances_as_they_end(port: int, models: list[Path]) -> None:
    data = np.tile(PCM, 11)  # longer than an utterance may be
    expected = StreamingRecognizer(models[1]).transcribe(data.astype(np.float32) / 32768)
    events = transcribed(port, data.tobytes(), last="transcript-stop")
    kinds = [event.type for event in events]
    assert kinds[0] == "transcript-start"
    assert kinds[-2:] == ["transcript", "transcript-stop"]
    chunks = [event.data["text"] for event in events if event.type == "transcript-chunk"]
    assert len(chunks) == len(expected) > 1
    text = " ".join(result.text for result in expected)
    assert "".join(chunks) == events[-2].data["text"] == text


def test_any_other_model_hears_it_whole(port: int, models: list[Path]) -> None:
    recognizer = asr.load_model(models[0])
    expected = recognizer.transcribe(PCM.astype(np.float32) / 32768, RATE).text
    assert expected
    (event,) = transcribed(port, PCM.tobytes(), name="de-whole")
    assert (event.type, event.data["text"]) == ("transcript", expected)

    wide = np.repeat(PCM.astype("<i4") << 16, 2).tobytes()  # two channels of 32 bits
    (event,) = transcribed(port, wide, name="de-whole", width=4, channels=2)
    assert event.data["text"] == expected

    hot = recognizer.with_decoding({"hotwords": {"abba": 10.0, "dead": 5.0}})
    (event,) = transcribed(
        port,
        PCM.tobytes(),
        name="de-whole",
        transcript_names=["Abba", "Zoë"],
        transcript_terms=["dead"],
    )
    assert event.data["text"] == hot.transcribe(PCM.astype(np.float32) / 32768, RATE).text
    assert event.data["text"] != expected


def test_errors_are_events(port: int) -> None:
    assert "no model" in transcribed(port, b"\0" * 4000, name="nobody")[-1].data["text"]
    assert "bytes cannot be read" in transcribed(port, b"\0" * 4000, width=3)[-1].data["text"]
    long = transcribed(port, b"\0" * (2 * 8000 * 41), 8000)
    assert "longer than 40 s" in long[-1].data["text"]

    async def after_an_error() -> list[str]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await send_audio(client, PCM.tobytes(), RATE, 3, 1)
            await client.write_event(Transcribe(name="de-whole").event())
            await send_audio(client, PCM.tobytes(), RATE, 2, 1)
            events = [await events_after(client, "transcript") for _ in range(2)]
            return [event.type for some in events for event in some]

    assert asyncio.run(after_an_error()) == ["error", "transcript"]

    async def nothing() -> Event:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(AudioStop().event())
            return (await events_after(client, "error"))[-1]

    assert "no audio" in asyncio.run(nothing()).data["text"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"type": "audio-chunk", "payload_length": 10000000000}\n',
        b'{"type": "audio-chunk", "payload_length": "x"}\n',
        b'{"type": "audio-start"}\n',
        b"[1]\n",
        b"x" * 200_000,
    ],
)
def test_what_is_no_wyoming_closes_the_connection_only(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
    assert transcribed(port, PCM[:RATE].tobytes())[-1].type == "transcript"
