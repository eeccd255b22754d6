"""Graphs -> ONNX files: export, Fourier basis as arithmetic, 8-bit weights."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import require
from asr.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor, nn

    from asr.features.config import FeatureConfig

__all__ = ["export_onnx", "quantize_onnx"]

OPSET = 17
BASES = ("features.cosines", "features.sines")
FLOAT_NODES = (
    "/features/",
    "/output/",
    "/encoder/output/",
)  # the output layer within the stack: self-conditioning
INT8_OPS = (
    "LSTM",
    "MatMul",
    "Gemm",
)  # convolutions stay in fp32: as integers they are slower and cost accuracy


def export_onnx(
    graph: nn.Module,
    inputs: Sequence[Tensor],
    input_names: Sequence[str],
    output_names: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
    features: FeatureConfig,
    bins: Sequence[int],
    path: Path,
) -> None:
    """Write a graph as ONNX with named inputs and outputs; ``dynamic`` names their axes of any
    length.

    ``features`` and ``bins`` describe the Fourier basis, which is stored as its formula (see
    :func:`_shrink_basis`).
    """
    import torch

    onnx = require("onnx", "export")
    with atomic_path(path) as temporary, torch.inference_mode(), _quiet():
        torch.onnx.export(
            graph,
            tuple(inputs),
            str(temporary),
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_axes={name: dict(axes) for name, axes in dynamic.items()},
            opset_version=OPSET,
            dynamo=False,
        )
        model = onnx.load(str(temporary))
        _shrink_basis(model, features, bins)
        onnx.checker.check_model(model)
        onnx.save(model, str(temporary))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the classic exporter says each time; what it makes is compared with the model
    afterwards.

    Its C++ side writes to the process's standard error, past Python.
    """
    sys.stderr.flush()
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


def _shrink_basis(model: Any, config: FeatureConfig, bins: Sequence[int]) -> None:
    """Replace the Fourier basis (0.4 MB of cosines) by the arithmetic that makes it, which is done
    once, on loading.
    """
    from onnx import numpy_helper

    from asr.speech.graphs import half_window

    graph = model.graph
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
    made = [
        _node("Mul", ["n", "bins"], "product"),
        _node("Mod", ["product", "period"], "phase"),
        _node("Cast", ["phase"], "phase_float", to=1),
        _node("Mul", ["phase_float", "unit"], "angle"),
        _node("Cos", ["angle"], "cos"),
        _node("Sin", ["angle"], "sin"),
        _node("Mul", ["cos", "window"], "cosines"),
        _node("Mul", ["sin", "window"], "sines"),
    ]
    for node, name in zip(made[-2:], BASES, strict=True):
        node.output[0] = name
    for position, node in enumerate(made):
        graph.node.insert(position, node)


def _node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> Any:
    from onnx import helper

    names = [f"fourier.{name}" for name in inputs]
    return helper.make_node(
        kind, names, [f"fourier.{output}"], name=f"fourier.make_{output}", **attributes
    )


def quantize_onnx(source: Path, target: Path) -> None:
    """Write an ONNX file with the weights of its recurrent and linear layers in 8 bits.

    Weights get a scale a channel, activations one that is measured as they pass (dynamic
    quantisation), so nothing has to be calibrated. The output layer's and the convolutions' weights
    are few and stay as they are.
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
    """The filters of the features and the output layer keep their precision."""
    import onnx

    model = onnx.load(str(source))
    return [node.name for node in model.graph.node if node.name.startswith(FLOAT_NODES)]


@contextlib.contextmanager
def _no_advice() -> Iterator[None]:
    root = (
        logging.getLogger()
    )  # onnxruntime advises through the root logger to do what was done just before
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
