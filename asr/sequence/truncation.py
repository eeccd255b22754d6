"""Truncated back-propagation through time. B batch, T steps, D features.

A sequence is read in chunks. The state is carried from one chunk to the next, the gradient is not,
so memory grows with the chunk, not with T. Williams & Peng 1990; with k1 = k2, as in Sutskever
2013, section 2.8.6.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from asr.sequence.recurrent import RecurrentStack, RecurrentState

__all__ = ["detach_state", "truncated"]


def detach_state(state: RecurrentState) -> RecurrentState:
    """Return the state without its graph, so that no gradient flows back through it."""
    return [tuple(tensor.detach() for tensor in layer) for layer in state]


def truncated(
    stack: RecurrentStack,
    x: Tensor,
    x_lens: Tensor,
    chunk_len: int,
    state: RecurrentState | None = None,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield (steps, output (B, t, output_dim), lengths (B,) within the chunk) of each chunk.

    Call ``backward`` on the loss of a chunk before asking for the next one, which frees its graph.
    Gradients add up over chunks in ``.grad``. The outputs equal those of the whole sequence.

    Args:
        stack: unidirectional layers.
        x: (B, T, D).
        x_lens: (B,).
        chunk_len: steps per chunk; no gradient goes further back.
        state: state after an earlier call.

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
        raise ValueError(f"chunk_len must be at least 1, not {chunk_len}")
    for start in range(0, x.size(1), chunk_len):
        steps = slice(start, min(start + chunk_len, x.size(1)))
        lens = torch.clamp(x_lens - start, 0, steps.stop - start)
        y, _, state = stack(x[:, steps], lens, state)
        state = detach_state(state)
        yield steps, y, lens
