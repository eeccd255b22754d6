from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.language.batches import collate_tokens
from asr.language.tagging.encoder import SentenceEncoder
from asr.language.tagging.network import TagModelConfig, TagTask
from asr.language.words import WordConfig

SENTENCES = [["fly", "to", "rome"], ["weather", "in", "new", "york", "please"], ["oslo"]] * 2
TAGS = [["O", "O", "B-city"], ["O", "O", "B-city", "I-city", "O"], ["B-city"]] * 2
LABELS = ["travel", "weather", "travel"] * 2


@pytest.mark.parametrize("spelling", ["lstm", "cnn", "none"])
@pytest.mark.parametrize("crf", [True, False])
def test_loss_of_a_batch_is_the_sum_of_its_sentences(spelling, crf):
    encoder = SentenceEncoder.of(SENTENCES, TAGS, LABELS)
    config = TagModelConfig(WordConfig(dim=8, spelling=spelling), hidden_dim=6, dropout=0, crf=crf)
    torch.manual_seed(0)
    task = TagTask(config, len(encoder.words), len(encoder.chars), 3, 2).eval()
    items = encoder.items(SENTENCES, TAGS, LABELS, spelling != "none")
    together = task.loss(collate_tokens(items, np.arange(6)))
    alone = [task.loss(collate_tokens(items, np.array([i]))) for i in range(6)]
    torch.testing.assert_close(together.total, torch.stack([loss.total for loss in alone]).sum())
    assert int(together.count) == 6
