"""A trained punctuation model -> a folder that needs no torch, compared with it first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asr.config import config_yaml
from asr.files import atomic_write_text
from asr.language.punctuation.restorer import NETWORK_FILE, Restorer
from asr.model_folder import CONFIG, Bundle, open_model
from asr.training.exporting import Comparison, Export, check_format, export_folder

__all__ = ["export_punctuation"]

FULL_FILE = "full.onnx"
CHECKED_WORDS = 20_000
MIN_AGREEMENT = {"onnx": 0.9999, "onnx-int8": 0.95}  # on drawn words, which have no sense


def export_punctuation(
    model: str | Path | Bundle,
    output: str | Path,
    output_format: str = "onnx",
    fixed_ranges: bool = False,
) -> Export:
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
    check_format(output_format, fixed_ranges, "punctuation")
    bundle = open_model(model, task="punctuate")
    return export_folder(
        bundle,
        Path(output),
        output_format,
        NETWORK_FILE,
        write=lambda folder: _write(bundle, folder, output_format),
        compare=lambda made: _compared(bundle, made, MIN_AGREEMENT[output_format]),
    )


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
        network=model.network.config,
        language=model.language,
        export=how,
        pauses=bundle.config.get("pauses") or {},
    )
    atomic_write_text(folder / CONFIG, config_yaml(config))
    model.units.save(folder)


def _compared(bundle: Bundle, made: Path, least: float) -> Comparison:
    agreement = _agreement(bundle, made)
    text = f"{100 * agreement:.2f} % of {CHECKED_WORDS} drawn words have equal labels"
    return Comparison(agreement, least, text)


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
