"""The number of usable cores, with and without a container's quota."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asr.cores import BLAS_THREADS, usable_cores, use_one_blas_thread


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1)],
)
def test_the_quota_of_a_control_group(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3)])
def test_the_quota_of_the_older_kind(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores


def test_without_control_groups_it_is_what_the_process_is_bound_to(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == 8


def test_where_nothing_is_bound_all_cores_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert usable_cores(tmp_path) == 3


@pytest.mark.parametrize(
    ("given", "chosen"),
    [({}, "1"), ({BLAS_THREADS: "3"}, "3"), ({"OMP_NUM_THREADS": "2"}, None)],
)
def test_programs_leave_threads_to_networks(
    given: dict[str, str], chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", dict(given))
    use_one_blas_thread()
    assert os.environ.get(BLAS_THREADS) == chosen


def test_the_command_line_has_numpy_use_one_thread() -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in (BLAS_THREADS, "OMP_NUM_THREADS")
    }
    code = (
        "import sys, asr.cli\n"
        "try: asr.cli.main(['score', '--help'])\n"
        "except SystemExit: pass\n"
        "import numpy\n"
        "from threadpoolctl import threadpool_info\n"
        "print([one['num_threads'] for one in threadpool_info()], file=sys.stderr)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert set(shown.stderr.strip("[]\n").split(", ")) == {"1"}
