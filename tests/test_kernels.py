"""Machine code from disk. Oracle: the same function in Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import numpy as np
from loops import total, _square

values = np.arange(5.0)
assert total(values) == sum(x * x for x in values) + 5
hits, misses = total.stats.cache_hits, total.stats.cache_misses
print(sum(hits.values()), sum(misses.values()), "numba.typed.dictimpl" in sys.modules)
"""
LOOPS = """
import numpy as np
from asr.kernels import kernel

@kernel(inline="always")
def _square(x):
    return x * x

@kernel
def total(values):
    copy = np.ones(len(values))  # memory of numba's allocator
    for i in range(len(values)):
        copy[i] += _square(values[i])
    return copy.sum()
"""


def run(folder: Path) -> list[str]:
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True
    ).stdout.split()


@pytest.mark.timeout(120)
def test_the_second_start_reads_the_code_without_the_compiler(tmp_path: Path) -> None:
    (tmp_path / "loops.py").write_text(LOOPS)
    assert run(tmp_path) == ["0", "1", "True"]
    assert run(tmp_path) == ["1", "0", "False"]


@pytest.mark.timeout(120)
def test_a_changed_kernel_of_another_file_is_compiled_anew(tmp_path: Path) -> None:
    head, square, rest = LOOPS.partition('@kernel(inline="always")\n')
    function, total = rest.split("@kernel\n")
    (tmp_path / "squares.py").write_text(head + square + function)
    (tmp_path / "loops.py").write_text(f"{head}from squares import _square\n\n@kernel\n{total}")
    assert run(tmp_path)[:2] == ["0", "1"]
    assert run(tmp_path)[:2] == ["1", "0"]
    wrong = (head + square + function).replace(
        "x * x", "x * x * 0 + x * x  # the same, written anew"
    )
    (tmp_path / "squares.py").write_text(wrong)
    assert run(tmp_path)[:2] == ["0", "1"]
