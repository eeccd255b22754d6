"""The compression recipe on a little noise: every row of its table, each smaller model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.catalogue import train
from asr.config import read_yaml
from asr.features.config import FeatureConfig
from asr.lm import estimate
from asr.lm.arpa import write_arpa
from asr.model_folder import open_bundle
from data_prep.store import write_store
from recipes import run_recipe

SETTINGS = [
    "trainer.max_epochs=1",
    "trainer.precision=fp32",
    "trainer.threads=1",
    "trainer.pictures_every=0",
]


def write_splits(folder: Path) -> None:
    rng = np.random.default_rng(0)
    texts = ("ab ba", "b a", "aab", "b")
    items = [
        (f"s{n}-{n}", text, rng.normal(size=(60, 80)).astype(np.float32))
        for n, text in enumerate(texts)
    ]
    for split in ("train", "dev", "test"):
        write_store(folder / split, FeatureConfig(), items)


def test_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_splits(tmp_path / "data")
    config = tmp_path / "config.yaml"
    config.write_text("task: ctc\nmodel: {hidden_dim: 8, num_layers: 2, conv_channels: 4}\n")
    data = [f"data.{split}={tmp_path / 'data' / split}" for split in ("train", "dev")]
    model = train(config, [*data, f"output_dir={tmp_path / 'large'}", *SETTINGS])
    capsys.readouterr()
    output = tmp_path / "out"
    lm = tmp_path / "lm.arpa"
    write_arpa(estimate([["ab ba", "b a", "aab", "b"]], order=2), lm)
    run_recipe(
        "compression",
        monkeypatch,
        model,
        tmp_path / "data",
        "--lm",
        lm,
        "--output-dir",
        output,
        *SETTINGS,
    )
    rows = [
        line.split("|")[1:-1]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("| ")
    ]
    table = {row[0].strip(): [float(cell) for cell in row[1:]] for row in rows[1:]}
    assert list(table) == ["as trained", "sparse", "units", "student", "alone"]
    total, nonzero = table["sparse"][:2]
    assert total == table["as trained"][0]
    assert nonzero == pytest.approx(total / 2, rel=0.1)
    assert table["units"][0] < total
    assert table["student"][0] == table["alone"][0] < total
    assert table["as trained"][3] == 1
    assert all(len(row) == 6 for row in table.values())
    trained = read_yaml(output / "student" / "model" / "training.yaml")
    assert (trained["specaugment"]["freq_warp"], trained["optimizer"]["lr"]) == (
        4,
        0.003,
    )  # as the recipe says
    weights = [
        open_bundle(output / name).weights()["network.output.weight"]
        for name in ("student", "alone")
    ]
    assert not np.array_equal(*weights)
