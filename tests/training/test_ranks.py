"""Several processes: what launchers say, and two real ones against one with the double batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr.errors import ConfigError, TrainingError
from asr.features.config import FeatureConfig
from asr.training.config import TrainerConfig
from asr.training.ranks import Ranks, check_same_start, check_world_size, is_first_rank, plan_ranks
from data_prep.store import write_store

WORKER = Path(__file__).with_name("two_ranks.py")
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4", "RANK": "3"}
SLURM = {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_PROCID": "5", "SLURM_JOB_NAME": "train"}


@pytest.mark.parametrize(
    ("environ", "trainer", "ranks", "first"),
    [
        ({}, TrainerConfig(), Ranks(1, 1, "auto"), True),
        ({}, TrainerConfig(devices=2, strategy="ddp"), Ranks(2, 1, "ddp"), True),
        ({"LOCAL_RANK": "1"}, TrainerConfig(devices=2), Ranks(2, 1, "auto"), False),
        (TORCHRUN, TrainerConfig(), Ranks(2, 2, "auto"), False),
        (TORCHRUN, TrainerConfig(devices=2, num_nodes=2), Ranks(2, 2, "auto"), False),
        (SLURM, TrainerConfig(), Ranks(4, 2, "auto"), False),
        (SLURM | TORCHRUN, TrainerConfig(), Ranks(2, 2, "auto"), False),
        (SLURM | {"SLURM_JOB_NAME": "bash"}, TrainerConfig(), Ranks(1, 1, "auto"), True),
        (SLURM | {"SLURM_NTASKS": "1"}, TrainerConfig(), Ranks(1, 1, "auto"), True),
    ],
)
def test_launchers(
    environ: dict[str, str], trainer: TrainerConfig, ranks: Ranks, first: bool
) -> None:
    assert plan_ranks(trainer, environ) == ranks
    assert is_first_rank(environ) == first


@pytest.mark.parametrize(
    ("environ", "trainer", "message"),
    [
        (TORCHRUN, TrainerConfig(devices=3), "trainer.devices is 3, but torchrun started 2"),
        (SLURM, TrainerConfig(num_nodes=3), "trainer.num_nodes is 3, but SLURM started 2"),
        (SLURM | {"SLURM_NNODES": "3"}, TrainerConfig(), "8 tasks on 3 machines"),
        (TORCHRUN | {"WORLD_SIZE": "3"}, TrainerConfig(), "3 processes, 2 of them"),
    ],
)
def test_contradictions_are_refused(
    environ: dict[str, str], trainer: TrainerConfig, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_ranks(trainer, environ)


def test_another_number_of_processes_and_unshared_storage_are_refused() -> None:
    check_world_size(2, 2, "last.ckpt")
    with pytest.raises(TrainingError, match=r"trained with 2 process\(es\), not 1.*Start 2"):
        check_world_size(2, 1, "last.ckpt")
    with pytest.raises(TrainingError, match="do not all see the same last.ckpt"):
        check_same_start(0, 1, "last.ckpt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranks")
    rng = np.random.default_rng(0)
    items: list[tuple[str, str, np.ndarray[Any, Any]]] = []
    for number in range(14):
        frames = int(rng.integers(40, 120))
        text = "".join(rng.choice(list("ab "), 6)).strip() or "a"
        items.append((f"u{number:02}", text, rng.normal(size=(frames, 80)).astype(np.float32)))
    write_store(path / "train", FeatureConfig(), items)
    write_store(path / "dev", FeatureConfig(), items[:3])
    return path


def run(folder: Path, *arguments: str, ranks: int = 1) -> subprocess.CompletedProcess[str]:
    launcher = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        if ranks > 1
        else []
    )
    return subprocess.run(
        [sys.executable, *launcher, str(WORKER), str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def curve(run_dir: Path, figure: str) -> list[float]:
    rows = [
        json.loads(line) for line in (run_dir / "log" / "metrics.jsonl").read_text().splitlines()
    ]
    return [row[figure] for row in rows if figure in row]


def test_two_processes_are_one_with_the_double_batch(folder: Path) -> None:
    for kind, ranks, more in (
        ("joined", 1, ()),
        ("ranked", 2, ()),
        ("devices", 1, ("trainer.devices=2",)),
    ):
        done = run(folder, kind, *more, ranks=ranks)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("epoch 3/3") == 1  # the first process alone speaks
    joined, ranked = (curve(folder / kind, "train/loss") for kind in ("joined", "ranked"))
    assert (
        len(joined) == len(ranked) == 3 * 4
    )  # 14 utterances, two at a time and process: the last step repeats a batch
    np.testing.assert_allclose(ranked, joined, rtol=0, atol=1e-5)
    assert curve(folder / "devices", "train/loss") == pytest.approx(
        ranked
    )  # started by ourselves, not by torchrun
    assert curve(folder / "ranked", "dev/wer") == pytest.approx(curve(folder / "joined", "dev/wer"))

    resumed = run(folder, "ranked", "trainer.max_epochs=4", ranks=2)
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed at epoch 4, batch 1" in resumed.stderr
    assert len(curve(folder / "ranked", "train/loss")) == 4 * 4
    refused = run(folder, "ranked", "trainer.max_epochs=5")
    assert refused.returncode == 1
    assert "trained with 2 process(es), not 1" in refused.stderr


def test_two_processes_learn_against_the_same_label_model(folder: Path) -> None:
    crf = ("loss.kind=ctc_crf", "trainer.max_epochs=1")
    (folder / "crf").mkdir()
    for name in ("train", "dev"):
        (folder / "crf" / name).symlink_to(folder / name)
    for kind, ranks in (("joined", 1), ("ranked", 2)):
        done = run(folder / "crf", kind, *crf, ranks=ranks)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("label model: ") == 1
    joined, ranked = (curve(folder / "crf" / kind, "train/loss") for kind in ("joined", "ranked"))
    assert len(joined) == 4
    np.testing.assert_allclose(ranked, joined, rtol=0, atol=1e-5)
