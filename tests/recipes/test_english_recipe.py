"""The English recipe on two corpora of noise: dictionary, language model, figures, and the model
that it packs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.speech.recognizer import load_model
from recipes import TEXTS, TINY, make_librispeech_part, run_recipe


def test_from_corpora_to_a_packed_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for speaker, part in enumerate(("train-clean-5", "dev-clean"), 1):
        make_librispeech_part(tmp_path / "corpus", part, speaker)
    (tmp_path / "novels.txt").write_text("Hello, world -- hello AGAIN!\nin 2 worlds\n" * 3)
    (tmp_path / "cmudict").write_text(
        "WORLD  W ER1 L D\nHELLO  HH AH0 L OW1\nHELLO(2)  HH EH0 L OW1\nYES  Y EH1 S\n"
    )
    out = tmp_path / "out"
    texts = ["--lm-text", tmp_path / "novels.txt", "--dictionary", tmp_path / "cmudict"]
    # The phones of so small a dictionary are ARPAbet's all the same, so eSpeak NG says the words
    # that it lacks.
    run_recipe(
        "english",
        monkeypatch,
        "--librispeech",
        tmp_path / "corpus",
        *texts,
        "--output-dir",
        out,
        *TINY,
    )
    table = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert table == [["librispeech-dev-clean", decoder] for decoder in ("greedy", "beam+lm")]
    model = load_model(out / "model")
    lexicon = model.tokenizer.lexicon
    assert lexicon is not None
    assert {"hello", "world", "again", "in", "two", "worlds", "a", "word's", "worth"} <= set(
        lexicon
    )
    assert {"q", "oh", "february", "nineteen", "thousand"} <= set(
        lexicon
    )  # of dictated numbers and letters
    assert "yes" not in lexicon  # of the dictionary, but of no text
    assert lexicon["hello"] == (("HH", "AH", "L", "OW"), ("HH", "EH", "L", "OW"))
    assert lexicon["two"] == (("T", "UW"),)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 20000)
    assert set(model.transcribe(noise, 16000).text.split()) <= set(lexicon)
    assert len(model.align(noise, TEXTS[0].lower(), 16000).words) == 2
