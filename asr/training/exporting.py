"""From a trained network to a model folder for ONNX Runtime that needs no torch: what tasks share.

The folder is made beside its place, compared with the trained model, and put there only if the two
agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asr.errors import ConfigError, ModelError, require
from asr.files import atomic_write_text
from asr.model_folder import CARD, WEIGHTS, Bundle, check_apart, copy_files, write_bundle

__all__ = ["FORMATS", "Comparison", "Export", "check_format", "export_folder"]

FORMATS = ("onnx", "onnx-int8")


@dataclass(frozen=True)
class Comparison:
    """How an exported model compares with the trained one.

    Attributes:
        value: the figure, higher where they agree more.
        least: below, the model is refused.
        text: the figure in a sentence, for people to read.
    """

    value: float
    least: float
    text: str


@dataclass(frozen=True)
class Export:
    """What was written and how it compares.

    Attributes:
        folder: the new model folder.
        format: of :data:`FORMATS`.
        network_bytes: size of the exported network.
        source_bytes: size of the trained weights.
        comparison: with the trained model.
        streams: whether it can be used on streams.
    """

    folder: Path
    format: str
    network_bytes: int
    source_bytes: int
    comparison: Comparison
    streams: bool = True

    @property
    def comparisons(self) -> list[str]:
        """How it compares with the trained model, for people to read."""
        return [self.comparison.text]


def check_format(output_format: str, fixed_ranges: bool, kind: str) -> None:
    """Check a format of a task whose windows are computed one by one, and what it needs.

    Args:
        output_format: one of :data:`FORMATS`.
        fixed_ranges: what such a task has no use for.
        kind: the model's, such as ``punctuation``, for errors.

    Raises:
        ConfigError: another format, or fixed ranges.
        MissingDependencyError: torch or onnx is not installed.
    """
    if output_format not in FORMATS:
        raise ConfigError(
            f"A {kind} model has no export format {output_format!r}.",
            f"Choose of: {', '.join(FORMATS)}.",
        )
    if fixed_ranges:
        raise ConfigError(f"A {kind} model has no ranges to fix.", "Leave it out.")
    require("onnx", "export")
    require("torch", "train")


def export_folder(
    bundle: Bundle,
    output: Path,
    output_format: str,
    network_file: str,
    *,
    write: Callable[[Path], None],
    compare: Callable[[Path], Comparison],
) -> Export:
    """Write an exported model, compare it, and put it in its place; a card that is there stays.

    Args:
        bundle: the trained model.
        output: the new folder.
        output_format: one of :data:`FORMATS`.
        network_file: name of the exported network in the folder.
        write: fills a folder.
        compare: the finished folder with the trained model.

    Raises:
        ConfigError: ``output`` is the model itself.
        ModelError: the two differ; nothing is written then.
    """
    check_apart(bundle, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as temporary:
        made = write_bundle(Path(temporary) / output.name, write)
        comparison = compare(made)
        if not comparison.value >= comparison.least:
            raise ModelError(
                f"The exported model differs from the trained one: {comparison.text}.",
                "Nothing was written; export with --format onnx.",
            )
        _replace(made, output)
    return Export(
        folder=output,
        format=output_format,
        network_bytes=(output / network_file).stat().st_size,
        source_bytes=(bundle.path / WEIGHTS).stat().st_size,
        comparison=comparison,
    )


def _replace(made: Path, output: Path) -> None:
    card = output / CARD
    kept = card.read_text(encoding="utf-8") if card.is_file() else None

    def write(folder: Path) -> None:
        copy_files(made, folder)
        if kept is not None:
            atomic_write_text(folder / CARD, kept)

    write_bundle(output, write)
