"""Speech training on a few made-up utterances: what is left out, what is refused, what the run
folder holds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asr.catalogue import train
from asr.cli import main
from asr.errors import ConfigError, DataError, ModelError, TokenError
from asr.features.config import FeatureConfig
from asr.lm import estimate
from asr.lm.arpa import write_arpa
from asr.model_folder import open_bundle
from asr.run_folder import read_metrics
from asr.speech.acoustics.network import CtcModelConfig
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from asr.speech.recognizer import load_model
from asr.speech.training.config import SpeechConfig, SpeechDataConfig, TokenizerConfig
from asr.speech.training.train import build_experiment
from asr.text.pronunciations import Pronunciations
from data_prep.store import write_store

CONFIG = """
task: ctc
data: {train: TRAIN, dev: DEV, max_batch_size: 3}
model: {hidden_dim: 8, num_layers: 2, conv_channels: 4}
trainer: {max_epochs: 2, precision: fp32, threads: 1, accelerator: cpu}
"""

Item = tuple[str, str, np.ndarray[Any, Any]]


def items(*named: tuple[str, str, int]) -> list[Item]:
    rng = np.random.default_rng(0)
    return [
        (name, text, rng.normal(size=(frames, 80)).astype(np.float32))
        for name, text, frames in named
    ]


GOOD = items(("s1-a", "ab ba", 80), ("s1-b", "b a", 60), ("s2-c", "aab", 50), ("s2-d", "b", 9))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_store(tmp_path / "train", FeatureConfig(), GOOD)
    write_store(tmp_path / "dev", FeatureConfig(), GOOD[:2])
    path = tmp_path / "config.yaml"
    path.write_text(
        CONFIG.replace("TRAIN", str(tmp_path / "train")).replace("DEV", str(tmp_path / "dev"))
    )
    return path


def test_run_folder(config: Path, tmp_path: Path) -> None:
    model = train(config, [f"output_dir={tmp_path / 'run'}"])
    run = tmp_path / "run"
    assert model == run / "model"
    names = {"config.yaml", "metrics.json", "log", "checkpoints", "model"}
    assert names <= {p.name for p in run.iterdir()}
    assert read_metrics(run)["dev/wer"].split == "dev"
    bundle = open_bundle(run, task="ctc")
    assert {"model.safetensors", "tokenizer.json", "training.yaml"} <= set(bundle.files)


def test_what_cannot_be_used_is_counted_and_listed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hopeless = items(
        ("s3-short", "a long transcript of a very short sound", 20),
        ("s3-rr", "aaaaa", 24),
        ("s3-none", "  ", 40),
    )
    write_store(tmp_path / "train", FeatureConfig(), [*GOOD, *hopeless])
    train(config, [f"output_dir={tmp_path / 'run'}", "trainer.max_epochs=1"])
    listed = (tmp_path / "run" / "left_out.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in listed] == ["id", "s3-short", "s3-rr", "s3-none"]
    assert "6 output frames, its 5 labels need 9" in listed[2]
    assert "3 of 7 stored utterances are left out" in capsys.readouterr().err


def test_nothing_left_is_an_error(config: Path, tmp_path: Path) -> None:
    write_store(tmp_path / "train", FeatureConfig(), items(("s3-short", "far too much text", 8)))
    with pytest.raises(DataError, match="None of the 1 utterances"):
        train(config, [f"output_dir={tmp_path / 'run'}"])


@pytest.mark.parametrize(
    ("override", "error", "message"),
    [
        ("model.hidden=3", ConfigError, "unknown key model.hidden. Did you mean model.hidden_dim"),
        ("task=dance", ConfigError, "unknown task 'dance'"),
        ("data.train=''", ConfigError, "data.train names no split"),
        ("data.train=nowhere", DataError, "nowhere does not exist"),
        ("output_dir=''", ConfigError, "names no output_dir"),
        ("trainer.accelerator=foo", ConfigError, "cannot train with these settings"),
        ("init_from=nowhere", ModelError, "no model .nowhere"),
    ],
)
def test_bad_configuration(
    config: Path, tmp_path: Path, override: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train(config, [f"output_dir={tmp_path / 'run'}", override])


def test_splits_with_other_features_are_refused(config: Path, tmp_path: Path) -> None:
    write_store(tmp_path / "dev", FeatureConfig(f_max=7000.0), GOOD[:2])
    with pytest.raises(DataError, match="other feature settings"):
        train(config, [f"output_dir={tmp_path / 'run'}"])


def test_fine_tuning_starts_from_the_model(config: Path, tmp_path: Path) -> None:
    model = train(config, [f"output_dir={tmp_path / 'run'}"])
    settings = dataclasses.replace(
        SpeechConfig(),
        data=dataclasses.replace(
            SpeechConfig().data, train=str(tmp_path / "train"), dev=str(tmp_path / "dev")
        ),
        model=dataclasses.replace(
            SpeechConfig().model, hidden_dim=8, num_layers=2, conv_channels=4
        ),
        init_from=str(model),
    )
    task = build_experiment(settings, tmp_path / "tuned").task
    for name, tensor in open_bundle(model).weights().items():
        assert torch.equal(task.state_dict()[name], tensor), name
    told = dataclasses.replace(settings.model, intermediate_layer=1, self_conditioned=True)
    conditioned = build_experiment(
        dataclasses.replace(settings, model=told), tmp_path / "told"
    ).task
    x, lens = torch.randn(1, 60, 80), torch.tensor([60])
    with torch.inference_mode():  # begins as the network without
        torch.testing.assert_close(conditioned.eval()(x, lens)[0], task.eval()(x, lens)[0])
    other = dataclasses.replace(settings, model=dataclasses.replace(settings.model, hidden_dim=6))
    with pytest.raises(ModelError, match="another architecture"):
        build_experiment(other, tmp_path / "tuned")


def test_another_language_keeps_all_but_the_outputs(config: Path, tmp_path: Path) -> None:
    model = train(config, [f"output_dir={tmp_path / 'run'}"])
    Pronunciations({word: [("X",)] for word in ("ab", "ba", "b")}).save(tmp_path / "lexicon")
    settings = dataclasses.replace(
        SpeechConfig(),
        data=SpeechDataConfig(str(tmp_path / "train"), str(tmp_path / "dev")),
        model=CtcModelConfig(hidden_dim=8, num_layers=2, conv_channels=4),
        tokenizer=TokenizerConfig("phones", lexicon=str(tmp_path / "lexicon")),
        init_from=str(model),
        keep_tokenizer=False,
    )
    task = build_experiment(settings, tmp_path / "other").task
    started, trained = task.state_dict(), open_bundle(model).weights()
    assert len(started["network.output.weight"]) == 3
    for name in started.keys() - {"network.output.weight", "network.output.bias"}:
        assert torch.equal(started[name], trained[name]), name


def test_phones_from_training_to_text(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word outside the dictionary is left out and named; the model writes words, with and without
    an n-gram model.
    """
    Pronunciations(
        {
            "ab": [("AH", "B")],
            "ba": [("B", "AA")],
            "b": [("B", "IY")],
            "a": [("AH",)],
            "be": [("B", "IY")],
        }
    ).save(tmp_path / "lexicon.txt")
    model = train(
        config,
        [
            f"output_dir={tmp_path / 'run'}",
            "tokenizer.kind=phones",
            f"tokenizer.lexicon={tmp_path / 'lexicon.txt'}",
        ],
    )
    printed = capsys.readouterr().err
    assert "'aab' in 'aab' is not in the pronouncing dictionary" in printed
    assert " per " in printed  # what decides is the error rate of the phones
    assert read_metrics(tmp_path / "run")["dev/per"].split == "dev"
    assert {"tokenizer.json", "lexicon.txt.gz"} <= set(open_bundle(model).files)
    write_arpa(estimate([["ab ba", "b a", "be ab"]], order=2), tmp_path / "lm.arpa")
    table = evaluate(
        ModelOptions(model, lm=tmp_path / "lm.arpa"),
        [tmp_path / "dev"],
        tmp_path / "scores",
        tune_on=tmp_path / "dev",
        save_to_model=True,
    )
    assert "beam+lm" in table

    (tmp_path / "more.txt").write_text("aab AH B\n")
    noise = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    recognizer = load_model(
        model, {"hotwords": {"aab": 90.0}, "lexicon": str(tmp_path / "more.txt")}
    )
    assert "aab" in recognizer.transcribe(noise, 16000).text.split()
    assert set(load_model(model).transcribe(noise, 16000).text.split()) <= {
        "ab",
        "ba",
        "b",
        "a",
        "be",
    }
    assert [word.word for word in recognizer.align(noise, "Ab, aab!", 16000).words] == [
        "Ab,",
        "aab!",
    ]
    with pytest.raises(TokenError, match="'bab'"):
        recognizer.align(noise, "bab", 16000)
    (tmp_path / "more.txt").write_text("aab EH B\n")
    with pytest.raises(TokenError, match="no phone 'EH'"):
        load_model(model, {"lexicon": str(tmp_path / "more.txt")})
    (tmp_path / "few.txt").write_text("".join(f"{word} B\n" for word in ("aab", "b")))
    few = [
        "tokenizer.kind=phones",
        f"tokenizer.lexicon={tmp_path / 'few.txt'}",
        f"output_dir={tmp_path / 'few'}",
    ]
    with pytest.raises(DataError, match="lacks words of every dev transcript"):
        train(config, few)
    with pytest.raises(ConfigError, match="spells its words"):
        load_model(
            train(config, [f"output_dir={tmp_path / 'letters'}"]),
            {"lexicon": str(tmp_path / "more.txt")},
        )


