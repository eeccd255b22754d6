from __future__ import annotations

from asr.scoring.entities import score_entities


def test_entities_as_seqeval_counts_them():
    gold = [["B-a", "I-a", "O", "B-b"], ["O"]]
    found = [["B-a", "I-a", "O", "O"], ["B-b"]]
    score = score_entities(gold, found)
    assert (score.precision, score.recall, score.f1, score.entities) == (0.5, 0.5, 0.5, 2)
    assert score.by_type == {"a": (1.0, 1.0, 1.0, 1), "b": (0.0, 0.0, 0.0, 1)}
    assert score_entities([["O"]], [["O"]]).f1 == 1
