"""The heartbeats recipe: RR intervals, folds that keep patients apart, and a whole run on made-up
beats.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from asr.errors import DataError
from asr.run_folder import read_metrics
from recipes import load_recipe


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("heartbeats")


def beats_file(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    y = np.array(([0] * 12 + [1] * 3 + [2] * 4 + [3]) * 6)
    x = (
        np.sin(np.arange(120) * (0.1 + 0.1 * y[:, None])) * 500 + rng.standard_normal((120, 120))
    ).astype(np.int16)
    record, peaks = (
        np.repeat(np.arange(101, 107), 20),
        np.tile(np.cumsum(rng.integers(200, 400, 20)), 6),
    )
    np.savez(folder / "beats.npz", x=x, y=y.astype(np.int8), record=record, r_sample_360hz=peaks)
    return folder / "beats.npz"


def test_rr_features_are_seconds_and_ratios(recipe: ModuleType) -> None:
    peaks = np.cumsum([0] + [360] * 20)
    np.testing.assert_allclose(
        recipe.rr_features(peaks), np.tile([1.0, 1, 0, 0, 0, 0], (21, 1)), atol=1e-12
    )
    early = peaks.copy()
    early[10] -= 180  # a premature beat: short before, long after
    features = recipe.rr_features(early)[10]
    assert features[:2] == pytest.approx([0.5, 1.5])
    assert features[4] == pytest.approx(np.log(1 / 3))
    assert features[2] < 0 < features[3]


def test_no_patient_is_on_both_sides(recipe: ModuleType, tmp_path: Path) -> None:
    data = recipe.read_beats(beats_file(tmp_path))
    folds = recipe.make_folds(data, 3)
    assert sorted(np.concatenate(folds)) == list(range(120))
    patients = [set(data.groups[fold]) for fold in folds]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 6


def test_signals_do_not_depend_on_gain_and_offset(recipe: ModuleType) -> None:
    x = np.random.default_rng(0).standard_normal((5, 120))
    np.testing.assert_allclose(recipe.beat_signals(3 * x + 7), recipe.beat_signals(x), atol=1e-9)


def test_a_whole_run(recipe: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [
        "data.epoch_size=60",
        "trainer.max_epochs=1",
        "model.hidden_dim=8",
        "model.conv_channels=4",
    ]
    arguments = [
        "run.py",
        str(beats_file(tmp_path)),
        "--output-dir",
        str(tmp_path / "run"),
        "--folds",
        "2",
    ]
    monkeypatch.setattr(sys, "argv", [*arguments, *settings])
    recipe.main()
    figures = read_metrics(tmp_path / "run")
    assert {"cv/macro_f1_NSV", "cv/f1_F", "cv/f1_Q", "cv/auc_S"} <= figures.keys()
    rows = [
        json.loads(row)
        for row in (tmp_path / "run" / "cv" / "predictions.jsonl").read_text().splitlines()
    ]
    assert len(rows) == 120
    right = np.mean([row["label"] == row["prediction"] for row in rows])
    assert figures["cv/accuracy"].value == pytest.approx(right)
    assert (tmp_path / "run" / "confusion.png").stat().st_size > 1000


def test_another_file_is_refused(recipe: ModuleType, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(DataError, match="not a file of beats"):
        recipe.read_beats(tmp_path / "other.npz")
