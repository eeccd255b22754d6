"""One channel of a recording, or the mean of all: also of channels that would cancel each other.

Legend: n samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError

__all__ = ["ChannelSelector"]

CANCELLING = -0.5  # correlation of two channels whose mean has less than a quarter of their power
LEAST = 800  # samples from which a correlation is believed

Samples = npt.NDArray[np.float32]


class ChannelSelector:
    """Takes one channel of a recording, block by block.

    The mean is taken of channels that agree: one that is the inverse of the loudest, as where one
    wire of a microphone is connected the wrong way round, is turned round first. What was heard so
    far decides, so that the mean hardly depends on the blocks.

    Args:
        channel: ``mix`` (the mean), a channel's number, or ``all``.
        name: of the recording, in messages.
    """

    def __init__(self, channel: str | int, name: str) -> None:
        self.channel, self.name = channel, name
        self._products: npt.NDArray[np.float64] | None = None  # of each pair of channels
        self._count = 0
        self._inverted = set[int]()

    def __call__(self, samples: Samples) -> Samples:
        """Return (n,), or (n, channels) where all are asked for, of the next samples (n, channels).

        Raises:
            AudioError: there is no such channel.
        """
        channels = samples.shape[1]
        if self.channel == "all":
            return samples
        if self.channel == "mix":
            return samples[:, 0] if channels == 1 else self._mean(samples)
        if not isinstance(self.channel, int) or not 0 <= self.channel < channels:
            raise AudioError(
                f"{self.name} has channels 0 to {channels - 1}, not {self.channel!r}.",
                "Give a number, mix, or all.",
            )
        return samples[:, self.channel]

    @property
    def notes(self) -> list[str]:
        """What is to be said about the channels, a sentence each."""
        if not self._inverted:
            return []
        names = ", ".join(map(str, sorted(self._inverted)))
        return [f"channel {names} is the inverse of the loudest one: turned round for the mean"]

    def _mean(self, samples: Samples) -> Samples:
        if inverted := self._inverted_channels(samples):
            self._inverted.update(inverted)
            samples = samples.copy()
            samples[:, inverted] *= -1
        mean: Samples = samples.mean(axis=1)
        return mean

    def _inverted_channels(self, samples: Samples) -> list[int]:
        products = np.asarray(samples.T @ samples, np.float64)
        self._products = products if self._products is None else self._products + products
        self._count += len(samples)
        if self._count < LEAST:
            return []
        power = np.diag(self._products)
        loudest = int(power.argmax())
        scale = np.sqrt(power * power[loudest])
        # silent channels correlate with none
        correlation = self._products[loudest] / np.where(scale > 0, scale, np.inf)
        return [int(channel) for channel in np.flatnonzero(correlation < CANCELLING)]
