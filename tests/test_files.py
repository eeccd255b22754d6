"""Files are whole or not there, also when the disk fills up."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from asr.errors import DataError, OutputError
from asr.files import (
    atomic_path,
    atomic_write_text,
    delete_unfinished,
    files_below,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "weights.bin"
    atomic_write_text(target, "old")
    full = pytest.raises(OutputError, match=r"weights.bin cannot be written: No space left.*Free")
    with full, atomic_path(target) as temporary:
        temporary.write_text("half of the new")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["weights.bin"]


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "deep" / "a.npy") as temporary:
        assert temporary.suffix == ".npy"
        temporary.touch()
    assert (tmp_path / "deep" / "a.npy").exists()


@pytest.mark.parametrize(
    "name", ["会" * 82 + ".json", "x" * 250 + ".json", "a." + "y" * 250, "💡" * 60]
)
def test_names_of_255_bytes(tmp_path: Path, name: str) -> None:
    atomic_write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: File name too long.*another path"):
        atomic_write_text(tmp_path / ("x" * 256), "text")


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        atomic_write_text(tmp_path / "file" / "a" / "b", "text")
    with pytest.raises(OutputError, match="it is a folder"):
        atomic_write_text(tmp_path, "text")


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "a.txt")
    for text in ("one", "two"):
        atomic_write_text(tmp_path / "link", text)
        assert (tmp_path / "real" / "a.txt").read_text() == text
    assert (tmp_path / "link").is_symlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_devices_get_the_bytes_and_stay_devices(tmp_path: Path) -> None:
    atomic_write_text("/dev/null", "text")
    with pytest.raises(OutputError, match="/dev/full cannot be written: No space left"):
        atomic_write_text("/dev/full", "text")
    assert Path("/dev/full").is_char_device()


def test_another_error_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), atomic_path(tmp_path / "a"):
        raise ValueError("mine")
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_path(tmp_path / "a"):
        (tmp_path / "elsewhere").read_text()


def test_a_full_disk_in_the_words_of_another_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr.files._is_full", lambda folder: True)
    full = pytest.raises(OutputError, match="a cannot be written: the disk is full")
    with full, atomic_path(tmp_path / "a"):
        raise RuntimeError("PytorchStreamWriter failed")
    with pytest.raises(DataError, match="mine"), atomic_path(tmp_path / "a"):
        raise DataError("mine")


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    atomic_write_text(tmp_path / name, json.dumps({"name": name}, ensure_ascii=False))
    assert json.loads((tmp_path / name).read_text(encoding="utf-8")) == {"name": name}


def test_files_behind_links_are_found_once(tmp_path: Path) -> None:
    for folder in ("real", "root/b"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("real/1", "root/b/2", "root/3"):
        (tmp_path / file).touch()
    (tmp_path / "root" / "a").symlink_to("../real")
    (tmp_path / "root" / "again").symlink_to("../real")
    (tmp_path / "root" / "b" / "up").symlink_to("..")
    (tmp_path / "root" / "gone").symlink_to("nowhere")
    (tmp_path / "root" / "itself").symlink_to("itself")
    root = tmp_path / "root"
    assert [str(p.relative_to(root)) for p in files_below(root)] == ["3", "a/1", "b/2"]
    with pytest.raises(DataError, match="none cannot be listed"):
        files_below(tmp_path / "none")


def test_unfinished_files_of_killed_processes_go(tmp_path: Path) -> None:
    targets = {tmp_path / "a.json", tmp_path / ("long " * 9 + ".txt"), tmp_path / "x" / "b"}
    mine = [".a.77-0123abcd.json", "." + ("long " * 9)[:16] + ".8-00000000.txt", "x/.b.1-ffffffff"]
    others = [".a.77-0123abcd.txt", ".a.json", ".c.77-0123abcd.json", "a.77-0123abcd.json"]
    (tmp_path / "x").mkdir()
    for name in mine + others:
        (tmp_path / name).touch()
    delete_unfinished(targets)
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == set(others)
