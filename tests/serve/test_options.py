"""The options of requests: read by one function, checked, and never without effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from service import wav

import asr
from asr.serve.config import ServeConfig
from asr.serve.errors import BadOption
from asr.serve.options import RECORDING, SPOT, STREAM, RequestOptions, read_options
from asr.serve.variants import KEPT, Variants
from asr.speech.recognizer import Recognizer


@pytest.fixture(scope="module")
def recognizer(streaming_model: Path) -> Recognizer:
    return asr.load_model(streaming_model)


@pytest.mark.parametrize(
    "given",
    ["Kubernetes, nginx = engine x", '{"Kubernetes": "", "nginx": "engine x"}'],
)
def test_new_words_in_every_form(given: str) -> None:
    options = read_options([("new_words", given)], STREAM)
    assert options.new_words == {"Kubernetes": "", "nginx": "engine x"}
    with pytest.raises(BadOption, match="one word"):
        read_options([("new_words", "two words")], STREAM)


@pytest.mark.parametrize(
    "given",
    [
        "call me:4.5, white whale",
        "call me:4.5\nwhite  whale\n",
        '{"call me": 4.5, "white whale": 10}',
        '["call me:4.5", "white whale"]',
        {"call me": 4.5, "white whale": 10.0},
        ["call me:4.5", "white whale"],
    ],
)
def test_hotwords_in_every_form(given: Any) -> None:
    options = read_options([("hotwords", given)], RECORDING)
    assert options.hotwords == {"call me": 4.5, "white whale": 10.0}


def test_text_and_json_mean_the_same() -> None:
    texts = {"n_best": "3", "lm_weight": "0.5", "words": "yes, no", "min_confidence": "0.25"}
    values = {"n_best": 3, "lm_weight": 0.5, "words": ["yes", "no"], "min_confidence": 0.25}
    options = read_options(texts.items(), RECORDING)
    assert options == read_options(values.items(), RECORDING)
    assert options.words == ("yes", "no")
    assert options.decoding == {"lm_alpha": 0.5, "n_best": 3}
    assert read_options([("words", '["yes no"]')], RECORDING).words == ("yes", "no")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_best", "0"),
        ("n_best", "21"),
        ("n_best", "many"),
        ("lm_weight", "nan"),
        ("lm_weight", "-1"),
        ("lm_weight", "inf"),
        ("word_bonus", "1e9"),
        ("min_confidence", "1.5"),
        ("output_format", "docx"),
        ("timestamps", "sentence"),
        ("hotwords", "call me:0"),
        ("hotwords", "call me:1000"),
        ("hotwords", "call me:x"),
        ("hotwords", ":3"),
        ("hotwords", "{"),
        ("hotwords", '{"a": null}'),
        ("hotwords", "[1]"),
        ("hotwords", "x" * 200),
        ("hotwords", ",".join(f"word{n}" for n in range(501))),
        ("words", '["a", 1]'),
        ("words", "a " * 6000),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadOption) as raised:
        read_options([(name, value)], RECORDING)
    assert raised.value.name == name
    assert str(raised.value).startswith(name)
    assert len(str(raised.value)) < 300


def test_no_option_is_ignored() -> None:
    for name, takes, reason in (
        ("hotword", RECORDING, "is not an option"),
        ("silence_s", RECORDING, "has no effect here"),
        ("sample_rate", RECORDING, "has no effect here"),
        ("output_format", STREAM, "has no effect here"),
    ):
        with pytest.raises(BadOption, match=f"{name} {reason}"):
            read_options([(name, "1")], takes)
    with pytest.raises(BadOption, match="n_best is given twice"):
        read_options([("n_best", "2"), ("n_best", "3")], RECORDING)
    assert set(RequestOptions.model_fields) == RECORDING | STREAM | SPOT


def test_each_option_changes_what_is_heard(recognizer: Recognizer) -> None:
    variants, sound = Variants(recognizer, ServeConfig()), wav(3.0)
    plain = recognizer.transcribe(sound)

    def heard(**asked: Any) -> Any:
        return variants.get(read_options(asked.items(), RECORDING)).transcribe(sound)

    assert heard() == plain
    assert heard(hotwords="abba, dead").text != plain.text
    few = sorted({word.word for word in plain.words})[:3]
    assert len(few) == 3
    limited = heard(words=" ".join(few)).text
    assert limited
    assert set(limited.split()) <= set(few)
    assert [len(s.alternatives) for s in heard(n_best=3).segments] == [3]
    least = sorted(word.confidence for word in plain.words)[len(plain.words) // 2]
    kept = plain.confident(least)
    assert 0 < len(kept.words) < len(plain.words)
    assert min(word.confidence for word in kept.words) >= least
    assert kept.text == " ".join(word.word for word in kept.words)
    two = heard(grammar="x = ab | cd\nbad {x}")
    assert {segment.text for segment in two.segments} <= {"bad ab", "bad cd"}
    joined = heard(grammar="x = ab | cd\nbad {x}", grammar_mode="join", n_best=2)
    assert joined.text == heard(n_best=2).text  # no sentence of the grammar is heard
    assert all(segment.slots is None for segment in joined.segments)
    word = joined.segments[0].words[0].word
    within = heard(grammar=f"x = {word}\n{{x}}", grammar_mode="join", n_best=2)
    assert within.text == joined.text
    assert within.segments[0].slots == {"x": word}
    assert within.segments[0].confidence == joined.segments[0].confidence
    refused = (
        ("grammar_mode", "join"),  # there is no grammar
        ("hotwords", "xylophone"),
        ("lm_weight", 0.5),
        ("word_bonus", 3),
        ("new_words", "abba"),  # this model spells its words
        ("grammar", "bad {x}"),
        ("grammar", "/etc/hostname"),  # a text, never a file of the service
    )
    for name, value in refused:
        with pytest.raises(BadOption) as raised:
            heard(**{name: value})
        assert raised.value.name == name


def test_variants_are_kept_and_bounded(recognizer: Recognizer) -> None:
    variants = Variants(recognizer, ServeConfig())
    asked = [read_options([("hotwords", f"dead:{n + 1}")], RECORDING) for n in range(KEPT + 1)]
    first = variants.get(asked[0])
    assert variants.get(asked[0]) is first
    assert variants.get(RequestOptions(min_confidence=0.5)) is recognizer
    for options in asked[1:]:
        variants.get(options)
    assert len(variants._made) == KEPT
    assert variants.get(asked[0]) is not first


def test_the_description_has_every_option() -> None:
    from asr.serve.options import form_schema, query_parameters

    parameters = query_parameters(RECORDING)
    assert {p["name"] for p in parameters} == RECORDING
    assert all(p["description"] and "anyOf" not in p["schema"] for p in parameters)
    form = form_schema(RECORDING, {"file": {}})["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == RECORDING | {"file"}
    assert form["additionalProperties"] is False
    json.dumps([parameters, form])
