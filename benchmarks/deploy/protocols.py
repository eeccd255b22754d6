"""Ten thousand mixed requests over all protocols at once: every answer right, memory constant.

    python benchmarks/deploy/protocols.py [--model en-streaming] [--requests 10000] [--clients 16]

``MIX`` says how many of a hundred requests are of which kind. A good one has to bring what the
library itself makes of the same sound; a bad one has to be refused in the way of its protocol. At
the end SIGTERM comes while requests are open: all of them have to be answered. The exit status is 1
if anything was otherwise, or if resident memory grew by more than ``MAX_GROWTH`` percent between a
tenth of the requests and all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from load import free_port, make_clips, start
from websockets.asyncio.client import connect
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from asr.audio.reading import load_audio
from asr.speech.jobs.bench_report import machine
from asr.speech.recognizer import Recognizer, load_model
from asr.speech.streaming import StreamingRecognizer
from asr.speech.transcripts.writing import AUTO, WritingConfig

MIX = {
    "rest": 20,
    "rest with hotwords": 5,
    "openai": 15,
    "openai events": 10,
    "websocket": 10,
    "vosk": 10,
    "wyoming": 10,
    "job": 5,
    "refused": 10,
    "aborted": 5,
}
CHUNK, RATE, MAX_GROWTH, MAX_ASKED, IN_FLIGHT = 6400, 16000, 10.0, 200, 12
HOTWORDS = "river, brother:5"


@dataclass(frozen=True)
class Clip:
    """A sound, and what the library makes of it: at once, with hotwords, and as a stream; the first
    and the last in plain words and as written.
    """

    data: bytes
    pcm: bytes
    whole: str = ""
    whole_written: str = ""
    hot: str = ""
    streamed: str = ""
    streamed_written: str = ""


Halfway = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """Continue without waiting."""


class Failed(Exception):  # noqa: N818 - what it says
    """An answer is not what it should be."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="en-streaming")
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--clip-s", type=float, default=2.0)
    parser.add_argument("--recordings", nargs="*", default=[])
    parser.add_argument("--hotwords", default=HOTWORDS)
    arguments = parser.parse_args()
    print(machine(), flush=True)
    recordings = make_clips(arguments.clip_s, arguments.recordings)
    recognizer = load_model(arguments.model, threads=1, writing=WritingConfig(AUTO))
    clips = known_clips(recognizer, recordings, arguments.hotwords)
    wyoming = free_port()
    options = ["--wyoming-port", str(wyoming), "--queue-size", "64", "--max-jobs", "4"]
    process, url = start(arguments.model, options)
    try:
        soak = Soak(process, url, wyoming, clips, arguments.hotwords)
        asyncio.run(soak.run(arguments.requests, arguments.clients))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    print("".join(f"\nwrong: {failure}" for failure in soak.failures[:10]))
    print(f"{len(soak.failures)} failures" if soak.failures else "all as it should be")
    sys.exit(1 if soak.failures else 0)


def known_clips(recognizer: Recognizer, recordings: list[bytes], hotwords: str) -> list[Clip]:
    """Return clips with what the library makes of them."""
    weights = {}
    for phrase in hotwords.split(","):
        name, _, weight = phrase.strip().partition(":")
        weights[name] = float(weight or 10)
    hot, stream = recognizer.with_decoding({"hotwords": weights}), StreamingRecognizer(recognizer)
    clips = []
    for data in recordings:
        samples = load_audio(data, RATE).samples
        pcm = np.round(samples * 32768).astype("<i2")
        whole, results = recognizer.transcribe(data), stream.transcribe(samples, RATE)
        clip = Clip(
            data,
            pcm.tobytes(),
            whole=whole.text,
            whole_written=whole.readable,
            hot=hot.transcribe(data).text,
            streamed=" ".join(result.text for result in results),
            streamed_written=" ".join(result.readable for result in results),
        )
        clips.append(clip)
    return clips


