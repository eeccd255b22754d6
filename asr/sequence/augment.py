"""Data augmentation of sequences. B batch, T steps, D channels."""

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
    """Return ``x`` (B, T, D) with noise, scaling, time masks and channel masks.

    Masks are zeros, so the channels should have mean zero, as after normalisation.

    Args:
        x: (B, T, D).
        x_lens: (B,).
        generator: on the CPU, so that random numbers are the same on every device.
        noise: standard deviation of white noise (jittering in Um et al. 2017).
        scale: each sequence is multiplied by exp(u), where u is normal with this standard deviation
            (scaling in Um et al. 2017).
        time_masks: number of time masks (SpecAugment, Park et al. 2019).
        time_share: greatest length of a time mask, as a fraction of the sequence's length.
        channel_mask: probability that a channel is masked; one channel always stays.
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
