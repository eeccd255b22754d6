"""Size of a model folder, from file headers, without loading weights."""

from __future__ import annotations

import json
import math
from pathlib import Path

from asr.errors import ModelError

__all__ = ["count_parameters", "folder_size", "megabytes"]


def count_parameters(model: Path) -> dict[str, int]:
    """Return the number of parameters by module, the first two parts of their names.

    A safetensors file has the length of its header (8 bytes), the header (JSON with the shape of
    each array), and the arrays.

    Raises:
        ModelError: the file is damaged.
    """
    path = model / "model.safetensors"
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        counts: dict[str, int] = {}
        for name, entry in header.items():
            if name != "__metadata__":
                key = ".".join(name.split(".")[:2])
                counts[key] = counts.get(key, 0) + math.prod(entry["shape"])
    except (OSError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise ModelError(f"{path} is damaged ({error}).", "Copy the whole folder again.") from None
    return counts


def folder_size(folder: Path) -> list[tuple[str, int]]:
    """Return name and size in bytes of every file in a folder, the largest first."""
    sizes = [(file.name, file.stat().st_size) for file in folder.iterdir() if file.is_file()]
    return sorted(sizes, key=lambda item: (-item[1], item[0]))


def megabytes(size: float) -> str:
    """Return a number of bytes as MB (10^6 bytes), or as kB below 1 MB."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
