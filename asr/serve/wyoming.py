"""Wyoming over TCP, the protocol of Home Assistant's voice assistants.

The client sends ``describe``, or ``transcribe``, ``audio-start``, ``audio-chunk`` and
``audio-stop``; it gets ``info``, or ``transcript``. A streaming model sends ``transcript-start``
and a ``transcript-chunk`` an utterance before that, and ``transcript-stop`` after it. Described in
https://github.com/OHF-Voice/wyoming
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import warnings
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.level import LevelledBlocks
from asr.audio.reading import resample
from asr.errors import AsrError, AudioError
from asr.serve.errors import TooLong, within
from asr.serve.live import LiveStream, Streams
from asr.serve.models import HostedModel
from asr.serve.options import MAX_HOTWORDS, STREAM, RequestOptions, read_options
from asr.serve.service import Service
from asr.speech.acoustics.windows import Heard
from asr.speech.streaming import StreamResult
from asr.text.chinese import join_words

with warnings.catch_warnings():  # it tries audioop, which Python 3.13 no longer has
    warnings.simplefilter("ignore", DeprecationWarning)
    from wyoming.asr import (
        Transcribe,
        Transcript,
        TranscriptChunk,
        TranscriptStart,
        TranscriptStop,
    )
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.error import Error
    from wyoming.event import Event, Eventable, async_read_event, async_write_event
    from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
    from wyoming.ping import Ping, Pong

__all__ = ["WyomingServer"]

MAX_PIECE = 1 << 20  # bytes of an event
NAME_WEIGHT, TERM_WEIGHT = 10.0, 5.0  # of hotwords, natural log; names come before terms
WIDTHS: dict[int, str] = {1: "u1", 2: "<i2", 4: "<i4"}  # bytes of a sample -> their type
logger = logging.getLogger("asr.serve")


class _BoundedReader(asyncio.StreamReader):
    """A reader that refuses pieces that no event has, before their bytes are kept."""

    async def readexactly(self, n: int) -> bytes:
        if not isinstance(n, int) or n > MAX_PIECE:
            raise ValueError(f"an event has at most {MAX_PIECE} bytes")
        return await super().readexactly(n)


class WyomingServer:
    """The listening socket and its connections.

    Args:
        service: models and limits.
        streams: places for streams.
    """

    def __init__(self, service: Service, streams: Streams) -> None:
        self.service, self.streams = service, streams
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()

    async def start(self, host: str, port: int) -> None:
        """Accept connections.

        Raises:
            OSError: nothing can listen there.
        """
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(_BoundedReader(), self._connected)

        self._server = await loop.create_server(protocol, host, port)
        if self.service.config.api_keys:
            logger.warning("wyoming has no API keys", extra={"port": port})

    async def stop(self) -> None:
        """Accept no more; let those who are at a recording have its transcript."""
        if self._server is not None:
            self._server.close()
        deadline = time.monotonic() + self.service.config.shutdown_s
        while any(session.busy for session in self._sessions) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for session in list(self._sessions):
            session.writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, writer)
        self._sessions.add(session)
        idle_s = self.service.config.stream_idle_s
        try:
            while event := await asyncio.wait_for(async_read_event(reader), idle_s):
                await session.handle(event)
        except (asyncio.TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the client is silent or gone
        except (AttributeError, KeyError, TypeError) as error:
            with contextlib.suppress(ConnectionError):
                await session.send(Error(f"This is not an event of Wyoming ({error}).", "event"))
        finally:
            session.close()
            self._sessions.discard(session)
            writer.close()


class _Session:
    """One connection; it may transcribe several recordings, one after the other."""

    def __init__(self, server: WyomingServer, writer: asyncio.StreamWriter) -> None:
        self.server, self.writer = server, writer
        self.asked = Transcribe()
        self.recording: _Recording | None = None
        self.places = contextlib.ExitStack()
        self.failed = False  # what is left of a recording after an error is skipped

    @property
    def busy(self) -> bool:
        """Whether a recording has begun that has no transcript yet."""
        return self.recording is not None

    async def send(self, event: Eventable) -> None:
        """Send an event."""
        await async_write_event(event.event(), self.writer)

    async def handle(self, event: Event) -> None:
        """Answer an event; unknown ones are left alone, as the protocol wants."""
        try:
            if Describe.is_type(event.type):
                await self.send(_info(self.server.streams))
            elif Ping.is_type(event.type):
                await self.send(Pong(Ping.from_event(event).text))
            elif Transcribe.is_type(event.type):
                self.asked = Transcribe.from_event(event)
            elif AudioStart.is_type(event.type):
                await self._start(AudioStart.from_event(event))
            elif AudioChunk.is_type(event.type):
                await self._chunk(AudioChunk.from_event(event))
            elif AudioStop.is_type(event.type):
                await self._stop()
        except AsrError as error:
            self.close()
            self.failed = True
            await self.send(Error(str(error), type(error).__name__))

    async def _start(self, start: AudioStart) -> None:
        self.close()
        self.failed = False
        self.places.enter_context(await self.server.streams.place())
        hosted = self.server.streams.choose(self.asked.name or "")
        options = _options(self.asked, hosted, start.rate)
        self.recording = _Recording(start, hosted, options, self.server)
        await self.recording.open()
        if self.recording.live is not None:
            await self.send(TranscriptStart())

    async def _chunk(self, chunk: AudioChunk) -> None:
        if self.failed:
            return
        if self.recording is None:  # some clients leave audio-start out
            await self._start(AudioStart(chunk.rate, chunk.width, chunk.channels))
        assert self.recording is not None
        for text in await self.recording.push(chunk.audio):
            await self.send(TranscriptChunk(text))

    async def _stop(self) -> None:
        recording, failed = self.recording, self.failed
        self.failed = False
        if failed:
            return
        if recording is None:
            raise AudioError("There was no audio.", "Send audio-start and audio-chunk first.")
        for text in await recording.finish():
            await self.send(TranscriptChunk(text))
        await self.send(Transcript(recording.text))
        if recording.live is not None:
            await self.send(TranscriptStop())
        self.close()
        self.asked = Transcribe()

    def close(self) -> None:
        """Forget the recording and give its place back."""
        self.recording = None
        self.places.close()


class _Recording:
    """Audio between ``audio-start`` and ``audio-stop``.

    A streaming model hears it as it comes, any other one all of it at the end.

    Attributes:
        live: the stream, for a streaming model.
        text: what was said so far.
    """

    def __init__(
        self, start: AudioStart, hosted: HostedModel, options: RequestOptions, server: WyomingServer
    ) -> None:
        if start.width not in WIDTHS or not 1 <= start.channels <= 16:
            raise AudioError(
                f"{start.channels} channels of {start.width} bytes cannot be read.",
                "Send 1, 2 or 4 bytes a sample.",
            )
        self.start, self.hosted, self.options, self.server = start, hosted, options, server
        self.live: LiveStream | None = None
        self.text = ""
        self._rest = b""  # of a frame whose other bytes are to come
        self._heard: list[npt.NDArray[np.int16]] = []
        self._limit = round(server.service.config.max_duration_s * start.rate)

    async def open(self) -> None:
        """Open the stream of a streaming model."""
        if self.hosted.streaming is not None:
            self.live = await self.server.streams.open(self.hosted, self.options)

    async def push(self, data: bytes) -> list[str]:
        """Take bytes; return the texts of the utterances that ended."""
        samples = self._mono(data)
        if self.live is None:
            self._heard.append(samples)
            self._limit -= len(samples)
            if self._limit < 0:
                limit_s = self.server.service.config.max_duration_s
                raise TooLong(f"The recording is longer than {limit_s:g} s.", "Cut it.")
            return []
        return self._texts(await self.live.push(samples.astype("<i2").tobytes()))

    async def finish(self) -> list[str]:
        """Return the texts of the utterances that are still open."""
        if self.live is not None:
            return self._texts(await self.live.finish())
        service = self.server.service
        heard = await asyncio.to_thread(self._whole)
        work = service.hear(heard, self.hosted, self.options)
        self.text = (await within(service.config.request_timeout_s, work)).readable
        return []

    def _whole(self) -> Heard:
        """Return all that was sent, at the model's rate and the usual level."""
        rate = self.hosted.recognizer.sample_rate
        heard = np.concatenate([np.zeros(0, np.int16), *self._heard])
        whole = heard.astype(np.float32) / np.float32(32768)
        levelled = LevelledBlocks([resample(whole, self.start.rate, rate)], rate)
        samples = np.concatenate(list(levelled))
        self.hosted.recognizer.frames.check_lengths([samples])
        return Heard(samples)

    def _texts(self, results: list[StreamResult]) -> list[str]:
        return [self._said(result.readable) for result in results if result.final and result.text]

    def _said(self, text: str) -> str:
        """Return the next piece of the text, with a space before it where one belongs there."""
        before, self.text = self.text, join_words((self.text, text)) if self.text else text
        return self.text[len(before) :]

    def _mono(self, data: bytes) -> npt.NDArray[np.int16]:
        """Return the mean of the channels, in 16 bits, of all whole frames so far."""
        data = self._rest + data
        frame = self.start.width * self.start.channels
        whole = len(data) - len(data) % frame
        data, self._rest = data[:whole], data[whole:]
        values = np.frombuffer(data, WIDTHS[self.start.width]).astype(np.float64)
        if self.start.width == 1:
            values -= 128  # 8-bit samples have no sign
        scaled = values * 256.0 ** (2 - self.start.width)
        mean: npt.NDArray[np.float64] = scaled.reshape(-1, self.start.channels).mean(1)
        return mean.astype(np.int16)


