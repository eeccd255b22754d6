"""How stretches of speech are divided among speakers."""

from __future__ import annotations

import numpy as np
import pytest

from asr.speakers.clustering import tree
from asr.speakers.stretches import Stretches
from asr.speakers.windows import SpeechPart

SPEAKERS = np.array([[1.0, 0.5, 0.0], [1.0, -0.5, 0.0], [-1.0, 0.0, 0.0]])
OUTLIER = np.array([0.0, 0.0, 1.0])


def stretches(outliers: int) -> tuple[Stretches, np.ndarray]:
    """Eight stretches of 2 s of each of three speakers, in turn, and outliers of 1 s; and who
    speaks in the windows of the former.
    """
    rng = np.random.default_rng(1)
    voices = [SPEAKERS[n % 3] for n in range(24)] + outliers * [OUTLIER]
    parts, start = [], 0.0
    for number, voice in enumerate(voices):
        count = 4 if number < 24 else 2
        rows = voice + 0.05 * rng.standard_normal((count, 3))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        middles = start + 0.25 + 0.5 * np.arange(count)
        parts.append(SpeechPart(start, start + 0.5 * count, middles.astype(np.float32), rows))
        start += 0.5 * count + 0.5
    rows = np.concatenate([part.embeddings for part in parts]).astype(np.float64)
    weights = np.full(len(rows), 0.5)
    return Stretches.of(parts, rows, weights), np.repeat(np.arange(24) % 3, 4)


@pytest.mark.parametrize("outliers", [0, 1, 2])
def test_an_outlier_is_no_speaker(outliers: int) -> None:
    some, speakers = stretches(outliers)
    labels = some.divided(3)
    assert (labels[: len(speakers)] == speakers).all()
    if outliers:  # the tree joins two speakers before it
        groups = tree(some.rows[some.long], some.seconds[some.long]).groups(3)
        assert len(set(groups[:24])) == 2
