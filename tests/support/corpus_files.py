"""Files of small corpora, and what a reader made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from data_prep.store import Utterance


def sound(path: Path, seconds: float = 0.3) -> Path:
    """Write a tone as a sound file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(int(16000 * seconds)) * 0.2), 16000)
    return path


def text(path: Path, content: str) -> Path:
    """Write a text file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def ids(splits: dict[str, list[Utterance]]) -> dict[str, list[str]]:
    """Return the ids of the utterances of each split."""
    return {name: [u.id for u in part] for name, part in splits.items()}
