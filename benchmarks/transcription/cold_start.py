"""From shell to text: `asr transcribe` of one clip in new processes; the first one compiles.

python benchmarks/transcription/cold_start.py CLIP.wav [--model en] [--program asr] [--runs 7]

--program: the `asr` of another environment, such as one with the base install alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds on the clock, and of processor time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, spent


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--program", default="asr")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    command = [arguments.program, "transcribe", str(arguments.clip), "--model", arguments.model]
    with tempfile.TemporaryDirectory() as folder:
        own = {"ASR_CACHE_DIR": f"{folder}/asr", "NUMBA_CACHE_DIR": f"{folder}/numba"}
        first, *others = [timed(command, os.environ | own) for _ in range(1 + arguments.runs)]
    print(f"first start (compiles): {first[0]:.2f} s, processor {first[1]:.2f} s")
    clock, processor = ([other[i] for other in others] for i in range(2))
    print(
        f"then, median of {len(others)}: {statistics.median(clock):.2f} s ({min(clock):.2f} to "
        f"{max(clock):.2f}), "
        f"processor {statistics.median(processor):.2f} s"
    )


if __name__ == "__main__":
    main()
