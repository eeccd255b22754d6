"""The user's cache folder: what is computed from a large file once is read from here at the next start."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.files import atomic_path

__all__ = ["Arrays", "cache_path", "cached_arrays", "drop_unused", "mark_used"]

Arrays = dict[str, npt.NDArray[Any]]

OURS = re.compile("[0-9a-f]{32}")  # a name that cache_path gives: somebody else's files may lie in the folder
KEEP_S = 30 * 86400  # what nobody read for so long goes when something new comes


def cache_path(kind: str, *key: str | bytes, suffix: str) -> Path | None:
    """Where the thing of this kind that ``key`` determines is kept, or None where nothing shall be.

    ``$ASR_CACHE_DIR`` names the folder (default: ``asr`` in the user's cache folder); set, but empty: nothing is kept.
    """
    folder = os.environ.get("ASR_CACHE_DIR")
    if folder == "":
        return None
    root = Path(folder) if folder else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asr"
    digest = hashlib.sha256()
    for part in key:
        part = part.encode() if isinstance(part, str) else part
        digest.update(len(part).to_bytes(8, "little") + part)
    return root / kind / f"{digest.hexdigest()[:32]}{suffix}"


def cached_arrays(path: Path | None, make: Callable[[], Arrays]) -> Arrays:
    """The arrays kept at ``path`` (``.npz``, with checksums); if they are missing or damaged they are made and kept."""
    if path is not None:
        with contextlib.suppress(OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile), path.open("rb") as file:
            kept = np.load(file)
            arrays = {name: kept[name] for name in kept.files}
            mark_used(path)
            return arrays
    arrays = make()
    if path is not None:
        with contextlib.suppress(OSError), atomic_path(path) as temporary:  # a cache that cannot be written is slower
            np.savez(temporary, **arrays)  # type: ignore[arg-type,unused-ignore]
        drop_unused(path)
    return arrays


def mark_used(path: Path) -> None:
    """Note that what is kept at ``path`` was read."""
    with contextlib.suppress(OSError):
        os.utime(path)


def drop_unused(path: Path) -> None:
    """Delete what :func:`cache_path` placed beside ``path`` and was not read for a month."""
    with contextlib.suppress(OSError):
        for other in path.parent.glob(f"*{path.suffix}"):
            if OURS.fullmatch(other.stem) and time.time() - other.stat().st_mtime > KEEP_S:
                other.unlink()
