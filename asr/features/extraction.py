"""Log-Mel features, their normalisation, and SpecAugment. Legend: B batch, N samples, T frames, F
features.

Frames are neither centred nor padded into the future: frame t is made of the samples from t * shift
to t * shift + length, so features computed as the audio arrives equal those of the whole recording.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
import torchaudio
from torch import Tensor, nn

from asr.audio.trimming import trim
from asr.config import check_choice, check_range
from asr.features.config import FeatureConfig
from asr.sequence.lengths import mask_padding

__all__ = ["LogMel", "Normalizer", "SpecAugment", "SpecAugmentConfig"]

NORMALIZATIONS = ("global", "utterance", "none")
BLOCK_FRAMES = 8192  # transformed at once: the spectra of an hour would take 700 MB


class LogMel(nn.Module):
    """Natural logarithm of the mel power spectrum (torchaudio), or its cosine transform.

    Davis & Mermelstein 1980; filters of HTK's mel scale without area normalisation, as in Kaldi.

    Example:
        >>> features, lens = LogMel(FeatureConfig())(torch.randn(1, 16000) * 0.1, torch.tensor([16000]))
        >>> tuple(features.shape), lens.tolist()
        ((1, 98, 80), [98])
    """

    window: Tensor
    filters: Tensor
    dct: Tensor | None

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        filters = torchaudio.functional.melscale_fbanks(
            config.n_fft // 2 + 1,
            config.f_min,
            config.f_max,
            config.n_mels,
            config.sample_rate,
            None,
            "htk",
        )
        self.register_buffer("window", torch.hann_window(config.frame_length), persistent=False)
        self.register_buffer("filters", filters, persistent=False)
        dct = (
            torchaudio.functional.create_dct(config.n_mfcc, config.n_mels, "ortho")
            if config.kind == "mfcc"
            else None
        )
        self.register_buffer("dct", dct, persistent=False)

    def forward(self, samples: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (B, N) in [-1, 1], (B,) -> features (B, T, F), frames (B,); frames past a length
        are zero.
        """
        config = self.config
        frame_lens = (
            (lens - config.frame_length).div(config.frame_shift, rounding_mode="floor") + 1
        ).clamp(min=0)
        if samples.size(1) < config.frame_length:
            return samples.new_zeros(len(samples), 0, config.num_features), frame_lens
        frames = samples.unfold(1, config.frame_length, config.frame_shift)
        features = torch.cat(
            [self._transform(block) for block in torch.split(frames, BLOCK_FRAMES, 1)], dim=1
        )
        return mask_padding(features, frame_lens), frame_lens

    def extract(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the features (T, F) of one recording's samples (n,) in [-1, 1], or of its speech:
        see ``trim``.
        """
        if self.config.trim:
            samples = trim(samples, self.config.sample_rate)
        with torch.inference_mode():
            features, _ = self(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        array: npt.NDArray[np.float32] = features[0].numpy()
        return array

    def _transform(self, frames: Tensor) -> Tensor:
        """Windows of samples (B, T, frame_length) -> features (B, T, F)."""
        spectrum = torch.fft.rfft(frames * self.window, self.config.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        features: Tensor = (power @ self.filters).clamp(min=self.config.floor).log()
        return features if self.dct is None else features @ self.dct


class Normalizer(nn.Module):
    """Features to zero mean and unit variance, by the statistics of the training set or of each
    utterance.

    Args:
        num_features: F.
        kind: ``global`` (streams), ``utterance`` (needs the whole recording), or ``none``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_features: int, kind: str = "global") -> None:
        super().__init__()
        check_choice("normalization", kind, NORMALIZATIONS)
        self.kind = kind
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))

    def set_statistics(self, mean: object, std: object) -> None:
        """Set the global mean and standard deviation, (F,) each."""
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(std).clamp(min=1e-3))

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, F), (B,) -> (B, T, F); padding becomes zero."""
        if self.kind == "none":
            return mask_padding(x, x_lens)
        if self.kind == "global":
            return mask_padding((x - self.mean) / self.std, x_lens)
        count = x_lens.clamp(min=1).view(-1, 1, 1)
        x = (
            x - x[:, :1]
        )  # bands that are silent throughout become exactly zero, however their sum is rounded
        centred = mask_padding(x - mask_padding(x, x_lens).sum(1, keepdim=True) / count, x_lens)
        std = (centred.square().sum(1, keepdim=True) / count).sqrt().clamp(min=1e-3)
        return centred / std


@dataclass(frozen=True)
class SpecAugmentConfig:
    """Random masks on normalised features (Park et al. 2019, section 2).

    Attributes:
        freq_masks: bands masked in every utterance.
        freq_width: of the widest, in features.
        time_masks: stretches masked in every utterance.
        time_width: of the longest, in frames.
        time_share: of an utterance that one stretch covers at most, between 0 and 1.
        time_masks_per_s: further stretches for every 100 frames (a second at the usual shift), so
            that long utterances get more (adaptive multiplicity: Park et al. 2020, "SpecAugment on
            Large Scale Datasets", section 3).
        time_warp: frames by which a random point of the utterance is moved at most, both sides
            being stretched; 0 for none.
        freq_warp: bands by which a random point of the spectrum is moved at most, likewise: other
            vocal tracts than the speakers' (Jaitly & Hinton 2013).
    """

    freq_masks: int = 2
    freq_width: int = 20
    time_masks: int = 2
    time_width: int = 40
    time_share: float = 0.2
    time_masks_per_s: float = 0.0
    time_warp: int = 0
    freq_warp: int = 0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            check_range(f"specaugment.{name}", getattr(self, name), 0)
        check_range("specaugment.time_share", self.time_share, 0, 1)


class SpecAugment(nn.Module):
    """Sets random bands and stretches of normalised features to zero, their mean."""

    def __init__(self, config: SpecAugmentConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, x: Tensor, x_lens: Tensor, generator: torch.Generator, views: int = 1
    ) -> Tensor:
        """(B, T, F), (B,) -> (views * B, T, F); the same for the same state of the (CPU) generator.

        The views, one after the other, differ in their masks and share their warps: frame t of one
        is frame t of all.
        """
        lens = x_lens.cpu()
        if self.config.time_warp:
            x = mask_padding(_warped(x, lens, self.config.time_warp, generator), x_lens)
        if self.config.freq_warp:
            bands = torch.full_like(lens, x.size(2))
            x = _warped(x.transpose(1, 2), bands, self.config.freq_warp, generator).transpose(1, 2)
        masked = [self._masked(x, lens, generator) for _ in range(views)]
        return masked[0] if views == 1 else torch.cat(masked)

    def _masked(self, x: Tensor, lens: Tensor, generator: torch.Generator) -> Tensor:
        B, T, F = x.shape
        config = self.config
        bands = _spans(
            B, config.freq_masks, torch.tensor(F), torch.tensor(config.freq_width), F, generator
        )
        count = config.time_masks + round(config.time_masks_per_s * float(lens.max()) / 100)
        widest = (lens * config.time_share).long().clamp(max=config.time_width).unsqueeze(1)
        wanted = config.time_masks + (config.time_masks_per_s * lens / 100).round()
        active = torch.arange(count) < wanted.unsqueeze(1)
        stretches = _spans(B, count, lens.unsqueeze(1), widest, T, generator, active)
        masked = bands.unsqueeze(1) | stretches.unsqueeze(2)
        return x.masked_fill(masked.to(x.device), 0.0)


def _spans(
    B: int,
    count: int,
    length: Tensor,
    widest: Tensor,
    size: int,
    generator: torch.Generator,
    active: Tensor | None = None,
) -> Tensor:
    """Return (B, size) bool: the union of ``count`` random spans within ``length``, each up to
    ``widest`` wide.
    """
    width = torch.rand(B, count, generator=generator) * (widest + 1)
    start = torch.rand(B, count, generator=generator) * (length - width.floor() + 1).clamp(min=0)
    start, width = start.floor().unsqueeze(-1), width.floor().unsqueeze(-1)
    steps = torch.arange(size)
    inside = (steps >= start) & (steps < start + width)
    if active is not None:
        inside &= active.unsqueeze(-1)
    return inside.any(1)


def _warped(x: Tensor, lens: Tensor, window: int, generator: torch.Generator) -> Tensor:
    """Move a random place of each row's axis 1 by up to ``window`` steps, stretching both sides;
    lengths stay.
    """
    last = (lens - 1).clamp(min=0).float().unsqueeze(1)
    reach = ((last - 1) / 2).clamp(0, window)
    point, move = torch.rand(2, len(x), 1, generator=generator)
    target = reach + point * (last - 2 * reach)
    source = target + (2 * move - 1) * reach * 0.999  # never onto an end
    places = torch.arange(x.size(1)).float().expand(len(x), -1)
    left = places * source / target.clamp(min=1e-6)
    right = last - (last - places) * (last - source) / (last - target).clamp(min=1e-6)
    at = torch.where(places < target, left, right).minimum(last).clamp(min=0).to(x.device)
    below = at.floor().long()
    above = (below + 1).minimum(last.long().to(x.device))
    share = (at - below).unsqueeze(2).to(x.dtype)
    index = (below.unsqueeze(2).expand_as(x), above.unsqueeze(2).expand_as(x))
    return torch.lerp(x.gather(1, index[0]), x.gather(1, index[1]), share)
