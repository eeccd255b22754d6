"""Signals from every kind of file give the same predictions, and bad files are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from asr.catalogue import load_predictor
from asr.cli import app
from asr.errors import DataError
from asr.model_folder import open_model
from asr.signals.classifier import SequenceClassifier
from asr.signals.files import SignalInputs

WAVES = [np.random.default_rng(n).normal(size=(5 + n, 2)).round(3) for n in range(3)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    classifier = SequenceClassifier(hidden_dim=4, max_epochs=1, random_state=0)
    classifier.fit(WAVES * 8, ["up", "down", "down"] * 8)
    return classifier.save(folder / "model")


def write_all(folder: Path) -> dict[str, Path]:
    """The same signals in every format."""
    steps = [
        {"unique_id": f"{n:02}", "ds": step, "a": a, "b": b}
        for n, wave in enumerate(WAVES)
        for step, (a, b) in enumerate(wave.tolist())
    ]
    lines = [",".join(steps[0]), *(",".join(map(str, row.values())) for row in steps)]
    (folder / "a.csv").write_text("\n".join(lines) + "\n")
    rows = [{"name": f"{n:02}", "sequence": wave.tolist()} for n, wave in enumerate(WAVES)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lengths = np.array([len(wave) for wave in WAVES])
    padded = np.full((3, lengths.max(), 2), 99.0)
    for row, wave in zip(padded, WAVES, strict=True):
        row[: len(wave)] = wave
    np.savez(folder / "a.npz", x=padded, lengths=lengths)
    return {suffix: folder / f"a.{suffix}" for suffix in ("csv", "jsonl", "npz")}


def test_every_format_gives_the_same_predictions(model: Path, tmp_path: Path) -> None:
    probabilities = SequenceClassifier.load(model).predict_proba(WAVES)
    expected = [
        {"label": ["down", "up"][int(row.argmax())], "probability": round(float(row.max()), 6)}
        for row in probabilities
    ]
    names = {
        "csv": [{"unique_id": f"{n:02}"} for n in range(3)],
        "jsonl": [{"name": f"{n:02}"} for n in range(3)],
        "npz": [{"id": str(n)} for n in range(3)],
    }
    for suffix, path in write_all(tmp_path).items():
        result = CliRunner().invoke(app, ["predict", str(path), "--model", str(model)])
        assert result.exit_code == 0, result.output
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        assert rows == [n | e for n, e in zip(names[suffix], expected, strict=True)]
    answer = load_predictor(open_model(model)).predict_json(
        {"sequences": [wave.tolist() for wave in WAVES]}
    )
    assert answer == expected


def test_a_file_without_names_is_one_signal(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n" + "\n".join(f"{a},{b}" for a, b in WAVES[0]) + "\n")
    np.save(tmp_path / "a.npy", WAVES[0][None])
    predictor = load_predictor(open_model(model))
    alone = predictor.predict_file(tmp_path / "a.csv")
    assert json.loads(alone)["id"] == "0"
    assert predictor.predict_file(tmp_path / "a.npy") == alone
    path = predictor.predict_file(tmp_path / "a.csv", tmp_path / "out")
    assert path == f"{tmp_path / 'out' / 'predictions.jsonl'}\n"
    assert (tmp_path / "out" / "predictions.jsonl").read_text() == alone


def test_static_features_come_from_json_lines_and_npz(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"sequence": [1, 2], "static": [3.0]}\n{"sequence": [4], "static": [5.0]}\n'
    )
    signals = SignalInputs().read_file(None, tmp_path / "a.jsonl")
    assert signals.static.tolist() == [[3.0], [5.0]]
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), static=np.ones((2, 1)))
    assert SignalInputs().read_file(None, tmp_path / "a.npz").static.tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.txt", "1\n", "not a file of signals"),
        ("none.csv", None, "no file"),
        ("a.csv", "", "no rows"),
        ("a.csv", "a,b\n1,x\n", "line 2: the column b holds 'x'"),
        ("a.csv", "a,b\n1,2\n1,5,2\n", "line 3: 3 cells, but 2 columns"),
        ("a.csv", "a;b\n1;2,5\n", "line 2: the column b holds '2,5'"),
        ("a.csv", "a,b\n1,nan\n", "line 2: the column b holds 'nan'"),
        ("a.csv", "unique_id,a\n,1\n", "line 2: no unique_id"),
        ("a.csv", "unique_id,ds\n1,2\n", "no channel"),
        ("a.jsonl", '{"x": [1]}\n', "line 1: no signal"),
        ("a.jsonl", "[[1, 2], [3]]\n", "line 1 is not a list of steps"),
        ("a.jsonl", '{"sequence": [1], "static": [1]}\n{"sequence": [1]}\n', "signal 2 has no"),
        ("a.npz", "no archive", "not a readable .npz"),
        ("a.npy", "no array", "not a readable .npy"),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, content: str | None, named: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=named):
        SignalInputs().read_file(None, tmp_path / name)


def test_nothing_gives_nothing(model: Path) -> None:
    assert load_predictor(open_model(model)).predict_json({"sequences": []}) == []
