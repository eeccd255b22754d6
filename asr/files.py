"""Atomic writes: a file is either written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MANIFEST", "atomic_path", "atomic_write_text"]

MANIFEST = "cuts.jsonl.gz"  # of a prepared split: Lhotse cuts, beside the features


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path, which is renamed to ``path`` if the block ends without an error.

    The parent folder is made if needed. After an error such as a full disk the temporary file is
    deleted and an older file at ``path`` is untouched. The temporary name keeps the suffix, since
    writers choose formats by it.

    Example:
        >>> with atomic_path("model/weights.npy") as temporary:  # doctest: +SKIP
        ...     np.save(temporary, weights)
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(
        f".{path.stem[:80]}.{os.getpid()}-{uuid.uuid4().hex[:8]}{path.suffix}"
    )
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # on disk before the rename: a crash leaves no empty file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
