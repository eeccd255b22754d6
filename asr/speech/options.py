"""Which speech model to load and how to run it: what `transcribe`, `align`, `evaluate`, `listen`,
`bench` and the service have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.model_folder import DEFAULT_MODEL

if TYPE_CHECKING:
    from asr.speech.recognizer import DecodingConfig

__all__ = ["ModelOptions"]


@dataclass(frozen=True)
class ModelOptions:
    """A speech model and how it runs.

    Attributes:
        model: path of a model folder or of a run folder that holds one, or name of a model that
            comes with the project.
        decoding: settings instead of those stored with the model; a mapping changes some of them.
        lm: n-gram model instead of the folder's own.
        device: ``cpu`` or ``cuda``; in ONNX Runtime also ``tensorrt`` and ``auto``.
        backend: ``torch``, ``onnxruntime``, or ``auto``: see
            :func:`asr.speech.recognizer.choose_backend`.
        threads: of the processor; 0 leaves them to the back end.
    """

    model: str | Path = DEFAULT_MODEL
    decoding: DecodingConfig | Mapping[str, Any] | None = None
    lm: str | Path | None = None
    device: str = "cpu"
    backend: str = "auto"
    threads: int = 0
