"""Model folders of version 0.1, one of each kind, predict what they predicted then.

Each folder of ``tests/kept/models-0.1`` has the model, a file and what ``asr predict`` wrote for
it, made by the code of commit 028eab1 from tiny networks. Speech models, ``en-text``,
``zh-text`` and ``speakers`` are kept in ``pretrained/``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asr.catalogue import load_predictor
from asr.model_folder import open_model

KEPT = sorted((Path(__file__).parent / "kept" / "models-0.1").iterdir())
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


@pytest.mark.parametrize("folder", KEPT, ids=[folder.name for folder in KEPT])
def test_an_old_model_folder_predicts_as_it_did(folder: Path) -> None:
    (given,) = folder.glob("input.*")
    text = load_predictor(open_model(folder / "model")).predict_file(given)
    expected = (folder / "predictions.txt").read_text(encoding="utf-8")
    assert NUMBER.sub("0.0", text) == NUMBER.sub("0.0", expected)
    numbers, then = ([float(n) for n in NUMBER.findall(t)] for t in (text, expected))
    assert numbers == pytest.approx(then, rel=1e-3, abs=1e-4)
