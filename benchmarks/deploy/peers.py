"""Our service beside others on the same cores: processor time, throughput, latency under load.

    python benchmarks/deploy/peers.py [--whisper PYTHON_WITH_FASTER_WHISPER]
    [--sherpa sherpa/en --sherpa-server sherpa-onnx/python-api-examples --sherpa-python PYTHON]
    [--model en] [--clip-s 3,10] [--rates 0.25,0.5,1,2,4,8] [--seconds 20] [--recordings FILE ...]

Each service has one thread for its network and is asked by the same program: ours and
faster-whisper through ``POST /v1/audio/transcriptions``, sherpa-onnx's Python server through its
WebSocket, on connections that stay open. A service that misses the limit at two rates one after the
other is asked for no higher one. Three tables:

* processor milliseconds of the service a request, and requests a second with ``CLIENTS`` clients
  who ask again as soon as they are answered;
* 50th and 95th percentile of the latency when requests come at set times (Poisson), at each rate;
* the highest rate at which the 95th percentile is within ``--limit-ms``.

On a machine that does other work too, the processor times are what can be compared.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import soundfile
from load import free_port, make_clips, start
from websockets.asyncio.client import ClientConnection, connect

from asr.speech.jobs.bench_report import machine

CLIENTS = 4
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Service:
    """A running service."""

    name: str
    process: subprocess.Popen[bytes]
    url: str

    def cpu_s(self) -> float:
        """Return the processor time that its process has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    async def ask(self, client: httpx.AsyncClient, clip: bytes) -> float:
        """Return the milliseconds that an answer took."""
        begin = time.perf_counter()
        files = {"file": ("clip.wav", clip)}
        answer = await client.post(
            f"{self.url}/v1/audio/transcriptions", files=files, data={"model": "whisper-1"}
        )
        answer.raise_for_status()
        assert "text" in answer.json()
        return 1000 * (time.perf_counter() - begin)


@dataclass(frozen=True)
class Sherpa(Service):
    """sherpa-onnx's server: rate and number of bytes, samples as float32; a text comes back."""

    idle: list[ClientConnection] = field(default_factory=list)

    async def ask(self, client: httpx.AsyncClient, clip: bytes) -> float:
        """Return the milliseconds that an answer took."""
        samples, rate = soundfile.read(io.BytesIO(clip), dtype="float32")
        begin = time.perf_counter()
        connection = self.idle.pop() if self.idle else await connect(self.url)
        data = samples.tobytes()
        await connection.send(np.array([rate, len(data)], "<i4").tobytes() + data)
        assert await connection.recv()
        self.idle.append(connection)
        return 1000 * (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="en")
    parser.add_argument("--whisper", help="python of an environment with faster-whisper")
    parser.add_argument("--sherpa", help="folder of asr export --format sherpa")
    parser.add_argument("--sherpa-server", help="folder with non_streaming_server.py")
    parser.add_argument("--sherpa-python", default=sys.executable)
    parser.add_argument("--clip-s", default="3,10")
    parser.add_argument("--rates", default="0.25,0.5,1,2,4,8")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--limit-ms", type=float, default=500.0)
    parser.add_argument("--recordings", nargs="*", default=[])
    arguments = parser.parse_args()
    print(machine(), flush=True)
    services = [Service(f"asr serve {arguments.model}", *start(arguments.model, []))]
    if arguments.sherpa:
        services.append(Sherpa("sherpa-onnx", *start_sherpa(arguments)))
    if arguments.whisper:
        services.append(Service("faster-whisper tiny.en", *start_whisper(arguments.whisper)))
    try:
        asyncio.run(compare_lengths(services, arguments))
    finally:
        for service in services:
            os.kill(service.process.pid, signal.SIGTERM)
            service.process.wait(60)


