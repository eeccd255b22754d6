"""Wrong transcripts are found. Oracle: emissions that spell a known text."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asr.speech.jobs.evaluate import Emissions
from asr.text.tokenizers import CharTokenizer
from data_prep.checking import CheckedTranscript, check_transcripts, write_excluded

TOKENIZER = CharTokenizer("abc")
SURE = 0.9


def spelled(text: str) -> np.ndarray:
    """Log-probabilities (2 L, V) that say a text, a blank after every character."""
    ids = [i for token in TOKENIZER.encode(text) for i in (token, 0)]
    probs = np.full((len(ids), len(TOKENIZER)), (1 - SURE) / (len(TOKENIZER) - 1))
    probs[np.arange(len(ids)), ids] = SURE
    return np.log(probs).astype(np.float32)


def test_errors_and_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ("abc", "cab", "ab", "a")
    texts = ("abc", "caa", "xy", "aaaa")
    found = Emissions(
        ("right", "wrong", "unknown", "long"), texts, ("",) * 4, tuple(map(spelled, said))
    )
    monkeypatch.setattr("data_prep.checking.emissions", lambda recognizer, split: found)
    checked = check_transcripts(
        SimpleNamespace(decoders=SimpleNamespace(tokenizer=TOKENIZER)), "split"
    )  # type: ignore[arg-type]
    assert [c.heard for c in checked] == list(said)
    assert [c.error_rate for c in checked] == pytest.approx(
        [0, 1 / 3, math.nan, 3 / 4], nan_ok=True
    )
    assert math.isnan(checked[2].loss)
    assert checked[0].loss < 1 < checked[1].loss
    # Two frames, one character: a blank on either side, or the character twice.
    other = (1 - SURE) / (len(TOKENIZER) - 1)
    found = Emissions(("one",), ("a",), ("",), (spelled("a"),))
    [one] = check_transcripts(
        SimpleNamespace(decoders=SimpleNamespace(tokenizer=TOKENIZER)), "split"
    )  # type: ignore[arg-type]
    assert one.loss == pytest.approx(
        -math.log(SURE * SURE + SURE * other + other * other), rel=1e-5
    )


def test_the_table_names_what_is_above_the_bound(tmp_path: Path) -> None:
    checked = [
        CheckedTranscript(f"u{i}", "a b", "b", rate, 1.0)
        for i, rate in enumerate((0.7, 0.6, 0.61, math.nan))
    ]
    assert write_excluded(checked, tmp_path / "x.tsv", 0.6) == 2
    assert (
        tmp_path / "x.tsv"
    ).read_text() == "id\terror_rate\ttranscript\theard\nu0\t0.70\ta b\tb\nu2\t0.61\ta b\tb\n"
