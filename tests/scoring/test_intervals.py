from __future__ import annotations

import numpy as np
import pytest

from asr.scoring import score_texts
from asr.scoring.intervals import groups_of, resample, seeded_weights


def simulate(
    rng: np.random.Generator, speakers: int, rate: float, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Errors and words of speakers whose rates differ: beta with mean ``rate``, narrower with
    larger ``spread``.
    """
    words = np.array([rng.integers(3, 35, rng.integers(5, 40)).sum() for _ in range(speakers)])
    rates = rng.beta(rate * spread, (1 - rate) * spread, speakers)
    return rng.binomial(words, rates).astype(float), words.astype(float)


@pytest.mark.parametrize(
    ("speakers", "rate", "spread"), [(20, 0.1, 10), (40, 0.2, 10), (100, 0.05, 20)]
)
def test_interval_covers_the_truth_as_often_as_it_says(
    speakers: int, rate: float, spread: float
) -> None:
    rng, covered, trials = np.random.default_rng(7), 0, 1000
    for trial in range(trials):
        found = resample(*simulate(rng, speakers, rate, spread), samples=400, seed=trial)
        assert found is not None
        covered += found.low <= rate <= found.high
    assert 0.93 <= covered / trials <= 0.97


def test_null_p_values_are_uniform() -> None:
    """Two systems that are equally good: the test must cry wolf in 5 % of the cases, no more and
    not much less.
    """
    rng, alarms, trials = np.random.default_rng(3), 0, 600
    for trial in range(trials):
        words = rng.integers(50, 400, 25).astype(float)
        difference = rng.normal(0, 1, 25) * np.sqrt(words)
        found = resample(difference, words, samples=300, seed=trial)
        assert found is not None
        alarms += found.p_value < 0.05
    assert 0.03 <= alarms / trials <= 0.07


def test_same_seed_same_interval_other_seed_another() -> None:
    errors, words = simulate(np.random.default_rng(0), 30, 0.1, 10)
    assert resample(errors, words, seed=1) == resample(errors, words, seed=1)
    assert resample(errors, words, seed=1) != resample(errors, words, seed=2)


def test_weights_draw_every_unit_alike_whatever_the_chunks() -> None:
    weights = np.concatenate(seeded_weights(2_000_000 // 3, 7, 0))
    assert weights.shape == (7, 2_000_000 // 3)
    assert (weights.sum(axis=1) == 2_000_000 // 3).all()


def test_symmetric_interval_and_p_value_say_the_same() -> None:
    rng = np.random.default_rng(5)
    for trial in range(40):
        words = rng.integers(50, 400, 25).astype(float)
        found = resample(
            rng.normal(0.4, 1, 25) * np.sqrt(words), words, samples=999, seed=trial, symmetric=True
        )
        assert found is not None
        if abs(found.p_value - 0.05) > 0.002:
            assert (found.low > 0 or found.high < 0) == (found.p_value < 0.05)


def test_nothing_to_say_without_errors_or_with_one_unit() -> None:
    assert resample(np.zeros(5), np.ones(5)) is None
    assert resample(np.ones(1), np.ones(1)) is None
    assert score_texts(["a", "b"], ["a", "b"]).wer_interval is None


def test_one_bad_utterance_in_many_falls_back_to_percentiles() -> None:
    found = resample(np.array([3.0] + [0.0] * 50), np.full(51, 10.0))
    assert found is not None
    assert found.method == "percentile"
    assert 0 <= found.low < 3 / 510 < found.high < 0.05


def test_by_speaker_from_twenty_speakers_on() -> None:
    assert groups_of([f"s{n % 19}" for n in range(40)])[1] == "utterance"
    groups, unit = groups_of([f"s{n % 20}" for n in range(40)])
    assert unit == "speaker"
    assert sorted(set(groups.tolist())) == list(range(20))
    assert groups_of([*[f"s{n}" for n in range(30)], None])[1] == "utterance"


def test_score_names_the_unit_and_contains_the_rate() -> None:
    texts = {f"{n % 25}-1-{n}": "a b c d e f" for n in range(100)}
    heard = {key: "a b c d e" if n % 3 else "a b c d e f" for n, key in enumerate(texts)}
    by_utterance = score_texts(texts, heard).wer_interval
    by_speaker = score_texts(
        texts, heard, speakers={key: key.split("-")[0] for key in texts}
    ).wer_interval
    assert by_utterance is not None
    assert by_speaker is not None
    assert (by_utterance.unit, by_utterance.units, by_speaker.unit, by_speaker.units) == (
        "utterance",
        100,
        "speaker",
        25,
    )
    assert by_utterance.low < score_texts(texts, heard, samples=0).wer < by_utterance.high
