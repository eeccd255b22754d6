"""Memory of training on long series, whole and in chunks; time of a step with carried state.

python benchmarks/sequence/truncated_bptt.py [--hidden-dim 128] [--chunk 100]

Each row is measured in its own process: the highest resident memory after one forward and backward
pass over the series, less that before it. One thread.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

LENGTHS = (1000, 2500, 5000, 10000)
INPUT_DIM, LAYERS, BATCH = 8, 2, 4


def peak_mb() -> float:
    """Return this process's highest resident memory so far, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss of a fork starts at its parent's
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20 if sys.platform == "darwin" else 1 << 10
    )


def measure(steps: int, chunk: int, hidden_dim: int) -> tuple[float, float]:
    """Return MB and seconds of a forward and backward pass; chunk 0 reads the series whole."""
    import torch

    from asr.sequence import RecurrentStack, truncated

    torch.set_num_threads(1)
    torch.manual_seed(0)
    stack = RecurrentStack(INPUT_DIM, hidden_dim, LAYERS, bidirectional=False)
    warm_up = torch.randn(BATCH, 20, INPUT_DIM)
    stack(warm_up, torch.full((BATCH,), 20))[0].sum().backward()
    x, lens = torch.randn(BATCH, steps, INPUT_DIM), torch.full((BATCH,), steps)
    before, started = peak_mb(), time.perf_counter()
    for _, y, _ in truncated(stack, x, lens, chunk or steps):
        y.square().mean().backward()
    return peak_mb() - before, time.perf_counter() - started


def step_ms(cell: str, layers: int, hidden_dim: int, steps: int = 2000) -> tuple[float, float]:
    """Return median and 99th percentile of the milliseconds of one step with carried state, one
    sequence.
    """
    import torch

    from asr.sequence import RecurrentStack

    torch.set_num_threads(1)
    stack = RecurrentStack(INPUT_DIM, hidden_dim, layers, cell, bidirectional=False).eval()
    x, one, state, times = torch.randn(1, 1, INPUT_DIM), torch.tensor([1]), None, []
    with torch.inference_mode():
        for _ in range(steps + 50):
            started = time.perf_counter()
            _, _, state = stack(x, one, state)
            times.append(1e3 * (time.perf_counter() - started))
    times = sorted(times[50:])
    return statistics.median(times), times[int(0.99 * len(times))]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden-dim", type=int, default=128)
    parser.add_argument("--chunk", type=int, default=100)
    arguments = parser.parse_args()
    import torch

    print(
        f"torch {torch.__version__}, {platform.machine()}, {LAYERS} LSTM layers of "
        f"{arguments.hidden_dim} units, "
        f"batch {BATCH}, fp32"
    )
    print(f"| steps | whole: MB | s | chunks of {arguments.chunk}: MB | s |\n|---|---|---|---|---|")
    for steps in LENGTHS:
        row = []
        for chunk in (0, arguments.chunk):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                row += pool.apply(measure, (steps, chunk, arguments.hidden_dim))
        print(
            f"| {steps} | {row[0]:.0f} | {row[1]:.2f} | {row[2]:.1f} | {row[3]:.2f} |", flush=True
        )
    print("\n| one step with carried state | median ms | 99 % ms |\n|---|---|---|")
    for cell, layers in (("lstm", 1), ("lstm", 2), ("gru", 1), ("peephole_lstm", 1)):
        median, high = step_ms(cell, layers, arguments.hidden_dim)
        print(
            f"| {cell}, {layers} x {arguments.hidden_dim} | {median:.3f} | {high:.3f} |", flush=True
        )


if __name__ == "__main__":
    main()
