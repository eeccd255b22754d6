"""How an ONNX graph that was trained elsewhere is fed, and what comes out of it.

Legend: B recordings, N samples, T steps of the input (feature frames, or samples), F features, T'
output frames, V outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from asr.config import build_config, check_choice, check_range
from asr.decoding.inputs import KINDS
from asr.features.front_end import FrontEnd
from asr.model_folder import Bundle

__all__ = ["AXES", "LAYOUTS", "ImportedNetwork"]

LAYOUTS = ("BN", "BCN", "BTF", "BFT")
AXES = ("BTV", "TBV", "BVT")


@dataclass(frozen=True)
class ImportedNetwork:
    """An ONNX graph of another toolkit, as the ``config.yaml`` of its model folder has it.

    Attributes:
        features: what the graph is given for a recording.
        audio: name of the input for it.
        layout: axes of that input: ``BN`` and ``BCN`` (one channel) for samples, ``BTF`` and
            ``BFT`` for features.
        lengths: name of the input for the number of steps of each recording, empty for none; where
            it takes real numbers, they are shares of the longest.
        mask: name of the input that marks (B, T) what is no padding, empty for none.
        scores: name of the output.
        axes: of that output.
        scores_are: ``logits``, ``log_probs`` or ``probs``.
        frame_lens: name of the output with the number of frames, empty for none.
        subsampling: steps of the input from one output frame to the next.
        offset: T' = 1 + (T - offset) // subsampling.
        shortest: fewest steps that the graph takes.
        batches: padding changes no result, so that recordings of several lengths can be computed
            together.

    Raises:
        ConfigError: an unknown name, or a number outside its range.
    """

    SECTION: ClassVar[str] = "imported"  # of the network, in config.yaml

    features: FrontEnd = field(default_factory=FrontEnd)
    audio: str = ""
    layout: str = "BTF"
    lengths: str = ""
    mask: str = ""
    scores: str = ""
    axes: str = "BTV"
    scores_are: str = "logits"
    frame_lens: str = ""
    subsampling: int = 1
    offset: int = 1
    shortest: int = 1
    batches: bool = False

    def __post_init__(self) -> None:
        check_choice("network.imported.layout", self.layout, LAYOUTS)
        check_choice("network.imported.axes", self.axes, AXES)
        check_choice("network.imported.scores_are", self.scores_are, KINDS)
        check_range("network.imported.subsampling", self.subsampling, 1)
        check_range("network.imported.shortest", self.shortest, 1)

    @classmethod
    def of(cls, bundle: Bundle) -> ImportedNetwork:
        """Return the network that the configuration of a model folder describes.

        Raises:
            ConfigError: a setting is wrong.
        """
        section = bundle.config["network"][cls.SECTION]
        return build_config(cls, section, where=str(bundle.path / "config.yaml"))

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return self.features.sample_rate

    @property
    def frame_length(self) -> int:
        """Fewest samples that the network takes."""
        return self.features.num_samples(self.shortest)

    @property
    def frame_shift(self) -> int:
        """Samples between the starts of two steps of the input."""
        return self.features.frame_shift

    @property
    def trim(self) -> bool:
        """Recordings are not trimmed."""
        return False

    def num_frames(self, num_samples: int) -> int:
        """Return the steps T of N samples."""
        return self.features.num_frames(num_samples)

    def num_outputs(self, num_steps: int) -> int:
        """Return the output frames T' of T steps of the input."""
        return max(0, 1 + (num_steps - self.offset) // self.subsampling)
