"""Samples -> feature frames -> output frames: the arithmetic of a speech model, without torch.

Legend: N samples, T feature frames, T' output frames, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asr.config import build_config
from asr.errors import AudioError
from asr.features.config import FeatureConfig
from asr.model_folder import Bundle
from asr.speech.acoustics.imported_network import ImportedNetwork

__all__ = ["FrameShape", "Framing", "min_output_frames"]

KERNEL = 3  # frames that a convolution of the front end spans
# For each subsampling factor, how many feature frames lie between two neighbouring input frames of
# each convolution (see asr.sequence.conv.TIME_STRIDES, which needs torch).
HOPS = {1: (1, 1), 2: (1, 2), 4: (1, 2), 8: (1, 2, 4)}


class Framing(Protocol):
    """How a recording becomes feature frames, or the other steps that a network takes."""

    @property
    def sample_rate(self) -> int:
        """Samples a second."""

    @property
    def frame_length(self) -> int:
        """Fewest samples that the network takes."""

    @property
    def frame_shift(self) -> int:
        """Samples between the starts of two frames."""

    @property
    def trim(self) -> bool:
        """Whether recordings are trimmed to their speech."""

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames T of N samples."""


@dataclass(frozen=True)
class FrameShape:
    """How the samples of a recording become feature frames, and those output frames.

    Attributes:
        features: settings of the features, or an imported network.
        subsampling: feature frames an output frame: 1, 2, 4 or 8; of an imported network any
            number.
        causal: the convolutions see no later frame.
        streams: no part of the network needs the whole recording, so that a stream can be fed in
            as it arrives.
    """

    features: Framing = field(default_factory=FeatureConfig)
    subsampling: int = 4
    causal: bool = False
    streams: bool = False

    @classmethod
    def of(cls, bundle: Bundle) -> FrameShape:
        """Return the shape that the configuration of a model folder describes.

        Raises:
            ConfigError: its feature settings are wrong.
        """
        network = bundle.config["network"]
        if ImportedNetwork.SECTION in network:
            imported = ImportedNetwork.of(bundle)
            return cls(imported, imported.subsampling)
        model = network["model"]
        features = build_config(FeatureConfig, network["features"], where=f"{bundle.path}")
        sees_all = (
            features.trim
            or model.get("bidirectional", True)
            or network.get("normalization", "global") == "utterance"
        )
        causal = bool(model.get("causal", False))
        return cls(features, int(model["subsampling"]), causal, not sees_all)

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return self.features.sample_rate

    @property
    def frame_length(self) -> int:
        """Samples of a feature frame; a shorter recording has none."""
        return self.features.frame_length

    @property
    def frame_shift(self) -> int:
        """Samples between the starts of two feature frames."""
        return self.features.frame_shift

    @property
    def stride(self) -> int:
        """Samples between the starts of two output frames."""
        return self.frame_shift * self.subsampling

    @property
    def seconds_per_frame(self) -> float:
        """Seconds between the starts of two output frames."""
        return self.stride / self.sample_rate

    @property
    def right_context(self) -> int:
        """Frames that every convolution pads with at the end of a recording."""
        return 0 if self.causal else KERNEL // 2

    @property
    def left_context(self) -> int:
        """Frames that every convolution pads with at the beginning of a recording."""
        return KERNEL - 1 - self.right_context

    @property
    def first_frames(self) -> int:
        """Feature frames that the first output frame needs."""
        return 1 + self.right_context * sum(HOPS[self.subsampling])

    def num_frames(self, num_samples: int) -> int:
        """Return T for N samples: only whole windows count."""
        return self.features.num_frames(num_samples)

    def num_samples(self, num_frames: int) -> int:
        """Return N for T feature frames, at least one."""
        return self.frame_length + (num_frames - 1) * self.frame_shift

    def check_lengths(self, recordings: Sequence[Sized]) -> None:
        """Refuse recordings (n,) that are shorter than one feature frame.

        Raises:
            AudioError: a recording is shorter than one frame.
        """
        shortest = min(map(len, recordings), default=self.frame_length)
        if shortest < self.frame_length:
            needed = f"Give at least {1000 * self.frame_length / self.sample_rate:g} ms."
            raise AudioError(
                f"A recording of {shortest} samples is shorter than one frame.", needed
            )


def min_output_frames(labels: npt.NDArray[np.integer]) -> int:
    """Return the fewest output frames of a CTC path through labels (L,).

    Every label takes one frame, and equal neighbours a blank between them.
    """
    return len(labels) + int((labels[1:] == labels[:-1]).sum())
