"""Truncated back-propagation through time. Legend: B batch, T steps, D features.

Williams & Peng 1990; with equal steps forward and back, k1 = k2, as in Sutskever 2013, section
2.8.6. A sequence is read in chunks; the state is carried from one to the next, the gradient is not:
memory grows with the chunk, not with T.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from asr.sequence.recurrent import RecurrentStack, RecurrentState

__all__ = ["detach_state", "truncated"]


def detach_state(state: RecurrentState) -> RecurrentState:
    """Return a carried state through which no gradient flows back."""
    return [tuple(tensor.detach() for tensor in layer) for layer in state]


def truncated(
    stack: RecurrentStack,
    x: Tensor,
    x_lens: Tensor,
    chunk_len: int,
    state: RecurrentState | None = None,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield (steps, output (B, t, output_dim), lengths (B,) within the chunk) of each chunk of
    ``chunk_len`` steps.

    Call ``backward`` on the loss of a chunk before the next one is asked for: its graph is then
    free. Gradients add up over chunks in ``.grad``. The outputs are those of the whole sequence.

    Args:
        stack: one-directional.
        x: (B, T, D).
        x_lens: (B,).
        chunk_len: steps that a gradient goes back, at most.
        state: carried over from an earlier call.

    Raises:
        ValueError: the stack reads in both directions, or chunk_len is below 1.

    Example:
        >>> stack = RecurrentStack(2, 4, num_layers=1, bidirectional=False)
        >>> for steps, y, lens in truncated(stack, torch.zeros(1, 10, 2), torch.tensor([10]), 4):
        ...     y.square().mean().backward()
        ...     print(steps)
        slice(0, 4, None)
        slice(4, 8, None)
        slice(8, 10, None)
    """
    if stack.bidirectional:
        raise ValueError("a bidirectional stack cannot be truncated: it reads from the end too")
    if chunk_len < 1:
        raise ValueError(f"a chunk holds at least 1 step, not {chunk_len}")
    for start in range(0, x.size(1), chunk_len):
        steps = slice(start, min(start + chunk_len, x.size(1)))
        lens = torch.clamp(x_lens - start, 0, steps.stop - start)
        y, _, state = stack(x[:, steps], lens, state)
        state = detach_state(state)
        yield steps, y, lens
