"""What the scripts of this folder share: utterances of LibriSpeech as the network hears them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.audio.reading import load_audio
from asr.speech.recognizer import Recognizer

__all__ = ["Heard", "hear", "speech_log_probs"]


@dataclass(frozen=True)
class Heard:
    """An utterance.

    Attributes:
        name: of the utterance.
        text: its reference, in lower case.
        seconds: of audio.
        log_probs: (T', V) of its speech.
        path: of its audio.
    """

    name: str
    text: str
    seconds: float
    log_probs: npt.NDArray[np.float32]
    path: Path


def hear(model: Recognizer, folder: Path, count: int, kept: Path) -> list[Heard]:
    """Return utterances of a folder in LibriSpeech's layout; log-probabilities are kept in a file.

    Args:
        model: what hears.
        folder: of speakers, chapters and ``*.trans.txt``.
        count: evenly spread over the folder; 0: all.
        kept: folder for the files.
    """
    texts: dict[Path, str] = {}
    for listing in sorted(folder.rglob("*.trans.txt")):
        for line in listing.read_text().splitlines():
            name, _, text = line.partition(" ")
            audio = next(
                (a for e in (".flac", ".wav") if (a := listing.parent / f"{name}{e}").is_file()),
                None,
            )
            if audio is not None:
                texts[audio] = text.lower()
    paths = list(texts)
    if count:
        paths = [
            paths[i] for i in np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)
        ]
    heard = []
    kept.mkdir(parents=True, exist_ok=True)
    for path in paths:
        key = hashlib.sha256(f"{model.name} {path}".encode()).hexdigest()[:24]
        file = kept / f"{key}.npz"
        if not file.is_file():
            samples = load_audio(path, model.sample_rate).samples
            log_probs = speech_log_probs(model, samples)
            np.savez(file, log_probs=log_probs, seconds=len(samples) / model.sample_rate)
        with np.load(file) as stored:
            seconds, log_probs = float(stored["seconds"]), stored["log_probs"]
        heard.append(Heard(path.stem, texts[path], seconds, log_probs, path))
    return heard


def speech_log_probs(
    model: Recognizer, samples: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the log-probabilities (T', V) of the speech of a recording (n,)."""
    arrays = model.log_probs([part.samples for part in model.parts(samples)])
    return np.concatenate(arrays)
