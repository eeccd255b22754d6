"""The faster precision is taken, also on a machine that is busy while it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from asr.errors import ConfigError
from asr.training import precision
from asr.training.precision import choose_precision

INF = float("inf")


class Toy(torch.nn.Module):
    def __init__(self, refuses: bool) -> None:
        super().__init__()
        self.layer, self.norm, self.refuses = (
            torch.nn.Linear(4, 4),
            torch.nn.BatchNorm1d(4),
            refuses,
        )

    def loss(self, batch: torch.Tensor) -> Any:
        if self.refuses and torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive descriptor")
        return SimpleNamespace(total=self.norm(self.layer(batch)).square().sum())


def experiment(refuses: bool = False) -> Any:
    torch.manual_seed(0)
    return SimpleNamespace(
        task=Toy(refuses), train=SimpleNamespace(load=lambda *_: torch.randn(8, 4))
    )


@pytest.mark.parametrize(
    ("fp32", "bf16", "chosen"),
    [
        ([9.0, 1.0, 1.0], [3.0, 2.0, 2.0], "fp32"),  # the first step of fp32 was held up
        ([2.0, 1.0, 1.0], [2.0, 0.95, 0.95], "fp32"),  # no more than noise
        ([2.0, 1.0, 1.0], [9.0, 9.0, 0.5], "bf16"),
        ([1.0, 1.0, 1.0], [INF, INF, INF], "fp32"),
    ],
)
def test_the_best_of_turns_decides(
    monkeypatch: pytest.MonkeyPatch, fp32: list[float], bf16: list[float], chosen: str
) -> None:
    times: dict[str, Iterator[float]] = {"fp32": iter(fp32), "bf16": iter(bf16)}
    monkeypatch.setattr(precision, "_seconds", lambda experiment, batch, name: next(times[name]))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "has_bf16", lambda: True)
    assert choose_precision("auto", experiment()) == chosen
    assert choose_precision("bf16", experiment()) == "bf16"


@pytest.mark.parametrize("gpu", [False, True])
def test_a_processor_without_bf16_takes_fp32_and_says_so(
    monkeypatch: pytest.MonkeyPatch, gpu: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(precision, "has_bf16", lambda: False)
    monkeypatch.setattr(precision, "_seconds", lambda *_: pytest.fail("there is nothing to time"))
    for timed in (True, False):
        assert choose_precision("auto", experiment(), timed, accelerator="cpu") == "fp32"
        assert choose_precision("fp32", experiment(), timed, accelerator="cpu") == "fp32"
        with pytest.raises(ConfigError, match=r"trainer\.precision=auto, which is fp32 here"):
            choose_precision("bf16", experiment(), timed, accelerator="cpu")
    if gpu:
        assert choose_precision("bf16", experiment()) == "bf16"


@pytest.mark.parametrize(
    ("units", "chosen"), [({"amx_bf16": True}, "bf16"), ({"amx_bf16": False}, "fp32"), ({}, "fp32")]
)
def test_processes_that_train_together_ask_the_processor(
    monkeypatch: pytest.MonkeyPatch, units: dict[str, bool], chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "has_bf16", lambda: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    assert choose_precision("auto", experiment(), timed=False) == chosen


def test_asking_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "has_bf16", lambda: True)
    asked = experiment()
    before = {name: value.clone() for name, value in asked.task.state_dict().items()}
    assert choose_precision("auto", asked) in ("fp32", "bf16")
    assert all(torch.equal(before[name], value) for name, value in asked.task.state_dict().items())
    assert all(p.grad is None for p in asked.task.parameters())
    assert choose_precision("auto", experiment(refuses=True)) == "fp32"
