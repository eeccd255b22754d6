"""Models that come with the project: `--model en` means the folder `en`, in any directory, installed or not."""

from __future__ import annotations

from pathlib import Path

from asr.errors import ModelError

__all__ = ["DEFAULT_MODEL", "find_model", "pretrained_folders"]

DEFAULT_MODEL = "en"  # what `asr transcribe` takes where none is named
INSTALLED = "_pretrained"  # the folder `pretrained` of the repository, as the wheel brings it


def pretrained_folders() -> dict[str, Path]:
    """Return the models that come with the project, by name: of the installed package, or of the repository."""
    package = Path(__file__).resolve().parent
    found: dict[str, Path] = {}
    for parent in (package.parent / "pretrained", package / INSTALLED):
        if parent.is_dir():
            found |= {path.parent.name: path.parent for path in sorted(parent.glob("*/bundle.json"))}
    return found


def find_model(model: str | Path) -> Path:
    """Return the folder of a model given by path, or by the name of one that comes with the project.

    A folder of that path goes first, so that nobody's own model is hidden by a name.

    Raises:
        ModelError: neither; the names that there are are listed.
    """
    path = Path(model)
    if path.exists():
        return path
    known = pretrained_folders()
    if str(model) in known:
        return known[str(model)]
    names = f"Models that come with asr: {', '.join(sorted(known))}." if known else "No models come with this asr."
    raise ModelError(f"There is no model {str(model)!r}.", f"Give a folder that `asr train` wrote. {names}")
