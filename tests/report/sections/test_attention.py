"""Attention maps, recorded or computed from the model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import run_folder_maker as maker

from asr.files import atomic_write_text
from asr.model_folder import write_bundle
from asr.report import Absent, Run
from asr.report.sections import attention


def test_attention_is_computed_from_the_model_where_none_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = maker.task_run(tmp_path, "translate")
    with pytest.raises(Absent, match="with attention"):
        attention.content(Run(run))
    write_bundle(
        run / "model", lambda folder: atomic_write_text(folder / "config.yaml", "task: translate\n")
    )
    shown = SimpleNamespace(
        source=("▁ein", "</s>"), target=("▁a", "</s>"), weights=np.eye(2, dtype=np.float32)
    )
    maps = {"loaded": shown}
    translator = "asr.language.translation.translator.Translator"
    monkeypatch.setattr(f"{translator}.load", lambda folder: "loaded")
    monkeypatch.setattr(f"{translator}.attention_map", lambda model, text: maps[model])
    page = attention.content(Run(run))
    assert page.count("<figure") == 2
    assert "eine Katze: rows are what was written" in page
    (run / "test" / "predictions.jsonl").unlink()
    with pytest.raises(Absent, match="no text to translate"):
        attention.content(Run(run))
    (tmp_path / "dev.de").write_text("drei Hunde\n")
    (run / "config.yaml").write_text(
        f"task: translate\ndata: {{dev_source: {tmp_path / 'dev.de'}}}\n"
    )
    assert "drei Hunde: rows" in attention.content(Run(run))
