"""Linear-chain conditional random field (Lafferty et al. 2001).

The score of a path is the sum of the scores of its tags, of its transitions, and of its first and
last tag. B batch, T steps, K tags; ``scores`` (B, T, K) unnormalised, ``x_lens`` (B,) steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from asr.sequence.lengths import length_mask

__all__ = ["BioRules", "LinearChainCrf", "bio_rules", "first_illegal_step"]

FORBIDDEN = -1e4  # exp(FORBIDDEN) is 0 in every precision; finite, so that no gradient is NaN

BioRules = tuple[Tensor, Tensor, Tensor]
"""Bool masks of allowed tags: first (K,), transitions (K, K) as [from, to], last (K,)."""


def bio_rules(tags: Sequence[str]) -> BioRules:
    """Return the rules of the BIO scheme: ``I-x`` only after ``B-x`` or ``I-x``.

    Ramshaw & Marcus 1995, in the variant called IOB2.

    Example:
        >>> start, after, end = bio_rules(["O", "B-x", "I-x"])
        >>> start.tolist(), after[0].tolist()
        ([True, True, False], [True, True, False])
    """
    inside = [tag[2:] if tag.startswith("I-") else None for tag in tags]
    kind = [tag[2:] if tag.startswith(("B-", "I-")) else None for tag in tags]
    start = torch.tensor([name is None for name in inside])
    after = torch.tensor([[to is None or to == name for to in inside] for name in kind])
    return start, after, torch.ones(len(tags), dtype=torch.bool)


def first_illegal_step(path: Sequence[int], rules: BioRules) -> int | None:
    """Return the first step, from 0, at which ``path`` breaks the rules; None if it does not."""
    start, after, end = rules
    for step, tag in enumerate(path):
        if not (bool(after[path[step - 1], tag]) if step else bool(start[tag])):
            return step
    return len(path) - 1 if len(path) and not bool(end[path[-1]]) else None


class LinearChainCrf(nn.Module):
    """Exact log-partition, path scores, marginals and best paths; padding is ignored.

    Args:
        num_tags: K.
        rules: allowed tags and transitions, such as :func:`bio_rules`; by default all. A forbidden
            transition costs 10,000, so it never wins against an allowed path and adds nothing to
            the partition function.

    Example:
        >>> crf = LinearChainCrf(3, bio_rules(["O", "B-x", "I-x"]))
        >>> crf.best_paths(torch.tensor([[[0.0, 0.0, 9.0], [0.0, 0.0, 9.0]]]), torch.tensor([2]))[0]
        [[1, 2]]
    """

    start_mask: Tensor
    step_mask: Tensor
    end_mask: Tensor

    def __init__(self, num_tags: int, rules: BioRules | None = None) -> None:
        super().__init__()
        everything = torch.ones(num_tags, dtype=torch.bool)
        start, after, end = rules or (everything, everything.expand(num_tags, num_tags), everything)
        self.num_tags = num_tags
        self.start = nn.Parameter(torch.zeros(num_tags))
        self.transitions = nn.Parameter(torch.zeros(num_tags, num_tags))  # [from, to]
        self.end = nn.Parameter(torch.zeros(num_tags))
        for name, allowed in (("start_mask", start), ("step_mask", after), ("end_mask", end)):
            self.register_buffer(name, torch.where(allowed, 0.0, FORBIDDEN), persistent=False)

    def log_partition(self, scores: Tensor, x_lens: Tensor) -> Tensor:
        """Return (B,): log of the sum of exp(score) over all K^T paths; 0 for length 0.

        By the forward algorithm.
        """
        return self._forward(scores.float() if scores.dtype == torch.bfloat16 else scores, x_lens)

    def _forward(self, scores: Tensor, x_lens: Tensor) -> Tensor:
        steps = (self.transitions + self.step_mask).to(scores.dtype)
        alpha = (self.start + self.start_mask).to(scores.dtype) + scores[:, 0]  # (B, K)
        inside = length_mask(x_lens, scores.size(1))
        highest = steps.max().detach()
        weights = (steps - highest).exp()
        for t in range(1, scores.size(1)):
            moved = _step(alpha, steps, weights, highest) + scores[:, t]
            alpha = torch.where(inside[:, t, None], moved, alpha)
        total = torch.logsumexp(alpha + (self.end + self.end_mask).to(scores.dtype), dim=1)
        return torch.where(x_lens > 0, total, torch.zeros_like(total))

    def path_score(self, scores: Tensor, paths: Tensor, x_lens: Tensor) -> Tensor:
        """Return (B,): the score of one path of tag numbers per sequence, ``paths`` (B, T)."""
        inside = length_mask(x_lens, scores.size(1))
        paths = paths.masked_fill(~inside, 0)
        tag_scores = (
            scores.gather(2, paths.unsqueeze(2)).squeeze(2).masked_fill(~inside, 0.0).sum(1)
        )
        moves = (self.transitions + self.step_mask)[paths[:, :-1], paths[:, 1:]].masked_fill(
            ~inside[:, 1:], 0.0
        )
        last = paths.gather(1, (x_lens - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
        ends = (self.start + self.start_mask)[paths[:, 0]] + (self.end + self.end_mask)[last]
        return tag_scores + moves.sum(1) + torch.where(x_lens > 0, ends, torch.zeros_like(ends))

    def loss(self, scores: Tensor, paths: Tensor, x_lens: Tensor) -> Tensor:
        """Return (B,): -log p(path | scores)."""
        with torch.autocast(scores.device.type, enabled=False):
            scores = scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores
            return self.log_partition(scores, x_lens) - self.path_score(scores, paths, x_lens)

    def marginals(self, scores: Tensor, x_lens: Tensor) -> Tensor:
        """Return (B, T, K): p(tag at step | scores); 0 in the padding.

        It is the gradient of the log-partition with respect to the scores.
        """
        with torch.enable_grad():
            leaf = scores.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.log_partition(leaf, x_lens).sum(), leaf)
        return gradient

    @torch.no_grad()
    def best_paths(self, scores: Tensor, x_lens: Tensor) -> tuple[list[list[int]], Tensor]:
        """Return the best path of each sequence (Viterbi 1967), and the scores (B,)."""
        steps, inside = self.transitions + self.step_mask, length_mask(x_lens, scores.size(1))
        best = self.start + self.start_mask + scores[:, 0]
        came_from = []
        for t in range(1, scores.size(1)):
            moved, origin = (best.unsqueeze(2) + steps).max(dim=1)
            best = torch.where(inside[:, t, None], moved + scores[:, t], best)
            came_from.append(origin)
        total, last = (best + self.end + self.end_mask).max(dim=1)
        origins = (
            torch.stack(came_from, 1).cpu()
            if came_from
            else torch.zeros(len(scores), 0, 1, dtype=torch.long)
        )
        paths = [
            _trace(o, n, k) for o, n, k in zip(origins, x_lens.tolist(), last.tolist(), strict=True)
        ]
        return paths, torch.where(x_lens > 0, total, torch.zeros_like(total))


def _step(alpha: Tensor, steps: Tensor, weights: Tensor, highest: Tensor) -> Tensor:
    """Return logsumexp over the previous tag, (B, K).

    Computed as one matrix product of exponentials, unless a sum is close to underflow.
    """
    top = alpha.amax(1, keepdim=True).detach()
    reached = (alpha - top).exp() @ weights
    if bool((reached < 1e8 * torch.finfo(reached.dtype).tiny).any()):
        return torch.logsumexp(alpha.unsqueeze(2) + steps, dim=1)
    return reached.log() + top + highest


def _trace(origins: Tensor, length: int, last: int) -> list[int]:
    if length == 0:
        return []
    table, path = origins.numpy(), [last]
    for t in range(length - 2, -1, -1):
        path.append(int(table[t, path[-1]]))
    return path[::-1]
