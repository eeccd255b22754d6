"""A long recording made of sentences: speed, memory, and whether joining changes the text.

    python benchmarks/transcription/long.py MODEL RECORDINGS... [--minutes 60] [--pause 0.6]
        [--threads 2]

RECORDINGS are sound files or folders. They are joined in a random but fixed order, with ``--pause``
seconds of faint noise between them, until the joined recording has that many minutes. `asr
transcribe` then runs on it in a process of its own, whose peak memory is reported. Its text is
compared with that of the sentences transcribed one by one: edits per word, and words repeated at a
seam.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jiwer
import numpy as np
import soundfile

from asr.audio.reading import AUDIO_SUFFIXES, load_audio
from asr.speech.recognizer import load_model

RATE = 16000


def recordings(given: list[str]) -> list[Path]:
    found = []
    for name in map(Path, given):
        found += (
            sorted(p for p in name.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
            if name.is_dir()
            else [name]
        )
    random.Random(0).shuffle(found)
    return found


def join(files: list[Path], minutes: float, pause_s: float, target: Path) -> list[Path]:
    """Write the joined recording; return the files that it holds, in order (they may stand in it
    more than once).
    """
    noise = np.random.default_rng(0).normal(0, 1e-4, int(pause_s * RATE)).astype(np.float32)
    used, count = [], 0
    with soundfile.SoundFile(target, "w", RATE, 1) as file:
        while count < minutes * 60 * RATE:
            used.append(files[len(used) % len(files)])
            for part in (load_audio(used[-1], RATE).samples, noise):
                file.write(part)
                count += len(part)
    return used


def run(model: str, recording: Path, threads: int) -> tuple[str, str]:
    """Return the JSON and what it cost: seconds on the clock and of the processor, peak memory."""
    command = [
        sys.executable,
        "-c",
        "from asr.cli import main; main()",
        "transcribe",
        str(recording),
        "-f",
        "json",
    ]
    started = time.monotonic()
    result = subprocess.run(
        [*command, "--model", model, "--threads", str(threads)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime
    cost = (
        f"{seconds:.1f} s on the clock, {processor:.1f} s of processor time, "
        f"{used.ru_maxrss / 1e6:.2f} GB at the peak"
    )
    return result.stdout, cost


def doubled(words: list[str]) -> int:
    return sum(a == b for a, b in itertools.pairwise(words))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.6)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "long.flac"
        used = join(recordings(given.recordings), given.minutes, given.pause, target)
        output, cost = run(given.model, target, given.threads)
    long = json.loads(output)
    recognizer = load_model(given.model, threads=given.threads)
    distinct = sorted({str(path) for path in used})
    texts = dict(
        zip(distinct, (t.text for t in recognizer.transcribe_batch(distinct)), strict=True)
    )
    apart = " ".join(texts[str(path)] for path in used)
    compared = jiwer.process_words(apart, long["text"])
    edits, words = (
        compared.substitutions + compared.deletions + compared.insertions,
        len(apart.split()),
    )
    print(f"{long['duration_s'] / 60:.1f} min: {cost}; {given.threads} threads")
    print(f"{len(used)} sentences, {len(long['segments'])} segments")
    print(
        f"edits against the sentences apart: {edits} of {words} words, "
        f"{100 * edits / max(1, words):.2f} %"
    )
    print(
        f"words twice in a row: {doubled(long['text'].split())}, in the sentences apart "
        f"{doubled(apart.split())}"
    )


if __name__ == "__main__":
    main()
