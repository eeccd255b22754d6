"""Losses of speaker embeddings. Legend: B crops, E embedding, C speakers, S speakers of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Ge2eLoss", "MarginSoftmax"]


class MarginSoftmax(nn.Module):
    """Softmax over cosines with an additive margin (AM-softmax, Wang et al. 2018, equation 5).

    Args:
        dim: E.
        num_speakers: C.
        scale: of the cosines.
        margin: taken from the cosine of the right speaker.
    """

    def __init__(self, dim: int, num_speakers: int, scale: float, margin: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_speakers, dim) * 0.1)
        self.scale, self.margin = scale, margin

    def forward(self, embeddings: Tensor, speakers: Tensor) -> Tensor:
        """Embeddings (B, E) of length 1, speakers (B,) -> scalar, summed over the batch."""
        cosines = embeddings @ functional.normalize(self.weight, dim=-1).t()
        right = functional.one_hot(speakers, cosines.size(1)).to(cosines.dtype)
        logits = self.scale * (cosines - self.margin * right)
        return functional.cross_entropy(logits, speakers, reduction="sum")


class Ge2eLoss(nn.Module):
    """Generalised end-to-end loss with a softmax (Wan et al. 2018, equations 5, 6 and 8).

    A crop shall be nearer to the centre of its speaker's other crops than to the other speakers'
    centres.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.shift = nn.Parameter(torch.tensor(-5.0))

    def forward(self, embeddings: Tensor, crops: int) -> Tensor:
        """Embeddings (S * crops, E), those of a speaker together -> scalar, summed."""
        x = embeddings.view(-1, crops, embeddings.size(1))
        total = x.sum(1)
        centres = functional.normalize(total, dim=-1)
        others = functional.normalize(total.unsqueeze(1) - x, dim=-1)
        cosines = torch.einsum("sme,ce->smc", x, centres)
        own = (x * others).sum(-1, keepdim=True)
        is_own = torch.eye(len(x), dtype=torch.bool, device=x.device).unsqueeze(1)
        logits = self.scale.clamp(min=1e-3) * torch.where(is_own, own, cosines) + self.shift
        labels = torch.arange(len(x), device=x.device).repeat_interleave(crops)
        return functional.cross_entropy(logits.flatten(0, 1), labels, reduction="sum")
