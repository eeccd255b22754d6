"""Two systems given as files or as run folders: where their hypotheses and references lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.errors import ScoringError

__all__ = ["Sides", "find_sides"]


@dataclass(frozen=True)
class Sides:
    """Two files of hypotheses, the references, and what to call the systems."""

    a: Path
    b: Path
    reference: Path
    names: tuple[str, str]


def find_sides(a: Path, b: Path, reference: Path | None = None, split: str | None = None) -> Sides:
    """Return the files behind two hypotheses or two run folders (``RUN/SPLIT/hypotheses.tsv``).

    Args:
        a: both files, or both folders.
        b: both files, or both folders.
        reference: of the references; without it ``references.tsv`` beside the hypotheses is taken.
        split: needed where two run folders share several.

    Raises:
        ScoringError: one is a folder and the other not, no split or several are in common, or no
        references are found.
    """
    for path in (a, b):
        if not path.exists():
            raise ScoringError(f"There is no {path}.", "Check the path.")
    runs = [path for path in (a, b) if path.is_dir()]
    if len(runs) == 1:
        raise ScoringError(
            f"{runs[0]} is a folder and the other side is not.",
            "Give two files or two run folders.",
        )
    if split is not None and not runs:
        raise ScoringError(
            f"A split ({split}) can be chosen only between two run folders.", "Leave --split out."
        )
    left, right = (_split_folder(a, b, split)) if runs else (a, b)
    found = reference or _references_beside(left, right)
    return Sides(left, right, found, _names(a, b))


def _names(a: Path, b: Path) -> tuple[str, str]:
    left, right = a.resolve(), b.resolve()
    if left.name != right.name:
        return left.name, right.name
    if left.parent.name != right.parent.name:
        return f"{left.parent.name}/{left.name}", f"{right.parent.name}/{right.name}"
    return f"A ({left.name})", f"B ({right.name})"


def _split_folder(a: Path, b: Path, split: str | None) -> tuple[Path, Path]:
    choices_a, choices_b = _splits(a), _splits(b)
    common = sorted(choices_a.keys() & choices_b.keys())
    if split is not None:
        common = [name for name in common if name == split]
    if len(common) == 1:
        return choices_a[common[0]], choices_b[common[0]]
    have = f"{a} has {_listed(choices_a)}, {b} has {_listed(choices_b)}"
    if not common:
        wanted = f"no split {split!r}" if split else "no evaluated split"
        raise ScoringError(
            f"The two runs have {wanted} in common: {have}.",
            "Run asr evaluate on the same split for both.",
        )
    raise ScoringError(
        f"The two runs have several splits in common: {have}.", "Choose one with --split."
    )


def _splits(run: Path) -> dict[str, Path]:
    """Return evaluated splits by name; a folder of hypotheses itself is one without a name."""
    if (run / "hypotheses.tsv").exists():
        return {"": run / "hypotheses.tsv"}
    return {file.parent.name: file for file in sorted(run.glob("*/hypotheses.tsv"))}


def _listed(splits: dict[str, Path]) -> str:
    return ", ".join(name or "hypotheses.tsv" for name in splits) or "none"


def _references_beside(a: Path, b: Path) -> Path:
    found = [
        path.parent / "references.tsv"
        for path in (a, b)
        if (path.parent / "references.tsv").exists()
    ]
    if not found:
        raise ScoringError(
            f"There is no references.tsv beside {a} or {b}.", "Give the references with -r."
        )
    if found[0].read_bytes() != found[-1].read_bytes():
        raise ScoringError(
            f"{found[0]} and {found[-1]} differ.",
            "Name the references that both are scored against: -r.",
        )
    return found[0]
