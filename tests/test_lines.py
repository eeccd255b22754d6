from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from asr.errors import DataError
from asr.lines import check_ends, iter_lines, read_json_lines, read_text


def test_plain_and_gzip_files_hold_the_same_lines(tmp_path: Path) -> None:
    data = "\ufeffone\r\n\ntwo\u2028three\nlast".encode()
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(data))
    for name in ("a.txt", "a.txt.gz"):
        assert list(iter_lines(tmp_path / name)) == ["one", "", "two\u2028three", "last"]
    (tmp_path / "empty.txt").write_bytes(b"")
    assert list(iter_lines(tmp_path / "empty.txt")) == []


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*none\.txt\. Give a letter"):
        list(iter_lines(tmp_path / "none.txt", "a letter"))
    with pytest.raises(DataError, match="no file"):
        list(iter_lines(tmp_path))
    (tmp_path / "a.txt").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        list(iter_lines(tmp_path / "a.txt"))
    packed = gzip.compress(b"one\n" * 9999)
    for broken in (
        packed[:2] + b" no gzip",
        packed[:30],
        packed[:20] + b"\xff\xff\xff" + packed[23:],
    ):
        (tmp_path / "a.gz").write_bytes(broken)
        with pytest.raises(DataError, match="not a whole gzip file"):
            list(iter_lines(tmp_path / "a.gz"))


def test_json_lines_are_numbered_and_blank_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n[2]\n')
    assert list(read_json_lines(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (3, [2])]
    (tmp_path / "a.jsonl").write_text('1\n{"a": }\n')
    with pytest.raises(DataError, match="line 2: not JSON"):
        list(read_json_lines(tmp_path / "a.jsonl"))


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 9000, "1e999", "-1.5e400"])
def test_numbers_that_no_float_can_hold_are_refused(tmp_path: Path, number: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"a": {"9" * 300}}}\n{{"a": {number}}}\n')
    with pytest.raises(DataError, match=r"line 2: not JSON \(the number .{1,16} is too large"):
        list(read_json_lines(tmp_path / "a.jsonl"))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero here")
def test_devices_that_never_end_are_refused(tmp_path: Path) -> None:
    for path in ("/dev/zero", "/dev/full", "/dev/urandom"):
        for read in (check_ends, read_text, lambda path: list(iter_lines(path))):
            with pytest.raises(DataError, match="never ends"):
                read(path)
    for other in ("/dev/null", tmp_path, tmp_path / "none"):
        check_ends(other)
