"""Which input of an ONNX graph is the audio, which its length, which its mask.

Legend: B recordings, N samples, C channels, T feature frames, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asr.errors import ConfigError, ModelError
from asr.speech.acoustics.imported import DTYPES

__all__ = ["Port", "Ports", "find_ports", "ports_of"]

FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


@dataclass(frozen=True)
class Port:
    """An input or output of a graph.

    Attributes:
        name: its name.
        type: its element type, in ONNX Runtime's words.
        shape: its axes, None for those of any length.
    """

    name: str
    type: str
    shape: tuple[int | None, ...]

    @property
    def is_float(self) -> bool:
        """Whether it holds real numbers."""
        return self.type in FLOATS

    def __str__(self) -> str:
        axes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name} ({axes})"


@dataclass(frozen=True)
class Ports:
    """The inputs of a graph.

    Attributes:
        audio: takes samples or features.
        lengths: name of the input for the length of each recording, empty for none.
        mask: name of the input that marks what is no padding, empty for none.
    """

    audio: Port
    lengths: str = ""
    mask: str = ""

    @property
    def takes_samples(self) -> bool:
        """Whether the graph takes samples: (B, N) or (B, 1, N)."""
        return len(self.audio.shape) == 2 or self.audio.shape[1] == 1

    @property
    def layouts(self) -> tuple[str, ...]:
        """Axes that the input for the audio may have; see
        :class:`asr.speech.acoustics.imported_network.ImportedNetwork`.
        """
        if self.takes_samples:
            return ("BN",) if len(self.audio.shape) == 2 else ("BCN",)
        _, first, second = self.audio.shape
        if first is not None and second is None:
            return ("BFT",)
        return ("BTF",) if second is not None and first is None else ("BTF", "BFT")

    @property
    def num_features(self) -> int | None:
        """F where the graph says it."""
        if self.takes_samples or len(self.layouts) > 1:
            return None
        return self.audio.shape[self.layouts[0].index("F")]


def ports_of(nodes: Sequence[Any]) -> list[Port]:
    """Return the inputs or outputs of an ``onnxruntime.InferenceSession``."""
    return [
        Port(
            node.name,
            node.type,
            tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape),
        )
        for node in nodes
    ]


def find_ports(inputs: Sequence[Port], file: str, name: str = "") -> Ports:
    """Return what each input of a graph is.

    Args:
        inputs: of the graph.
        file: its path, for errors.
        name: of the input for the audio, where the graph does not say it by its shapes.

    Raises:
        ConfigError: it is not clear which input is the audio, or none is called ``name``.
        ModelError: the graph wants more than a recording, its length and a mask.
    """
    audio = _audio(inputs, file, name)
    others = [port for port in inputs if port is not audio]
    lengths = [port for port in others if len(port.shape) == 1]
    masks = [port for port in others if len(port.shape) == 2 and _may_mask(port)]
    strange = [port for port in others if port not in lengths[:1] + masks[:1]]
    if strange:
        listed = ", ".join(map(str, strange))
        raise ModelError(
            f"{file} takes more than a recording, its length and a mask: {listed}. That is a "
            "network for streams, which carries a state from chunk to chunk.",
            "Export the network for whole recordings.",
        )
    if unknown := [port for port in inputs if port.type not in DTYPES]:
        raise ModelError(f"{file}: the input {unknown[0]} has the type {unknown[0].type}.")
    return Ports(audio, *(ports[0].name if ports else "" for ports in (lengths, masks)))


def _audio(inputs: Sequence[Port], file: str, name: str) -> Port:
    """The input for samples or features."""
    listed = ", ".join(map(str, inputs)) or "none"
    if name:
        if given := [port for port in inputs if port.name == name]:
            return given[0]
        raise ConfigError(
            f"{file} has no input {name!r}; its inputs are: {listed}.", "Give --input NAME."
        )
    shaped = [port for port in inputs if port.is_float and len(port.shape) in (2, 3)]
    if len(shaped) > 1:  # a mask may hold real numbers, and a state as well
        shaped = [port for port in shaped if not _may_mask(port)]
    if len(shaped) > 1 and any("cache" in port.name or "state" in port.name for port in shaped):
        shaped = [p for p in shaped if "cache" not in p.name and "state" not in p.name]
    if len(shaped) != 1:
        raise ConfigError(
            f"It is not clear which input of {file} takes the audio: {listed}.",
            "Give --input NAME.",
        )
    return shaped[0]


def _may_mask(port: Port) -> bool:
    """Whether an input can be a mask: whole numbers or truth values, or reals of that name."""
    return not port.is_float or "mask" in port.name.lower()
