"""Choice between fp32 and bf16: whichever a timed training step shows to be faster here."""

from __future__ import annotations

import time

import torch

from asr.training.experiment import Experiment

__all__ = ["choose_precision"]

ROUNDS = 3
WORTH = 0.9  # of the time of fp32 that bf16 may take


def choose_precision(wanted: str, experiment: Experiment, timed: bool = True) -> str:
    """Return ``fp32`` or ``bf16``; ``auto`` times a step of the experiment in each, in turns, and
    takes the faster.

    Where several processes train together, ``timed`` is False: clocks could disagree, and
    processors then take bf16 where they multiply matrices of it (AMX).

    Processors without bf16 units refuse the recurrent kernels or run them slower; both count as a
    vote for fp32, and so does a gain too small to be told from the noise of a busy machine.
    """
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
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
    except RuntimeError:  # oneDNN: no such kernel on this processor
        return float("inf")
    finally:
        task.zero_grad(set_to_none=True)
        for name, buffer in task.named_buffers():
            buffer.copy_(buffers[name])
