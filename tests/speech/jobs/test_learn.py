"""`asr learn` on a little noise: what it keeps of the model, what it learns, what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asr.cli import main
from asr.config import as_dict, read_yaml
from asr.decoding import compile_lm
from asr.errors import DataError, ModelError
from asr.features.config import FeatureConfig
from asr.lm import build_arpa, perplexity
from asr.lm.files import read_model
from asr.model_folder import add_to_bundle, open_bundle
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.data.store import FeatureStore
from asr.speech.jobs.evaluate import evaluate
from asr.speech.jobs.learn import adapt_lm, learn
from asr.speech.jobs.self_training import PseudoLabel, SelfTrainingConfig
from asr.speech.losses.ctc import CtcLossConfig
from asr.speech.recognizer import load_model
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import CharTokenizer, PhoneTokenizer, load_tokenizer
from data_prep.learning import prepare_recordings
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
    loss = CtcLossConfig(kind="ctc_crf", label_order=2, smoothing_weight=0.25)
    save_speech_model(task, tokenizer, SpeechConfig(model=SHAPE, loss=loss), tmp_path / "model")
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


QUICK = ("trainer.precision=fp32", "trainer.accelerator=cpu", "trainer.pictures_every=0")


@pytest.fixture
def any_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every model: whether noise makes one better is chance."""
    monkeypatch.setattr("asr.speech.jobs.learn._refuse_worse", lambda learned: None)


def learned(*arguments: object) -> int:
    """Call `asr learn`; return its exit status."""
    with pytest.raises(SystemExit) as stop:
        main(["learn", *map(str, arguments)])
    return int(stop.value.code or 0)


