"""ONNX files of speech models: the Fourier basis as a formula, 8-bit weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import require
from asr.files import atomic_path
from asr.onnx.files import quantize, write_graph

if TYPE_CHECKING:
    from asr.speech.acoustics.graph_layers import GraphLogMel
    from asr.speech.acoustics.graphs import ExportableGraph

__all__ = ["export_onnx", "quantize_onnx"]

BASES = ("features.cosines", "features.sines")
# Nodes that keep their precision; the output layer stands within the stack for self-conditioning.
FLOAT_NODES = ("/features/", "/output/", "/encoder/output/")


def export_onnx(graph: ExportableGraph, path: Path) -> None:
    """Write a graph as an ONNX file whose Fourier basis is stored as its formula.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    onnx = require("onnx", "export")
    with atomic_path(path) as temporary:
        write_graph(
            graph,
            temporary,
            inputs=graph.example_inputs(),
            names=(graph.input_names, graph.output_names),
            dynamic_axes=graph.dynamic_axes,
        )
        model = onnx.load(str(temporary))
        _shrink_basis(model, graph.features)
        onnx.checker.check_model(model)
        onnx.save(model, str(temporary))


def _shrink_basis(model: Any, features: GraphLogMel) -> None:
    """Replace the Fourier basis, 0.4 MB of cosines, by nodes that compute it, once, on loading."""
    from onnx import numpy_helper

    from asr.speech.acoustics.graph_layers import half_window

    graph, config, bins = model.graph, features.config, features.bins
    half = config.frame_length // 2
    for name in BASES:
        stored = next(tensor for tensor in graph.initializer if tensor.name == name)
        assert list(stored.dims) == [half, bins[1] - bins[0]]
        graph.initializer.remove(stored)
    constants: dict[str, npt.NDArray[Any]] = {
        "n": 2 * np.arange(1, half + 1, dtype=np.int64)[:, None] - config.frame_length,
        "bins": np.arange(*bins, dtype=np.int64),
        "period": np.array(2 * config.n_fft, np.int64),
        "unit": np.array(np.pi / config.n_fft, np.float32),
        "window": half_window(config).astype(np.float32)[:, None],
    }
    for name, array in constants.items():
        graph.initializer.append(numpy_helper.from_array(array, f"fourier.{name}"))
    # cos(phase) * window and sin(phase) * window, the phase reduced to one period
    nodes = [
        _node("Mul", ["n", "bins"], "product"),
        _node("Mod", ["product", "period"], "phase"),
        _node("Cast", ["phase"], "phase_float", to=1),
        _node("Mul", ["phase_float", "unit"], "angle"),
        _node("Cos", ["angle"], "cos"),
        _node("Sin", ["angle"], "sin"),
        _node("Mul", ["cos", "window"], "cosines"),
        _node("Mul", ["sin", "window"], "sines"),
    ]
    for node, name in zip(nodes[-2:], BASES, strict=True):
        node.output[0] = name
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    from onnx import helper

    names = [f"fourier.{name}" for name in inputs]
    return helper.make_node(
        kind, names, [f"fourier.{output}"], name=f"fourier.make_{output}", **attributes
    )


def quantize_onnx(source: Path, target: Path) -> None:
    """Write an ONNX file with the weights of its recurrent and linear layers in 8 bits.

    The features, the output layer and the convolutions have few weights and keep full precision;
    see :func:`asr.onnx.files.quantize`.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    quantize(source, target, keep=FLOAT_NODES)
