"""How many processes train together: from torchrun, SLURM or the configuration.

Data parallelism (Li et al. 2020, "PyTorch Distributed", on DistributedDataParallel): every process
("rank") has the whole network and takes its own batches of each step, and the gradients are summed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from asr.errors import ConfigError, TrainingError
from asr.training.config import TrainerConfig

__all__ = ["Ranks", "check_same_start", "check_world_size", "is_first_rank", "plan_ranks"]

LAUNCHERS = {"torchrun": "--nproc-per-node, --nnodes", "SLURM": "--ntasks-per-node, --nodes"}
SLURM_INTERACTIVE = ("bash", "interactive")


@dataclass(frozen=True)
class Ranks:
    """Number of processes, for Lightning Fabric.

    Attributes:
        devices: processes on a machine.
        num_nodes: machines.
        strategy: how they exchange gradients.
    """

    devices: int
    num_nodes: int
    strategy: str

    @property
    def several(self) -> bool:
        """Whether more than one process trains."""
        return self.devices * self.num_nodes > 1


def plan_ranks(trainer: TrainerConfig, environ: Mapping[str, str] = os.environ) -> Ranks:
    """Return what the launcher says, if one started this process, else what the configuration says.

    Raises:
        ConfigError: both name numbers, and they differ.
    """
    for launcher, started in (("torchrun", _torchrun(environ)), ("SLURM", _slurm(environ))):
        if started is None:
            continue
        for key, number in zip(("devices", "num_nodes"), started, strict=True):
            if (wanted := getattr(trainer, key)) not in (1, number):
                raise ConfigError(
                    f"trainer.{key} is {wanted}, but {launcher} started {number}.",
                    f"Leave trainer.{key} out: {launcher} decides ({LAUNCHERS[launcher]}).",
                )
        return Ranks(*started, trainer.strategy)
    return Ranks(trainer.devices, trainer.num_nodes, trainer.strategy)


def _torchrun(environ: Mapping[str, str]) -> tuple[int, int] | None:
    if "TORCHELASTIC_RUN_ID" not in environ:
        return None
    here, everywhere = int(environ["LOCAL_WORLD_SIZE"]), int(environ["WORLD_SIZE"])
    if everywhere % here:
        raise ConfigError(
            f"torchrun started {everywhere} processes, {here} of them on this machine.",
            "Start as many on each.",
        )
    return here, everywhere // here


def _slurm(environ: Mapping[str, str]) -> tuple[int, int] | None:
    tasks = int(environ.get("SLURM_NTASKS", "1"))
    if (
        tasks < 2
        or "SLURM_PROCID" not in environ
        or environ.get("SLURM_JOB_NAME") in SLURM_INTERACTIVE
    ):
        return None
    nodes = int(environ.get("SLURM_NNODES", "1"))
    if tasks % nodes:
        raise ConfigError(
            f"SLURM started {tasks} tasks on {nodes} machines.", "Give --ntasks-per-node."
        )
    return tasks // nodes, nodes


def is_first_rank(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is the one that prints and writes, before Fabric is set up."""
    if "TORCHELASTIC_RUN_ID" in environ:
        return environ.get("RANK", "0") == "0"
    if _slurm(environ) is not None:
        return environ["SLURM_PROCID"] == "0"
    return environ.get("NODE_RANK", "0") == "0" and environ.get("LOCAL_RANK", "0") == "0"


def check_world_size(trained_with: int, world_size: int, checkpoint: object) -> None:
    """Raise TrainingError unless a run resumes with as many processes as it had.

    Their number decides what a batch is.
    """
    if trained_with != world_size:
        raise TrainingError(
            f"{checkpoint} was trained with {trained_with} process(es), not {world_size}; "
            "this would be another run.",
            f"Start {trained_with}, or begin anew in another folder "
            "(for speech: from these weights, with init_from).",
        )


def check_same_start(own: object, first: object, checkpoint: object) -> None:
    """Raise TrainingError unless this process read the same checkpoint as the first one."""
    if own != first:
        raise TrainingError(
            f"The processes do not all see the same {checkpoint}.",
            "Put the run folder on storage that they share.",
        )
