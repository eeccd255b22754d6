"""What runs the network of a speech model: torch or ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

from asr.errors import ConfigError, ModelError, require
from asr.model_folder import WEIGHTS, Bundle
from asr.speech.acoustics.imported_network import ImportedNetwork
from asr.speech.acoustics.protocol import ONNX_FILE, Acoustics

__all__ = ["ONNX_DEVICES", "choose_backend", "open_acoustics"]

NEEDED_FILES = {"torch": WEIGHTS, "onnxruntime": ONNX_FILE}
ONNX_DEVICES = ("cpu", "auto", "tensorrt")  # where a folder with both networks runs in ONNX Runtime


def choose_backend(bundle: Bundle, backend: str = "auto", device: str = "cpu") -> str:
    """Return what runs the network of a model folder, ``torch`` or ``onnxruntime``.

    ``auto`` takes what the folder holds. Where it holds both, ONNX Runtime has the processor, which
    it serves without the seconds that importing torch takes, and torch has the other devices;
    ``tensorrt`` is ONNX Runtime's.

    Raises:
        ConfigError: there is no such back end.
        ModelError: the folder does not hold what that back end needs.
    """
    if backend == "auto":
        held = [name for name, file in NEEDED_FILES.items() if file in bundle.files]
        choice = held or ["onnxruntime"]
        backend = choice[-1] if device.partition(":")[0] in ONNX_DEVICES else choice[0]
    if backend not in NEEDED_FILES:
        raise ConfigError(
            f"Unknown back end {backend!r}.", f"Choose of: auto, {', '.join(NEEDED_FILES)}."
        )
    if NEEDED_FILES[backend] not in bundle.files:
        raise ModelError(
            f"The model {bundle.path} holds no {NEEDED_FILES[backend]}, which the back end "
            f"{backend} needs.",
            "Export it: asr export MODEL --format onnx -o OUT"
            if backend == "onnxruntime"
            else "Give a trained model.",
        )
    return backend


def open_acoustics(
    bundle: Bundle,
    tokens: Sequence[str],
    *,
    device: str = "cpu",
    backend: str = "auto",
    threads: int = 0,
) -> Acoustics:
    """Return the network of a model folder.

    Args:
        bundle: an opened model folder.
        tokens: of its tokenizer.
        device: ``cpu`` or ``cuda``; in ONNX Runtime also ``tensorrt`` and ``auto``.
        backend: see :func:`choose_backend`.
        threads: of the processor; 0 leaves them to the back end.

    Raises:
        ConfigError: an unknown back end or device.
        ModelError: the folder does not hold what the back end needs, or it is damaged.
        MissingDependencyError: torch is needed and not installed.
    """
    # imported here: ONNX Runtime must not wait for torch, which the base install does not have
    if choose_backend(bundle, backend, device) == "torch":
        require("torch", "train")
        from asr.speech.acoustics.pytorch import TorchAcoustics

        return TorchAcoustics(bundle, tokens, device=device, threads=threads)
    if ImportedNetwork.SECTION in bundle.config["network"]:
        from asr.speech.acoustics.imported import ImportedAcoustics
        from asr.speech.acoustics.imported_tokens import ImportedTokenizer

        outputs = ImportedTokenizer.load(bundle.path).outputs
        return ImportedAcoustics(bundle, outputs, device=device, threads=threads)
    from asr.speech.acoustics.onnx import OnnxAcoustics

    return OnnxAcoustics(bundle, tokens, device=device, threads=threads)