class Soak:
    """The load on one service, and what came of it.

    Attributes:
        counts: right answers by kind.
        failures: what was not as it should be.
        memory: resident MB of the service, by the percentage of the requests that were done.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        url: str,
        wyoming: int,
        clips: list[Clip],
        hotwords: str,
    ) -> None:
        self.process, self.url, self.wyoming_port = process, url, wyoming
        self.clips, self.hotwords = clips, hotwords
        self.counts = dict.fromkeys(MIX, 0)
        self.failures: list[str] = []
        self.memory: dict[int, float] = {}
        self.client = httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=64))
        self.kinds: dict[str, Callable[[Clip], Awaitable[None]]] = {
            "rest": self.rest,
            "rest with hotwords": self.rest_with_hotwords,
            "openai": self.openai,
            "openai events": self.openai_events,
            "websocket": self.websocket,
            "vosk": self.vosk,
            "wyoming": self.wyoming,
            "job": self.job,
            "refused": self.refused,
            "aborted": self.aborted,
        }

    async def run(self, requests: int, clients: int) -> None:
        """Ask everything, report, and stop the service."""
        kinds = [kind for kind, share in MIX.items() for _ in range(round(share * requests / 100))]
        random.Random(0).shuffle(kinds)
        queue, done, begin = iter(enumerate(kinds)), 0, time.perf_counter()

        async def ask() -> None:
            nonlocal done
            for number, kind in queue:
                await self.one(kind, self.clips[number % len(self.clips)], number)
                done += 1
                for share in (10, 25, 50, 75, 100):
                    if done == -(-share * len(kinds) // 100):
                        self.memory[share] = self.resident_mb()

        async with self.client:
            await asyncio.gather(*(ask() for _ in range(clients)))
            self.report(len(kinds), time.perf_counter() - begin)
            await self.check_metrics()
            await self.stop()

    async def one(self, kind: str, clip: Clip, number: int) -> None:
        """Send one request and count what comes."""
        if self.process.poll() is not None:
            return
        try:
            await self.kinds[kind](clip)
            self.counts[kind] += 1
        except Exception as error:
            self.failures.append(f"{kind} (request {number}): {error!r}")

    async def post(self, path: str, clip: Clip, **fields: str) -> httpx.Response:
        """Return the answer to a recording; retry while the service is busy."""
        for _ in range(MAX_ASKED):
            files = {"file": ("talk.wav", clip.data)}
            answer = await self.client.post(f"{self.url}{path}", files=files, data=fields)
            if answer.status_code != 503:
                return answer
            await asyncio.sleep(random.uniform(0.1, 1.0))
        raise Failed("busy all the time")

    async def rest(self, clip: Clip) -> None:
        """Our own route."""
        answer = await self.post("/v1/transcribe", clip)
        result = answer.json()["results"][0]
        expect(result["text"], clip.whole)
        expect(result["written"] or result["text"], clip.whole_written)

    async def rest_with_hotwords(self, clip: Clip) -> None:
        """An option that changes the decoder."""
        answer = await self.post("/v1/transcribe", clip, hotwords=self.hotwords)
        expect(answer.json()["results"][0]["text"], clip.hot)

    async def openai(self, clip: Clip) -> None:
        """OpenAI's route."""
        answer = await self.post("/v1/audio/transcriptions", clip, model="whisper-1")
        expect(answer.json()["text"], clip.whole_written)

    async def openai_events(self, clip: Clip) -> None:
        """OpenAI's route, as events."""
        path = "/v1/audio/transcriptions"
        answer = await self.post(path, clip, model="whisper-1", stream="true")
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
        if "error" in events[-1] and "busy" in events[-1]["error"]["message"]:
            return
        expect("".join(event.get("delta", "") for event in events), clip.whole_written)
        expect(events[-1]["text"], clip.whole_written)

    async def websocket(self, clip: Clip, halfway: Halfway = at_once) -> None:
        """A stream of our own, in chunks of an odd number of bytes."""
        address = self.url.replace("http", "ws") + f"/v1/stream?sample_rate={RATE}"
        async with connect(address) as stream:
            for begin in range(0, len(clip.pcm), CHUNK + 1):
                await stream.send(clip.pcm[begin : begin + CHUNK + 1])
                if begin == CHUNK + 1:
                    await halfway()
            await stream.send('{"type": "end"}')
            results = [json.loads(message) async for message in stream]
        if results[-1]["type"] == "error" and "open already" in results[-1]["detail"]:
            return
        finals = [result for result in results if result["type"] == "final"]
        expect(" ".join(final["text"] for final in finals), clip.streamed)
        written = (final.get("written", final)["text"] for final in finals)
        expect(" ".join(written), clip.streamed_written)

    async def vosk(self, clip: Clip, halfway: Halfway = at_once) -> None:
        """A client of vosk-server."""
        answers: list[dict[str, Any]] = []
        async with connect(self.url.replace("http", "ws")) as stream:
            await stream.send(json.dumps({"config": {"sample_rate": RATE}}))
            for begin in range(0, len(clip.pcm), CHUNK):
                await stream.send(clip.pcm[begin : begin + CHUNK])
                answers.append(json.loads(await stream.recv()))
                if begin == CHUNK:
                    await halfway()
            await stream.send('{"eof" : 1}')
            answers.append(json.loads(await stream.recv()))
        texts = [answer["text"] for answer in answers if answer.get("text")]
        expect(" ".join(texts), clip.streamed)

    async def wyoming(self, clip: Clip, halfway: Halfway = at_once) -> None:
        """Home Assistant."""
        async with AsyncTcpClient("127.0.0.1", self.wyoming_port) as client:
            await client.write_event(Transcribe().event())
            await client.write_event(AudioStart(RATE, 2, 1).event())
            for begin in range(0, len(clip.pcm), CHUNK):
                chunk = AudioChunk(RATE, 2, 1, clip.pcm[begin : begin + CHUNK])
                await client.write_event(chunk.event())
                if begin == CHUNK:
                    await halfway()
            await client.write_event(AudioStop().event())
            while (event := await client.read_event()) is not None:
                if event.type == "transcript":
                    expect(event.data["text"], clip.streamed_written)
                    return
                if event.type == "error":
                    raise Failed(event.data["text"])
        raise Failed("no transcript")

    async def job(self, clip: Clip) -> None:
        """Submit, poll, fetch, forget."""
        accepted = await self.post("/v1/jobs", clip)
        place = self.url + accepted.headers["location"]
        while (await self.client.get(place)).json()["status"] in ("queued", "running"):
            await asyncio.sleep(0.05)
        transcript = await self.client.get(f"{place}/transcript")
        expect(transcript.json()["text"], clip.whole)
        expect((await self.client.delete(place)).status_code, 204)

    async def refused(self, clip: Clip) -> None:
        """What is wrong is refused as its protocol says."""
        junk = Clip(b"no audio at all", b"")
        answers = (
            (await self.post("/v1/transcribe", junk), 400),
            (await self.post("/v1/transcribe", clip, hotword="x"), 422),
            (await self.post("/v1/audio/transcriptions", clip, model="nobody"), 404),
            (await self.post("/v1/jobs", junk), 400),
            (await self.client.get(f"{self.url}/v1/jobs/nothing"), 404),
        )
        for answer, status in answers:
            expect(answer.status_code, status)
        async with connect(self.url.replace("http", "ws")) as stream:
            await stream.send("hello")
            expect("error" in json.loads(await stream.recv()), True)

    async def aborted(self, clip: Clip) -> None:
        """Gone in the middle: of a body, of a stream, of an event."""
        port = int(self.url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n"
        form = "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        writer.write((head + form).encode() + clip.data[:2000])
        await writer.drain()
        writer.transport.abort()
        stream = await connect(self.url.replace("http", "ws") + "/v1/stream")
        await stream.send(clip.pcm[: CHUNK + 1])
        stream.transport.abort()
        _, writer = await asyncio.open_connection("127.0.0.1", self.wyoming_port)
        writer.write(b'{"type": "audio-chunk", "payload_length": 1000}\nxyz')
        await writer.drain()
        writer.transport.abort()
        with contextlib.suppress(Exception):
            await stream.wait_closed()

    def resident_mb(self) -> float:
        """Return the resident memory of the service."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024 / 1e6

    def report(self, requests: int, seconds: float) -> None:
        """Print the tables; the growth of the memory may be a failure."""
        print("| kind | right |\n|---|---|")
        for kind, count in self.counts.items():
            print(f"| {kind} | {count} |")
        growth = 100 * (self.memory[100] / self.memory[10] - 1)
        readings = ", ".join(f"{share} %: {mb:.0f}" for share, mb in self.memory.items())
        print(f"\nresident MB after {readings}; growth {growth:.1f} %")
        print(f"{requests} requests, {requests / seconds:.1f} a second", flush=True)
        if growth > MAX_GROWTH:
            self.failures.append(f"resident memory grew by {growth:.1f} %")

    async def check_metrics(self) -> None:
        """The service has counted no failure of its own, and no stream that is still open."""
        for line in (await self.client.get(f"{self.url}/metrics")).text.splitlines():
            fault = line.startswith("asr_requests_total") and 'status="500"' in line
            if fault or (line.startswith("asr_open_streams") and not line.endswith(" 0.0")):
                self.failures.append(line)

    async def stop(self) -> None:
        """SIGTERM in the middle of streams: they come to their end, then the process ends with
        status 0. (soak.py does so with files.)
        """
        kinds, go, arrived = [self.websocket, self.vosk, self.wyoming], asyncio.Event(), 0

        async def halfway() -> None:
            nonlocal arrived
            arrived += 1
            await go.wait()

        streams = [
            asyncio.create_task(kinds[n % len(kinds)](self.clips[n % len(self.clips)], halfway))
            for n in range(IN_FLIGHT)
        ]
        while arrived + sum(task.done() for task in streams) < len(streams):
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)  # what was sent is read
        os.kill(self.process.pid, signal.SIGTERM)
        await asyncio.sleep(0.5)
        go.set()
        results = await asyncio.gather(*streams, return_exceptions=True)
        wrong = [repr(result) for result in results if isinstance(result, BaseException)]
        self.failures += [f"open at SIGTERM: {problem}" for problem in wrong]
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, 120)
        answered = f"{IN_FLIGHT - len(wrong)} of {IN_FLIGHT} answered right"
        print(f"SIGTERM with {arrived} streams: {answered}, exit status {self.process.poll()}")
        if self.process.poll() != 0:
            self.failures.append(f"exit status {self.process.poll()} after SIGTERM")


def expect(found: Any, expected: Any) -> None:
    """Raise where an answer is not what it should be."""
    if found != expected:
        raise Failed(f"{found!r} instead of {expected!r}")


if __name__ == "__main__":
    main()
