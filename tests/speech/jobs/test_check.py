"""Wrong transcripts come first. Oracle: emissions that spell a known text."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_models import RATE, noise, random_model
from typer.testing import CliRunner

import asr
from asr.cli import app
from asr.speech.data.corrections import read_corrections
from asr.speech.jobs import check
from asr.speech.jobs.check import CheckedUtterance, check_split, write_checked, write_excluded
from asr.speech.jobs.evaluate import Emissions
from data_prep.prepare import prepare
from data_prep.store import Utterance

SURE = 0.98
SAID = {
    "right": ("a bad cab", "a bad cab"),
    "other": ("dead bee decade", "a bad cab"),
    "longer": ("a bad cab", "a bad cab abed"),
    "shorter": ("a bad abed cab", "a bad cab"),
    "unknown": ("a bad xyz", "a bad cab"),
}


def spelled(model: asr.Recognizer, text: str) -> np.ndarray:
    """Log-probabilities (4 L, V) that say a text, blanks after every character."""
    ids = [i for token in model.decoders.tokenizer.encode(text) for i in (token, 0, 0, 0)]
    size = len(model.tokens)
    probs = np.full((len(ids), size), (1 - SURE) / (size - 1))
    probs[np.arange(len(ids)), ids] = SURE
    return np.log(probs).astype(np.float32)


def test_wrong_transcripts_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = asr.load_model(random_model(tmp_path / "m"))
    texts = tuple(text for text, _ in SAID.values())
    log_probs = tuple(spelled(model, heard) for _, heard in SAID.values())
    found = Emissions(tuple(SAID), texts, ("",) * len(SAID), log_probs)
    monkeypatch.setattr(check, "emissions", lambda recognizer, split: found)
    monkeypatch.setattr(check, "_clipped", lambda store, rate: {"right": 0.0})
    monkeypatch.setattr("asr.speech.data.store.FeatureStore.open", lambda split: None)
    checked = {c.id: c for c in check_split(model, "split")}
    assert list(checked)[-1] == "right"
    assert next(iter(checked)) == "unknown"
    assert {name: c.heard for name, c in checked.items()} == {n: h for n, (_, h) in SAID.items()}
    assert (checked["right"].score, checked["right"].reasons) == (0.0, ())
    assert checked["right"].error_rate == 0
    assert checked["longer"].worst_word == "cab"
    assert checked["shorter"].worst_word == "abed"
    assert checked["other"].error_rate >= 0.6
    assert "'x'" in checked["unknown"].reasons[0]
    write_checked(checked.values(), tmp_path / "check.tsv")
    rows = (tmp_path / "check.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows] == ["id", *checked]
    assert write_excluded(checked.values(), tmp_path / "x.tsv", 0.57) == 2
    assert read_corrections(tmp_path / "x.tsv") == {"other": "", "unknown": ""}
    assert math.isnan(checked["unknown"].error_rate)


def test_the_command_writes_a_table_and_a_page(tmp_path: Path) -> None:
    utterances = []
    for number in range(3):
        path = tmp_path / f"u{number}.wav"
        soundfile.write(path, noise(1.5, number), RATE)
        utterances.append(Utterance(f"u{number}", str(path), "A cab, <b>dad</b>!", "s"))
    prepare({"dev": utterances}, tmp_path / "data", jobs=1)
    model, out = random_model(tmp_path / "m"), tmp_path / "out"
    line = ["check", tmp_path / "data" / "dev", "--model", model, "-o", out, "--worst", 2]
    done = CliRunner().invoke(app, list(map(str, [*line, "--exclude-above", 0])))
    assert done.exit_code == 0, done.output
    page = (out / "check.html").read_text()
    assert page.count("<audio") == page.count("<textarea") == 2
    assert "&lt;b&gt;dad" in page
    assert len((out / "check.tsv").read_text().splitlines()) == 4
    assert (out / "excluded.tsv").read_text().startswith("id\terror_rate\nu0\t")


def test_another_language_is_named_in_text_and_speech() -> None:
    usual = check._Usual(tokens_per_s=10.0, error_rate=0.2)
    heard = CheckedUtterance("a", "a bad cab", score=7.0, error_rate=0.3, tokens_per_s=10.0)
    assert check._judged(heard, usual, "") == heard
    foreign = check._judged(heard, usual, "another language, by its letters")
    assert foreign.reasons == ("another language, by its letters",)
    assert foreign.score == heard.score + check.LANGUAGE_COST
    other = check._judged(replace(heard, error_rate=0.9), usual, "")
    assert other.reasons == ("hardly any of it is heard: other speech, or another language",)
    # many recognition errors alone do not flag another language
    weak = check._Usual(tokens_per_s=10.0, error_rate=0.7)
    assert check._judged(replace(heard, error_rate=0.9), weak, "").reasons == ()


def test_a_transcript_in_another_language_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = asr.load_model(random_model(tmp_path / "m"))
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(["abba", "bad", "cab", "dead"], 9)) for _ in range(60)]
    texts.append("\u0430\u0431\u0431\u0430 " * 6)
    log_probs = tuple(spelled(model, text) for text in [*texts[:-1], texts[0]])
    names = tuple(f"{number:02}" for number in range(61))
    found = Emissions(names, tuple(texts), ("",) * 61, log_probs)
    monkeypatch.setattr(check, "emissions", lambda recognizer, split: found)
    monkeypatch.setattr(check, "_clipped", lambda store, rate: {})
    monkeypatch.setattr("asr.speech.data.store.FeatureStore.open", lambda split: None)
    first, *others = check_split(model, "split")
    assert first.id == "60"
    assert "another language: written in Cyrillic letters" in first.reasons
    assert not any("language" in " ".join(other.reasons) for other in others)
