"""Log-Mel features, their normalisation, and SpecAugment.

Frames are not centred, and the end is not padded: frame t is computed from the samples t * shift to
t * shift + length. So features that are computed while the audio arrives equal those of the whole
recording. Legend: B batch, N samples, T frames, F features.
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
BLOCK_FRAMES = 8192  # transformed at once; the spectra of an hour would take 700 MB


class LogMel(nn.Module):
    """Natural logarithm of the mel power spectrum, or its cosine transform (MFCC).

    Davis & Mermelstein 1980; the filters are torchaudio's on HTK's mel scale, without area
    normalisation, as in Kaldi.

    Example:
        >>> samples = torch.randn(1, 16000) * 0.1
        >>> features, lens = LogMel(FeatureConfig())(samples, torch.tensor([16000]))
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
            n_freqs=config.n_fft // 2 + 1,
            f_min=config.f_min,
            f_max=config.f_max,
            n_mels=config.n_mels,
            sample_rate=config.sample_rate,
            norm=None,
            mel_scale="htk",
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
        """Return features (B, T, F) and their lengths (B,) of samples (B, N) in [-1, 1] and their
        lengths (B,); frames past a length are zero.
        """
        config = self.config
        steps = (lens - config.frame_length).div(config.frame_shift, rounding_mode="floor")
        frame_lens = (steps + 1).clamp(min=0)
        if samples.size(1) < config.frame_length:
            return samples.new_zeros(len(samples), 0, config.num_features), frame_lens
        frames = samples.unfold(1, config.frame_length, config.frame_shift)
        features = torch.cat(
            [self._transform(block) for block in torch.split(frames, BLOCK_FRAMES, 1)], dim=1
        )
        return mask_padding(features, frame_lens), frame_lens

    def extract(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the features (T, F) of a recording (n,) in [-1, 1], trimmed where the
        configuration says so.
        """
        if self.config.trim:
            samples = trim(samples, self.config.sample_rate)
        with torch.inference_mode():
            features, _ = self(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        array: npt.NDArray[np.float32] = features[0].numpy()
        return array

    def _transform(self, frames: Tensor) -> Tensor:
        """Return features (B, T, F) of windows of samples (B, T, frame_length)."""
        spectrum = torch.fft.rfft(frames * self.window, self.config.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        features: Tensor = (power @ self.filters).clamp(min=self.config.floor).log()
        return features if self.dct is None else features @ self.dct


class Normalizer(nn.Module):
    """Brings features to zero mean and unit variance.

    Args:
        num_features: F.
        kind: ``global`` (statistics of the training set, so that streams can be normalised),
            ``utterance`` (statistics of each utterance, which has to be there as a whole), or
            ``none``.
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
        """Return normalised features (B, T, F) of features (B, T, F) with lengths (B,); padding
        becomes zero.
        """
        if self.kind == "none":
            return mask_padding(x, x_lens)
        if self.kind == "global":
            return mask_padding((x - self.mean) / self.std, x_lens)
        count = x_lens.clamp(min=1).view(-1, 1, 1)
        # The first frame is taken off first: bands that are constant become exactly zero, however
        # their sum is rounded.
        x = x - x[:, :1]
        centred = mask_padding(x - mask_padding(x, x_lens).sum(1, keepdim=True) / count, x_lens)
        std = (centred.square().sum(1, keepdim=True) / count).sqrt().clamp(min=1e-3)
        return centred / std


@dataclass(frozen=True)
class SpecAugmentConfig:
    """Random masks on normalised features (Park et al. 2019, section 2).

    Attributes:
        freq_masks: frequency masks in each utterance.
        freq_width: widest frequency mask, in features.
        time_masks: time masks in each utterance.
        time_width: longest time mask, in frames.
        time_share: longest time mask, as a share of the utterance between 0 and 1.
        time_masks_per_s: further time masks for every 100 frames (a second at the usual shift), so
            that long utterances get more (adaptive multiplicity: Park et al. 2020, "SpecAugment on
            Large Scale Datasets", section 3).
        time_warp: frames by which a random point of the utterance is moved at most, both sides
            being stretched; 0 for none.
        freq_warp: bands by which a random point of the spectrum is moved at most, likewise; it
            imitates vocal tracts of other lengths (Jaitly & Hinton 2013).
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
    """Sets random bands and stretches of normalised features to zero, which is their mean.

    Args:
        config: how many, and how wide.
    """

    def __init__(self, config: SpecAugmentConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, x: Tensor, x_lens: Tensor, generator: torch.Generator, views: int = 1
    ) -> Tensor:
        """Return masked features (views * B, T, F) of features (B, T, F) with lengths (B,).

        The views follow one after the other; they have different masks and the same warps, so that
        frame t of one is frame t of all.

        Args:
            x: features.
            x_lens: their lengths.
            generator: of the processor; its state decides the masks.
            views: copies of the batch.
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
            (B, config.freq_masks),
            generator,
            size=F,
            length=torch.tensor(F),
            widest=torch.tensor(config.freq_width),
        )
        count = config.time_masks + round(config.time_masks_per_s * float(lens.max()) / 100)
        widest = (lens * config.time_share).long().clamp(max=config.time_width).unsqueeze(1)
        wanted = config.time_masks + (config.time_masks_per_s * lens / 100).round()
        active = torch.arange(count) < wanted.unsqueeze(1)
        lengths = lens.unsqueeze(1)
        stretches = _spans(
            (B, count), generator, size=T, length=lengths, widest=widest, active=active
        )
        masked = bands.unsqueeze(1) | stretches.unsqueeze(2)
        return x.masked_fill(masked.to(x.device), 0.0)


