"""The LibriSpeech recipe on a corpus of noise: which parts it takes, what its language model reads,
what it prints.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from asr.config import load_config
from asr.errors import DataError, TokenError
from asr.lm import read_arpa
from asr.speech.recognizer import load_model
from asr.speech.training.config import SpeechConfig
from recipes import RECIPES, TEXTS, TINY, load_recipe, make_librispeech_part, run_recipe


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for speaker, part in enumerate(
        ("train-clean-5", "train-more", "dev-clean-2", "dev-clean", "train-clean-100")
    ):
        make_librispeech_part(tmp_path / "corpus", part, speaker + 1)
    return tmp_path / "corpus"


def test_parts_texts_and_figures(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "novels.txt").write_text("Hello, world -- hello AGAIN!\nin 2 worlds\n" * 3)
    (tmp_path / "cmudict").write_text("WORLD  W ER1 L D\nHELLO  HH AH0 L OW1\n")
    out = tmp_path / "out"
    parts = [
        "--train",
        "train-clean-5,train-more",
        "--dev",
        "dev-clean-2,dev-clean",
        "--test",
        "train-clean-100",
    ]
    run_recipe(
        "librispeech",
        monkeypatch,
        corpus,
        *parts,
        "--lm-text",
        tmp_path / "novels.txt",
        "--output-dir",
        out,
        "--dictionary",
        tmp_path / "cmudict",
        *TINY,
    )
    table = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]]
    splits = ["dev-clean-2", "dev-clean", "train-clean-100"]
    assert table == [[split, decoder] for split in splits for decoder in ("greedy", "beam+lm")]
    data = out / "data-mini"
    assert (data / "train" / "text.txt").read_text().splitlines() == [
        text.lower() for text in TEXTS
    ] * 2
    speeds = {
        name: json.loads((data / name / "features" / "meta.json").read_text())["speeds"]
        for name in ("train", *splits)
    }
    assert speeds == {name: [1.0] for name in speeds}  # training perturbs recordings anew
    lm = read_arpa(data / "lm-4.arpa")
    assert set(lm.words[3:]) == {"hello", "world", "again", "in", "two", "worlds"}
    metrics = json.loads((out / "mini-seed1" / "metrics.json").read_text())
    assert {f"{split}/wer {d}" for split in splits for d in ("greedy", "beam+lm")} <= metrics.keys()
    assert any(p.name.startswith("lm.") for p in (out / "mini-seed1" / "model").iterdir())
    model = load_model(out / "mini-seed1")
    assert model.decoders.tokenizer.lexicon is not None
    assert set(model.decoders.tokenizer.lexicon) == {
        *lm.words[3:],
        *" ".join(TEXTS).lower().split(),
    }
    assert model.decoders.tokenizer.lexicon["hello"] == (("HH", "AH", "L", "OW"),)
    assert (model.decoding.beam_size, model.decoding.beam_threshold) == (1500, 14.0)

    made = (data / "lm-4.arpa").stat().st_mtime_ns
    recipe = load_recipe("librispeech")
    assert (
        recipe.build_lm([tmp_path / "novels.txt"], data, 4, recipe.SIZES["mini"])
        == data / "lm-4.arpa"
    )
    assert (
        data / "lm-4.arpa"
    ).stat().st_mtime_ns == made  # it is not made twice from the same text
    (tmp_path / "novels.txt").write_text("a word\n" * 4)
    recipe.build_lm([tmp_path / "novels.txt"], data, 4, recipe.SIZES["mini"])
    assert set(read_arpa(data / "lm-4.arpa").words[3:]) == {"a", "word"}


def test_published_names_and_text_by_default(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with gzip.open(corpus / "librispeech-lm-norm.txt.gz", "wt") as file:
        file.write("HELLO WORLD AGAIN\n" * 3)
    chars = ["tokenizer.kind=characters", "optimizer.average_decay=0"]
    options = ["--size", "100", "--lm-order", "2", "--output-dir", tmp_path / "out"]
    run_recipe("librispeech", monkeypatch, corpus, *options, *TINY, *chars)
    captured = capsys.readouterr()
    assert "therefore not evaluated: dev-other" in captured.err
    assert "therefore not evaluated: test-clean, test-other" in captured.err
    assert [line.split()[0] for line in captured.out.splitlines()[1:]] == ["dev-clean"] * 2
    assert set(read_arpa(tmp_path / "out" / "data-100" / "lm-2.arpa").words[3:]) == {
        "hello",
        "world",
        "again",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--lm-text", "transcripts", "--train", "train-clean-5,train-none"],
            "no part train-none; it has dev-clean",
        ),
        (["--lm-text", "transcripts", "--test", "test-clean"], "no part test-clean"),
        (["--lm-text", "transcripts", "--size", "960"], "no part train-clean-360, train-other-500"),
        (["--lm-text", "transcripts", "--dev", ","], "--dev names no part"),
        (["--lm-text", "nowhere.txt"], "no text nowhere.txt"),
        (
            ["--lm-text", "transcripts", "--dictionary", "nowhere"],
            "There is no file nowhere",
        ),
        ([], r"no text for the language model.*--download librispeech-lm-norm\.txt\.gz"),
    ],
)
def test_what_is_missing_is_said_before_the_work(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    with pytest.raises((DataError, TokenError), match=said):
        run_recipe("librispeech", monkeypatch, corpus, *arguments, "--output-dir", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["mini", "100", "960"])
def test_configurations_are_read(size: str) -> None:
    assert load_config(SpeechConfig, RECIPES / "librispeech" / f"{size}.yaml").model.num_layers == 5
