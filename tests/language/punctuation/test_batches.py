from __future__ import annotations

import numpy as np
import pytest

from asr.errors import DataError
from asr.language.punctuation.batches import EncodedText, WindowLoader
from asr.language.punctuation.windows import windows

N = 1000
TEXT = EncodedText(*(np.arange(N) + 1000 * n for n in range(4)))


def seen(loader: WindowLoader, epoch: int) -> list[int]:
    """The words that an epoch trains on."""
    words: list[int] = []
    for position in range(loader.num_batches(epoch)):
        batch = loader.load(epoch, position)
        for row, length in zip(batch.tokens, batch.lens.tolist(), strict=True):
            window = row[:length].tolist()
            assert window == list(range(window[0], window[0] + length))
            assert 20 <= length <= 50
            assert not row[length:].any()
            words += window
        assert batch.tokens.numel() <= 400
        inside = batch.tokens > 0
        assert (batch.shapes[inside] == batch.tokens[inside] + 3000).sum() == inside.sum()
    return words


def test_a_pass_reads_each_word_once_and_cuts_elsewhere_each_time() -> None:
    loader = WindowLoader(TEXT, (20, 50), max_batch_words=400, seed=3)
    first, second = seen(loader, 0), seen(loader, 1)
    assert len(first) == len(set(first)) >= N - 20 - 20
    cuts = {tuple(loader.load(epoch, 0).lens.tolist()) for epoch in range(4)}
    assert len(cuts) == 4
    assert set(second) != set(first) or first != second


def test_epochs_share_a_pass_and_ranks_an_epoch() -> None:
    loader = WindowLoader(TEXT, (20, 50), max_batch_words=400, words_per_epoch=334, seed=3)
    parts = [seen(loader, epoch) for epoch in range(3)]
    together = [word for part in parts for word in part]
    assert len(together) == len(set(together)) >= N - 40
    ranks = [loader.for_rank(rank, 2) for rank in range(2)]
    assert ranks[0].num_batches(0) == ranks[1].num_batches(0)
    tokens = [rank.load(0, 0).tokens for rank in ranks]
    assert not set(tokens[0].flatten().tolist()) & set(tokens[1].flatten().tolist()) - {0}


def test_too_little_text() -> None:
    with pytest.raises(DataError, match="1000 words, fewer than a window of 2000"):
        WindowLoader(TEXT, (20, 2000))


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 340, 10_000])
def test_windows_keep_each_word_once_with_context_on_both_sides(count: int) -> None:
    kept: list[int] = []
    for window in windows(count):
        kept += range(window.keep_start, window.keep_end)
        assert window.end - window.start <= 200
        assert window.keep_start - window.start >= 30 or window.start == 0
        assert window.end - window.keep_end >= 30 or window.end == count
    assert kept == list(range(count))
