"""CMU AN4: names, numbers and commands spelled over a microphone, 1.1 hours, 84 speakers."""

from __future__ import annotations

from pathlib import Path

from asr.errors import DataError
from asr.lines import number_lines, read_text
from data_prep.store import Utterance

__all__ = ["read_an4"]


def read_an4(root: str | Path, dev_speakers: int = 8) -> dict[str, list[Utterance]]:
    """Return ``train``, ``dev`` and the standard ``test``; transcripts in lower case.

    Args:
        root: folder with ``wav/``, ``etc/an4_train.transcription``, ``etc/an4_train.fileids`` and
            the same two files of ``test``.
        dev_speakers: training speakers held out as ``dev``; 0 for no ``dev``.

    Raises:
        DataError: a list is missing, or the two lists of a part do not match.
    """
    root = Path(root).absolute()
    spoken = _read_part(root, "train")
    splits = {"train": spoken, "test": _read_part(root, "test")}
    if dev_speakers:
        speakers = sorted({u.speaker for u in spoken})
        held_out = set(speakers[:: max(1, len(speakers) // dev_speakers)][:dev_speakers])
        splits["train"] = [u for u in spoken if u.speaker not in held_out]
        splits["dev"] = [u for u in spoken if u.speaker in held_out]
    return splits


def _read_part(root: Path, part: str) -> list[Utterance]:
    names = _lines(root / "etc" / f"an4_{part}.fileids")
    texts = _lines(root / "etc" / f"an4_{part}.transcription")
    if len(names) != len(texts):
        raise DataError(
            f"{root / 'etc'}: an4_{part}.fileids names {len(names)} recordings, "
            f"an4_{part}.transcription {len(texts)}.",
            "Unpack the corpus again.",
        )
    return [_utterance(root, name, text) for name, text in zip(names, texts, strict=True)]


def _utterance(root: Path, name: str, line: str) -> Utterance:
    text, _, label = line.rpartition("(")
    key = Path(name).name
    if label.rstrip(") ") != key:
        raise DataError(
            f"{root / 'etc'}: {name} stands beside the transcript {line!r}.",
            "Unpack the corpus again.",
        )
    text = text.replace("<s>", " ").replace("</s>", " ")
    audio = next(
        (p for s in (".wav", ".flac") if (p := root / "wav" / f"{name}{s}").is_file()),
        root / "wav" / f"{name}.wav",
    )
    return Utterance(key, str(audio), " ".join(text.lower().split()), Path(name).parent.name)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"There is no {path}.", "Give the folder of AN4 that holds etc/ and wav/.")
    return [line.strip() for _, line in number_lines(read_text(path))]
