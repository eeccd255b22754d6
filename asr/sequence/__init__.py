"""Sequence modules shared by speech, series and text.

x (B, T, D) and absolute lengths (B,) in and out.
"""

from asr.sequence.conv import ConvSubsampling
from asr.sequence.convlstm import ConvLSTM
from asr.sequence.dropout import Dropout, VariationalDropout
from asr.sequence.lengths import length_mask, mask_padding, reverse_within_length
from asr.sequence.normalization import MaskedBatchNorm, build_norm
from asr.sequence.peephole import PeepholeLSTM
from asr.sequence.pooling import Pooling
from asr.sequence.recurrent import RecurrentStack, RecurrentState
from asr.sequence.temporal import TemporalConv
from asr.sequence.truncation import detach_state, truncated

__all__ = [
    "ConvLSTM",
    "ConvSubsampling",
    "Dropout",
    "MaskedBatchNorm",
    "PeepholeLSTM",
    "Pooling",
    "RecurrentStack",
    "RecurrentState",
    "TemporalConv",
    "VariationalDropout",
    "build_norm",
    "detach_state",
    "length_mask",
    "mask_padding",
    "reverse_within_length",
    "truncated",
]
