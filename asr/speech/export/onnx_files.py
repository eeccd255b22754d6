"""ONNX files: export of a graph, the Fourier basis as a formula, 8-bit weights."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import require
from asr.files import atomic_path

if TYPE_CHECKING:
    from asr.speech.graph_layers import GraphLogMel
    from asr.speech.graphs import ExportableGraph

__all__ = ["export_onnx", "quantize_onnx"]

OPSET = 17
BASES = ("features.cosines", "features.sines")
# Nodes that keep their precision; the output layer stands within the stack for self-conditioning.
FLOAT_NODES = ("/features/", "/output/", "/encoder/output/")
# Convolutions stay in fp32: as integers they are slower and cost accuracy.
INT8_OPS = ("LSTM", "MatMul", "Gemm")


def export_onnx(graph: ExportableGraph, path: Path) -> None:
    """Write a graph as an ONNX file whose Fourier basis is stored as its formula.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    import torch

    onnx = require("onnx", "export")
    with atomic_path(path) as temporary, torch.inference_mode(), _quiet():
        torch.onnx.export(
            graph,
            graph.example_inputs(),
            str(temporary),
            input_names=list(graph.input_names),
            output_names=list(graph.output_names),
            dynamic_axes=graph.dynamic_axes,
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(str(temporary))
        _shrink_basis(model, graph.features)
        onnx.checker.check_model(model)
        onnx.save(model, str(temporary))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's usual warnings; its result is compared with the model afterwards."""
    sys.stderr.flush()  # its C++ side writes to the process's standard error, past Python
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _shrink_basis(model: Any, features: GraphLogMel) -> None:
    """Replace the Fourier basis, 0.4 MB of cosines, by nodes that compute it, once, on loading."""
    from onnx import numpy_helper

    from asr.speech.graph_layers import half_window

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

    Weights have a scale a channel; the scale of activations is computed at run time (dynamic
    quantisation), so nothing has to be calibrated. The output layer and the convolutions have few
    weights and keep full precision.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    require("onnx", "export")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with (
        atomic_path(target) as temporary,
        tempfile.TemporaryDirectory() as folder,
        _quiet(),
        _no_advice(),
    ):
        inferred = _with_shapes(source, Path(folder))
        quantize_dynamic(
            str(inferred),
            str(temporary),
            op_types_to_quantize=list(INT8_OPS),
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_float_nodes(source),
        )


def _with_shapes(source: Path, folder: Path) -> Path:
    from onnxruntime.quantization.shape_inference import quant_pre_process

    target = folder / source.name
    quant_pre_process(str(source), str(target), skip_optimization=True, skip_symbolic_shape=True)
    return target


def _float_nodes(source: Path) -> list[str]:
    """Names of the nodes that keep their precision: the features and the output layer."""
    import onnx

    model = onnx.load(str(source))
    return [node.name for node in model.graph.node if node.name.startswith(FLOAT_NODES)]


@contextlib.contextmanager
def _no_advice() -> Iterator[None]:
    # onnxruntime advises through the root logger to do what was done just before
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
