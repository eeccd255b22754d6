"""Choice between fp32 and bf16: whichever a timed training step shows to be faster here."""

from __future__ import annotations

import time

import torch

from asr.errors import ConfigError
from asr.sequence.lstm import has_bf16
from asr.training.experiment import Experiment

__all__ = ["choose_precision"]

ROUNDS = 3
WORTH = 0.9  # of the time of fp32 that bf16 may take


def choose_precision(
    wanted: str, experiment: Experiment, timed: bool = True, accelerator: str = "auto"
) -> str:
    """Return ``fp32`` or ``bf16``; ``auto`` times a step of the experiment in each, in turns, and
    takes the faster.

    Where several processes train together, ``timed`` is False: clocks could disagree, and
    processors then take bf16 where they multiply matrices of it (AMX). Processors that cannot step
    an LSTM in bf16 take fp32, and so do those that gain too little by bf16 to be told from the
    noise of a busy machine.

    Args:
        wanted: ``auto``, ``fp32`` or ``bf16``.
        experiment: what is to be trained.
        timed: whether the clock may decide.
        accelerator: of the trainer; ``cpu`` leaves a GPU alone.

    Raises:
        ConfigError: ``bf16`` on a processor that cannot step an LSTM in it.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        if wanted != "auto":
            return wanted
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if wanted == "bf16" and not has_bf16():
        raise ConfigError(
            "trainer.precision=bf16: this processor trains no LSTM in bf16 "
            "(it takes AVX-512 or AMX).",
            "Leave trainer.precision=auto, which is fp32 here.",
        )
    if wanted != "auto":
        return wanted
    if not has_bf16():
        return "fp32"
    if not timed:
        return "bf16" if torch.cpu.get_capabilities().get("amx_bf16") else "fp32"
    batch = experiment.train.load(0, 0)
    fastest = {"fp32": float("inf"), "bf16": float("inf")}
    for _ in range(ROUNDS):
        for name, seconds in fastest.items():
            fastest[name] = min(seconds, _seconds(experiment, batch, name))
    return "bf16" if fastest["bf16"] < WORTH * fastest["fp32"] else "fp32"


def _seconds(experiment: Experiment, batch: object, precision: str) -> float:
    task = experiment.task.train()
    buffers = {
        name: buffer.clone() for name, buffer in task.named_buffers()
    }  # batch statistics must not see the probe
    start = time.perf_counter()
    try:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = task.loss(batch)
        torch.autograd.backward(loss.total)
        return time.perf_counter() - start
    except RuntimeError:  # another kernel of the model that has no bf16 here
        return float("inf")
    finally:
        task.zero_grad(set_to_none=True)
        for name, buffer in task.named_buffers():
            buffer.copy_(buffers[name])
