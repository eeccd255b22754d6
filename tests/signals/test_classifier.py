"""``asr.SequenceClassifier``: learns what only order tells, keeps scikit-learn's habits, refuses
bad input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import asr
from asr import SequenceClassifier
from asr.catalogue import train
from asr.errors import ConfigError, DataError, ModelError
from asr.files import atomic_write_text
from asr.model_folder import write_bundle
from asr.run_folder import read_metrics
from asr.signals.data import as_sequences, make_labelled, split_off
from asr.signals.model import FittedClassifier

TINY: dict[str, Any] = {"hidden_dim": 8, "max_epochs": 3, "batch_size": 16, "random_state": 0}


def waves(count: int = 96, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Rising or falling pitch; every value occurs as often in both."""
    rng = np.random.default_rng(seed)
    X, y = [], np.where(rng.random(count) < 0.5, "up", "down")
    for label in y:
        steps = np.arange(rng.integers(30, 50))
        wave = np.sin(0.02 * steps**2 + rng.random() * 6)
        X.append((wave if label == "up" else wave[::-1]) + 0.05 * rng.standard_normal(len(steps)))
    return X, y


@pytest.fixture(scope="module")
def fitted() -> SequenceClassifier:
    settings: dict[str, Any] = {
        "hidden_dim": 12,
        "max_epochs": 6,
        "batch_size": 8,
        "learning_rate": 0.02,
    }
    return SequenceClassifier(**settings, random_state=0).fit(*waves())


def test_it_learns_what_only_order_tells(fitted: SequenceClassifier) -> None:
    X, y = waves(seed=1)
    assert fitted.score(X, y) > 0.95
    score = fitted.evaluate(X, y)
    assert score.confusion.sum() == 96
    assert score.macro_auc is not None
    assert score.macro_auc > 0.98


def test_results_do_not_depend_on_company(fitted: SequenceClassifier) -> None:
    X, _ = waves(20, seed=1)
    together = fitted.predict_proba(X)
    np.testing.assert_allclose(together.sum(1), 1)
    for number in (0, 7):
        np.testing.assert_allclose(
            fitted.predict_proba(X[number : number + 1])[0], together[number], atol=1e-6
        )


def test_a_saved_model_predicts_the_same(fitted: SequenceClassifier, tmp_path: Path) -> None:
    X, _ = waves(10, seed=2)
    loaded = SequenceClassifier.load(fitted.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))
    assert loaded.classes_.tolist() == ["down", "up"]


