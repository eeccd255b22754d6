"""LibriSpeech: its layout and its archives (Panayotov et al. 2015).

A chapter is PART/SPEAKER/CHAPTER/ with SPEAKER-CHAPTER.trans.txt and SPEAKER-CHAPTER-NUMBER.flac.
The archives are OpenSLR's resource 12, those of Mini LibriSpeech 31, the text for language models
11.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asr.audio.reading import AUDIO_SUFFIXES
from asr.errors import DataError
from asr.lines import number_lines, read_text
from data_prep.download import fetch, unpack
from data_prep.store import Utterance

__all__ = ["ARCHIVES", "LM_TEXT", "download_librispeech", "find_parts", "read_librispeech"]

# or us.openslr.org, openslr.elda.org, openslr.magicdatatech.com
MIRROR = "https://www.openslr.org/resources"
LM_TEXT = "librispeech-lm-norm.txt.gz"
# name -> number of the resource at OpenSLR, MD5 from its md5sum.txt
ARCHIVES = {
    "dev-clean": (12, "42e2234ba48799c1f50f24a7926300a1"),
    "dev-other": (12, "c8d0bcc9cca99d4f8b62fcc847357931"),
    "test-clean": (12, "32fa31d27d2e1cad72775fee3f4849a9"),
    "test-other": (12, "fb5a50374b501bb3bac4815ee91d3135"),
    "train-clean-100": (12, "2a93770f6d5c6c964bc36631d331a522"),
    "train-clean-360": (12, "c0e676e450a7ff2f54aeade5171606fa"),
    "train-other-500": (12, "d1a0fd59409feb2c614ce4d30c387708"),
    "train-clean-5": (31, "5df7d4e78065366204ca6845bb08f490"),
    "dev-clean-2": (31, "6d7ab67ac6a1d2c993d050e16d61080d"),
    # OpenSLR publishes no MD5 of this one; it is that of the downloaded file.
    LM_TEXT: (11, "c83c64c726a1aedfe65f80aa311de402"),
}


def download_librispeech(root: str | Path, names: Sequence[str], mirror: str = MIRROR) -> Path:
    """Download and unpack parts of LibriSpeech; return the folder that holds them.

    That folder is ``root/LibriSpeech`` if it exists, else ``root``. Parts that exist are skipped,
    an interrupted download is resumed, and archives are kept.

    Args:
        root: folder to download to.
        names: keys of :data:`ARCHIVES`.
        mirror: address of the folder that holds ``12/dev-clean.tar.gz``.

    Raises:
        DataError: there is no such part; see also :func:`data_prep.download.fetch` and ``unpack``.
    """
    if unknown := [name for name in names if name not in ARCHIVES]:
        raise DataError(
            f"LibriSpeech has no {', '.join(unknown)}.", f"Its parts are {', '.join(ARCHIVES)}."
        )
    root = Path(root).absolute()
    home = root / "LibriSpeech" if (root / "LibriSpeech").is_dir() else root
    for name in names:
        number, md5 = ARCHIVES[name]
        if name == LM_TEXT:
            fetch(f"{mirror}/{number}/{name}", home / name, md5)
        elif not (home / name).is_dir():
            file = f"{name}.tar.gz"
            archive = fetch(f"{mirror}/{number}/{file}", home / file, md5)
            unpack(archive, f"LibriSpeech/{name}", home / name)
    return home


def read_librispeech(root: str | Path, parts: Sequence[str] = ()) -> dict[str, list[Utterance]]:
    """Return the utterances of every part, sorted by id.

    A part is a folder of any name with chapters of transcripts below it. A transcript without audio
    is an utterance whose file is missing, and audio without a transcript one with an empty text:
    preparation names and counts both.

    Args:
        root: folder of the parts, the folder above it (with ``LibriSpeech/``), or a single part.
        parts: names of parts to read; all by default.

    Raises:
        DataError: a named part is missing, or there are no transcripts.
    """
    folders = find_parts(root)
    if missing := [name for name in parts if name not in folders]:
        known = ", ".join(folders) or "none"
        raise DataError(
            f"{root} has no part {', '.join(missing)}; it has {known}.",
            "Unpack it, or name another.",
        )
    if not folders:
        raise DataError(
            f"There are no transcripts (*.trans.txt) in {root}.",
            "Give the folder that holds the parts.",
        )
    return {
        name: _read_part(folder) for name, folder in folders.items() if not parts or name in parts
    }


def find_parts(root: str | Path) -> dict[str, Path]:
    """Return the folder of every part by name; see :func:`read_librispeech`.

    Raises:
        DataError: there is no such folder, or it is a speaker's.
    """
    root = Path(root).absolute()
    if not root.is_dir():
        raise DataError(
            f"There is no folder {root}.", "Give the folder that holds the parts of the corpus."
        )
    return _find_parts(root)


def _find_parts(root: Path) -> dict[str, Path]:
    if any(root.glob("*/*.trans.txt")):  # this is a speaker: its chapters are one level below
        raise DataError(f"{root} is a speaker's folder.", "Give the folder above its part.")
    if any(root.glob("*/*/*.trans.txt")):
        return {root.name: root}
    parts = {
        f.name: f for f in sorted(root.iterdir()) if f.is_dir() and any(f.glob("*/*/*.trans.txt"))
    }
    nested = root / "LibriSpeech"
    return parts or (_find_parts(nested) if nested.is_dir() else {})


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
        Utterance(
            name, str(audio.get(name, chapter / f"{name}.flac")), texts.get(name, ""), speaker
        )
        for name in sorted(audio.keys() | texts.keys())
    ]


def _read_transcript(path: Path) -> dict[str, str]:
    lines = (" ".join(line.split()) for _, line in number_lines(read_text(path)))
    pairs = (line.partition(" ") for line in lines)
    return {name: text.strip() for name, _, text in pairs}
