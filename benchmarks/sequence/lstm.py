"""One LSTM layer, forward and backward: torch in float32 and bfloat16, and ours in bfloat16.

    python benchmarks/sequence/lstm.py [--threads 1] [--repeats 10]

One direction. The shapes are batches of a minute of speech with a frame every 40 ms. Printed is the
best of the repeats, measured in turns; the error is that of all gradients together, relative to
float32.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from asr.sequence.lstm import LSTM, has_bf16

SHAPES = (
    (356, 4, 384, 192),
    (168, 8, 384, 192),
    (138, 10, 384, 192),
    (85, 15, 384, 192),
    (338, 4, 512, 256),
)
WAYS = ("torch fp32", "torch bf16", "ours bf16")


def step(layer: LSTM, x: Tensor, towards: Tensor, way: str) -> tuple[float, Tensor]:
    """Return the seconds of a forward and backward pass and all gradients in a row."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    run = layer if way == "ours bf16" else super(LSTM, layer)
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=way != "torch fp32"):
        y, _ = run.forward(x)
    y.backward(towards.to(y.dtype))
    seconds = time.perf_counter() - start
    gradients = [x.grad, *(parameter.grad for parameter in layer.parameters())]
    return seconds, torch.cat(
        [gradient.flatten() for gradient in gradients if gradient is not None]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=10)
    given = parser.parse_args()
    if not has_bf16():
        parser.error("this processor trains no LSTM in bfloat16; that takes AVX-512 or AMX")
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    print(
        "| T x B, D, H | "
        + " | ".join(f"{way}, ms" for way in WAYS)
        + " | ours / fp32 | error bf16 | error ours |"
    )
    print("|---" * 7 + "|")
    for T, B, D, H in SHAPES:
        layer, x, towards = LSTM(D, H), torch.randn(T, B, D), torch.randn(T, B, H)
        best, gradients = dict.fromkeys(WAYS, float("inf")), dict[str, Tensor]()
        for _ in range(given.repeats):
            for way in WAYS:
                seconds, gradients[way] = step(layer, x, towards, way)
                best[way] = min(best[way], seconds)
        exact = gradients["torch fp32"]
        errors = [float((gradients[way] - exact).norm() / exact.norm()) for way in WAYS[1:]]
        milliseconds = " | ".join(f"{1000 * best[way]:.1f}" for way in WAYS)
        ratio = best["ours bf16"] / best["torch fp32"]
        print(
            f"| {T} x {B}, {D}, {H} | {milliseconds} | {ratio:.2f} | {errors[0]:.4f} | "
            f"{errors[1]:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
