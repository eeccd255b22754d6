"""Translator: a tiny language learned through the public API, what is saved, and every kind of bad
input.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import asr
from asr.catalogue import train
from asr.errors import ConfigError, DataError, ModelError
from asr.language.translation.translator import Translator

NOUNS = {"hund": "dog", "katze": "cat", "mann": "man", "frau": "woman"}
VERBS = {"sieht": "sees", "ruft": "calls", "malt": "paints"}
GERMAN = [f"{a} {v} {b}." for a, v, b in itertools.product(NOUNS, VERBS, NOUNS)]
ENGLISH = [
    f"the {NOUNS[a]} {VERBS[v]} the {NOUNS[b]}."
    for a, v, b in itertools.product(NOUNS, VERBS, NOUNS)
]
SMALL = {
    "vocab_size": 80,
    "embedding_dim": 32,
    "encoder_dim": 32,
    "decoder_dim": 32,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def model() -> Translator:
    return Translator(max_epochs=16, **SMALL).fit(GERMAN * 2, ENGLISH * 2, dev=(GERMAN, ENGLISH))


def test_it_learns_and_is_public(model: Translator) -> None:
    assert asr.Translator is Translator
    assert model.predict(GERMAN[::5]) == ENGLISH[::5]
    assert model.score(GERMAN[::5], ENGLISH[::5]) == pytest.approx(1)
    assert model.evaluate(GERMAN[::5], ENGLISH[::5]).bleu == pytest.approx(100)
    assert "case:lc" in model.evaluate(GERMAN[:2], ENGLISH[:2], lowercase=True).signature


def test_a_saved_model_is_the_same_model(model: Translator, tmp_path: Path) -> None:
    loaded = Translator.load(model.save(tmp_path / "model"))
    assert [[(t.text, t.score) for t in one] for one in loaded.predict_nbest(GERMAN[:4], 3)] == [
        [(t.text, pytest.approx(t.score, abs=1e-5)) for t in one]
        for one in model.predict_nbest(GERMAN[:4], 3)
    ]
    assert json.loads((tmp_path / "model" / "bundle.json").read_text())["format"] == 1
    (tmp_path / "model" / "subwords.model").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"subwords\.model"):
        Translator.load(tmp_path / "model")


def test_order_and_company_change_nothing(model: Translator) -> None:
    texts = [GERMAN[0], GERMAN[7] + " " + GERMAN[3], "", GERMAN[20]]
    assert model.predict(texts) == [model.predict([text])[0] for text in texts]
    best = model.predict_nbest(texts[:1], 5)[0]
    assert [t.score for t in best] == sorted((t.score for t in best), reverse=True)


def test_the_same_seed_gives_the_same_model() -> None:
    one, other = (Translator(max_epochs=2, **SMALL).fit(GERMAN, ENGLISH) for _ in range(2))
    assert [t[0].score for t in one.predict_nbest(GERMAN[:5], 1)] == [
        t[0].score for t in other.predict_nbest(GERMAN[:5], 1)
    ]


def test_variants_train() -> None:
    settings = {
        **SMALL,
        "attention": "additive",
        "self_attention": True,
        "scheduled_sampling": 0.5,
        "decoder_layers": 2,
    }
    model = Translator(max_epochs=2, lowercase=True, **settings).fit(
        GERMAN, [e.upper() for e in ENGLISH]
    )
    assert all(text == text.lower() for text in model.predict(GERMAN[:3]))


def test_attention_rows_are_distributions(model: Translator) -> None:
    attended = model.attention_map(GERMAN[5], ENGLISH[5])
    assert attended.weights.shape == (len(attended.target), len(attended.source))
    np.testing.assert_allclose(attended.weights.sum(1), 1, atol=1e-5)
    assert "".join(attended.target[:-1]).replace("▁", " ").strip() == ENGLISH[5]
    assert model.attention_map(GERMAN[5]).target == attended.target
    assert attended.plot().axes
    with pytest.raises(DataError, match="no target with"):
        model.attention_map(GERMAN[5], "hund")


def test_time_limit_ends_the_training() -> None:
    model = Translator(max_epochs=100_000, time_limit_s=1.0, **SMALL).fit(GERMAN, ENGLISH)
    assert len(model.predict(GERMAN[:2])) == 2


def test_pairs_without_text_are_left_out_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    Translator(max_epochs=1, **SMALL).fit(
        [*GERMAN, "", "hund", "x " * 300], [*ENGLISH, "dog", " ", "y"]
    )
    said = capsys.readouterr().err
    assert "3 of" in said
    assert "empty source" in said
    assert "empty target" in said
    assert "more than data.max_length=200" in said


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (["a", "b"], ["c"], "2 source texts cannot be paired with 1"),
        ("a b", ["c"], "sources is one text"),
        (["a", None], ["b", "c"], r"sources\[1\] is None"),
        (["a", "b"], ["c", 3.5], r"targets\[1\] is 3.5"),
        (7, ["c"], "sources is int"),
        ([], [], "Of 0 pairs"),
        (["", "a"], ["x", ""], "Of 2 pairs 0 have text"),
    ],
)
def test_what_cannot_be_paired_is_refused(sources: object, targets: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Translator(**SMALL).fit(sources, targets)  # type: ignore[arg-type]


def test_settings_out_of_range_are_refused() -> None:
    for settings, message in [
        ({"time_limit_s": 0}, "time_limit_s"),
        ({"validation_share": 1.5}, "validation_share"),
        ({"dropout": 2}, "model.dropout"),
        ({"attention": "cosine"}, "model.attention"),
        ({"beam_size": 0}, "search.beam_size"),
    ]:
        with pytest.raises(ConfigError, match=message):
            Translator(**{**SMALL, **settings}).fit(GERMAN, ENGLISH)
    with pytest.raises(ConfigError, match="no argument beams"):
        Translator().set_params(beams=3)
    with pytest.raises(ModelError, match="not fitted"):
        Translator().predict(["a"])


def test_empty_text_has_an_empty_translation(model: Translator) -> None:
    assert model.predict(["", "  \n", GERMAN[0]]) == ["", "", ENGLISH[0]]
    assert model.predict([]) == []


def test_ten_thousand_words_are_translated_in_parts(model: Translator) -> None:
    model.set_params(beam_size=2)
    text = " ".join(itertools.islice(itertools.cycle(GERMAN), 10_000 // 3))
    words = model.predict([text])[0].split()
    model.set_params(beam_size=5)
    assert len(words) > 10_000
    assert " ".join(words).startswith(ENGLISH[0])


def test_one_word_of_many_letters(model: Translator) -> None:
    assert isinstance(model.predict(["hund" * 500])[0], str)


def test_another_script_is_said_aloud(model: Translator) -> None:
    with pytest.warns(
        UserWarning, match=r"2 of 3 texts hold characters.*the first is text 1: '犬が猫を見る'"
    ):
        texts = model.predict([GERMAN[0], "犬が猫を見る", "Собака видит кошку"])
    assert texts[0] == ENGLISH[0]
    assert len(texts) == 3


def test_asr_train_makes_a_run_folder(tmp_path: Path) -> None:
    for name, lines in {"a.de": GERMAN, "a.en": ENGLISH}.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = tmp_path / "config.yaml"
    config.write_text(
        "task: translate\ntokenizer: {vocab_size: 80}\n"
        "model: {embedding_dim: 16, encoder_dim: 16, decoder_dim: 16}\n"
        "trainer: {max_epochs: 1, precision: fp32, threads: 1, accelerator: cpu}\n"
    )
    sides = [
        f"data.{part}_{side}={tmp_path / name}"
        for part in ("train", "dev")
        for side, name in (("source", "a.de"), ("target", "a.en"))
    ]
    folder = train(config, [*sides, f"output_dir={tmp_path / 'run'}"])
    assert {"dev/bleu", "dev/loss", "dev/bleu_gap"} <= set(
        json.loads((tmp_path / "run" / "metrics.json").read_text())
    )
    assert Translator.load(folder).predict([""]) == [""]
    (tmp_path / "a.en").write_text("one line\n")
    with pytest.raises(DataError, match="48 lines.*has 1"):
        train(config, [*sides, f"output_dir={tmp_path / 'other'}"])
    with pytest.raises(ConfigError, match=r"data\.train_source"):
        train(config, [f"output_dir={tmp_path / 'other'}"])
    (tmp_path / "a.de").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        train(config, [*sides, f"output_dir={tmp_path / 'other'}"])
