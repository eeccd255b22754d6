"""The English recipe on two corpora of noise: dictionary, language model, figures, and the model
that it packs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import DataError
from asr.lm import read_model
from asr.speech.recognizer import load_model
from recipes import TEXTS, TINY, load_recipe, make_librispeech_part, run_recipe


def test_from_corpora_to_a_packed_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for speaker, part in enumerate(("train-clean-5", "dev-clean"), 1):
        make_librispeech_part(tmp_path / "corpus", part, speaker)
    said_elsewhere = "This is read aloud in a test set that nobody trained on. It says nothing new."
    (tmp_path / "test.txt").write_text(said_elsewhere.upper() + "\n")
    (tmp_path / "novels.txt").write_text(
        "Hello, world -- hello AGAIN!\nDr. Two in two worlds. It was 1886.\n" * 3
    )
    far = "Unread words follow.\n" * 20_000 + "Far away.\n" * 99_999
    (tmp_path / "read.txt").write_text(f"{said_elsewhere}\n{far}")
    (tmp_path / "talk.txt").write_text("well hello\nso the world\n")
    (tmp_path / "cmudict").write_text(
        "WORLD  W ER1 L D\nHELLO  HH AH0 L OW1\nHELLO(2)  HH EH0 L OW1\nYES  Y EH1 S\n"
    )
    out = tmp_path / "out"
    texts = [
        "--lm-text",
        tmp_path / "novels.txt",
        tmp_path / "read.txt",
        "--lm-other",
        tmp_path / "talk.txt",
    ]
    texts += [
        "--lm-held-out",
        tmp_path / "test.txt",
        "--dictionary",
        tmp_path / "cmudict",
        "--lm-ngrams",
        300,
    ]
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
    lexicon = model.decoders.tokenizer.lexicon
    assert lexicon is not None
    assert {"hello", "world", "again", "in", "two", "worlds", "a", "word's", "worth"} <= set(
        lexicon
    )
    assert {"well", "doctor", "far"} <= set(lexicon)
    assert not {"aloud", "unread", "dr"} & set(
        lexicon
    )  # held-out speech, what stands near it, and no way to say it
    lm = read_model(out / "model" / "lm.lmz")
    assert set(lm.words[3:]) <= set(lexicon)
    assert sum(lm.counts) <= max(300, lm.counts[0])
    assert sum(read_model(out / "lm" / "full.lmz").counts) > sum(lm.counts)
    assert {"q", "oh", "february", "nineteen", "thousand"} <= set(
        lexicon
    )  # of dictated numbers and letters
    assert "yes" not in lexicon  # of the dictionary, but of no text
    assert lexicon["hello"] == (("HH", "AH", "L", "OW"), ("HH", "EH", "L", "OW"))
    assert lexicon["two"] == (("T", "UW"),)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 20000)
    assert set(model.transcribe(noise, 16000).text.split()) <= set(lexicon)
    assert len(model.align(noise, TEXTS[0].lower(), 16000).words) == 2


def test_what_is_held_out_or_wrong_is_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for speaker, part in enumerate(("train-clean-5", "dev-clean"), 1):
        make_librispeech_part(tmp_path / "corpus", part, speaker)
    soundfile.write(tmp_path / "a.wav", np.full(2000, 0.1), 16000)
    rows = [
        "anna\tThis one is held out.\ttrain",
        "bert\tthis one, is held OUT\tdev",
        "anna\twrong\ttrain",
        "\tgood\ttrain",
    ]
    table = tmp_path / "table.tsv"
    table.write_text(
        "path\tid\tspeaker\ttext\tsplit\n"
        + "".join(f"a.wav\tu{i}\t{row}\n" for i, row in enumerate(rows))
    )
    excluded = tmp_path / "excluded.tsv"
    excluded.write_text("id\terror_rate\nmore-u2\t0.9\n")
    line = [
        "run.py",
        "--librispeech",
        tmp_path / "corpus",
        "--table",
        f"more={table}",
        "--excluded",
        excluded,
        "--lm-text",
        table,
    ]
    monkeypatch.setattr(sys, "argv", list(map(str, line)))
    recipe = load_recipe("english")
    splits = recipe.read_corpora(recipe.parse_arguments())
    assert {name: [u.id for u in split] for name, split in splits.items()} == {
        "train": [*(f"librispeech-1-1-{i:04}" for i in range(3)), "more-u3"],
        "librispeech-dev-clean": [f"2-1-{i:04}" for i in range(3)],
        "more-dev": ["u1"],
    }
    assert splits["train"][-1].speaker == ""
    assert "1 utterances of held-out sentences, 1 of" in capsys.readouterr().err
    table.write_text(table.read_text().replace("bert", "anna"))
    with pytest.raises(
        DataError, match="1 speakers of the training are in more-dev too, such as more-anna"
    ):
        recipe.read_corpora(recipe.parse_arguments())
