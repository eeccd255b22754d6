"""Measuring: clips, percentiles, bad settings, and one small model measured in fresh processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import run_folder_maker as maker
import typer
from typer.testing import CliRunner

from asr.cli.bench import bench as bench_command
from asr.errors import ConfigError, DataError, ModelError
from asr.speech.jobs import bench
from asr.speech.jobs.bench import BenchConfig, Job, Result, open_backends
from asr.speech.jobs.bench_process import clips
from asr.speech.jobs.bench_report import table_text


def test_clips_have_the_length_and_come_from_all_of_the_audio() -> None:
    line = np.arange(1000, dtype=np.float32)
    found = clips([line[:400], line[400:]], 100, 10)
    assert [len(c) for c in found] == [100] * 10
    assert found[0][0] == 0
    assert max(c[0] for c in found) >= 900
    assert all(np.diff(c).max() == 1 for c in clips([line], 1000, 1))
    assert len(clips([line[:10]], 100, 3)[2]) == 100


@pytest.mark.parametrize(
    ("n", "told"), [(5, ["p50"]), (10, ["p50", "p90"]), (20, ["p50", "p90", "p95"])]
)
def test_percentiles_are_told_only_where_measurements_lie_beyond(n: int, told: list[str]) -> None:
    values = np.arange(1.0, n + 1)
    found = bench._percentiles(values)
    assert [key for key in found if key != "mean"] == told
    assert found["p50"] == np.median(values)
    assert found["mean"] == values.mean()
    assert "p99" in bench._percentiles(np.arange(100.0))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"backends": ("abacus",)}, "Unknown backend 'abacus'. Choose of: torch"),
        ({"decoders": ("luck",)}, "Unknown decoder 'luck'"),
        ({"clips_s": (0.01,)}, "at least 0.1 s"),
        ({"clips_s": ()}, "at least 0.1 s"),
        ({"repeats": 0}, "repeats must be at least 1"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        BenchConfig(**settings)


def test_no_model_and_no_audio(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model"):
        open_backends(tmp_path / "nothing")
    (tmp_path / "cuts.jsonl").write_text(
        '{"id": "a", "start": 0, "duration": 1, "supervisions": [{"text": "x"}]}\n'
    )
    with pytest.raises(DataError, match="names no audio"):
        bench.read_split_audio(tmp_path, 16000)


def test_a_small_model_in_fresh_processes(tmp_path: Path) -> None:
    model = maker.tiny_model(tmp_path / "model")
    app = typer.Typer()
    app.command()(bench_command)
    split = maker.speech_run(tmp_path / "x", model=False).parent / "data" / "dev"
    options = ["--data", str(split), "--repeats", "10", "--clip-s", "0.5", "--threads", "1"]
    options += ["--decoding-method", "greedy"]
    done = CliRunner().invoke(
        app, [str(model), *options, "-o", str(tmp_path / "bench.json"), "--json"]
    )
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content == json.loads((tmp_path / "bench.json").read_text())
    assert content["audio"] == f"recordings of {split}"
    (result,) = [Result.from_json(entry) for entry in content["results"]]
    assert (result.backend, result.decoder, result.clip_s, result.repeats) == (
        "torch",
        "greedy",
        0.5,
        10,
    )
    assert 0 < result.latency_ms["p50"] <= result.latency_ms["p90"]
    assert result.network_ms + result.decode_ms == pytest.approx(result.latency_ms["p50"], rel=0.5)
    assert result.real_time_factor == pytest.approx(result.latency_ms["mean"] / 500, rel=0.01)
    assert 0 < result.baseline_mb < result.memory_mb
    needed = [
        f
        for f in model.iterdir()
        if f.name.split(".")[0] in ("model", "config", "tokenizer", "bundle")
    ]
    assert result.disk_mb == pytest.approx(sum(f.stat().st_size for f in needed) / 1e6, rel=0.01)
    assert "torch" in table_text([result])


def test_exported_folders_side_by_side(tmp_path: Path) -> None:
    from asr.model_folder import add_to_bundle
    from asr.speech.export.exporting import export_model

    model = maker.tiny_model(tmp_path / "model")
    formats = ("onnx", "onnx-int8")
    exported = [export_model(model, tmp_path / name).folder for name in formats]
    # 8-bit weights ruin a model that has learnt nothing, so that it would be refused: the same one
    # by the other name
    add_to_bundle(exported[1], {}, {"export": {"format": "onnx-int8"}})
    bundles = open_backends(model, exported)
    folders = {name: bundle.path for name, bundle in bundles.items()}
    assert folders == dict(zip(("torch", *formats), (model, *exported), strict=True))
    assert [bundle.path for bundle in open_backends(exported[1]).values()] == [exported[1]]
    config = BenchConfig(formats, ("greedy",), (0.5,), repeats=2, batch_size=2, threads=1)
    found = {result.backend: result for result in bench.bench(bundles, config)}
    for name, folder in zip(formats, exported, strict=True):
        files = [
            f
            for f in folder.iterdir()
            if f.name.split(".")[0] in ("model", "config", "tokenizer", "bundle")
        ]
        assert found[name].disk_mb == pytest.approx(
            sum(f.stat().st_size for f in files) / 1e6, rel=0.01
        )
        assert found[name].latency_ms["p50"] > 0
    with pytest.raises(ConfigError, match="no folder for the back end onnx; given: torch"):
        bench.bench(open_backends(model), config)
    with pytest.raises(ConfigError, match="a second one for onnx"):
        open_backends(model, [exported[0], exported[0]])


def test_a_failing_process_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "false")
    job = Job("m", "a", "torch", "greedy")
    with pytest.raises(ModelError, match="Measuring torch with greedy failed: status 1"):
        bench._in_fresh_process(job, BenchConfig())
