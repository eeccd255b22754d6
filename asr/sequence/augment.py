"""Random changes of sequences that leave their label as it is.

Legend: B batch, T steps, D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from asr.sequence.lengths import length_mask

__all__ = ["augment"]


def augment(
    x: Tensor,
    x_lens: Tensor,
    generator: torch.Generator,
    noise: float = 0.0,
    scale: float = 0.0,
    time_masks: int = 0,
    time_share: float = 0.1,
    channel_mask: float = 0.0,
) -> Tensor:
    """Return ``x`` (B, T, D) with noise, changed size and zeroed stretches and channels.

    Zero should be the mean of a channel, as it is after normalisation.

    Args:
        x: (B, T, D).
        x_lens: (B,).
        generator: on the CPU, so that draws are the same on every device.
        noise: standard deviation of white noise (Um et al. 2017, jittering).
        scale: each sequence is multiplied by exp(u), u normal with this deviation (scaling, there).
        time_masks: stretches set to zero, each of up to time_share of the sequence's length
            (SpecAugment, Park et al. 2019).
        channel_mask: probability that a channel is zero throughout; one stays.
    """
    B, T, D = x.shape
    if scale:
        x = x * torch.randn(B, 1, 1, generator=generator).mul(scale).exp().to(x)
    if noise:
        drawn = torch.randn(B, T, D, generator=generator).to(x) * noise
        x = x + drawn * length_mask(x_lens, T).unsqueeze(-1)
    for _ in range(time_masks):
        u = torch.rand(2, B, generator=generator).to(x_lens.device)
        width = (u[0] * time_share * x_lens).long()
        start = (u[1] * (x_lens - width + 1)).long()
        steps = torch.arange(T, device=x.device)
        hidden = (steps >= start.unsqueeze(1)) & (steps < (start + width).unsqueeze(1))
        x = x.masked_fill(hidden.unsqueeze(-1), 0.0)
    if channel_mask and D > 1:
        u = torch.rand(B, D, generator=generator)
        dropped = (u < channel_mask) & (u < u.amax(1, keepdim=True))
        x = x.masked_fill(dropped.to(x.device).unsqueeze(1), 0.0)
    return x
