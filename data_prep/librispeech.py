"""LibriSpeech's layout: PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt beside SPEAKER-CHAPTER-NUMBER.flac."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asr.audio import AUDIO_SUFFIXES
from asr.errors import DataError
from data_prep.store import Utterance

__all__ = ["read_librispeech"]


def read_librispeech(root: str | Path, parts: Sequence[str] = ()) -> dict[str, list[Utterance]]:
    """Return the utterances of every part (a folder with transcripts below it), of any name, in the order of their ids.

    A transcript line without audio is an utterance whose file is missing, and audio without a transcript one with an
    empty text: preparation names and counts both.

    Args:
        root: folder that holds the parts, or ``LibriSpeech`` with the parts, or is itself a part.
        parts: names of those wanted, all by default.

    Raises:
        DataError: a wanted part is missing, or there are no transcripts.
    """
    root = Path(root).absolute()
    if not root.is_dir():
        raise DataError(f"There is no folder {root}.", "Give the folder that holds the parts of the corpus.")
    folders = _find_parts(root)
    if missing := [name for name in parts if name not in folders]:
        known = ", ".join(folders) or "none"
        raise DataError(f"{root} has no part {', '.join(missing)}; it has {known}.", "Unpack it, or name another.")
    if not folders:
        raise DataError(f"There are no transcripts (*.trans.txt) in {root}.", "Give the folder that holds the parts.")
    return {name: _read_part(folder) for name, folder in folders.items() if not parts or name in parts}


def _find_parts(root: Path) -> dict[str, Path]:
    if any(root.glob("*/*.trans.txt")):  # the folder of a part: speakers are a level further down
        raise DataError(f"{root} is a speaker's folder.", "Give the folder above its part.")
    if any(root.glob("*/*/*.trans.txt")):
        return {root.name: root}
    found = {f.name: f for f in sorted(root.iterdir()) if f.is_dir() and any(f.glob("*/*/*.trans.txt"))}
    nested = root / "LibriSpeech"
    return found or (_find_parts(nested) if nested.is_dir() else {})


def _read_part(folder: Path) -> list[Utterance]:
    utterances: list[Utterance] = []
    for chapter in sorted(folder.glob("*/*/")):
        if chapter.is_dir():
            utterances += _read_chapter(chapter)
    return utterances


def _read_chapter(chapter: Path) -> list[Utterance]:
    audio = {p.stem: p for p in sorted(chapter.iterdir()) if p.suffix.lower() in AUDIO_SUFFIXES}
    texts: dict[str, str] = {}
    for transcript in sorted(chapter.glob("*.trans.txt")):
        texts |= _read_transcript(transcript)
    speaker = chapter.parent.name
    return [
        Utterance(name, str(audio.get(name, chapter / f"{name}.flac")), texts.get(name, ""), speaker)
        for name in sorted(audio.keys() | texts.keys())
    ]


def _read_transcript(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}).", "Unpack it again.") from error
    pairs = (line.strip().partition(" ") for line in lines if line.strip())
    return {name: text.strip() for name, _, text in pairs}
