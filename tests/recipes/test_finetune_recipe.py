"""The fine-tuning recipe on a little noise: what it keeps of the model that it starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asr.config import as_dict
from asr.decoding import compile_lm
from asr.errors import ModelError
from asr.features.config import FeatureConfig
from asr.lm import build_arpa
from asr.model_folder import add_to_bundle, open_bundle
from asr.speech.config import SpeechConfig
from asr.speech.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.recognizer import load_model
from asr.speech.store import FeatureStore
from asr.speech.training import save_speech_model
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import CharTokenizer, PhoneTokenizer, load_tokenizer
from recipes import run_recipe

SHAPE = CtcModelConfig(num_layers=2, hidden_dim=8, conv_channels=4, dropout=0.0)
DECODING = {"lm_alpha": 0.25, "lm_beta": 0.5, "beam_size": 5}
TEXTS = ("A bad cab.", "A cab", "Bad dad", "dab a cab", "A bad dad")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    tokenizer = CharTokenizer("abcd")
    task = CtcTask(CtcTaskConfig(FeatureConfig(n_mels=20), "global", model=SHAPE), len(tokenizer))
    task.normalizer.set_statistics(np.full(20, -8.0), np.full(20, 2.0))
    save_speech_model(task, tokenizer, SpeechConfig(model=SHAPE), tmp_path / "model")
    build_arpa([["a bad cab", "dad"] * 3], tmp_path / "lm.arpa", 2)
    compile_lm(tmp_path / "lm.arpa", tmp_path / "lm.bin")
    add_to_bundle(tmp_path / "model", {"lm.bin": tmp_path / "lm.bin"}, {"decoding": DECODING})
    return tmp_path / "model"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(15):
        soundfile.write(folder / f"{number:02}.wav", rng.uniform(-0.3, 0.3, 24000), 16000)
        (folder / f"{number:02}.txt").write_text(TEXTS[number % len(TEXTS)])
    return folder


def test_the_tuned_model_keeps_everything_but_the_weights(
    model: Path,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, quick = (
        tmp_path / "out",
        ["trainer.max_epochs=2", "trainer.precision=fp32", "trainer.accelerator=cpu"],
    )
    quick += ["trainer.pictures_every=0", "trainer.threads=1"]
    run_recipe("finetune", monkeypatch, model, recordings, "--output-dir", out, *quick)
    rows = [
        line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("test")
    ]
    assert rows == [["test", "greedy"], ["test", "beam+lm"]] * 2
    train = FeatureStore.open(out / "data" / "train")
    assert train.feature_config == FeatureConfig(n_mels=20)
    assert sorted({round(float(s), 1) for s in train.speeds}) == [0.9, 1.0, 1.1]
    assert {len(FeatureStore.open(out / "data" / name)) for name in ("dev", "test")} == {2, 3}
    assert train.texts[0] == train.texts[0].lower()
    old, new = open_bundle(model), open_bundle(out / "run")
    assert new.config["network"]["model"] == old.config["network"]["model"] == as_dict(SHAPE)
    assert {name: new.config["decoding"][name] for name in DECODING} == DECODING
    assert (new.path / "lm.bin").read_bytes() == (model / "lm.bin").read_bytes()
    weights, tuned = old.weights(), new.weights()
    assert torch.equal(tuned["normalizer.mean"], torch.full((20,), -8.0))
    moved = {name for name in weights if not torch.equal(weights[name], tuned[name])}
    assert "network.output.weight" in moved
    assert (
        float((weights["network.output.weight"] - tuned["network.output.weight"]).abs().max())
        < 0.05
    )  # not anew
    assert load_model(out / "run").transcribe(recordings / "00.wav").duration_s == 1.5

    build_arpa([["dab"] * 3], tmp_path / "other.arpa", 2)
    run_recipe(
        "finetune",
        monkeypatch,
        model,
        recordings,
        "--output-dir",
        out,
        "--lm",
        tmp_path / "other.arpa",
        *quick,
    )
    lm = (out / "run" / "model" / "lm.bin").read_bytes()
    assert lm == (out / "lm.bin").read_bytes()
    assert lm != (model / "lm.bin").read_bytes()


def test_what_cannot_be_tuned_is_said_first(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="no model 'nowhere'"):
        run_recipe("finetune", monkeypatch, "nowhere", recordings, "--output-dir", tmp_path / "out")
    with pytest.raises(ModelError, match="an4 is an exported model"):
        run_recipe("finetune", monkeypatch, "an4", recordings, "--output-dir", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_of_phones_learns_how_new_words_are_said(
    model: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Pronunciations({"a": [("AH",)], "bad": [("B", "AE", "D")]})
    tokenizer = PhoneTokenizer(known, ["AE", "AH", "B", "D", "EH", "IY", "K", "T"])
    task = CtcTask(CtcTaskConfig(FeatureConfig(n_mels=20), "global", model=SHAPE), len(tokenizer))
    task.normalizer.set_statistics(np.full(20, -8.0), np.full(20, 2.0))
    save_speech_model(task, tokenizer, SpeechConfig(model=SHAPE), tmp_path / "phones")
    quick = [
        "trainer.max_epochs=1",
        "trainer.precision=fp32",
        "trainer.accelerator=cpu",
        "trainer.pictures_every=0",
    ]
    out = tmp_path / "out"
    run_recipe(
        "finetune", monkeypatch, tmp_path / "phones", recordings, "--output-dir", out, *quick
    )
    tuned = load_tokenizer(out / "run" / "model")
    assert tuned.tokens == tokenizer.tokens
    assert tuned.lexicon is not None
    assert {"a", "bad", "cab", "dad", "dab"} == set(tuned.lexicon)
    assert tuned.lexicon["cab"] == (("K", "AE", "B"),)
    assert not (out / "run" / "left_out.tsv").exists()
