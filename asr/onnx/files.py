"""ONNX files: export of a module of torch, 8-bit weights."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asr.errors import require
from asr.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["quantize", "write_graph"]

OPSET = 17
# Convolutions stay in fp32: as integers they are slower and cost accuracy.
INT8_OPS = ("LSTM", "MatMul", "Gemm")


def write_graph(
    graph: nn.Module,
    path: Path,
    *,
    inputs: tuple[Tensor, ...],
    names: tuple[Sequence[str], Sequence[str]],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> None:
    """Write a module as an ONNX file.

    Args:
        graph: the module.
        path: of the file.
        inputs: arguments to trace it with.
        names: of its inputs and of its outputs.
        dynamic_axes: name of an input or output -> its axes of any length, with names.

    Raises:
        MissingDependencyError: onnx is not installed.
    """
    import torch

    require("onnx", "export")
    with torch.inference_mode(), _quiet():
        torch.onnx.export(
            graph,
            inputs,
            str(path),
            input_names=list(names[0]),
            output_names=list(names[1]),
            dynamic_axes=dynamic_axes,
            opset_version=OPSET,
            dynamo=False,
        )


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


def quantize(source: Path, target: Path, keep: tuple[str, ...] = ()) -> None:
    """Write an ONNX file with the weights of its recurrent and linear layers in 8 bits.

    Weights have a scale a channel; the scale of activations is computed at run time (dynamic
    quantisation), so nothing has to be calibrated.

    Args:
        source: the file.
        target: of the result.
        keep: beginnings of the names of nodes that keep full precision.

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
            nodes_to_exclude=_named(source, keep),
        )


def _with_shapes(source: Path, folder: Path) -> Path:
    from onnxruntime.quantization.shape_inference import quant_pre_process

    target = folder / source.name
    quant_pre_process(str(source), str(target), skip_optimization=True, skip_symbolic_shape=True)
    return target


def _named(source: Path, beginnings: tuple[str, ...]) -> list[str]:
    """Names of the nodes that begin so."""
    import onnx

    model = onnx.load(str(source))
    return [node.name for node in model.graph.node if node.name.startswith(beginnings)]


@contextlib.contextmanager
def _no_advice() -> Iterator[None]:
    # onnxruntime's quantiser warns that the model should be pre-processed first; it has just been
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