def _spans(
    shape: tuple[int, int],
    generator: torch.Generator,
    *,
    size: int,
    length: Tensor,
    widest: Tensor,
    active: Tensor | None = None,
) -> Tensor:
    """Return (B, size) booleans, true inside of any of a row's random spans.

    Args:
        shape: B, and the number of spans in each row.
        generator: draws widths and starts.
        size: columns.
        length: no span reaches beyond it; a scalar, or (B, 1).
        widest: width of the widest span; a scalar, or (B, 1).
        active: (B, spans), which of them count; None for all.
    """
    width = torch.rand(shape, generator=generator) * (widest + 1)
    start = torch.rand(shape, generator=generator) * (length - width.floor() + 1).clamp(min=0)
    start, width = start.floor().unsqueeze(-1), width.floor().unsqueeze(-1)
    steps = torch.arange(size)
    inside = (steps >= start) & (steps < start + width)
    if active is not None:
        inside &= active.unsqueeze(-1)
    return inside.any(1)


def _warped(x: Tensor, lens: Tensor, window: int, generator: torch.Generator) -> Tensor:
    """Return (B, T, F) with a random point of each row moved along T by up to ``window`` steps;
    both sides are stretched by linear interpolation, lengths stay.
    """
    last = (lens - 1).clamp(min=0).float().unsqueeze(1)
    reach = ((last - 1) / 2).clamp(0, window)
    point, move = torch.rand(2, len(x), 1, generator=generator)
    target = reach + point * (last - 2 * reach)
    source = target + (2 * move - 1) * reach * 0.999  # a little less, so never onto an end
    places = torch.arange(x.size(1)).float().expand(len(x), -1)
    left = places * source / target.clamp(min=1e-6)
    right = last - (last - places) * (last - source) / (last - target).clamp(min=1e-6)
    at = torch.where(places < target, left, right).minimum(last).clamp(min=0).to(x.device)
    below = at.floor().long()
    above = (below + 1).minimum(last.long().to(x.device))
    share = (at - below).unsqueeze(2).to(x.dtype)
    index = (below.unsqueeze(2).expand_as(x), above.unsqueeze(2).expand_as(x))
    return torch.lerp(x.gather(1, index[0]), x.gather(1, index[1]), share)
