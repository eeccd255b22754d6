"""Time, memory and perplexity of n-gram estimation by this project and by others, in turns.

    python benchmarks/lm/estimation.py --text corpus.txt --orders 3 4 --rounds 3
        [--lmplz path/to/lmplz] [--tongrams path/to/estimate] [--memory 500MB]

Every run is a fresh process from text to model file, start-up included: an ARPA file, of tongrams
its own index, whose numbers cannot be read here. A first, untimed run compiles and caches the
kernels. With ``--memory``, each may use so much, and sorts the rest on disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.lm.storage import parse_memory

_BUILD = (
    "import sys; from asr.lm import build_arpa; text, model, order, threads, bound = sys.argv[1:];"
    "build_arpa(text, model, int(order), threads=int(threads) or None, memory=bound or None)"
)
RUNS = "runs"  # folder of what tongrams sorts on disk


@dataclass(frozen=True)
class Tools:
    """Programs to measure beside this project, and what each may use.

    Attributes:
        lmplz: path of KenLM's program, if any.
        tongrams: path of tongrams_estimation's program, if any.
        threads: of this project and of tongrams, 0 for all cores; lmplz has no such option.
        memory: bound such as ``500MB``; none if empty.
    """

    lmplz: str | None
    tongrams: str | None
    threads: int
    memory: str

    def commands(self, order: int, train: Path) -> dict[str, tuple[list[str], Path | None]]:
        """Return the command of each tool, and its standard input."""
        folder = train.parent
        files = [str(train), f"{folder}/asr.arpa"]
        found: dict[str, tuple[list[str], Path | None]] = {
            "asr": (
                [sys.executable, "-c", _BUILD, *files, str(order), str(self.threads), self.memory],
                None,
            )
        }
        if self.lmplz:
            bound = self.memory.removesuffix("B") or "8G"
            options = ["-o", str(order), "-S", bound, "-T", str(folder)]
            output = ["--arpa", f"{folder}/lmplz.arpa", "--discount_fallback"]
            found["lmplz"] = ([self.lmplz, *options, *output], train)
        if self.tongrams:
            gib = parse_memory(self.memory or "8GB") / 2**30
            options = ["--tmp", f"{folder}/{RUNS}", "--ram", f"{gib:.4f}"]
            options += ["--out", f"{folder}/index"]
            options += ["--thr", str(self.threads)] if self.threads else []
            found["tongrams"] = ([self.tongrams, str(train), str(order), *options], None)
        return found


@dataclass(frozen=True)
class Run:
    """One process: wall and processor seconds, largest resident size in MB."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def measure(command: list[str], stdin: Path | None = None) -> Run:
    """Run a command to its end; raises CalledProcessError if it fails."""
    with (stdin or Path(os.devnull)).open("rb") as source:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=source, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def zipf_text(path: Path, words: int, seed: int = 0) -> None:
    """Write sentences whose words follow each other as in a noisy, Zipf-distributed chain."""
    rng = np.random.default_rng(seed)
    vocabulary = np.array([f"w{i}" for i in range(100_000)])
    with path.open("w", encoding="utf-8") as file:
        for _ in range(0, words, 100_000):
            ids = (100_000 ** rng.random(100_000)).astype(np.int64) - 1
            again = (
                rng.random(100_000) < 0.6
            )  # most words are drawn from a few that depend on the one before
            ids[1:] = np.where(again[1:], (ids[:-1] * 31 + ids[1:] % 7) % 100_000, ids[1:])
            for line in np.split(vocabulary[ids], np.arange(18, 100_000, 18)):
                file.write(" ".join(line) + "\n")


def split_text(text: Path, folder: Path, words: int | None) -> tuple[Path, Path]:
    """The first lines of a text, up to so many words, to train on, and every hundredth of them left
    out to test on.
    """
    train, test, seen = folder / "train.txt", folder / "test.txt", 0
    with text.open("rb") as source, train.open("wb") as one, test.open("wb") as other:
        for number, line in enumerate(source):
            (other if number % 100 == 99 else one).write(line)
            seen += len(line.split())
            if words is not None and seen >= words:
                break
    return train, test


def compare(order: int, train: Path, test: Path, tools: Tools, rounds: int) -> None:
    """Print one line per tool and their ratios to this project."""
    from asr.lm import perplexity, read_arpa

    commands = tools.commands(order, train)
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, stdin) in commands.items():
            shutil.rmtree(train.with_name(RUNS), ignore_errors=True)  # tongrams wants a new folder
            runs[name].append(measure(command, stdin))
    for name, each in runs.items():
        wall, cpu = (
            statistics.median(getattr(run, key) for run in each) for key in ("wall_s", "cpu_s")
        )
        memory, quality = max(run.memory_mb for run in each), ""
        if (model := train.with_name(f"{name}.arpa")).exists():
            result = perplexity(read_arpa(model), test)
            quality = f"perplexity {result.with_oov:.4f} / {result.without_oov:.4f} without OOV"
        print(
            f"order {order} {name:8} {wall:7.2f} s wall {cpu:7.2f} s cpu {memory:7.0f} MB  "
            f"{quality}",
            flush=True,
        )
    for name in set(runs) - {"asr"}:
        for key in ("wall_s", "cpu_s"):
            pairs = zip(runs[name], runs["asr"], strict=True)
            ratios = sorted(getattr(theirs, key) / getattr(ours, key) for theirs, ours in pairs)
            spread = f"{statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})"
            print(f"order {order} {name} / asr {key}: {spread}", flush=True)


def main() -> None:
    """Parse, prepare the text, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", type=Path, help="one sentence a line; generated if not given")
    parser.add_argument("--words", type=int, default=10_000_000, help="use so many words of it")
    parser.add_argument("--orders", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of asr and tongrams; 0: all")
    parser.add_argument("--lmplz", default=shutil.which("lmplz"), help="path of KenLM's lmplz")
    parser.add_argument("--tongrams", help="path of the program of tongrams_estimation")
    parser.add_argument("--memory", default="", help="bound for every program, such as 500MB")
    given = parser.parse_args()
    if not given.lmplz:
        print("lmplz was not found: build it from KenLM's source, give --lmplz PATH.")
    tools = Tools(given.lmplz, given.tongrams, given.threads, given.memory)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = given.text
        if text is None:
            text = folder / "zipf.txt"
            zipf_text(text, given.words)
        train, test = split_text(text, folder, given.words)
        measure(Tools(None, None, 0, "").commands(3, test)["asr"][0])
        for order in given.orders:
            compare(order, train, test, tools, given.rounds)


if __name__ == "__main__":
    main()
