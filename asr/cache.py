"""The user's cache folder: results computed from large files, read again at the next start."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from asr.cache_folder import cache_folder
from asr.errors import AsrError
from asr.files import atomic_path, atomic_write_text

__all__ = [
    "Arrays",
    "cache_path",
    "cached",
    "cached_arrays",
    "checked_note",
    "file_digest",
    "is_checked",
    "note_check",
]

T = TypeVar("T")

Arrays = dict[str, npt.NDArray[Any]]

# A file name that cache_path gives; other files in the folder are not ours and never deleted.
OURS = re.compile("[0-9a-f]{32}")
BLOCK_BYTES = 1 << 20
DAY_S, MOMENT_S = 86400, 2.0
KEEP_S = 30 * DAY_S  # files that were not read for this long are deleted when a new one is written


def cache_path(kind: str, *key: str | bytes, suffix: str) -> Path | None:
    """Return the path of a cached file, or None if caching is switched off.

    The cache folder is :func:`asr.cache_folder.cache_folder`.

    Args:
        kind: subfolder of the cache.
        key: everything that determines the content.
        suffix: of the file name.
    """
    root = cache_folder()
    if root is None:
        return None
    digest = hashlib.sha256()
    for part in key:
        part = part.encode() if isinstance(part, str) else part
        digest.update(len(part).to_bytes(8, "little") + part)
    return root / kind / f"{digest.hexdigest()[:32]}{suffix}"


def file_digest(path: str | Path) -> bytes:
    """Return a digest of what is in a file (BLAKE2b), at about a gigabyte a second.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=32)
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.digest()


def cached(
    path: Path | None,
    load: Callable[[Path], T],
    make: Callable[[], T],
    save: Callable[[T, Path], None],
    bad: tuple[type[Exception], ...],
) -> T:
    """Return the cached result; compute and cache it if it is missing or damaged.

    If the cache cannot be written, the result is not cached. Files of the same folder that were not
    read for a month are deleted.

    Args:
        path: the cached file; None: do not cache.
        load: reads the file.
        make: computes the result.
        save: writes the file.
        bad: exceptions that ``load`` raises for a damaged file, beside OSError.
    """
    if path is not None:
        with contextlib.suppress(OSError, *bad):
            result = load(path)
            with contextlib.suppress(OSError):
                _mark_as_read(path)
            return result
    result = make()
    if path is not None:
        with contextlib.suppress(OSError, AsrError):
            save(result, path)
            _drop_unused(path)
    return result


def cached_arrays(path: Path | None, make: Callable[[], Arrays]) -> Arrays:
    """Return cached arrays (``.npz``, with checksums); compute them if missing or damaged."""
    damaged = (ValueError, EOFError, KeyError, zipfile.BadZipFile)
    return cached(path, _load_arrays, make, _save_arrays, damaged)


def _load_arrays(path: Path) -> Arrays:
    with path.open("rb") as file:
        arrays = np.load(file)
        return {name: arrays[name] for name in arrays.files}


def _save_arrays(arrays: Arrays, path: Path) -> None:
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type,unused-ignore]


def _mark_as_read(path: Path) -> None:
    """Set a file's time to now, once a day: its time also says whether it has changed."""
    if time.time() - path.stat().st_mtime > DAY_S:
        os.utime(path)


def _drop_unused(path: Path) -> None:
    for other in path.parent.glob(f"*{path.suffix}"):
        if OURS.fullmatch(other.stem) and time.time() - other.stat().st_mtime > KEEP_S:
            other.unlink()
            checked_note(other).unlink(missing_ok=True)


def checked_note(path: Path) -> Path:
    """Return where it is noted that a cached file was checked, see :func:`is_checked`."""
    return path.with_suffix(".checked")


def is_checked(path: Path) -> bool:
    """Return whether :func:`note_check` was called for a file that has not been touched since.

    Size, times and inode tell: to read a large file for its checksum takes longer than to use it.

    Raises:
        OSError: the file is missing.
    """
    stamp = _stamp(path)
    with contextlib.suppress(OSError):
        return checked_note(path).read_text(encoding="utf-8") == stamp
    return False


def note_check(path: Path) -> None:
    """Note beside a file that its content was checked; where that cannot be written, it is not.

    A file that was touched a moment ago is not noted: a change in the same moment would have the
    same time.
    """
    with contextlib.suppress(OSError, AsrError):
        if time.time() - path.stat().st_ctime > MOMENT_S:
            atomic_write_text(checked_note(path), _stamp(path))


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
