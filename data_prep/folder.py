"""A folder of recordings, each with a text file of the same name, or with one table."""

from __future__ import annotations

from pathlib import Path

from asr.audio.reading import AUDIO_SUFFIXES
from asr.errors import DataError
from asr.files import files_below
from asr.lines import read_text
from data_prep.splits import split_by_share, split_name
from data_prep.store import Utterance
from data_prep.tables import read_table

__all__ = ["read_folder"]

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")
NOTES = {"readme", "license", "licence", "notes", "copying", "speakers"}


def read_folder(
    root: str | Path, dev_share: float = 0.1, test_share: float = 0.0
) -> dict[str, list[Utterance]]:
    """Return the utterances in a folder by split.

    The transcript of ``a/b.wav`` is in ``a/b.txt``, or in a table in the folder
    (:func:`data_prep.tables.read_table`). Folders ``train``, ``dev`` (or ``valid``) and ``test``
    directly below ``root`` are the splits; the name of any other folder is the speaker of its
    recordings. Without such folders, utterances are held out by share, whole speakers where
    speakers are known. Audio without a text file is an utterance with an empty transcript, and a
    text file without audio an utterance with a missing file: preparation names and counts both.

    Args:
        root: folder of the recordings.
        dev_share: see :func:`data_prep.splits.split_by_share`.
        test_share: see :func:`data_prep.splits.split_by_share`.

    Raises:
        DataError: the folder is missing, has no audio, or has several tables.
    """
    root = Path(root).absolute()
    if not root.is_dir():
        raise DataError(f"There is no folder {root}.", "Give the folder of your recordings.")
    tables = sorted(p for p in root.iterdir() if p.suffix.lower() in TABLE_SUFFIXES)
    if len(tables) > 1:
        names = ", ".join(t.name for t in tables)
        raise DataError(
            f"{root} has several tables: {names}.",
            "Choose one: asr prepare table PATH.",
        )
    if tables:
        return read_table(tables[0], dev_share, test_share)
    folders = {
        split: f for f in sorted(root.iterdir()) if f.is_dir() and (split := split_name(f.name))
    }
    if "train" in folders:
        return {split: _read(folder, root) for split, folder in folders.items()}
    return split_by_share(_read(root, root), dev_share, test_share)


def _read(folder: Path, root: Path) -> list[Utterance]:
    files = [p for p in files_below(folder) if not p.name.startswith(".")]
    audio = {p.with_suffix(""): p for p in files if p.suffix.lower() in AUDIO_SUFFIXES}
    texts = {p.with_suffix(""): p for p in files if p.suffix.lower() == ".txt"}
    if not audio:
        raise DataError(
            f"There is no audio in {folder}.", f"Known formats: {' '.join(sorted(AUDIO_SUFFIXES))}"
        )
    if not texts.keys() & audio.keys():
        raise DataError(
            f"None of the {len(audio)} recordings in {folder} has a transcript; that of "
            f"{next(iter(audio.values()))} would be {next(iter(audio))}.txt.",
            "Put text files beside the recordings, or one table (CSV, TSV, JSON lines) into the "
            "folder.",
        )
    # A text file without a recording counts as a missing recording only if its folder has others.
    folders = {p.parent for p in audio}
    names = sorted(
        audio.keys() | {t for t in texts if t.parent in folders and t.name.lower() not in NOTES}
    )
    return [_utterance(name, audio.get(name), texts.get(name), folder, root) for name in names]


def _utterance(
    name: Path, audio: Path | None, text: Path | None, folder: Path, root: Path
) -> Utterance:
    relative = name.relative_to(root).as_posix()
    speaker = name.relative_to(folder).parent.as_posix()
    return Utterance(
        "_".join(relative.split()),
        str(audio or name.with_suffix(name.suffix + ".wav")),
        " ".join(read_text(text).split()) if text else "",
        "" if speaker == "." else speaker,
    )
