"""Small random speech models, and noise for them to hear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.features.config import FeatureConfig
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

RATE = 16000


def random_model(folder: Path, features: FeatureConfig | None = None) -> Path:
    """Save a random network with the letters a to e as a model folder; return the folder."""
    torch.manual_seed(3)
    tokenizer = CharTokenizer("abcde")
    shape = CtcModelConfig(hidden_dim=16, num_layers=2, conv_channels=4)
    config = CtcTaskConfig(features=features or FeatureConfig(), model=shape)
    task = CtcTask(config, len(tokenizer))
    task.network.output.weight.data *= 30  # a random network that has opinions
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


def noise(seconds: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return noise (n,) at 16 kHz, the same for the same seed."""
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)
