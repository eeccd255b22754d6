"""Sequence modules shared by speech, series and text. Torch only; x (B, T, D) and absolute lengths (B,) in and out."""

from asr.sequence.conv import ConvSubsampling
from asr.sequence.lengths import length_mask, mask_padding, reverse_within_length
from asr.sequence.normalization import MaskedBatchNorm, build_norm
from asr.sequence.recurrent import RecurrentStack, RecurrentState

__all__ = [
    "ConvSubsampling",
    "MaskedBatchNorm",
    "RecurrentStack",
    "RecurrentState",
    "build_norm",
    "length_mask",
    "mask_padding",
    "reverse_within_length",
]
