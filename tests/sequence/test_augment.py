"""Augmentation: nothing but what it says is changed, and the same generator gives the same."""

from __future__ import annotations

import torch

from asr.sequence.augment import augment

LENS = torch.tensor([40, 20])


def ones() -> torch.Tensor:
    x = torch.ones(2, 40, 3)
    x[1, 20:] = 0
    return x


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_nothing_changed() -> None:
    assert torch.equal(augment(ones(), LENS, seeded()), ones())


def test_everything_is_keyed_by_the_generator() -> None:
    settings = {"noise": 0.1, "scale": 0.1, "time_masks": 2, "time_share": 0.3, "channel_mask": 0.3}
    first, again, other = (augment(ones(), LENS, seeded(seed), **settings) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not first[1, 20:].any()


def test_noise_has_the_deviation_asked_for() -> None:
    x, lens = torch.zeros(8, 500, 2), torch.full((8,), 500)
    assert abs(augment(x, lens, seeded(), noise=0.3).std().item() - 0.3) < 0.01


def test_masks_hide_whole_steps_within_the_length() -> None:
    for seed in range(20):
        masked = augment(ones(), LENS, seeded(seed), time_masks=1, time_share=0.5)
        hidden = (masked == 0).all(-1)
        assert hidden[0].sum() <= 20
        assert hidden[1, :20].sum() <= 10
        runs = hidden[0].int().diff().abs().sum()
        assert runs <= 2  # one stretch


def test_one_channel_always_stays() -> None:
    masked = augment(torch.ones(200, 5, 3), torch.full((200,), 5), seeded(), channel_mask=0.9)
    stays = masked.any(1).sum(-1)
    assert stays.min() == 1
    assert torch.equal(masked[:, :1].expand_as(masked), masked)
    assert torch.equal(
        augment(torch.ones(4, 5, 1), torch.full((4,), 5), seeded(), channel_mask=1.0),
        torch.ones(4, 5, 1),
    )
