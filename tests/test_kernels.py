"""Kernels: code that was compiled ahead of time, and machine code that numba keeps on disk.

Oracle: the same functions in Python.
"""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr.decoding.kernels import automaton, finish, inputs, selection
from asr.kernels import kernel, library
from asr.kernels.arguments import flatten, unpack

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
DECODES = """
import sys
import numpy as np
from asr.decoding import BeamDecoder, Vocabulary

labels = Vocabulary.read(["<pad>", "<s>", "</s>", "<unk>", "|", "A", "B"])
probs = np.full((4, 7), 0.01)
probs[[0, 1, 2, 3], [5, 4, 6, 0]] = 0.94
print(BeamDecoder(labels, lexicon=["A", "B", "AB"])(np.log(probs))[0].text)
print("numba" in sys.modules)
"""


def run(folder: Path, program: str = PROGRAM, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return done.stdout.split()


# --------------------------------------------------------------------------------------------------
# compiled ahead of time


def test_what_was_compiled_is_what_stands_in_the_sources() -> None:
    """After a change of a kernel: python tools/compile_kernels.py"""
    index = json.loads(library.INDEX.read_text(encoding="utf-8"))
    for module, contents in index.items():
        assert library.sources_digest(contents["sources"]) == contents["digest"], module


@pytest.mark.timeout(120)
def test_a_decoder_needs_no_numba_and_reads_its_code_again(tmp_path: Path) -> None:
    cache = {"ASR_CACHE_DIR": str(tmp_path / "cache")}
    assert run(tmp_path, DECODES, **cache) == ["A", "B", "False"]
    (code,) = (tmp_path / "cache" / "kernels").iterdir()
    assert run(tmp_path, DECODES, **cache) == ["A", "B", "False"]
    code.write_bytes(code.read_bytes()[:-1000] + bytes(1000))  # damaged: made again
    assert run(tmp_path, DECODES, **cache) == ["A", "B", "False"]
    assert run(tmp_path, DECODES, ASR_CACHE_DIR="") == ["A", "B", "False"]


def interpreted(function: Any) -> Any:
    """Return a kernel as Python runs it."""
    return function.__wrapped__


def test_numbers_and_arrays_go_in_and_results_come_out() -> None:
    rng = np.random.default_rng(0)
    log_probs = np.log(rng.dirichlet(np.ones(5), 30)).astype(np.float32)
    assert inputs.first_fault(log_probs) == interpreted(inputs.first_fault)(log_probs) == (0, 0, 0)
    log_probs[7, 2] = np.nan
    assert inputs.first_fault(log_probs) == (inputs.NAN, 7, 2)
    data = rng.integers(0, 2**63, 1001).astype(np.uint64)
    with np.errstate(over="ignore"):
        expected = interpreted(automaton.checksum)(data)
    assert automaton.checksum(data) == expected


def test_alignments_are_those_of_python() -> None:
    rng = np.random.default_rng(1)
    log_probs = np.log(rng.dirichlet(np.ones(6), 40)).astype(np.float32)
    tokens, met = np.array([1, 2, 2, 5], np.int32), np.zeros(4, np.int32)
    found = []
    for align in (finish.align, interpreted(finish.align)):
        a = finish.Alignment(
            score=np.empty(9, np.float32),
            back=np.empty((40, 9), np.uint8),
            starts=np.empty(4, np.int32),
            ends=np.empty(4, np.int32),
            peaks=np.empty(4),
        )
        assert align(log_probs, tokens, met, a)
        found.append((a.starts.tolist(), a.ends.tolist(), a.peaks.tolist()))
    assert found[0] == found[1]


def test_arrays_that_were_not_foreseen_are_numbas(monkeypatch: pytest.MonkeyPatch) -> None:
    log_probs = np.log(np.random.default_rng(0).dirichlet(np.ones(5), 60)).astype(np.float32)
    every_other = log_probs[::2]  # not contiguous
    assert inputs.first_fault._entry([every_other]) == (False, None)
    assert inputs.first_fault(every_other) == (0, 0, 0)
    types = flatten([every_other, log_probs, (1, True, 2.0), np.int32(1)], [])
    assert types == "f42?,f42C,(i,b,f),?"


def test_a_changed_source_is_compiled_by_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{selection.__name__}.select"
    assert library.find("nothing.here") is None
    assert library.find(f"{inputs.__name__}.first_fault") is not None
    library._is_current.cache_clear()
    monkeypatch.setattr(library, "sources_digest", lambda files: "another")
    assert library.find(f"{inputs.__name__}.first_fault") is None
    library._is_current.cache_clear()
    assert library.find(name) is None  # only kernels call it


def test_code_that_cannot_be_read_is_left_to_numba(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kernels.bc.xz").write_bytes(lzma.compress(b"another LLVM's code"))
    monkeypatch.setattr(library, "CODE", tmp_path / "kernels.bc.xz")
    monkeypatch.setenv("ASR_CACHE_DIR", "")
    library._engine.cache_clear()
    entry = library.find(f"{inputs.__name__}.first_fault")
    assert entry is not None
    assert entry([np.zeros((1, 1), np.float32)]) == (False, None)
    library._engine.cache_clear()


def test_slots_of_a_named_tuple_are_made_anew_where_its_arrays_are_others() -> None:
    first, second = np.zeros(3, np.int32), np.zeros(5, np.int32)
    pairs = [finish.Texts(array, array) for array in (first, second, first)]
    found = []
    for pair in pairs:
        slots: list[int] = []
        assert flatten([pair], slots) == "(i41C,i41C)"
        found.append(slots)
        del pair
    assert found[0] == found[2] != found[1]
    assert found[1][4] == second.ctypes.data
    again: list[int] = []
    assert flatten([pairs[1]], again) == "(i41C,i41C)"
    assert again == found[1]


def test_results_of_all_kinds() -> None:
    slots: list[int] = []
    assert flatten([1.5, -2], slots) == "f,i"
    assert unpack("(fi)", slots) == (1.5, -2)
    assert unpack("", slots) is None
    assert unpack("f", slots) == 1.5
    assert unpack("b", [2]) is False
    assert unpack("u", [-1]) == 2**64 - 1


# --------------------------------------------------------------------------------------------------
# compiled by numba


def test_a_kernel_is_called_by_name_and_place() -> None:
    @kernel
    def _difference(a: float, b: float) -> float:
        return a - b

    assert _difference(3.0, 1.0) == 2.0
    assert _difference.__name__ == "_difference"


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