def start_whisper(python: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start the other service; return its process and address once it is ready."""
    port = free_port()
    script = str(Path(__file__).with_name("whisper_server.py"))
    process = subprocess.Popen([python, script, "--port", str(port)])
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                return process, url
        except httpx.TransportError:
            if process.poll() is not None:
                sys.exit("whisper_server.py did not start")
        time.sleep(0.2)


def start_sherpa(arguments: argparse.Namespace) -> tuple[subprocess.Popen[bytes], str]:
    """Start sherpa-onnx's server; return its process and address once it listens."""
    port, script = free_port(), str(Path(__file__).with_name("sherpa_server.py"))
    options = ["--port", str(port), "--model", arguments.sherpa]
    options += ["--server", arguments.sherpa_server]
    process = subprocess.Popen([arguments.sherpa_python, script, *options])
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.2)
        else:
            return process, f"ws://127.0.0.1:{port}"
    sys.exit("sherpa_server.py did not start")


async def compare_lengths(services: list[Service], arguments: argparse.Namespace) -> None:
    """Print the tables for each length of clips, in one event loop: connections stay open."""
    for seconds in map(float, arguments.clip_s.split(",")):
        print(f"\n## Clips of {seconds:g} s", flush=True)
        await compare(services, make_clips(seconds, arguments.recordings), arguments)


async def compare(
    services: list[Service], clips: list[bytes], arguments: argparse.Namespace
) -> None:
    """Print the tables for clips of one length."""
    async with httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=512)) as client:
        for service in services:
            await service.ask(client, clips[0])
        print("\n| service | processor ms a request | requests a second |\n" + "|---" * 3 + "|")
        for service in services:
            cpu_ms, rate = await closed_loop(service, client, clips, arguments.seconds)
            print(f"| {service.name} | {cpu_ms:.0f} | {rate:.2f} |", flush=True)
        print("\n| service | requests a second | p50 ms | p95 ms |\n" + "|---" * 4 + "|")
        best = {service.name: 0.0 for service in services}
        missed = {service.name: 0 for service in services}
        for rate in map(float, arguments.rates.split(",")):
            for service in services:
                if missed[service.name] == 2:
                    continue
                latencies = await open_loop(service, client, clips, (rate, arguments.seconds))
                p50, p95 = np.percentile(latencies, [50, 95])
                print(f"| {service.name} | {rate:g} | {p50:.0f} | {p95:.0f} |", flush=True)
                if p95 <= arguments.limit_ms:
                    best[service.name], missed[service.name] = rate, 0
                else:
                    missed[service.name] += 1
        print(f"\nhighest rate with p95 <= {arguments.limit_ms:g} ms: {best}", flush=True)


async def closed_loop(
    service: Service, client: httpx.AsyncClient, clips: list[bytes], seconds: float
) -> tuple[float, float]:
    """Return processor milliseconds a request, and requests a second, of clients that do not
    wait between requests.
    """
    done, cpu_s, begin = 0, service.cpu_s(), time.perf_counter()

    async def again(number: int) -> None:
        nonlocal done
        while time.perf_counter() - begin < seconds:
            await service.ask(client, clips[(number + done) % len(clips)])
            done += 1

    await asyncio.gather(*(again(number) for number in range(CLIENTS)))
    return 1000 * (service.cpu_s() - cpu_s) / done, done / (time.perf_counter() - begin)


async def open_loop(
    service: Service, client: httpx.AsyncClient, clips: list[bytes], load: tuple[float, float]
) -> list[float]:
    """Return the latencies in ms of requests at a rate (a second) for so many seconds."""
    rate, seconds = load
    draw, tasks, due, begin = random.Random(0), [], 0.0, time.perf_counter()
    while due < seconds:
        await asyncio.sleep(max(0.0, due - (time.perf_counter() - begin)))
        tasks.append(asyncio.create_task(service.ask(client, clips[len(tasks) % len(clips)])))
        due += draw.expovariate(rate)
    return list(await asyncio.gather(*tasks))


if __name__ == "__main__":
    main()
