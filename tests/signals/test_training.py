"""The evaluation after a training writes the predictions that users get."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from asr.run_folder import read_metrics
from asr.signals.classifier import SequenceClassifier
from asr.signals.data import LabelledData
from asr.signals.files import Signals, predict_rows
from asr.signals.training import evaluate_split


def test_evaluated_predictions_are_those_of_predict(tmp_path: Path) -> None:
    waves = [np.random.default_rng(n).normal(size=(5 + n, 2)).astype(np.float32) for n in range(12)]
    names = ["up", "down"] * 6
    classifier = SequenceClassifier(hidden_dim=4, max_epochs=1, random_state=0).fit(waves, names)
    classes = tuple(map(str, classifier.classes_))
    labels = np.array([classes.index(name) for name in names])
    data = LabelledData(waves, labels, classes, np.zeros((12, 0), np.float32))
    score = evaluate_split(classifier.model_, data, tmp_path, "test")
    lines = (tmp_path / "test" / "predictions.jsonl").read_text().splitlines()
    written = [(row["prediction"], row["probability"]) for row in map(json.loads, lines)]
    given = predict_rows(classifier, Signals(waves, None, [{}] * len(waves)))
    assert written == [(row["label"], row["probability"]) for row in given]
    assert read_metrics(tmp_path)["test/accuracy"].value == score.accuracy
