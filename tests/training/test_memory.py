"""Gradient checkpointing: the same results and names, fewer tensors kept for the backward pass."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from asr.sequence import RecurrentStack, lstm
from asr.training.memory import checkpoint_recurrent_layers


def kept_bytes(stack: RecurrentStack, x: Tensor, lens: Tensor) -> int:
    """Return the bytes of activations that the backward pass would hold on to."""
    weights = {p.data_ptr() for p in stack.parameters()}
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = stack(x, lens)[0]
    del y
    return sum(storages.values())


@pytest.fixture(params=[None, torch.float32, torch.bfloat16], ids=str)
def step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The LSTM implementation that runs: torch's, or ours in float32 or bfloat16."""
    monkeypatch.setattr(lstm, "_own_dtype", lambda x: request.param)
    with torch.autocast("cpu", torch.bfloat16, enabled=request.param == torch.bfloat16):
        yield


@pytest.mark.usefixtures("step")
def test_gradients_are_the_same_and_less_is_kept() -> None:
    torch.manual_seed(0)
    plain = RecurrentStack(8, 8, num_layers=3, dropout=0.2).train()
    saving = copy.deepcopy(plain)
    assert checkpoint_recurrent_layers(saving) == 3
    assert saving.state_dict().keys() == plain.state_dict().keys()
    x, lens = torch.randn(2, 50, 8), torch.tensor([50, 30])
    grads = []
    for stack in (plain, saving):
        torch.manual_seed(1)
        y = stack(x, lens)[0]
        y.float().square().sum().backward()
        grads.append([p.grad for p in stack.parameters()])
    for a, b in zip(*grads, strict=True):
        assert torch.equal(a, b)
    assert kept_bytes(saving, x, lens) < 0.6 * kept_bytes(plain, x, lens)
    twin = copy.deepcopy(saving).eval()  # copies run their own weights, not those of the original
    for p in twin.parameters():
        p.data.zero_()
    assert not torch.equal(twin(x, lens)[0], saving.eval()(x, lens)[0])
