"""Find the hypotheses and references of two systems, given as files or run folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.errors import ScoringError
from asr.files import real_path

__all__ = ["Sides", "find_sides"]


@dataclass(frozen=True)
class Sides:
    """Hypotheses of two systems, their references, and the names of the systems."""

    a: Path
    b: Path
    reference: Path
    names: tuple[str, str]


def find_sides(a: Path, b: Path, reference: Path | None = None, split: str | None = None) -> Sides:
    """Return the files behind two hypotheses or two run folders (``RUN/SPLIT/hypotheses.tsv``).

    Args:
        a: a file, or a run folder if ``b`` is one too.
        b: a file, or a run folder if ``a`` is one too.
        reference: the references; by default ``references.tsv`` next to the hypotheses.
        split: needed if the run folders have several splits in common.

    Raises:
        ScoringError: only one side is a folder, the runs have no split or several in common, or
            there are no references.
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
    return Sides(left, right, reference or _references_beside(left, right), _names(a, b))


def _names(a: Path, b: Path) -> tuple[str, str]:
    left, right = real_path(a), real_path(b)
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
    """Return the evaluated splits by name; a folder of hypotheses is one split without a name."""
    if (run / "hypotheses.tsv").exists():
        return {"": run / "hypotheses.tsv"}
    return {file.parent.name: file for file in sorted(run.glob("*/hypotheses.tsv"))}


def _listed(splits: dict[str, Path]) -> str:
    return ", ".join(name or "hypotheses.tsv" for name in splits) or "none"


def _references_beside(a: Path, b: Path) -> Path:
    paths = [path.parent / "references.tsv" for path in (a, b)]
    paths = [path for path in paths if path.exists()]
    if not paths:
        raise ScoringError(
            f"There is no references.tsv beside {a} or {b}.", "Give the references with -r."
        )
    if paths[0].read_bytes() != paths[-1].read_bytes():
        raise ScoringError(
            f"{paths[0]} and {paths[-1]} differ.",
            "Give the references that both are scored against: -r.",
        )
    return paths[0]
