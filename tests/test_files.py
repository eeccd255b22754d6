"""Files are whole or not there, also when the disk fills up."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from asr.files import atomic_path, atomic_write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "weights.bin"
    atomic_write_text(target, "old")
    with pytest.raises(OSError, match="No space left"), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half of the new")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["weights.bin"]


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "deep" / "a.npy") as temporary:
        assert temporary.suffix == ".npy"
        temporary.touch()
    assert (tmp_path / "deep" / "a.npy").exists()
