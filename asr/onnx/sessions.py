"""Sessions of ONNX Runtime: providers of a device, exact 8-bit products."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import ConfigError, ModelError

__all__ = ["new_session", "products_saturate", "providers"]

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
# On processors an addition and a normalisation, unfused, take a third of the time.
SLOWER_FUSIONS = ["SkipLayerNormFusion"]
# Session option: ONNX Runtime's exact 8-bit kernel, for processors on which products saturate; on
# others it takes half as long again.
EXACT_PRODUCTS = ("session.x64quantprecision", "1")
# ONNX file of one node: (1, 4) unsigned times (4, 1) signed weights of 127; see products_saturate.
MULTIPLIES = (
    b'\x08\x08:X\n\x18\n\x01x\n\x01w\x12\x01y"\rMatMulInteger\x12\x01g*\x0f\x08\x04'
    b"\x08\x01\x10\x03B\x01wJ"
    b"\x04\x7f\x7f\x7f\x7fZ\x13\n\x01x\x12\x0e\n\x0c\x08\x02\x12\x08\n\x02\x08\x01\n\x02\x08\x04b"
    b"\x13\n\x01y\x12\x0e\n\x0c\x08\x06\x12\x08\n\x02\x08\x01\n\x02\x08\x01B\x04\n\x00\x10\x11"
)


def providers(device: str, available: Sequence[str] | None = None) -> list[str]:
    """Return ONNX Runtime's execution providers for a device, the preferred one first.

    Args:
        device: ``cpu``, ``cuda``, ``tensorrt``, or ``auto``: the fastest that this installation
            has.
        available: providers of the installation; ONNX Runtime is asked by default.

    Raises:
        ConfigError: another device, or one that this installation of ONNX Runtime lacks.
    """
    if available is None:
        import onnxruntime

        available = onnxruntime.get_available_providers()
    name = device.partition(":")[0]
    if name == "auto":
        name = next(d for d in ("tensorrt", "cuda", "cpu") if PROVIDERS[d] in available)
    if name not in PROVIDERS:
        raise ConfigError(
            f"Unknown device {device!r} for ONNX Runtime.",
            f"Choose of: auto, {', '.join(PROVIDERS)}.",
        )
    if PROVIDERS[name] not in available:
        raise ConfigError(
            f"This installation of ONNX Runtime has no {PROVIDERS[name]} for --device {device}; it "
            f"has: {', '.join(available)}.",
            "Install it: pip install onnxruntime-gpu (instead of onnxruntime).",
        )
    # what a provider cannot run, the next one does
    wanted = {"cpu": ("cpu",), "cuda": ("cuda", "cpu"), "tensorrt": ("tensorrt", "cuda", "cpu")}
    return [PROVIDERS[d] for d in wanted[name] if PROVIDERS[d] in available]


@functools.cache
def products_saturate() -> bool:
    """Return whether 8-bit products come out too small here, as ONNX Runtime multiplies by default:
    tried once.

    x86 processors without VNNI (AVX2 only) add pairs of products in 16 bits, which saturate
    (VPMADDUBSW in Intel's Software Developer's Manual, volume 2).
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(MULTIPLIES, options, providers=["CPUExecutionProvider"])
    (product,) = session.run(None, {"x": np.full((1, 4), 255, np.uint8)})
    return int(product[0, 0]) != 4 * 255 * 127


def new_session(
    path: Path, remedy: str, device: str = "cpu", threads: int = 0, trace: Path | None = None
) -> Any:
    """Return an ``onnxruntime.InferenceSession`` of a file.

    Args:
        path: of the file.
        remedy: what to do where ONNX Runtime cannot read it.
        device: see :func:`providers`.
        threads: of the processor, 0 for ONNX Runtime's choice.
        trace: beginning of the name of a file for the times of all nodes; None: they are not kept.

    Raises:
        ModelError: ONNX Runtime cannot read the file.
        ConfigError: see :func:`providers`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if trace is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(trace)
    options.log_severity_level = 4  # errors are raised, with the same words
    # waiting threads would otherwise spin and take the processor from the beam search
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if products_saturate():
        options.add_session_config_entry(*EXACT_PRODUCTS)
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=providers(device), disabled_optimizers=SLOWER_FUSIONS
        )
    except ConfigError:
        raise
    except Exception as error:  # onnxruntime raises classes of its C++ side
        raise ModelError(f"ONNX Runtime cannot load {path}: {error}", remedy) from error
