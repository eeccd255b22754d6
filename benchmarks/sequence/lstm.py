"""One LSTM layer, forward and backward: torch's (oneDNN), ours, and what limits both.

    python benchmarks/sequence/lstm.py [--threads 1] [--repeats 10] [--fp32]
        [--shapes 338,4,512,256]

One direction. The shapes (T, B, D, H) are batches of a minute of speech with a frame every 40 ms.
Where the processor trains LSTMs in bfloat16, that is compared with float32; elsewhere, or with
--fp32, both in float32. Printed is the best of the repeats, measured in turns, in processor time of
the thread, so that other work disturbs less; the error is that of all gradients together, relative
to torch's in float32.

The limit in float32: "products" is the time of the matrix products alone, which no arrangement can
do without: one large product each for the gates, the gradient of the input and the two gradients of
weights, and T small ones (B x H times H x 4H, and back) that have to wait for each other. "peak"
is a large product by itself. How far the small ones stay below it is what the memory's speed and
the size of a step leave: each of them reads all recurrent weights, 16 H H bytes, for 8 B H H
operations.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from asr.sequence.lstm import LSTM, has_bf16, own_step

SHAPES = (
    (338, 4, 256, 128),
    (356, 4, 384, 192),
    (168, 8, 384, 192),
    (138, 10, 384, 192),
    (85, 15, 384, 192),
    (338, 4, 512, 256),
    (168, 8, 512, 256),
    (168, 8, 1024, 512),
)
Step = Callable[[LSTM, Tensor], Tensor]


def torch_step(dtype: torch.dtype) -> Step:
    """Return torch's own layer."""

    def run(layer: LSTM, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            return super(LSTM, layer).forward(x)[0]

    return run


def our_step(dtype: torch.dtype) -> Step:
    """Return our own step."""
    return lambda layer, x: own_step([layer], [x], [None], dtype)[0][0]


def timed(run: Step, layer: LSTM, x: Tensor, towards: Tensor) -> tuple[float, Tensor]:
    """Return the seconds of a forward and backward pass and all gradients in a row."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    start = time.process_time()
    y = run(layer, x)
    y.backward(towards.to(y.dtype))
    seconds = time.process_time() - start
    gradients = [x.grad, *(parameter.grad for parameter in layer.parameters())]
    return seconds, torch.cat([g.flatten() for g in gradients if g is not None])


def products(T: int, B: int, D: int, H: int) -> float:
    """Return the seconds of all matrix products of a forward and backward pass, in float32."""
    x, gates, h = torch.randn(T * B, D), torch.randn(T * B, 4 * H), torch.randn(T * B, H)
    w_ih, w_hh, dh = torch.randn(4 * H, D), torch.randn(H, 4 * H), torch.randn(B, 4 * H)
    back = w_hh.t().contiguous()
    one, other = torch.empty(B, 4 * H), torch.empty(B, H)
    start = time.process_time()
    torch.mm(x, w_ih.t())
    for t in range(T):
        torch.mm(h[t * B : (t + 1) * B], w_hh, out=one)
    for _ in range(T):
        torch.mm(dh, back, out=other)
    torch.mm(gates, w_ih), torch.mm(gates.t(), x), torch.mm(gates.t(), h)
    return time.process_time() - start


def peak(n: int = 1024) -> float:
    """Return the billions of operations a second of a large product."""
    a, b, best = torch.randn(n, n), torch.randn(n, n), float("inf")
    for _ in range(5):
        start = time.process_time()
        torch.mm(a, b)
        best = min(best, time.process_time() - start)
    return 2e-9 * n**3 / best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--fp32", action="store_true", help="no bfloat16, though there is")
    parser.add_argument("--shapes", nargs="+", help="T,B,D,H each, instead of the usual ones")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    ways = {"torch fp32": torch_step(torch.float32)}
    if given.fp32 or not has_bf16():
        ways["ours fp32"] = our_step(torch.float32)
    else:
        ways |= {"torch bf16": torch_step(torch.bfloat16), "ours bf16": our_step(torch.bfloat16)}
    print(f"peak of a product in fp32: {peak():.0f} GFLOP/s")
    columns = ["T x B, D, H", *(f"{way}, ms" for way in ways), "ours / torch fp32", "error of ours"]
    print("| " + " | ".join([*columns, "products fp32, ms", "GFLOP/s of them"]) + " |")
    print("|---" * (len(columns) + 2) + "|")
    shapes = [tuple(map(int, s.split(","))) for s in given.shapes] if given.shapes else SHAPES
    for T, B, D, H in shapes:
        layer, x, towards = LSTM(D, H), torch.randn(T, B, D), torch.randn(T, B, H)
        best, gradients = dict.fromkeys([*ways, "products"], float("inf")), dict[str, Tensor]()
        for _ in range(given.repeats):
            for way, run in ways.items():
                seconds, gradients[way] = timed(run, layer, x, towards)
                best[way] = min(best[way], seconds)
            best["products"] = min(best["products"], products(T, B, D, H))
        exact, ours = gradients["torch fp32"], list(ways)[-1]
        error = float((gradients[ours] - exact).norm() / exact.norm())
        operations = 1e-9 * 2 * T * B * 4 * H * (3 * D + 3 * H)
        cells = [f"{T} x {B}, {D}, {H}", *(f"{1000 * best[way]:.1f}" for way in ways)]
        cells += [f"{best[ours] / best['torch fp32']:.2f}", f"{error:.1e}"]
        cells += [f"{1000 * best['products']:.1f}", f"{operations / best['products']:.0f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
