"""Names that corpora give to the columns of their tables and the keys of their JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from asr.errors import DataError

__all__ = ["COLUMNS", "canonical", "find_column", "find_columns"]

COLUMNS: dict[str, tuple[str, ...]] = {
    "audio": (
        "audio",
        "path",
        "audio_filepath",
        "audio_path",
        "audio_file",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "wav",
        "wav_path",
        "wav_filename",
        "wav_file",
        "recording",
        "clip",
        "sound",
    ),
    "text": (
        "text",
        "sentence",
        "transcript",
        "transcription",
        "transcripts",
        "normalized_text",
        "raw_text",
        "words",
        "utterance",
        "label",
        "target",
    ),
    "speaker": (
        "speaker",
        "speaker_id",
        "client_id",
        "spk",
        "spk_id",
        "speaker_name",
        "reader",
        "reader_id",
    ),
    "id": ("id", "utt_id", "utterance_id", "utt", "uttid", "segment_id", "key", "name"),
    "start": ("start", "start_s", "offset", "begin", "start_time"),
    "end": ("end", "end_s", "stop", "end_time"),
    "duration": ("duration", "duration_s", "dur", "length"),
    "channel": ("channel", "channel_id"),
    "split": ("split", "subset", "partition", "set"),
}
"""What a column holds -> its usual names, the best one first, in the form of `canonical`."""


def canonical(name: str) -> str:
    """Return a column's name in lower case with underscores: ``Speaker ID`` is ``speaker_id``."""
    return "_".join(name.lower().replace("-", " ").split())


def find_column(names: Iterable[str], choices: Iterable[str]) -> str | None:
    """Return the name that is the first of ``choices``, None where there is none of them.

    Raises:
        DataError: two names differ in their letter case only.
    """
    plain: dict[str, list[str]] = {}
    for name in names:
        plain.setdefault(canonical(name), []).append(name)
    found = next((plain[choice] for choice in choices if choice in plain), list[str]())
    if len(found) > 1:
        raise DataError(
            f"The columns {found[0]!r} and {found[1]!r} have the same name in other letters.",
            "Rename one of them.",
        )
    return found[0] if found else None


def find_columns(
    names: Iterable[str], kinds: Mapping[str, tuple[str, ...]] = COLUMNS
) -> dict[str, str]:
    """Return what a column holds -> its name, for all kinds that are there."""
    names = list(names)
    found = {kind: find_column(names, choices) for kind, choices in kinds.items()}
    return {kind: name for kind, name in found.items() if name is not None}
