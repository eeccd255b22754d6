"""The Mandarin recipe on a corpus of noise: speakers apart, figures, the model that it packs."""

from __future__ import annotations

import runpy
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asr.model_folder import open_bundle
from asr.run_folder import read_metrics
from asr.speech.data.store import FeatureStore
from asr.speech.recognizer import load_model
from recipes import TINY, run_recipe

TEXTS = ("今天天气很好。", "银行在哪里？", "我們去學校。", "「ア」是假名。")
QUICK_LOSS = ("loss.kind=ctc", "loss.pronunciations=first")
SPEAKERS = {"train": ("a", "b"), "dev": ("c" * 20,), "test": ("d",)}


def make_corpus(folder: Path) -> Path:
    rng, rows = np.random.default_rng(0), ["path\tclient_id\tsentence"]
    for speaker in (name for names in SPEAKERS.values() for name in names):
        for number, text in enumerate(TEXTS):
            text = {"a": text, "b": f"{text}他说"}.get(speaker, f"他说{text}")
            soundfile.write(folder / f"{speaker}{number}.wav", rng.uniform(-0.3, 0.3, 32000), 16000)
            rows.append(f"{speaker}{number}.wav\t{speaker}\t{text}")
    table = folder / "table.tsv"
    table.write_text("\n".join(rows) + "\n")
    (folder / "speakers.tsv").write_text(f"speaker\tsplit\n{'c' * 16}\tdev\nd\ttest\n")
    return table


@pytest.mark.parametrize(
    ("units", "inside"), [("initials", "h"), ("syllables", "hang2"), ("characters", "行")]
)
def test_from_a_table_to_a_packed_model(
    units: str,
    inside: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("data_prep.segmentation.LEAST_COUNT", 20_000)  # of words in the dictionary
    table = make_corpus(tmp_path)
    for name, text in (("like.txt", "今天去银行。他说天气很好。"), ("other.txt", "学校里有书。")):
        (tmp_path / name).write_text(text * 2)
    texts = ["--lm-text", tmp_path / "like.txt", tmp_path / "other.txt"]
    corpus = ["--commonvoice", table, "--speakers", tmp_path / "speakers.tsv", *texts]
    out = ["--output-dir", tmp_path / "out", "--units", units]
    run_recipe("mandarin", monkeypatch, *corpus, *out, *TINY, "init_from=null", *QUICK_LOSS)
    printed = capsys.readouterr()
    assert "2 utterances with other scripts: 「ア」是假名。" in printed.err
    parts = ("train", "commonvoice-dev", "commonvoice-test")
    assert [len(FeatureStore.open(tmp_path / "out/data" / part)) for part in parts] == [18, 3, 3]
    assert "我 们 去 学 校" in (tmp_path / "out/data/train/text.txt").read_text().splitlines()
    metrics = read_metrics(tmp_path / "out" / "run")
    assert (
        metrics["commonvoice-test/cer beam+lm"].value
        == metrics["commonvoice-test/wer beam+lm"].value
    )
    model = load_model(tmp_path / "out" / "model")
    assert "银行" in (model.decoders.tokenizer.lexicon or {})
    outputs = open_bundle(tmp_path / "out" / "model").weights()["network.output.weight"]
    assert torch.equal(*(outputs[model.tokens.index(token)] for token in (inside, f"▁{inside}")))
    assert " " not in model.transcribe(tmp_path / "a0.wav").text
    assert {"lm.lmz", "lexicon.txt.gz"} <= {
        path.name for path in (tmp_path / "out/model").iterdir()
    }


def test_aishell_in_its_published_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data_aishell"
    lines = []
    for split, speaker in (("train", "S0002"), ("dev", "S0724"), ("test", "S0764")):
        for number, text in enumerate(("而 对 楼市", "银行 在 哪里")):
            name = f"BAC009{speaker}W012{number}"
            path = root / "wav" / split / speaker / f"{name}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.zeros(16000, np.float32), 16000)
            said = f"{text} 今天" if split == "train" and number else text
            lines.append(f"{name} {said}")
    (root / "transcript").mkdir()
    (root / "transcript" / "aishell_transcript_v0.8.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend("recipes/mandarin")
    recipe = runpy.run_path("recipes/mandarin/run.py")
    corpora = recipe["read_corpora"](Namespace(commonvoice=None, aishell=tmp_path))
    assert {name: len(part) for name, part in corpora.items()} == {
        "train": 1,  # the other is a sentence of dev
        "aishell-dev": 2,
        "aishell-test": 2,
    }
    assert corpora["train"][0].text == "银行在哪里今天"
    assert "1 utterances of held-out sentences" in capsys.readouterr().err
