"""Repeat every recurrent unit of a model: equal texts at the speed of a wider network.

    python benchmarks/deploy/widened.py OUT [--model en] [--times 3]
    asr export OUT --format onnx-int8 -o EXPORTED

This measures how a network as large as all of LibriSpeech needs would be served, with real text for
the search to find. Copies of a unit share its outgoing weights in equal parts, so every layer, with
its normalisation, computes what it did before (Chen et al. 2016, "Net2Net", without the noise that
breaks the symmetry).
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from asr.config import as_dict, build_config, yaml_text
from asr.model_folder import open_model, save_weights, write_bundle
from asr.speech.acoustics.network import CtcTaskConfig


def main() -> None:
    """Write the model folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    bundle = open_model(given.model, task="ctc")
    config = build_config(CtcTaskConfig, bundle.config["network"])
    model = config.model
    if model.cell != "lstm" or model.projection_dim or model.norm != "layer":
        raise SystemExit(
            f"{given.model} is no LSTM network with layer normalisation and without projections."
        )
    wider = replace(config, model=replace(model, hidden_dim=given.times * model.hidden_dim))
    weights = {
        name: widened(name, weight.float(), model.hidden_dim, given.times)
        for name, weight in bundle.weights().items()
    }

    def write(folder: Path) -> None:
        for name in set(bundle.files) - {"CARD.md", "model.onnx", "stream.onnx"}:
            shutil.copyfile(bundle.path / name, folder / name)
        save_weights(folder, weights)
        kept = {key: value for key, value in bundle.config.items() if key != "export"}
        (folder / "config.yaml").write_text(
            yaml_text({**kept, "network": as_dict(wider)}), encoding="utf-8"
        )

    write_bundle(given.output, write)
    count = sum(weight.numel() for weight in weights.values())
    print(f"{given.output}: {wider.model.hidden_dim} units, {count / 1e6:.1f}M weights")


def widened(name: str, weight: Tensor, units: int, times: int) -> Tensor:
    """Return a weight of the wider network: rows and columns that stand for units repeated, columns
    divided.
    """

    def repeated(x: Tensor, dim: int) -> Tensor:
        """What stands for blocks of units (gates, directions), each block's copies side by side."""
        return torch.cat([block for part in x.split(units, dim) for block in [part] * times], dim)

    layer, recurrent = ".layers." in name, name.endswith("weight_hh_l0")
    if layer or ".encoder." in name or name.startswith("network.input_projection"):
        weight = repeated(weight, 0)
    if (layer and ".weight_" in name) or recurrent or name == "network.output.weight":
        weight = repeated(weight, 1) / times
    return weight


if __name__ == "__main__":
    main()
