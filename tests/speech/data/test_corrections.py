"""Corrected transcripts are those that are trained on; what is dropped is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
from tiny_models import RATE, noise

from asr.errors import DataError
from asr.speech.data.corrections import corrected, read_corrections
from asr.speech.data.store import FeatureStore
from data_prep.prepare import prepare
from data_prep.store import Utterance


def test_copies_are_corrected_too(tmp_path: Path) -> None:
    utterances = []
    for number in range(3):
        path = tmp_path / f"u{number}.wav"
        soundfile.write(path, noise(0.5, number), RATE)
        utterances.append(Utterance(f"u{number}", str(path), f"text {number}", "s"))
    prepare({"train": utterances}, tmp_path, speeds=(0.9, 1.0), jobs=1)
    store = FeatureStore.open(tmp_path / "train")
    table = tmp_path / "corrections.tsv"
    table.write_text("id\ttext\nu0\t  another  text\nu2\t\n")
    texts = list(corrected(store, read_corrections(table)).texts)
    assert sorted(texts) == ["", "", "another text", "another text", "text 1", "text 1"]
    pairs = dict(zip(store.ids, texts, strict=True))
    assert {pairs[name] for name in pairs if name.startswith("u0")} == {"another text"}
    with pytest.raises(DataError, match="None of the 1 corrected utterances is in"):
        corrected(store, {"u7": "x"})


def test_tables(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    table.write_text("id\terror_rate\nu1\t0.9\n")
    assert read_corrections(table) == {"u1": ""}
    table.write_text("name\ttext\nu1\tx\n")
    with pytest.raises(DataError, match="id"):
        read_corrections(table)