def test_resumed_run_of_another_architecture_is_refused(config: Path, tmp_path: Path) -> None:
    train(config, [f"output_dir={tmp_path / 'run'}", "trainer.max_epochs=1"])
    with pytest.raises(ModelError, match="another architecture"):
        train(config, [f"output_dir={tmp_path / 'run'}", "model.hidden_dim=6"])


@pytest.fixture
def phones(tmp_path: Path) -> list[str]:
    """Overrides for a training of phones whose dictionary lacks two of the words."""
    (tmp_path / "dict").write_text("ab  AE B\nba  B AA\nb  B IY\nay  EY\n")
    return [
        f"output_dir={tmp_path / 'run'}",
        "tokenizer.kind=phones",
        f"tokenizer.lexicon={tmp_path / 'dict'}",
        "trainer.max_epochs=1",
    ]


def test_words_outside_the_dictionary_are_said_counted_and_listed(
    config: Path, tmp_path: Path, phones: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def say(words: Sequence[str], known: Pronunciations) -> Pronunciations:
        assert list(words) == ["a", "aab"]
        return Pronunciations(
            {"a": [("AA",)], "aab": [("ZH", "AA")]}
        )  # no such phone: the word stays unknown

    model = train(config, phones, pronounce=say)
    assert (
        "1 words of the transcripts are not in the dictionary and are said by letters"
        in capsys.readouterr().err
    )
    assert dict(Pronunciations.load(tmp_path / "run" / "pronounced.txt")) == {"a": (("AA",),)}
    listed = (tmp_path / "run" / "left_out.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in listed] == ["id", "s2-c"]
    assert "The word 'aab'" in listed[1]
    assert "asr lexicon" in listed[1]
    lexicon = load_model(model).decoders.tokenizer.lexicon
    assert lexicon is not None
    assert set(lexicon) == {"ab", "ba", "b", "ay", "a"}


def test_without_rules_such_utterances_are_left_out(
    config: Path, tmp_path: Path, phones: list[str]
) -> None:
    train(config, phones)
    listed = (tmp_path / "run" / "left_out.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in listed] == ["id", "s1-b", "s2-c"]
    assert not (tmp_path / "run" / "pronounced.txt").exists()


def test_the_command_line_says_them_by_their_letters(
    config: Path,
    tmp_path: Path,
    phones: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", str(config), *phones])
    assert ended.value.code == 0
    assert set(Pronunciations.load(tmp_path / "run" / "pronounced.txt")) == {"a", "aab"}
    assert not (tmp_path / "run" / "left_out.tsv").exists()

    # without the model that knows English letters, and with too few words to learn from
    monkeypatch.setattr("data_prep.pronounce.pretrained_folders", dict)
    with pytest.raises(SystemExit):
        main(["train", str(config), *phones, "--fresh"])
    assert "2 words of the transcripts cannot be said" in capsys.readouterr().err
    assert (tmp_path / "run" / "left_out.tsv").exists()
    assert not (tmp_path / "run" / "pronounced.txt").exists()
