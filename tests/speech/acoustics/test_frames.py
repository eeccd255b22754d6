"""The arithmetic of frames against the network that it describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asr.config import as_dict
from asr.errors import AudioError
from asr.features.config import FeatureConfig
from asr.features.extraction import LogMel
from asr.model_folder import Bundle
from asr.sequence import ConvSubsampling
from asr.sequence.conv import TIME_STRIDES
from asr.speech.acoustics.frames import FrameShape, min_output_frames
from asr.speech.acoustics.network import CtcModelConfig, CtcTaskConfig

STREAMING = {"bidirectional": False, "causal": True}


def shape_of(normalization: str = "global", trim: bool = False, **model: Any) -> FrameShape:
    config = CtcTaskConfig(
        FeatureConfig(trim=trim), normalization, model=CtcModelConfig(**{**STREAMING, **model})
    )
    return FrameShape.of(Bundle(Path("m"), {"task": "ctc", "network": as_dict(config)}, ()))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("subsampling", TIME_STRIDES)
def test_context_is_that_of_the_convolutions(subsampling: int, causal: bool) -> None:
    conv = ConvSubsampling(80, 2, subsampling, causal=causal)
    frames = shape_of(subsampling=subsampling, causal=causal)
    assert frames.first_frames == 1 + conv.right_context
    assert (frames.left_context, frames.right_context) == conv.time_padding
    assert frames.stride == 160 * subsampling
    assert frames.seconds_per_frame == pytest.approx(0.01 * subsampling)


@given(st.integers(400, 20000))
def test_frames_are_those_of_the_features(num_samples: int) -> None:
    frames = FrameShape(FeatureConfig())
    _, lens = LogMel(frames.features)(torch.zeros(1, num_samples), torch.tensor([num_samples]))
    num_frames = frames.num_frames(num_samples)
    assert num_frames == int(lens[0])
    assert frames.num_samples(num_frames) <= num_samples < frames.num_samples(num_frames + 1)


@pytest.mark.parametrize(
    ("change", "streams"),
    [
        ({}, True),
        ({"causal": False}, True),
        ({"bidirectional": True}, False),
        ({"normalization": "utterance"}, False),
        ({"trim": True}, False),
    ],
)
def test_what_needs_the_whole_recording_does_not_stream(
    change: dict[str, Any], streams: bool
) -> None:
    assert shape_of(**change).streams is streams


def test_recordings_shorter_than_a_frame_are_refused() -> None:
    frames = FrameShape(FeatureConfig(sample_rate=8000, f_max=4000.0))
    frames.check_lengths([np.zeros(200), np.zeros(300)])
    frames.check_lengths([])
    with pytest.raises(AudioError, match=r"199 samples is shorter than one frame.*25 ms"):
        frames.check_lengths([np.zeros(300), np.zeros(199)])


@given(st.lists(st.integers(1, 3), max_size=8))
def test_fewest_output_frames_spell_the_labels(labels: list[int]) -> None:
    path: list[int] = []
    for label in labels:
        path += [0, label] if path and path[-1] == label else [label]
    assert min_output_frames(np.array(labels, np.int64)) == len(path)