def _options(asked: Transcribe, hosted: HostedModel, rate: int) -> RequestOptions:
    """Return the options of a recording; names and terms that the model does not know are left
    out.
    """
    hotwords: dict[str, float] = {}
    weighted = ((asked.transcript_terms, TERM_WEIGHT), (asked.transcript_names, NAME_WEIGHT))
    for phrases, weight in weighted:
        known = [p for p in phrases or [] if p and hosted.recognizer.decoders.knows(p)]
        hotwords |= dict.fromkeys(known, weight)
    given: list[tuple[str, Any]] = [("sample_rate", rate)]
    if hotwords:
        given.append(("hotwords", dict(list(hotwords.items())[-MAX_HOTWORDS:])))
    return read_options(given, STREAM)


def _info(streams: Streams) -> Info:
    """Return what is served, the model that is used without a name first."""
    maker = Attribution(name="asr", url="")
    version = metadata.version("asr")
    models = streams.fleet.models.values()
    listed = [
        AsrModel(
            name=hosted.name,
            attribution=maker,
            installed=True,
            description=f"{hosted.name}, {hosted.recognizer.sample_rate} Hz",
            version=version,
            languages=[hosted.language],
        )
        for hosted in sorted(models, key=lambda hosted: hosted.streaming is None)
    ]
    program = AsrProgram(
        name="asr",
        attribution=maker,
        installed=True,
        description="Speech recognition",
        version=version,
        models=listed,
        supports_transcript_streaming=any(hosted.streaming for hosted in models),
    )
    return Info(asr=[program])
