"""Open-loop load on the service: requests are sent at set times, before earlier ones are answered.

    python benchmarks/deploy/load.py --model EXPORTED_MODEL [--clip-s 3] [--rates 5,10,20,40]
        [--seconds 10] [--recordings FILE ...]

The clips are the beginnings of the recordings, or of sentences spoken by eSpeak NG, since the
search works far more on sound that is not speech. Two services take turns at each rate: one with
dynamic batching, one with batch size one. Each is a process of its own; this process sends the
requests. For each rate the 50th and 95th percentile of the latency and the refused requests are
printed. The capacity is the highest rate at which the 95th percentile is within ``--limit-ms`` and
nothing is refused.
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
from dataclasses import dataclass

import httpx
import numpy as np
import soundfile

from asr.audio.reading import load_audio, resample
from asr.speech.jobs.bench_report import machine
from data_prep.espeak import speak

SENTENCES = (
    "the old man went to the river",
    "he was very glad to see his brother",
    "they had been waiting for an hour",
    "she opened the door and looked into the room",
    "a great many people came to the house that evening",
)
SERVICES = {
    "batching": ["--max-batch-size", "16"],
    "one by one": ["--max-batch-size", "1", "--max-wait-ms", "0"],
}


@dataclass(frozen=True)
class Outcome:
    """Of one service at one rate."""

    rate: float
    p50_ms: float
    p95_ms: float
    refused: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--clip-s", type=float, default=3.0)
    parser.add_argument("--rates", default="5,10,20,40")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--recordings", nargs="*", default=[])
    parser.add_argument("--limit-ms", type=float, default=200.0)
    arguments = parser.parse_args()
    clips = make_clips(arguments.clip_s, arguments.recordings)
    print(machine())
    print("| service | requests a second | p50 ms | p95 ms | refused |\n" + "|---" * 5 + "|")
    servers = {name: start(arguments.model, options) for name, options in SERVICES.items()}
    best = dict.fromkeys(servers, 0.0)
    try:
        for rate in map(float, arguments.rates.split(",")):
            for name, (_, url) in servers.items():
                outcome = asyncio.run(load(url, rate, arguments.seconds, clips))
                print(
                    f"| {name} | {rate:g} | {outcome.p50_ms:.0f} | {outcome.p95_ms:.0f} | "
                    f"{outcome.refused} |",
                    flush=True,
                )
                if outcome.p95_ms <= arguments.limit_ms and not outcome.refused:
                    best[name] = max(best[name], rate)
    finally:
        for process, _ in servers.values():
            os.kill(process.pid, signal.SIGTERM)
            process.wait(60)
    print(f"\nhighest rate with p95 <= {arguments.limit_ms:g} ms: {best}")


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def start(model: str, options: list[str]) -> tuple[subprocess.Popen[bytes], str]:
    """Start a service; return its process and address once it is ready."""
    port = free_port()
    command = [
        sys.executable,
        "-c",
        "from asr.cli import main; main()",
        "serve",
        model,
        "--port",
        str(port),
        *options,
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                return process, url
        except httpx.TransportError:
            assert process.poll() is None, "the service did not start"
        time.sleep(0.2)


async def load(url: str, rate: float, seconds: float, clips: list[bytes]) -> Outcome:
    """Return what requests with random gaps (Poisson) of mean 1 / rate meet."""
    draw, latencies = random.Random(0), list[float]()
    refused = 0

    async def ask(client: httpx.AsyncClient, number: int) -> None:
        nonlocal refused
        started = time.perf_counter()
        answer = await client.post(
            f"{url}/v1/transcribe", files={"files": clips[number % len(clips)]}
        )
        if answer.status_code == 200:
            latencies.append(1000 * (time.perf_counter() - started))
        else:
            refused += 1

    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=512)) as client:
        tasks, due, begin = [], 0.0, time.perf_counter()
        while due < seconds:
            await asyncio.sleep(max(0.0, due - (time.perf_counter() - begin)))
            tasks.append(asyncio.create_task(ask(client, len(tasks))))
            due += draw.expovariate(rate)
        await asyncio.gather(*tasks)
    p50, p95 = np.percentile(latencies, [50, 95]) if latencies else (np.inf, np.inf)
    return Outcome(rate, float(p50), float(p95), refused)


def make_clips(seconds: float, recordings: list[str]) -> list[bytes]:
    """Return WAV files of so many seconds of speech."""
    if recordings:
        sounds = [load_audio(path, 16000).samples for path in recordings]
    else:
        spoken = [
            speak(" ".join((*SENTENCES[n:], *SENTENCES[:n])), speed_wpm=150)
            for n in range(len(SENTENCES))
        ]
        sounds = [resample(speech.samples, speech.sample_rate, 16000) for speech in spoken]
    clips, count = [], round(seconds * 16000)
    for sound in sounds:
        if len(sound) >= count:
            buffer = io.BytesIO()
            soundfile.write(buffer, sound[:count], 16000, format="WAV", subtype="PCM_16")
            clips.append(buffer.getvalue())
    return clips


if __name__ == "__main__":
    main()