@pytest.mark.usefixtures("any_result")
def test_the_tuned_model_keeps_everything_but_the_weights(
    model: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, quick = tmp_path / "out", [*QUICK, "trainer.max_epochs=2"]
    assert learned(model, recordings, "-o", out, *quick) == 0
    printed, printed_of_training = capsys.readouterr()
    rows = [line.split()[:2] for line in printed.splitlines() if line.startswith("test")]
    assert rows == [["test", "greedy"], ["test", "beam+lm"]] * 2
    assert "% before, " in printed.splitlines()[-1]
    train = FeatureStore.open(out / "data" / "train")
    assert train.feature_config == FeatureConfig(n_mels=20)
    assert sorted({round(float(s), 1) for s in train.speeds}) == [0.9, 1.0, 1.1]
    assert {len(FeatureStore.open(out / "data" / name)) for name in ("dev", "test")} == {2, 3}
    assert train.texts[0] == train.texts[0].lower()
    chosen = read_yaml(out / "run" / "config.yaml")
    assert (chosen["loss"]["kind"], chosen["loss"]["smoothing_weight"]) == ("ctc_crf", 0.25)
    assert (chosen["data"]["lm"], chosen["data"]["lm_alpha"]) == (str(model / "lm.bin"), 0.25)
    assert "wer_lm" in printed_of_training
    old, new = open_bundle(model), open_bundle(out / "run")
    assert new.config["network"]["model"] == old.config["network"]["model"] == as_dict(SHAPE)
    assert {name: new.config["decoding"][name] for name in DECODING} == DECODING
    assert (new.path / "lm.bin").read_bytes() == (model / "lm.bin").read_bytes()
    weights, tuned = old.weights(), new.weights()
    assert torch.equal(tuned["normalizer.mean"], torch.full((20,), -8.0))
    moved = {name for name in weights if not torch.equal(weights[name], tuned[name])}
    assert "network.output.weight" in moved
    change = (weights["network.output.weight"] - tuned["network.output.weight"]).abs().max()
    assert float(change) < 0.05  # not anew
    assert load_model(out / "run").transcribe(recordings / "00.wav").duration_s == 1.5

    build_arpa([["dab"] * 3], tmp_path / "other.arpa", 2)
    assert learned(model, recordings, "-o", out, "--lm", tmp_path / "other.arpa", *quick) == 0
    lm = (out / "run" / "model" / "lm.bin").read_bytes()
    assert lm == (out / "lm.bin").read_bytes()
    assert lm != (model / "lm.bin").read_bytes()


def test_the_recipe_is_the_verb(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="1"):
        run_recipe("finetune", monkeypatch, "nowhere", recordings, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_learn_is_said_first(
    recordings: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert learned("nowhere", recordings, "-o", out) == 1
    assert "no model 'nowhere'" in capsys.readouterr().err
    assert learned("an4", recordings, "-o", out) == 1
    assert "an4 is an exported model" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(DataError, match="has no part train"):
        learn(model, tmp_path, out)


def test_a_table_of_corrections_leaves_out_what_has_no_text(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{n:02}.wav\t{'' if n < 3 else TEXTS[n % len(TEXTS)]}\n" for n in range(15)]
    table = recordings / "corrected.tsv"
    table.write_text("path\ttext\n" + "".join(rows), encoding="utf-8")
    options = {"normalizer": "librispeech", "dev_share": 0.2, "test_share": 0.2}
    data = prepare_recordings(table, tmp_path / "data", FeatureConfig(n_mels=20), **options)
    assert "3 recordings without text are left out" in capsys.readouterr().err
    held_out = sum(len(FeatureStore.open(data / name)) for name in ("dev", "test"))
    assert held_out + len(FeatureStore.open(data / "train")) / 3 == 12  # train at three speeds
    table.write_text("path\ttext\n" + "".join(rows[:5]), encoding="utf-8")
    with pytest.raises(DataError, match="is left for"):
        prepare_recordings(table, tmp_path / "few", FeatureConfig(n_mels=20), **options)


def test_a_worse_model_is_refused_and_put_aside(
    model: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hypotheses before are made right, so that any model is worse."""
    out = tmp_path / "out"

    def perfect_before(options: object, splits: list[Path], folder: Path) -> str:
        table = evaluate(options, splits, folder)  # type: ignore[arg-type]
        references = folder / "test" / "references.tsv"
        if folder.name == "before":
            references.with_name("hypotheses.tsv").write_bytes(references.read_bytes())
        return table

    monkeypatch.setattr("asr.speech.jobs.learn.evaluate", perfect_before)
    options = {"normalizer": "librispeech", "dev_share": 0.1, "test_share": 0.2}
    data = prepare_recordings(recordings, out / "data", FeatureConfig(n_mels=20), **options)
    with pytest.raises(ModelError, match="worse on the held-out part: WER 0.00 % before"):
        learn(model, data, out, overrides=[*QUICK, "trainer.max_epochs=1"])
    assert not (out / "run" / "model").exists()
    assert open_bundle(out / "run" / "worse")


def test_the_language_model_takes_what_helps(tmp_path: Path) -> None:
    for name, lines in (("train", ["dab a cab"] * 20), ("dev", ["dab a cab"] * 3)):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    build_arpa([["a bad cab", "a dad"] * 3], tmp_path / "own.arpa", 2)
    texts = (tmp_path / "train.txt", tmp_path / "dev.txt")
    adapted = adapt_lm(tmp_path / "own.arpa", *texts, tmp_path)
    before, after = (perplexity(read_model(p), texts[1]) for p in (tmp_path / "own.arpa", adapted))
    assert after.with_oov < 0.5 * before.with_oov
    assert "dab" in read_model(adapted).words
    (tmp_path / "dev.txt").write_text("a dad\n" * 3, encoding="utf-8")
    assert adapt_lm(tmp_path / "own.arpa", *texts, tmp_path) == tmp_path / "own.arpa"


@pytest.mark.usefixtures("any_result")
def test_a_model_of_phones_learns_how_new_words_are_said(recordings: Path, tmp_path: Path) -> None:
    known = Pronunciations({"a": [("AH",)], "bad": [("B", "AE", "D")]})
    tokenizer = PhoneTokenizer(known, ["AE", "AH", "B", "D", "EH", "IY", "K", "T"])
    task = CtcTask(CtcTaskConfig(FeatureConfig(n_mels=20), "global", model=SHAPE), len(tokenizer))
    task.normalizer.set_statistics(np.full(20, -8.0), np.full(20, 2.0))
    save_speech_model(task, tokenizer, SpeechConfig(model=SHAPE), tmp_path / "phones")
    out = tmp_path / "out"
    assert learned(tmp_path / "phones", recordings, "-o", out, *QUICK, "trainer.max_epochs=1") == 0
    tuned = load_tokenizer(out / "run" / "model")
    assert tuned.tokens == tokenizer.tokens
    assert tuned.lexicon is not None
    assert {"a", "bad", "cab", "dad", "dab"} == set(tuned.lexicon)
    assert tuned.lexicon["cab"] == (("K", "AE", "B"),)
    assert not (out / "run" / "left_out.tsv").exists()

    build_arpa([["a bee dab"] * 3], tmp_path / "more.arpa", 2)
    more = ["--lm", tmp_path / "more.arpa", "-o", tmp_path / "more"]
    quick = [*QUICK, "trainer.max_epochs=1"]
    assert learned(tmp_path / "phones", recordings, *more, *quick) == 0
    told = load_tokenizer(tmp_path / "more" / "run" / "model")
    assert told.lexicon is not None
    assert {"a", "bad", "cab", "dad", "dab", "bee"} == set(told.lexicon)


@pytest.mark.usefixtures("any_result")
def test_speech_without_text_is_learned_from_too(
    model: Path,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more, out = tmp_path / "more", tmp_path / "out"
    more.mkdir()
    rng = np.random.default_rng(1)
    for number in range(3):
        soundfile.write(more / f"{number}.wav", rng.uniform(-0.3, 0.3, 24000), 16000)
    believed = SelfTrainingConfig(rounds=1, min_confidence=0.0, max_disagreement=9.0)

    def teachers(recognizer: object, split: Path, config: SelfTrainingConfig) -> list[PseudoLabel]:
        assert config == believed
        names = FeatureStore.open(split).ids
        return [PseudoLabel(name, "dab", 0.9) for name in names if "-sp" not in name]

    monkeypatch.setattr("asr.speech.jobs.self_training.pseudo_labels", teachers)
    options = ["--untranscribed", more, "--rounds", 1, "--min-confidence", 0]
    quick = [*QUICK, "trainer.max_epochs=1"]
    assert learned(model, recordings, "-o", out, *options, "--max-disagreement", 9, *quick) == 0
    printed = capsys.readouterr()
    assert "% before, " in printed.out.splitlines()[-1]
    assert "round 1: 3 of 3 utterances without text are learned from" in printed.err
    assert "dab" in (out / "rounds" / "1" / "data" / "text.txt").read_text().splitlines()
    assert open_bundle(out / "run").config["decoding"]["lm_alpha"] == DECODING["lm_alpha"]
    assert learned(model, recordings, "-o", out, "--rounds", 2) == 2
    assert "--untranscribed" in capsys.readouterr().err
