"""Curves from the JSON log, from TensorBoard's events, and from the training loop itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr.errors import DataError
from asr.report.log import Curve, read_curves


def write_lines(folder: Path, rows: list[object]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8"
    )
    return folder


def test_lines_become_curves(tmp_path: Path) -> None:
    rows = [{"step": s, "epoch": 0, "train/loss": 1 / s} for s in (1, 2)] + [
        {"step": 2, "epoch": 0, "dev/wer": 0.5}
    ]
    curves = read_curves(write_lines(tmp_path, list(rows)))
    assert curves["train/loss"].steps == [1, 2]
    assert curves["train/loss"].values == [1.0, 0.5]
    assert curves["dev/wer"].epochs == [0]


def test_a_resumed_run_replaces_what_it_did_again(tmp_path: Path) -> None:
    rows = [{"step": s, "loss": s} for s in (1, 2, 3, 4)] + [
        {"step": s, "loss": 10 * s} for s in (3, 4, 5)
    ]
    curve = read_curves(write_lines(tmp_path, list(rows)))["loss"]
    assert (curve.steps, curve.values) == ([1, 2, 3, 4, 5], [1, 2, 30, 40, 50])


def test_a_last_line_cut_off_by_a_kill_is_passed_over_others_are_not(tmp_path: Path) -> None:
    write_lines(tmp_path, [{"step": 1, "loss": 2.0}])
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 2, "lo', encoding="utf-8")
    assert read_curves(tmp_path)["loss"].steps == [1]
    path.write_text('{"step": 2, "lo\n{"step": 1, "loss": 2.0}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"metrics.jsonl, line 1: needed an object with a step"):
        read_curves(tmp_path)


def test_thinned_keeps_the_last_value() -> None:
    curve = Curve(list(range(1, 5001)), [float(n) for n in range(1, 5001)])
    thin = curve.thinned(100)
    assert 100 <= len(thin.steps) <= 101
    assert thin.values[-1] == 5000


def test_event_files_are_read_where_there_are_no_lines(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(tmp_path))
    for step in (1, 2, 3):
        writer.add_scalar("dev/wer", 1 / step, step)
    writer.close()
    curve = read_curves(tmp_path)["dev/wer"]
    assert curve.steps == [1, 2, 3]
    assert curve.values == pytest.approx([1, 0.5, 1 / 3])


def test_nothing_logged(tmp_path: Path) -> None:
    assert read_curves(tmp_path / "log") == {}
