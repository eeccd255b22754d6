"""Figures of class predictions against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from asr.errors import ScoringError
from asr.scoring.classification import area_under_curve, best_classes, score_classes

NAMES = ["a", "b", "c", "d"]


def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.choice(4, 300, p=[0.6, 0.3, 0.08, 0.02])
    scores = rng.random((300, 4)).round(2)  # with ties
    scores[np.arange(300), truth] += 0.4
    return truth, scores / scores.sum(1, keepdims=True)


def test_the_best_class_comes_with_its_rounded_probability() -> None:
    probabilities = np.array([[0.12345678, 0.87654322, 0], [1, 0, 0]])
    assert best_classes(probabilities, "abc") == [("b", 0.876543), ("a", 1.0)]
    assert best_classes(np.zeros((0, 3)), "abc") == []


def test_figures_are_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth, scores = drawn()
    score, predicted = score_classes(truth, scores, NAMES), scores.argmax(1)
    np.testing.assert_array_equal(score.confusion, metrics.confusion_matrix(truth, predicted))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(truth, predicted)
    for number, one in enumerate(score.per_class):
        expected = (precision[number], recall[number], f1[number], support[number])
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(expected)
        assert one.auc == pytest.approx(metrics.roc_auc_score(truth == number, scores[:, number]))
    assert score.macro_f1 == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert score.macro_auc == pytest.approx(metrics.roc_auc_score(truth, scores, multi_class="ovr"))
    assert score.macro_f1_over(["a", "c"]) == pytest.approx((f1[0] + f1[2]) / 2)
    assert score.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))


def test_a_class_that_never_occurs_is_left_out_of_the_mean() -> None:
    score = score_classes(np.array([0, 1, 1]), np.eye(3)[[0, 1, 1]], ["a", "b", "never"])
    assert score.macro_f1 == 1
    assert score.per_class[2].auc is None
    assert "auc_never" not in score.figures()
    assert "never" in str(score)


def test_one_kind_has_no_curve() -> None:
    assert area_under_curve(np.ones(3, bool), np.arange(3.0)) is None
    assert area_under_curve(np.array([True, False]), np.zeros(2)) == 0.5


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ScoringError, match=r"\(3, 1\) but must have \(3, 2\)"):
        score_classes(np.zeros(3, np.int64), np.zeros((3, 1)), ["a", "b"])
    with pytest.raises(ScoringError, match="nothing to score"):
        score_classes(np.zeros(0, np.int64), np.zeros((0, 2)), ["a", "b"])
