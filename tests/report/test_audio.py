"""Players of recordings: linked, embedded, or none."""

from __future__ import annotations

from pathlib import Path

import run_folder_maker as maker

from asr.report import Run
from asr.report.audio import player


def test_linked_audio_is_relative_and_none_is_none(tmp_path: Path) -> None:
    speech = maker.speech_run(tmp_path, model=False)
    utterance = Run(speech).references("dev").utterances["s1-1-0001"]
    page = tmp_path / "deep" / "page.html"
    assert 'src="../data/dev/s1-1-0001.wav#t=0.000,1.000"' in player(utterance, "link", page)
    assert player(utterance, "none", page) == ""
    assert "data:audio/" in player(utterance, "embed", page)
