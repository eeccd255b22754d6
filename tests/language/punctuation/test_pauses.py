from __future__ import annotations

import numpy as np
import pytest

import asr
from asr.errors import ModelError
from asr.language.punctuation.marks import MARKS
from asr.language.punctuation.pauses import PauseTable
from asr.language.punctuation.restorer import Logits
from asr.language.punctuation.units import WordUnits

PAUSES_S = [0.0, 0.1, 0.0, 0.4, 0.9, 0.0, 0.3]
COMMA, STOP = MARKS.index(","), MARKS.index(".")
TRUTH = np.array([0, 0, 0, COMMA, STOP, 0, 0])


def test_shares_of_ranges() -> None:
    table = PauseTable.of(PAUSES_S, TRUTH, (0.2, 0.5))
    shares = np.exp(table.scores([0.1, 0.2, 0.6]))
    np.testing.assert_allclose(shares[:, 0], [(4 + 1) / 8, (1 + 1) / 8, 1 / 8], rtol=1e-3)
    for mark in (COMMA, STOP):
        np.testing.assert_allclose(shares[:, mark], [1 / 5, 2 / 5, 2 / 5], rtol=1e-3)
    np.testing.assert_allclose(np.exp(np.array(table.log_probs)).sum(0), 1, rtol=1e-3)
    assert PauseTable.read(table.content(), "m") == table


def test_pauses_decide_where_words_do_not() -> None:
    def undecided(ids: np.ndarray) -> tuple[Logits, Logits]:
        marks = np.tile(np.array([1.0, 0.5, 0.9, -5.0], np.float32), (len(ids), 1))
        return marks, np.zeros((len(ids), 4), np.float32)

    table = PauseTable.of(PAUSES_S, TRUTH, (0.2, 0.5))
    restorer = asr.Restorer(WordUnits([], [], {}), undecided, table)
    words = ["so", "it", "is"]
    assert restorer.write(words) == "So it is."
    written = restorer.restore(words, pauses_s=[0.0, 0.9, 0.0])
    assert " ".join(map(str, written)) == "So it. Is."
    assert restorer.restore([], pauses_s=[]) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"edges": [0.2]}, "cannot be read"),
        ({"edges": ["x"], "log_probs": [[0, 0, 0, 0]]}, "cannot be read"),
        ({"edges": [0.2], "log_probs": [[0, 0, 0, 0]]}, "wrong shape"),
        ({"edges": [], "log_probs": [[0, 0]]}, "wrong shape"),
    ],
)
def test_damaged_tables(content: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        PauseTable.read(content, "m")
    assert PauseTable.read({}, "m") is None
