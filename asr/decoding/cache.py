"""The user's cache folder: what is computed from a large file once is read from here at the next start."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.files import atomic_path

__all__ = ["Arrays", "cache_path", "cached_arrays"]

Arrays = dict[str, npt.NDArray[Any]]


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
            return {name: kept[name] for name in kept.files}
    arrays = make()
    if path is not None:
        with contextlib.suppress(OSError), atomic_path(path) as temporary:  # a cache that cannot be written is slower
            np.savez(temporary, **arrays)  # type: ignore[arg-type,unused-ignore]
    return arrays
