"""Where the user's cache folder is."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path | None:
    """Return the user's cache folder, or None if caching is switched off.

    It is ``$ASR_CACHE_DIR`` (default: ``asr`` in the user's cache folder of the system); if that is
    set but empty, nothing is cached.
    """
    folder = os.environ.get("ASR_CACHE_DIR")
    if folder == "":
        return None
    if folder:
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asr"
