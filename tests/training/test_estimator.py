"""The estimators under scikit-learn's own checks, and what their base class promises."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator

import asr
from asr.errors import ConfigError, ModelError, NotFittedError
from asr.training.estimator import Estimator, config_from, not_fitted, seed_from

# scikit-learn warns of estimators that do not inherit from it: asr does not need it to be installed
pytestmark = pytest.mark.filterwarnings("ignore:Estimator .* does not inherit:UserWarning")

ESTIMATORS: list[Estimator[Any]] = [
    asr.Forecaster(4),
    asr.AnomalyDetector(),
    asr.SequenceClassifier(),
    asr.TextClassifier(),
    asr.Tagger(),
    asr.Translator(),
    asr.LanguageModel(),
]
DIALECT = {
    "learning_rate",
    "validation_share",
    "max_epochs",
    "random_state",
    "time_limit_s",
    "run_dir",
}

# Of the checks for classifiers of 2-D arrays, those that a classifier of signals cannot pass:
NOT_FOR_SIGNALS = {
    "check_n_features_in": "a row is a signal of any length: n_channels_ stands for n_features_in_",
    "check_n_features_in_after_fitting": "signals of another length are welcome",
    "check_classifiers_train": "wants signals of another length refused",
    "check_estimators_empty_data_messages": "wants the words '0 feature(s)', not steps",
    "check_dtype_object": "wants a TypeError in numpy's words where numbers are missing",
    "check_supervised_y_2d": "wants labels (n, 1) to be flattened with a warning; they are refused",
}
# The others take frames, texts or lists of words, not arrays: what applies are the checks of the
# protocol itself. All checks that fit or predict (on random arrays) do not apply.
PROTOCOL = (
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_mixin_order,
)


def _signal_checks() -> Iterator[Any]:
    small = asr.SequenceClassifier(
        hidden_dim=8, max_epochs=2, learning_rate=0.01, random_state=0, validation_share=0.0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks = list(estimator_checks_generator(small))
    for estimator, check in checks:
        name = check.func.__name__
        reason = NOT_FOR_SIGNALS.get(name)
        marks = [pytest.mark.xfail(reason=reason)] if reason else []
        options = [f"{key}={value}" for key, value in check.keywords.items()]
        yield pytest.param(estimator, check, marks=marks, id="-".join([name, *options]))


@pytest.mark.parametrize(("estimator", "check"), list(_signal_checks()))
def test_a_classifier_of_signals_passes_scikit_learns_checks(
    estimator: Estimator[Any], check: Callable[[Any], None]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some checks pass data that scikit-learn itself warns of
        check(estimator)


@pytest.mark.parametrize("check", PROTOCOL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_estimator_passes_the_checks_of_the_protocol(
    estimator: Estimator[Any], check: Callable[[str, Any], None]
) -> None:
    check(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_every_estimator_speaks_one_dialect(estimator: Estimator[Any], tmp_path: Path) -> None:
    assert set(estimator.get_params()) >= DIALECT
    for method in ("fit", "score", "evaluate", "save", "load"):
        assert callable(getattr(estimator, method))
    assert not estimator.__sklearn_is_fitted__()
    with pytest.raises(SklearnNotFittedError, match=r"Call fit, or \w+\.load\(FOLDER\)"):
        estimator.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(ConfigError, match="has no argument learning_rat"):
        estimator.set_params(learning_rat=0.1)


def test_scikit_learn_searches_and_tells_classifiers() -> None:
    assert [is_classifier(e) for e in ESTIMATORS] == [False, False, True, True, False, False, False]
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = rng.normal(size=(40, 6)) + 3 * y[:, None]
    small = asr.SequenceClassifier(max_epochs=3, random_state=0, validation_share=0.0)
    search = GridSearchCV(small, {"hidden_dim": [2, 6], "learning_rate": [0.05]}, cv=2)
    search.fit(X, y)
    assert search.best_score_ > 0.9
    assert search.predict(X).shape == (40,)


def test_the_error_before_fit_has_every_base_that_is_asked_for() -> None:
    error = not_fitted("Tagger")
    assert isinstance(error, (NotFittedError, ModelError, SklearnNotFittedError, ValueError))
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, NotFittedError)
    assert str(again) == str(error)


def test_random_states_stand_for_seeds() -> None:
    assert seed_from(7) == seed_from(np.int64(7)) == 7
    assert seed_from(np.random.default_rng(3)) == seed_from(np.random.default_rng(3))
    assert seed_from(np.random.RandomState(3)) == seed_from(np.random.RandomState(3))
    state = np.random.get_state()
    try:
        np.random.seed(5)
        first, second = seed_from(None), seed_from(None)
        np.random.seed(5)
        assert first == seed_from(None)
    finally:
        np.random.set_state(state)
    assert first != second
    for wrong in (-1, 0.5, "seed"):
        with pytest.raises(ConfigError, match="random_state is"):
            seed_from(wrong)  # type: ignore[arg-type]


def test_a_configuration_is_an_object_a_mapping_or_nothing() -> None:
    from asr.signals.config import ClassifyConfig

    assert config_from(ClassifyConfig, None, "X") == ClassifyConfig()
    assert config_from(ClassifyConfig, {"data": {"balance": 0.5}}, "X").data.balance == 0.5
    own = ClassifyConfig(seed=9)
    assert config_from(ClassifyConfig, own, "X") is own
    with pytest.raises(ConfigError, match=r"X: unknown key data\.balanc"):
        config_from(ClassifyConfig, {"data": {"balanc": 0.5}}, "X")
    with pytest.raises(ConfigError, match="X: config is a list"):
        config_from(ClassifyConfig, [], "X")  # type: ignore[arg-type]


def test_what_an_argument_sets_goes_over_the_configuration() -> None:
    from asr.signals.config import ClassifyConfig

    base = ClassifyConfig()
    changed = asr.SequenceClassifier(
        learning_rate=0.5, max_epochs=3, time_limit_s=7, random_state=11
    )._configured(base)
    assert (changed.optimizer.lr, changed.trainer.max_epochs) == (0.5, 3)
    assert (changed.trainer.time_limit_s, changed.seed) == (7, 11)
    for wrong in ({"validation_share": 1.0}, {"validation_share": -0.1}, {"time_limit_s": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            asr.SequenceClassifier(**wrong)._configured(base)
