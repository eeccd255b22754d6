from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.sequence.crf import LinearChainCrf, bio_rules, first_illegal_step

TAGS = ["O", "B-a", "I-a", "B-b", "I-b"]


def make(num_tags, rules=None, seed=0):
    crf = LinearChainCrf(num_tags, rules).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in crf.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return crf, generator


def every_path(crf, scores, rules=None):
    """Paths of one sequence (T, K) and their scores, added up one by one."""
    steps, tags = scores.shape
    for path in itertools.product(range(tags), repeat=steps):
        if rules is not None and first_illegal_step(path, rules) is not None:
            continue
        total = (
            crf.start[path[0]] + crf.end[path[-1]] + sum(scores[t, k] for t, k in enumerate(path))
        )
        yield path, total + sum(crf.transitions[a, b] for a, b in itertools.pairwise(path))


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("lengths", [[4, 2, 1], [1, 1, 1], [3, 4, 4]])
def test_partition_paths_and_gradients_equal_brute_force(constrained, lengths):
    rules = bio_rules(TAGS) if constrained else None
    crf, generator = make(5, rules)
    scores = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    lens = torch.tensor(lengths)
    listed = [list(every_path(crf, scores[b, :n], rules)) for b, n in enumerate(lengths)]
    expected = torch.stack(
        [torch.logsumexp(torch.stack([s for _, s in paths]), 0) for paths in listed]
    )
    found = crf.log_partition(scores, lens)
    torch.testing.assert_close(found, expected)
    leaves = [scores, *crf.parameters()]
    wanted = torch.autograd.grad(expected.sum(), leaves, retain_graph=True, materialize_grads=True)
    for ours, theirs in zip(torch.autograd.grad(found.sum(), leaves), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    best, best_scores = crf.best_paths(scores, lens)
    for paths, path, score in zip(listed, best, best_scores, strict=True):
        top = max(paths, key=lambda pair: float(pair[1].detach()))
        assert tuple(path) == top[0]
        torch.testing.assert_close(score, top[1].detach())
    gold = torch.full((3, 4), 4)
    for b, path in enumerate(best):
        gold[b, : len(path)] = torch.tensor(path)
    likelihood = -crf.loss(scores, gold, lens)
    torch.testing.assert_close(likelihood.detach(), best_scores - expected.detach())


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=30)
def test_padding_never_changes_a_score(length, tags, seed):
    crf, generator = make(tags, seed=seed)
    alone = torch.randn(1, length, tags, generator=generator, dtype=torch.float64)
    path = torch.randint(tags, (1, length), generator=generator)
    padded = torch.full((1, length + 3, tags), 1e6, dtype=torch.float64)
    padded[:, :length] = alone
    long_path = torch.nn.functional.pad(path, (0, 3), value=tags - 1)
    lens = torch.tensor([length])
    torch.testing.assert_close(
        crf.log_partition(alone, lens), crf.log_partition(padded, lens), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(
        crf.loss(alone, path, lens), crf.loss(padded, long_path, lens), rtol=0, atol=1e-12
    )
    assert crf.best_paths(alone, lens)[0] == crf.best_paths(padded, lens)[0]
    torch.testing.assert_close(crf.marginals(padded, lens)[:, :length], crf.marginals(alone, lens))
    assert not crf.marginals(padded, lens)[:, length:].any()


def test_marginals_are_probabilities():
    crf, generator = make(5, bio_rules(TAGS))
    scores = torch.randn(2, 6, 5, generator=generator, dtype=torch.float64)
    marginals = crf.marginals(scores, torch.tensor([6, 3]))
    torch.testing.assert_close(marginals[0].sum(-1), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(
        marginals[1].sum(-1), torch.tensor([1.0, 1, 1, 0, 0, 0], dtype=torch.float64)
    )
    assert float(marginals[:, 0, [2, 4]].detach().abs().max()) == 0  # no I- at the beginning


def test_an_empty_sequence_scores_nothing():
    crf, _ = make(3)
    lens, scores = torch.tensor([0, 2]), torch.ones(2, 2, 3, dtype=torch.float64)
    paths, totals = crf.best_paths(scores, lens)
    assert paths[0] == []
    assert len(paths[1]) == 2
    assert float(totals[0]) == 0
    assert float(crf.loss(scores, torch.zeros(2, 2, dtype=torch.long), lens)[0].detach()) == 0


def test_rules_hold_against_any_score_in_float32():
    crf = LinearChainCrf(5, bio_rules(TAGS))
    scores = torch.zeros(1, 3, 5)
    scores[..., 2] = 500.0  # I-a everywhere
    path = crf.best_paths(scores, torch.tensor([3]))[0][0]
    assert path == [1, 2, 2]
    assert first_illegal_step(path, bio_rules(TAGS)) is None
    loss = crf.loss(scores, torch.tensor([path]), torch.tensor([3]))
    loss.sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in crf.parameters())


def test_illegal_steps_are_named():
    rules = bio_rules(TAGS)
    assert first_illegal_step([0, 1, 2, 2], rules) is None
    assert first_illegal_step([2], rules) == 0
    assert first_illegal_step([1, 4], rules) == 1
    assert first_illegal_step([], rules) is None


def test_bfloat16_scores_are_summed_in_float32():
    crf = LinearChainCrf(4)
    scores = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    lens = torch.tensor([50, 20])
    torch.testing.assert_close(
        crf.log_partition(scores, lens), crf.log_partition(scores.float(), lens)
    )


@pytest.mark.parametrize("spread", [1.0, 30.0, 300.0])
def test_far_apart_scores_lose_nothing(spread):
    crf, generator = make(5, bio_rules(TAGS))
    scores = spread * torch.randn(4, 7, 5, generator=generator, dtype=torch.float64)
    lens = torch.tensor([7, 5, 2, 1])
    expected = crf.log_partition(scores, lens)
    single = crf.float().log_partition(scores.float(), lens)
    torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=1e-4)
    leaf = scores.float().requires_grad_()
    (gradient,) = torch.autograd.grad(crf.log_partition(leaf, lens).sum(), leaf)
    torch.testing.assert_close(gradient.sum((1, 2)), lens.float(), rtol=1e-3, atol=1e-3)
