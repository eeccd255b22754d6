"""Ten thousand mixed requests: valid ones are answered, bad ones refused, memory stays constant.

    python benchmarks/deploy/soak.py [--model en] [--requests 10000] [--clients 16] [--seed 0]

The service is a process of its own with small limits (``OPTIONS``). ``MIX`` gives the number of
requests of each kind per hundred. Before the load, the service transcribes the same files one at a
time, and its texts are compared with ``Recognizer.transcribe``; under load every valid request must
return these texts. At the end SIGTERM is sent while 20 valid requests are open, and all of them
must be answered. The exit status is 1 if anything differs, or if resident memory grew by more than
``MAX_GROWTH`` percent between a tenth of the requests and all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import soundfile
from load import start

from asr.audio.synthetic import made_audio
from asr.speech.jobs.bench_report import machine
from asr.speech.recognizer import load_model

MIX = {"good": 70, "corrupt": 10, "huge": 5, "too long": 2, "slow": 3, "cut off": 10}
MAX_BYTES, MAX_FILES, MAX_S, UPLOAD_S = 400_000, 16, 20.0, 2.0
OPTIONS = [
    "--max-bytes",
    str(MAX_BYTES),
    "--max-duration-s",
    str(MAX_S),
    "--upload-timeout-s",
    str(UPLOAD_S),
    "--queue-size",
    "48",
]
FORMATS = (("wav", 16000, 1), ("wav", 8000, 2), ("flac", 16000, 1), ("ogg", 16000, 1))
CLIPS, IN_FLIGHT, MAX_GROWTH, MAX_ASKED = 24, 20, 10.0, 100
HEAD = (
    "POST /v1/transcribe HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
)


@dataclass
class Clip:
    """A file, and the text of it that the service gave when it was asked alone; None where an error
    is to come.
    """

    name: str
    data: bytes
    text: str | None = None


@dataclass
class Tally:
    """Of one kind of requests."""

    requests: int = 0
    right: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="en")
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(machine(), flush=True)
    process, url = start(arguments.model, OPTIONS)
    try:
        soak = Soak(process, url, arguments.seed)
        asyncio.run(soak.run(arguments.model, arguments.requests, arguments.clients))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    print("".join(f"\nwrong: {failure}" for failure in soak.failures[:10]))
    print(f"{len(soak.failures)} failures" if soak.failures else "all as it should be")
    sys.exit(1 if soak.failures else 0)


def made_clip(number: int, seconds: float, kind: str, rate: int, channels: int) -> Clip:
    """Return a file of a made sound."""
    samples, buffer = made_audio(seconds, rate, number), io.BytesIO()
    sound = samples[:, None].repeat(channels, 1)
    soundfile.write(buffer, sound, rate, format=kind.upper())
    return Clip(f"{number}.{kind}", buffer.getvalue())


def form(*clips: Clip) -> bytes:
    """Return files as the body of a request, its boundary that of ``HEAD``."""
    disposition = 'Content-Disposition: form-data; name="files"; filename='
    parts = [
        f'--b\r\n{disposition}"{clip.name}"\r\n\r\n'.encode() + clip.data + b"\r\n"
        for clip in clips
    ]
    return b"".join([*parts, b"--b--\r\n"])


def difference(answer: httpx.Response, clips: Sequence[Clip]) -> str:
    """Return what is wrong with the answer about some files; nothing: an empty text."""
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text[:200]}"
    results = answer.json()["results"]
    found = [
        (result["name"], result["text"], result["name"] in (result["error"] or ""))
        for result in results
    ]
    expected = [(clip.name, clip.text, clip.text is None) for clip in clips]
    if len(found) != len(expected):
        return f"{len(found)} results for {len(expected)} files"
    return "; ".join(
        f"{one} instead of {other}"
        for one, other in zip(found, expected, strict=True)
        if one != other
    )


class Soak:
    """The load on one service, and what came of it.

    Attributes:
        clips: good files, and some that are longer than allowed.
        long: good files, and some that are longer than allowed.
        tallies: by kind.
        failures: what was not as it should be.
        memory: resident MB of the service, by the percentage of the requests that were done.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str, seed: int) -> None:
        self.process, self.url, self.port, self.seed = (
            process,
            url,
            int(url.rpartition(":")[2]),
            seed,
        )
        draw = random.Random(seed)
        self.clips = [
            made_clip(n, draw.uniform(0.5, 4.0), *FORMATS[n % len(FORMATS)]) for n in range(CLIPS)
        ]
        self.long = [made_clip(0, MAX_S + 0.5, kind, 8000, 1) for kind in ("wav", "flac", "ogg")]
        self.tallies, self.memory = {kind: Tally() for kind in MIX}, dict[int, float]()
        self.failures: list[str] = []
        self.client = httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=64))

    async def run(self, model: str, requests: int, clients: int) -> None:
        """Ask everything, report, and stop the service."""
        async with self.client:
            await self.ask_alone(model)
            begin = time.perf_counter()
            await self.mixed(requests, clients)
            self.report(time.perf_counter() - begin)
            if self.process.poll() is None:
                await self.check_state()
                await self.stop()

    async def ask_alone(self, model: str) -> None:
        """Fill in the clips' texts; they shall be those that the recogniser gives without a
        service.
        """
        recognizer = load_model(model, threads=1)
        for clip in self.clips:
            results = (await self.post(clip)).raise_for_status().json()["results"]
            clip.text, direct = results[0]["text"], recognizer.transcribe(clip.data).text
            if clip.text != direct:
                self.failures.append(
                    f"{clip.name} alone: {clip.text!r}, the recogniser says {direct!r}"
                )
        print(
            f"{CLIPS} clips with {len({clip.text for clip in self.clips})} different texts\n",
            flush=True,
        )

    async def mixed(self, requests: int, clients: int) -> None:
        """Send the mix, so many requests at a time."""
        kinds = [kind for kind, share in MIX.items() for _ in range(round(share * requests / 100))]
        kinds = (kinds + ["good"] * requests)[:requests]
        random.Random(self.seed).shuffle(kinds)
        queue, done = iter(enumerate(kinds)), 0

        async def ask() -> None:
            nonlocal done
            for number, kind in queue:
                if self.process.poll() is not None:
                    return
                await self.one(kind, random.Random(f"{self.seed} {number}"), number)
                done += 1
                for share in range(5, 101, 5):
                    if done == -(-share * requests // 100):
                        self.memory[share] = self.resident_mb()

        await asyncio.gather(*(ask() for _ in range(clients)))
        if self.process.poll() is not None:
            self.failures.append(
                f"the service ended with status {self.process.returncode} after {done} requests"
            )

    async def one(self, kind: str, draw: random.Random, number: int) -> None:
        """Send one request and count what comes."""
        send = {
            "good": self.good,
            "corrupt": self.corrupt,
            "huge": self.huge,
            "too long": self.too_long,
            "slow": self.slow,
            "cut off": self.cut_off,
        }[kind]
        tally = self.tallies[kind]
        try:
            problem = await send(draw, tally.statuses)
        except (httpx.HTTPError, OSError, asyncio.TimeoutError, ValueError, KeyError) as error:
            tally.statuses[type(error).__name__] += 1
            problem = repr(error)
        tally.requests += 1
        tally.right += not problem
        if problem:
            self.failures.append(f"{kind} (request {number}): {problem}")

    async def post(self, *clips: Clip) -> httpx.Response:
        """Return the answer to a request with these files."""
        files = [("files", (clip.name, clip.data)) for clip in clips]
        return await self.client.post(f"{self.url}/v1/transcribe", files=files)

    async def good(self, draw: random.Random, statuses: Counter[str]) -> str:
        """One file or several."""
        clips = draw.choices(self.clips, k=draw.choice((1, 1, 1, 2, 4, 8)))
        return difference(await self.answered(statuses, *clips), clips)

    async def answered(self, statuses: Counter[str], *clips: Clip) -> httpx.Response:
        """Return the answer to a request with these files; retry while the service is busy."""
        for _ in range(MAX_ASKED):
            answer = await self.post(*clips)
            busy = (
                "The service is busy." in answer.text
            )  # with status 200 where other files were taken
            statuses[
                f"{answer.status_code}{' busy in part' * (busy and answer.status_code == 200)}"
            ] += 1
            if not busy or (answer.status_code == 503 and "Retry-After" not in answer.headers):
                break
            await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
        return answer

    async def corrupt(self, draw: random.Random, statuses: Counter[str]) -> str:
        """Alone (400) or beside a good file, which is to be answered all the same."""
        flac = draw.choice([clip.data for clip in self.clips if clip.name.endswith("flac")])
        bad = draw.choice(
            (
                Clip("junk.wav", draw.randbytes(draw.randrange(1, 50_000))),
                Clip("empty.wav", b""),
                Clip("cut.flac", flac[: draw.randrange(len(flac) // 4, 3 * len(flac) // 4)]),
                Clip("text.ogg", b"Call me Ishmael. " * draw.randrange(1, 1000)),
            )
        )
        good = draw.sample(self.clips, draw.choice((0, 0, 1)))
        answer = await self.answered(statuses, *good, bad)
        if not good and answer.status_code == 400 and bad.name in answer.json()["detail"]:
            return ""
        return (
            difference(answer, [*good, bad])
            if good
            else f"{bad.name}: {answer.status_code} {answer.text[:200]}"
        )

    async def huge(self, draw: random.Random, statuses: Counter[str]) -> str:
        """A file or a request that is too large: announced, sent whole, or streamed without saying
        how much comes.
        """
        size = draw.choice((MAX_BYTES, MAX_BYTES * MAX_FILES)) + draw.randrange(1, 100_000)
        body = form(Clip("huge.wav", self.clips[0].data.ljust(size, b"\0")))
        way = draw.choice(("head", "whole", "chunks"))
        if way == "head":
            status = await self.raw(
                HEAD + f"Content-Length: {draw.randrange(10**8, 10**10)}\r\n\r\n", body[:1000]
            )
        else:
            status = str(
                (
                    await self.client.post(
                        f"{self.url}/v1/transcribe",
                        content=body if way == "whole" else chunks(body),
                        headers={"Content-Type": "multipart/form-data; boundary=b"},
                    )
                ).status_code
            )
        statuses[status] += 1
        return "" if status == "413" else f"{size} bytes, {way}: {status}"

    async def too_long(self, draw: random.Random, statuses: Counter[str]) -> str:
        """Few bytes, many seconds."""
        answer = await self.post(draw.choice(self.long))
        statuses[str(answer.status_code)] += 1
        right = answer.status_code == 413 and f"longer than {MAX_S:g} s" in answer.text
        return "" if right else f"{answer.status_code} {answer.text[:200]}"

    async def slow(self, draw: random.Random, statuses: Counter[str]) -> str:
        """A byte now and then, for longer than an upload may take."""
        body = form(draw.choice(self.clips))[: draw.randrange(50, 2000)]
        status = await self.raw(HEAD + "Content-Length: 100000\r\n\r\n", body, gap_s=0.25)
        statuses[status] += 1
        return "" if status == "408" else status

    async def cut_off(self, draw: random.Random, statuses: Counter[str]) -> str:
        """Gone in the middle of the body, or after it without waiting for the answer."""
        body = form(*draw.choices(self.clips, k=draw.choice((1, 2))))
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.transport.set_write_buffer_limits(0)  # so that drain() waits until all is sent
        writer.write(f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode())
        writer.write(body[: draw.choice((len(body), draw.randrange(len(body))))])
        await writer.drain()
        await asyncio.sleep(draw.choice((0.0, 0.05)))
        writer.transport.abort()
        statuses["none"] += 1
        return ""

    async def raw(self, head: str, body: bytes, gap_s: float = 0.0) -> str:
        """Return the status that a head and a body bring, all at once or a byte every ``gap_s``."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = asyncio.ensure_future(reader.readline())
        try:
            writer.write(head.encode() + (b"" if gap_s else body))
            for byte in body if gap_s else b"":
                if (await asyncio.wait([answer], timeout=gap_s))[0]:
                    break
                writer.write(bytes([byte]))
            line = await asyncio.wait_for(answer, 60)
            return line.split()[1].decode() if line else "closed without an answer"
        finally:
            answer.cancel()
            writer.transport.abort()

    def resident_mb(self) -> float:
        """Return the resident memory of the service, 0 when there is none any more."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024 / 1e6
        return 0.0

    def report(self, seconds: float) -> None:
        """Print the tables; the growth of the memory may be a failure."""
        print("| kind | requests | as they should | statuses |\n" + "|---" * 4 + "|")
        for kind, tally in self.tallies.items():
            seen = ", ".join(
                f"{status}: {count}" for status, count in sorted(tally.statuses.items())
            )
            print(f"| {kind} | {tally.requests} | {tally.right} | {seen} |")
        total = sum(tally.requests for tally in self.tallies.values())
        print("\n| resident memory after | MB |\n|---|---|")
        for share in (10, 50, 100):
            print(f"| {share} % | {self.memory.get(share, 0):.1f} |")
        growth = 100 * (self.memory.get(100, 0) / (self.memory.get(10, 0) or 1) - 1)
        print(
            f"\ngrowth {growth:.1f} %, {total / seconds:.1f} requests a second, {seconds:.0f} s",
            flush=True,
        )
        print(
            "all readings, MB: "
            + " ".join(f"{megabytes:.0f}" for megabytes in self.memory.values()),
            flush=True,
        )
        if growth > MAX_GROWTH:
            self.failures.append(f"resident memory grew by {growth:.1f} %")

    async def check_state(self) -> None:
        """The service is ready, and has counted no failure of its own, of which rude clients would
        not have heard.
        """
        ready = (await self.client.get(f"{self.url}/ready")).status_code
        if ready != 200:
            self.failures.append(f"/ready: {ready}")
        for line in (await self.client.get(f"{self.url}/metrics")).text.splitlines():
            if line.startswith("asr_requests_total") and (
                'status="500"' in line or 'status="504"' in line
            ):
                self.failures.append(line)

    async def stop(self) -> None:
        """SIGTERM while good requests are open: they are answered, then the process ends with
        status 0.
        """
        clips = sorted(self.clips, key=lambda clip: len(clip.text or ""))[-IN_FLIGHT:] * 2
        for _ in range(
            10
        ):  # a fast service may have answered the first ones before the last is sent
            tasks = await self.open_requests(clips)
            if (still := sum(not task.done() for task in tasks)) >= IN_FLIGHT:
                break
            await asyncio.gather(*tasks, return_exceptions=True)
        else:
            self.failures.append(
                f"of {len(clips)} requests there never were {IN_FLIGHT} open at a time"
            )
        os.kill(self.process.pid, signal.SIGTERM)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        wrong = [
            repr(answer) if isinstance(answer, BaseException) else problem
            for clip, answer in zip(clips, answers, strict=True)
            if isinstance(answer, BaseException) or (problem := difference(answer, [clip]))
        ]
        self.failures += [f"open at SIGTERM: {problem}" for problem in wrong]
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, 120)
        status = self.process.poll()
        answered = f"{len(clips) - len(wrong)} of {len(clips)} answered right"
        print(f"SIGTERM while {still} requests were open: {answered}, exit status {status}")
        if status != 0:
            self.failures.append(
                f"exit status {status} after SIGTERM; None: it did not end within 120 s"
            )

    async def open_requests(self, clips: Sequence[Clip]) -> list[asyncio.Task[httpx.Response]]:
        """Return requests that the service has read and is at work on."""
        sent = [asyncio.Event() for _ in clips]

        async def ask(clip: Clip, event: asyncio.Event) -> httpx.Response:
            async def trace(name: str, _: object) -> None:
                if name == "http11.send_request_body.complete":
                    event.set()

            files = {"files": (clip.name, clip.data)}
            try:
                return await self.client.post(
                    f"{self.url}/v1/transcribe", files=files, extensions={"trace": trace}
                )
            finally:
                event.set()

        tasks = [
            asyncio.create_task(ask(clip, event)) for clip, event in zip(clips, sent, strict=True)
        ]
        await asyncio.gather(*(event.wait() for event in sent))
        await self.client.get(f"{self.url}/ready")  # answered after the others were read
        return tasks


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in pieces, which leaves the request without a length."""
    for begin in range(0, len(body), 65536):
        yield body[begin : begin + 65536]


if __name__ == "__main__":
    main()
