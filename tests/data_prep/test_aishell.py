"""The reader of AISHELL-1."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_files import sound, text

from asr.errors import AsrError, DataError
from data_prep.aishell import read_aishell


def test_aishell(tmp_path: Path) -> None:
    text(tmp_path / "transcript" / "aishell_transcript_v0.8.txt", "BAC009S0002W0122 而 对 楼市\n")
    sound(tmp_path / "wav" / "train" / "S0002" / "BAC009S0002W0122.wav")
    sound(tmp_path / "wav" / "dev" / "S0724" / "BAC009S0724W0121.wav")
    splits = read_aishell(tmp_path)
    assert (splits["train"][0].text, splits["train"][0].speaker) == ("而对楼市", "S0002")
    assert splits["dev"][0].text == ""
    with pytest.raises(DataError, match="no transcript"):
        read_aishell(tmp_path / "wav")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AsrError, match="nowhere"):
        read_aishell(tmp_path / "nowhere")
