from __future__ import annotations

import numpy as np
import pytest

from asr.errors import DataError
from asr.language.modelling.batches import StreamLoader


def test_stream_covers_the_text_and_ranks_share_it():
    tokens = np.arange(103)
    loader = StreamLoader(tokens, 4, 6, seed=3)
    for epoch in (0, 1):
        seen = [
            int(t)
            for i in range(loader.num_batches(epoch))
            for t in loader.load(epoch, i).tokens[:, 1:].flatten()
        ]
        assert len(seen) == len(set(seen))
        assert len(seen) >= 103 - 4 - 6 - 4
    ranks = [loader.for_rank(r, 2) for r in range(2)]
    parts = [{int(t) for t in rank.load(0, 0).tokens.flatten()} for rank in ranks]
    assert not parts[0] & parts[1]
    with pytest.raises(DataError, match="too few"):
        StreamLoader(tokens, 60, 6)