def test_the_same_seed_gives_the_same_model() -> None:
    X, y = waves(24)
    first, again, other = (
        SequenceClassifier(**(TINY | {"random_state": seed})).fit(X, y).predict_proba(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("labels", [[0, 1], [False, True], [3, -1], ["a", "ü: b"]])
def test_labels_come_back_as_they_were(labels: list[Any], tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).standard_normal((20, 9)), np.array(labels)[np.arange(20) % 2]
    model = SequenceClassifier(**(TINY | {"max_epochs": 1})).fit(X, y)
    loaded = SequenceClassifier.load(model.save(tmp_path / "m"))
    assert loaded.classes_.tolist() == sorted(labels)
    assert loaded.predict(X).dtype.kind == y.dtype.kind


def test_static_features_are_used_and_asked_for() -> None:
    rng = np.random.default_rng(0)
    X, y = 0.1 * rng.standard_normal((120, 4, 2)), np.arange(120) % 2
    static = np.stack(
        [y * 100.0 + rng.standard_normal(120), np.full(120, 3.0)], 1
    )  # and a constant one
    model = SequenceClassifier(**(TINY | {"learning_rate": 0.05})).fit(X, y, static=static)
    assert model.score(X, y, static=static) > 0.95
    with pytest.raises(DataError, match="static is missing, needed are 2"):
        model.predict(X)
    with pytest.raises(DataError, match=r"static has shape \(120, 1\)"):
        model.predict(X, static=static[:, :1])


def test_rare_classes_count_when_balanced() -> None:
    rng = np.random.default_rng(0)
    y = (np.arange(300) % 20 == 0).astype(int)
    X = rng.standard_normal((300, 4, 1)) + y[:, None, None] * 1.0
    recalls = []
    for balance in (0.0, 1.0):
        settings = TINY | {"learning_rate": 0.02, "class_balance": balance, "validation_share": 0.0}
        recalls.append(SequenceClassifier(**settings).fit(X, y).evaluate(X, y).per_class[1].recall)
    assert recalls[1] > recalls[0] + 0.1


def test_groups_are_never_split() -> None:
    groups = np.repeat(np.arange(10), 7)
    data = make_labelled(np.zeros((70, 5)), np.arange(70) % 2, groups=groups)
    training, validation = split_off(data, 0.3, seed=1)
    assert validation is not None
    assert training.groups is not None
    assert validation.groups is not None
    assert not set(training.groups) & set(validation.groups)
    assert len(validation.labels) == 21
    one_group = make_labelled(np.zeros((4, 5)), [0, 1, 0, 1], groups=[1, 1, 1, 1])
    assert split_off(one_group, 0.3, 1) == (one_group, None)


def test_time_limit_ends_training(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = waves(40)
    model = SequenceClassifier(**(TINY | {"max_epochs": 100000, "time_limit_s": 1.0})).fit(X, y)
    assert model.predict(X).shape == (40,)
    with pytest.raises(ConfigError, match="must be positive"):
        SequenceClassifier(time_limit_s=0).fit(X, y)


def test_scikit_learn_can_clone_it() -> None:
    base = pytest.importorskip("sklearn.base")
    model = SequenceClassifier(hidden_dim=9, noise=0.1)
    assert base.clone(model).get_params() == model.get_params()
    assert model.set_params(hidden_dim=3).hidden_dim == 3
    with pytest.raises(ConfigError, match="no argument hiden_dim"):
        model.set_params(hiden_dim=3)


GOOD = np.zeros((4, 6, 2))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (
            np.where(np.arange(48).reshape(4, 6, 2) == 27, np.nan, 0),
            [0, 1, 0, 1],
            r"X\[2\] has a gap: NaN at step 1, channel 1",
        ),
        ([np.zeros(5), np.array([0, np.inf])], [0, 1], r"X\[1\] has a gap: inf at step 1"),
        (np.zeros(6), [0] * 6, r"shape \(6,\)"),
        (np.zeros((2, 3, 4, 5)), [0, 1], r"shape \(2, 3, 4, 5\)"),
        ([np.zeros((5, 2)), np.zeros((5, 3))], [0, 1], r"X\[1\] has 3 channels, needed are 2"),
        ([np.zeros((0, 2)), np.zeros((5, 2))], [0, 1], r"X\[0\] has shape \(0, 2\)"),
        ([["a", "b"], ["c", "d"]], [0, 1], r"X\[0\] does not hold numbers"),
        ([], [], "no sequence"),
        (GOOD, [0, 1, 0], r"y has shape \(3,\), needed is \(4,\)"),
        (GOOD, [1, 1, 1, 1], "All labels are 1: that is 1 class, a classifier needs two"),
        (GOOD, [0.0, 1.0, np.nan, 1.0], r"y\[2\] is missing"),
        (GOOD, [0.0, 1.0, 0.5, 1.0], r"y\[2\] is 0.5, not a class"),
        (GOOD, None, "the target y is None"),
        (GOOD + 1j, [0, 1, 0, 1], r"X\[0\] holds complex numbers"),
        (GOOD, np.array(["a", None, "b", "a"], object), r"y\[1\] is missing"),
    ],
)
def test_bad_input_is_named(X: Any, y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        SequenceClassifier(**TINY).fit(X, y)


def test_more_bad_input(fitted: SequenceClassifier) -> None:
    with pytest.raises(DataError, match=r"groups has shape \(3,\)"):
        SequenceClassifier(**TINY).fit(GOOD, [0, 1, 0, 1], groups=[1, 2, 3])
    with pytest.raises(DataError, match="static has a gap: row 1"):
        SequenceClassifier(**TINY).fit(GOOD, [0, 1, 0, 1], static=[0, np.nan, 1, 2])
    with pytest.raises(DataError, match=r"X\[0\] has 2 channels, needed are 1"):
        fitted.predict(GOOD)
    with pytest.raises(
        DataError, match="The label 'sideways' is none of those trained on: 'down', 'up'"
    ):
        fitted.score(waves(2)[0], ["up", "sideways"])
    with pytest.raises(ModelError, match="is not fitted"):
        SequenceClassifier().predict(GOOD)
    with pytest.raises(ConfigError, match="unknown"):
        SequenceClassifier(cell="transformer").fit(GOOD, [0, 1, 0, 1])


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model"):
        SequenceClassifier.load(tmp_path / "nothing")
    other = write_bundle(
        tmp_path / "other", lambda folder: atomic_write_text(folder / "config.yaml", "task: ctc\n")
    )
    with pytest.raises(
        ModelError, match="a model for the task 'ctc', needed is one for 'classify'"
    ):
        SequenceClassifier.load(other)


def test_arrays_and_lists_mean_the_same() -> None:
    X = np.arange(12.0).reshape(2, 6)
    frame = pd.DataFrame(X)
    for given in (X, X[..., None], list(X), [row[:, None] for row in X], X.tolist(), frame):
        assert all(
            np.array_equal(a, b[:, None]) for a, b in zip(as_sequences(given), X, strict=True)
        )


def test_asr_train_makes_a_run_folder(tmp_path: Path) -> None:
    X, y = waves(60)
    padded = np.zeros((60, 50))
    for row, wave in zip(padded, X, strict=True):
        row[: len(wave)] = wave
    lengths = np.array([len(wave) for wave in X])
    np.savez(tmp_path / "data.npz", x=padded, y=y, lengths=lengths, groups=np.arange(60) // 6)
    (tmp_path / "config.yaml").write_text(
        "task: classify\nmodel: {hidden_dim: 8}\ntrainer: {max_epochs: 2}\n"
    )
    settings = [f"data.train={tmp_path / 'data.npz'}", f"data.test.again={tmp_path / 'data.npz'}"]
    model = train(tmp_path / "config.yaml", [*settings, f"output_dir={tmp_path / 'run'}"])
    assert FittedClassifier.load(model).classes == ("down", "up")
    assert "again/macro_f1" in read_metrics(tmp_path / "run")
    assert len((tmp_path / "run" / "again" / "predictions.jsonl").read_text().splitlines()) == 60
    with pytest.raises(DataError, match="There is no file"):
        train(
            tmp_path / "config.yaml", ["data.train=nothing.npz", f"output_dir={tmp_path / 'other'}"]
        )


def test_public_name() -> None:
    assert asr.SequenceClassifier is SequenceClassifier
