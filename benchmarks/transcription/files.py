"""Throughput of folders: 1,000 short clips and 10 long recordings, here and by others.

    asr export en --format sherpa -o sherpa/en
    python benchmarks/transcription/files.py LibriSpeech/dev-clean [--clips 1000] [--long 10]
        [--minutes 10] [--systems asr-1,asr-2,asr-processes,asr-greedy,sherpa,whisper-tiny.en]
        [--model en] [--sherpa sherpa/en] [--whisper-python VENV/bin/python] [-o files.json]

The clips are recordings of the folder, the long ones are joined from them with half a second of
silence in between. Each system reads the same 16 kHz WAV files, in processes of its own, and writes
texts. Cores: as many as this machine has, or as `taskset` leaves.

asr-1          `asr transcribe` with one thread
asr-2          with two threads: the network's and the search's
asr-processes  two processes with one thread each and half of the files
asr-greedy     one thread, without search: what is left is reading, features and network
sherpa         sherpa-onnx, the same network in fp32, greedy, one thread
whisper-...    faster-whisper in 8 bits with two threads

The clock says what a user waits, processor seconds what it costs; start-up is in both. Beside other
work only the latter mean something. README.md says how to install the others.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from asr.audio.reading import load_audio
from asr.files import atomic_write_text

RATE = 16_000
PAUSE_S = 0.5
SYSTEMS = ("asr-1", "asr-2", "asr-processes", "asr-greedy", "sherpa", "whisper-tiny.en")
WORKER = Path(__file__).with_name("files_worker.py")


@dataclass(frozen=True)
class Figures:
    """What a system took for a folder of recordings of ``audio_s`` seconds in all."""

    system: str
    folder: str
    audio_s: float
    seconds: float
    processor_s: float


def write_clips(files: list[Path], folder: Path, count: int) -> float:
    """Write ``count`` clips as WAV, from the start again where there are fewer; return seconds."""
    folder.mkdir()
    total = 0
    for n in range(count):
        samples = load_audio(files[n % len(files)], RATE).samples
        soundfile.write(folder / f"{n:05}.wav", samples, RATE)
        total += len(samples)
    return total / RATE


def write_long(files: list[Path], folder: Path, count: int, minutes: float) -> float:
    """Write long recordings, joined from clips; return seconds."""
    folder.mkdir()
    pause, place, total = np.zeros(round(PAUSE_S * RATE), np.float32), 0, 0
    for n in range(count):
        parts: list[np.ndarray] = []
        while sum(map(len, parts)) < 60 * minutes * RATE:
            parts += [load_audio(files[place % len(files)], RATE).samples, pause]
            place += 1
        soundfile.write(folder / f"{n:03}.wav", np.concatenate(parts), RATE)
        total += sum(map(len, parts))
    return total / RATE


def commands(system: str, files: list[Path], out: Path, a: argparse.Namespace) -> list[list[str]]:
    """Return the commands of a system, which run side by side."""
    if system.startswith("asr"):
        threads = "2" if system == "asr-2" else "1"
        halves = [files[::2], files[1::2]] if system == "asr-processes" else [files]
        halves = [half for half in halves if half]
        options = ["--model", a.model, "--threads", threads]
        options += ["--decoding-method", "greedy"] if system == "asr-greedy" else []
        start = [sys.executable, "-m", "asr", "transcribe", *options]
        return [[*start, "-o", str(out / str(n)), *map(str, half)] for n, half in enumerate(halves)]
    if system == "sherpa":
        return [[sys.executable, str(WORKER), "sherpa", a.sherpa, str(out), *map(str, files)]]
    python = a.whisper_python or sys.executable
    return [[python, str(WORKER), system, "", str(out), *map(str, files)]]


def measure(system: str, folder: Path, audio_s: float, a: argparse.Namespace) -> Figures:
    """Return what a system takes for a folder."""
    files = sorted(folder.iterdir())
    with tempfile.TemporaryDirectory() as out:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        processes = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for command in commands(system, files, Path(out), a)
        ]
        errors = [process.communicate()[1] for process in processes]
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        for process, error in zip(processes, errors, strict=True):
            if process.returncode:
                sys.exit(f"{system} failed: {error.strip()[-300:]}")
        texts = len(list(Path(out).rglob("*.txt")))
    if texts != len(files):
        sys.exit(f"{system} wrote {texts} texts of {len(files)} files")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(system, folder.name, audio_s, seconds, spent)


def show(f: Figures) -> None:
    """Print a row of the table."""
    print(
        f"| {f.folder} | {f.system} | {f.seconds:.1f} | {f.audio_s / f.seconds:.0f} | "
        f"{f.processor_s:.1f} | {f.audio_s / f.processor_s:.0f} |",
        flush=True,
    )


def main() -> None:
    """Write the recordings, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of recordings, searched through")
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--long", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=10.0, help="of a long recording")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--model", default="en")
    parser.add_argument("--sherpa", default="sherpa/en", help="what asr export made")
    parser.add_argument("--whisper-python", help="of an environment with faster-whisper")
    parser.add_argument("-o", "--output", type=Path)
    a = parser.parse_args()
    found = sorted(p for p in a.source.rglob("*") if p.suffix in {".flac", ".wav"})
    if not found:
        sys.exit(f"{a.source} holds no .flac and no .wav")
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folders = {Path(name) / "clips": write_clips(found, Path(name) / "clips", a.clips)}
        long = Path(name) / "long"
        folders[long] = write_long(found, long, a.long, a.minutes)
        print(
            f"{len(os.sched_getaffinity(0))} cores; "
            + "; ".join(
                f"{folder.name}: {len(list(folder.iterdir()))} files, {seconds / 60:.0f} minutes"
                for folder, seconds in folders.items()
            )
        )
        print("| folder | system | seconds | times real time | processor s | of a core |")
        print("|---|---|---|---|---|---|")
        for folder, seconds in folders.items():
            for system in a.systems.split(","):
                figures.append(measure(system, folder, seconds, a))
                show(figures[-1])
    if a.output:
        text = json.dumps([asdict(f) for f in figures], indent=1) + "\n"
        atomic_write_text(a.output, text)


if __name__ == "__main__":
    main()
