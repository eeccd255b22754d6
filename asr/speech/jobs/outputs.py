"""What jobs over many recordings share: formats, names of output files, the lines at the end."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from asr.errors import ConfigError
from asr.speech.transcripts.transcript import ctm_name

__all__ = [
    "check_formats",
    "check_targets",
    "print_notes",
    "print_summary",
    "recording_labels",
    "speed",
]


def check_formats(formats: Iterable[str], known: Collection[str]) -> None:
    """Refuse output formats that are not among ``known``.

    Raises:
        ConfigError: a format is unknown.
    """
    if unknown := [name for name in formats if name not in known]:
        raise ConfigError(
            f"Unknown output format {unknown[0]!r}.", f"Choose of: {', '.join(known)}."
        )


def check_targets(outputs: Iterable[tuple[str, Path]], remedy: str) -> None:
    """Refuse recordings whose output files would have the same path.

    Args:
        outputs: of each recording, what it is called and the relative path that output goes to,
            whose suffix does not count.
        remedy: what to do.

    Raises:
        ConfigError: two outputs have the same path.
    """
    taken: dict[Path, str] = {}
    for label, name in outputs:
        target = name.with_suffix("")
        if target in taken:
            raise ConfigError(f"{taken[target]} and {label} would both write {target}.*.", remedy)
        taken[target] = label


def recording_labels(recordings: Sequence[tuple[Path, str]]) -> list[str]:
    """Return what each recording is called within its output, no two of them alike.

    That is the name without folder and suffix; where two would be alike, with the folder; else the
    name whole, else the path.

    Args:
        recordings: of each the relative path that decides where output goes, and its own path.
    """
    forms: list[list[str]] = [
        [name.stem for name, _ in recordings],
        [name.with_suffix("").as_posix() for name, _ in recordings],
        [name.as_posix() for name, _ in recordings],
        [path for _, path in recordings],
    ]
    apart = (labels for labels in forms if len(set(map(ctm_name, labels))) == len(labels))
    return next(apart, forms[-1])


def speed(seconds: float, took: float) -> str:
    """Return how fast a job was, for people to read.

    Args:
        seconds: of audio.
        took: seconds that it took.
    """
    rate = seconds / max(took, 1e-9)
    return f"{seconds:.1f} s of audio in {took:.1f} s ({rate:.0f}x real time)"


def print_notes(notes: Iterable[str]) -> None:
    """Write what is to be said about recordings that are done to standard error."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def print_summary(count: str, failures: Sequence[str], seconds: float, took: float) -> None:
    """Write failures, and how many recordings are done how fast, to standard error."""
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    print(f"{count}, {speed(seconds, took)}", file=sys.stderr)
