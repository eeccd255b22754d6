"""The task of a speaker embedding: augmentation, network and losses. It exists in training only.

Legend: B crops, T frames, F mel bands.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from asr.speakers.augmentation import augment_voices
from asr.speakers.batches import CropBatch
from asr.speakers.config import LossConfig, VoiceAugmentConfig
from asr.speakers.losses import Ge2eLoss, MarginSoftmax
from asr.speakers.network import EmbeddingNetwork
from asr.training.task import LossSum, Task

__all__ = ["SpeakerTask"]


class SpeakerTask(Task):
    """Network and losses.

    Args:
        network: the embedding.
        num_speakers: of the training data.
        loss: what it learns from.
        augment: changes of the crops.
        frame_shift_s: seconds between two frames.
    """

    def __init__(
        self,
        network: EmbeddingNetwork,
        num_speakers: int,
        loss: LossConfig,
        augment: VoiceAugmentConfig,
        frame_shift_s: float,
    ) -> None:
        super().__init__()
        self.network, self.augment, self.frame_shift_s = network, augment, frame_shift_s
        self.classes = MarginSoftmax(network.config.dim, num_speakers, loss.scale, loss.margin)
        self.ge2e: nn.Module | None = Ge2eLoss() if loss.ge2e else None
        self.weights = loss

    def loss(self, batch: CropBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return the losses of a batch, summed; see :class:`asr.training.task.Task`."""
        x, overlap = batch.x, torch.zeros(batch.x.shape[:2], dtype=torch.bool)
        if generator is not None:
            changed = augment_voices(x, batch.noise, self.augment, generator, self.frame_shift_s)
            x, overlap = changed.x, changed.overlap
        network = self.network
        lens = torch.full((len(x),), x.size(1), dtype=torch.int64, device=x.device)
        convolved = network.convolved(x, lens)
        embeddings = network.embedded(*convolved)
        total = self.classes(embeddings, batch.speakers)
        if network.overlap is not None:
            found = network.overlap(*convolved).float()
            true = overlap[:, :: network.front.subsampling].to(found)
            mean = functional.binary_cross_entropy_with_logits(found, true)
            total = total + self.weights.overlap * len(x) * mean
        if self.ge2e is not None:
            crops = int((batch.speakers == batch.speakers[0]).sum())
            total = total + self.weights.ge2e * self.ge2e(embeddings, crops)
        return LossSum(total, torch.tensor(float(len(x))))
