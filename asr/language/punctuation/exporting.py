"""A trained punctuation model -> a folder that needs no torch, compared with it first."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.config import config_yaml
from asr.errors import ConfigError, ModelError, require
from asr.files import atomic_write_text
from asr.language.punctuation.restorer import NETWORK_FILE, Restorer
from asr.model_folder import (
    CARD,
    CONFIG,
    WEIGHTS,
    Bundle,
    check_apart,
    copy_files,
    open_model,
    write_bundle,
)

__all__ = ["FORMATS", "PunctuationExport", "export_punctuation"]

FORMATS = ("onnx", "onnx-int8")
FULL_FILE = "full.onnx"
CHECKED_WORDS = 20_000
MIN_AGREEMENT = {"onnx": 0.9999, "onnx-int8": 0.95}  # on drawn words, which have no sense


@dataclass(frozen=True)
class PunctuationExport:
    """What was written and how it compares.

    Attributes:
        folder: the new model folder.
        format: of :data:`FORMATS`.
        network_bytes: size of the exported network.
        source_bytes: size of the trained weights.
        agreement: share of drawn words with equal mark and shape.
    """

    folder: Path
    format: str
    network_bytes: int
    source_bytes: int
    agreement: float

    @property
    def comparisons(self) -> list[str]:
        """How it compares with the trained model, for people to read."""
        return [f"{100 * self.agreement:.2f} % of {CHECKED_WORDS} drawn words have equal labels"]

    @property
    def streams(self) -> bool:
        """Whether it can be used on streams: always."""
        return True


def export_punctuation(
    model: str | Path | Bundle,
    output: str | Path,
    output_format: str = "onnx",
    fixed_ranges: bool = False,
) -> PunctuationExport:
    """Write a trained model as a folder for ONNX Runtime; return how the two compare.

    Args:
        model: model or run folder with trained weights.
        output: the new folder.
        output_format: ``onnx`` or ``onnx-int8``.
        fixed_ranges: not for this task: every window is computed alone.

    Raises:
        ConfigError: another format, fixed ranges, or ``output`` is the model itself.
        ModelError: no trained model there, or what was exported labels otherwise; nothing is
            written then.
    """
    if output_format not in FORMATS:
        raise ConfigError(
            f"A punctuation model has no export format {output_format!r}.",
            f"Choose of: {', '.join(FORMATS)}.",
        )
    if fixed_ranges:
        raise ConfigError("A punctuation model has no ranges to fix.", "Leave it out.")
    require("onnx", "export")
    require("torch", "train")
    bundle, output = open_model(model, task="punctuate"), Path(output)
    check_apart(bundle, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as temporary:
        made = write_bundle(
            Path(temporary) / output.name, lambda folder: _write(bundle, folder, output_format)
        )
        agreement = _agreement(bundle, made)
        if agreement < MIN_AGREEMENT[output_format]:
            raise ModelError(
                f"The exported model labels only {100 * agreement:.1f} % of the words as the "
                "trained one does.",
                "Nothing was written; export with --format onnx.",
            )
        _replace(made, output)
    return PunctuationExport(
        folder=output,
        format=output_format,
        network_bytes=(output / NETWORK_FILE).stat().st_size,
        source_bytes=(bundle.path / WEIGHTS).stat().st_size,
        agreement=agreement,
    )


def _replace(made: Path, output: Path) -> None:
    """Write the folder for good; a card that is there stays."""
    card = output / CARD
    kept = card.read_text(encoding="utf-8") if card.is_file() else None

    def write(folder: Path) -> None:
        copy_files(made, folder)
        if kept is not None:
            atomic_write_text(folder / CARD, kept)

    write_bundle(output, write)


def _write(bundle: Bundle, folder: Path, output_format: str) -> None:
    import torch

    from asr.language.punctuation.graph import PunctuationGraph
    from asr.language.punctuation.model import FittedPunctuation, SavedConfig
    from asr.onnx.files import quantize, write_graph

    model = FittedPunctuation.load(bundle)
    int8 = output_format == "onnx-int8"
    path = folder / (FULL_FILE if int8 else NETWORK_FILE)
    write_graph(
        PunctuationGraph(model.network, int8).eval(),
        path,
        inputs=(torch.ones(1, 7, dtype=torch.int64),),
        names=(["tokens"], ["marks", "shapes"]),
        dynamic_axes={name: {0: "B", 1: "T"} for name in ("tokens", "marks", "shapes")},
    )
    if int8:
        quantize(path, folder / NETWORK_FILE, keep=("/output/",))
        path.unlink()
    how = {"format": output_format, "model": bundle.name}
    config = SavedConfig(
        network=model.network.config, export=how, pauses=bundle.config.get("pauses") or {}
    )
    atomic_write_text(folder / CONFIG, config_yaml(config))
    model.units.save(folder)


def _agreement(bundle: Bundle, made: Path) -> float:
    """Share of words with equal labels, on words drawn by rank as those of a text (Zipf)."""
    from asr.language.punctuation.model import FittedPunctuation

    trained, exported = FittedPunctuation.load(bundle), Restorer.load(made)
    rng = np.random.default_rng(0)
    first = len(trained.units) - len(trained.units.words)
    drawn = rng.zipf(1.2, 4 * CHECKED_WORDS) - 1
    tokens = (first + drawn[drawn < len(trained.units.words)])[:CHECKED_WORDS]
    pairs = zip(trained.scores(tokens), exported.scores(tokens), strict=True)
    equal = [ours.argmax(1) == theirs.argmax(1) for ours, theirs in pairs]
    return float((equal[0] & equal[1]).mean())
