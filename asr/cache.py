"""The user's cache folder: what is computed from a large file once is read from here at the next
start.
"""

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

from asr.errors import AsrError
from asr.files import atomic_path

__all__ = ["Arrays", "cache_path", "cached", "cached_arrays"]

T = TypeVar("T")

Arrays = dict[str, npt.NDArray[Any]]

OURS = re.compile(
    "[0-9a-f]{32}"
)  # a name that cache_path gives: somebody else's files may lie in the folder
KEEP_S = 30 * 86400  # what nobody read for so long goes when something new comes


def cache_path(kind: str, *key: str | bytes, suffix: str) -> Path | None:
    """Where the thing of this kind that ``key`` determines is kept, or None where nothing shall be.

    ``$ASR_CACHE_DIR`` names the folder (default: ``asr`` in the user's cache folder); set, but
    empty: nothing is kept.
    """
    folder = os.environ.get("ASR_CACHE_DIR")
    if folder == "":
        return None
    root = (
        Path(folder)
        if folder
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asr"
    )
    digest = hashlib.sha256()
    for part in key:
        part = part.encode() if isinstance(part, str) else part
        digest.update(len(part).to_bytes(8, "little") + part)
    return root / kind / f"{digest.hexdigest()[:32]}{suffix}"


def cached(
    path: Path | None,
    load: Callable[[Path], T],
    make: Callable[[], T],
    save: Callable[[T, Path], None],
    bad: tuple[type[Exception], ...],
) -> T:
    """Return what is kept at ``path``; make and keep it where it is missing or damaged.

    A cache that cannot be written is only slower. Files beside it that nobody read for a month are
    deleted.

    Args:
        path: of the cached file; None: nothing is kept.
        load: reads it.
        make: makes it anew.
        save: writes it.
        bad: what ``load`` raises for a damaged file, beside OSError.
    """
    if path is not None and path.exists():
        with contextlib.suppress(OSError, *bad):
            kept = load(path)
            with contextlib.suppress(OSError):
                os.utime(path)  # it was read now
            return kept
    made = make()
    if path is not None:
        with contextlib.suppress(OSError, AsrError):
            save(made, path)
            _drop_unused(path)
    return made


def cached_arrays(path: Path | None, make: Callable[[], Arrays]) -> Arrays:
    """The arrays kept at ``path`` (``.npz``, with checksums); if they are missing or damaged they
    are made and kept.
    """
    damaged = (ValueError, EOFError, KeyError, zipfile.BadZipFile)
    return cached(path, _load_arrays, make, _save_arrays, damaged)


def _load_arrays(path: Path) -> Arrays:
    with path.open("rb") as file:
        kept = np.load(file)
        return {name: kept[name] for name in kept.files}


def _save_arrays(arrays: Arrays, path: Path) -> None:
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type,unused-ignore]


def _drop_unused(path: Path) -> None:
    for other in path.parent.glob(f"*{path.suffix}"):
        if OURS.fullmatch(other.stem) and time.time() - other.stat().st_mtime > KEEP_S:
            other.unlink()
