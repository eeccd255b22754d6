"""Time and memory of building a model with and without a memory limit; compares the files.

python benchmarks/lm/bounded_memory.py --text corpus.txt --order 3 --memory 500MB
"""

from __future__ import annotations

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

_BUILD = """
import resource, sys, time
from asr.lm import build_arpa
start = time.perf_counter()
text, output, order, memory, folder = sys.argv[1:6]
summary = build_arpa(text, output, int(order), memory=memory or None, temp_folder=folder)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{memory or 'unbounded'}: {summary.words} words, n-grams {summary.counts}, "
      f"on disk: {summary.spilled}, "
      f"{time.perf_counter() - start:.1f} s, {peak:.0f} MiB at most", flush=True)
"""


def main() -> None:
    """Parse, build twice, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--memory", default="500MB")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/bounded.arpa", f"{folder}/free.arpa"]
        for path, memory in zip(paths, (arguments.memory, ""), strict=True):
            command = [
                sys.executable,
                "-c",
                _BUILD,
                arguments.text,
                path,
                arguments.order,
                memory,
                folder,
            ]
            subprocess.run([str(part) for part in command], check=True)
        print("same bytes" if filecmp.cmp(*paths, shallow=False) else "THE FILES DIFFER")


if __name__ == "__main__":
    main()
