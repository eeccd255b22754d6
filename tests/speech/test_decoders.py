"""From stored settings to decoders: methods, words, hotwords, and a second pass."""

from __future__ import annotations

import re
from dataclasses import asdict, fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from asr.cli import app
from asr.decoding import BeamDecoder, GreedyDecoder, Settings
from asr.decoding.rescoring import N_BEST
from asr.errors import ConfigError, ModelError
from asr.language.modelling.model import FittedLanguageModel, load_scorer
from asr.language.modelling.network import LanguageModelConfig, LanguageModelTask
from asr.language.subwords import Subwords
from asr.lm import estimate
from asr.lm.arpa import write_arpa
from asr.speech.decoders import DecoderFactory, DecodingConfig
from asr.speech.jobs.evaluate import Emissions, tune_second_pass
from asr.speech.recognizer import load_model
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import CharTokenizer, PhoneTokenizer
from data_prep.espeak import speak

TOKENS = ["<blank>", "▁a", "▁b"]


DECODERS = DecoderFactory(SimpleNamespace(tokens=TOKENS, lexicon=None))  # type: ignore[arg-type]
LOG_PROBS = np.log(np.array([[0.1, 0.6, 0.3], [0.9, 0.05, 0.05]]))


@pytest.fixture
def language_model(tmp_path):
    """An untrained model that was told to expect b."""
    pieces = Subwords.train(["a b", "b a"] * 9, 8)
    task = LanguageModelTask(LanguageModelConfig(dim=4, hidden_dim=4), len(pieces))
    with torch.no_grad():
        task.output_bias[pieces.encode("b")] = 8.0
    return FittedLanguageModel(task, pieces).save(tmp_path / "lm")


def test_the_weight_is_tuned_on_dev_or_given(language_model, capsys):
    dev = Emissions(("1", "2"), ("b", "b"), ("s", "s"), (LOG_PROBS, LOG_PROBS))
    config = DecodingConfig(beam_size=8)
    tuned = tune_second_pass(DECODERS, dev, config, rescorer=language_model, weight=None)
    assert tuned.rescore_weight > 0
    assert DECODERS.make(tuned)([LOG_PROBS])[0][0].text == "b"
    assert "instead of 100.00 %" in capsys.readouterr().err
    given = tune_second_pass(DECODERS, None, config, rescorer=language_model, weight=0.25)
    assert given.rescore_weight == 0.25
    with pytest.raises(ConfigError, match="weight of the second pass"):
        tune_second_pass(DECODERS, None, config, rescorer=language_model, weight=None)


def test_a_search_is_re_ranked_whole_or_as_a_stream(language_model):
    for weight, text in ((0.0, "a"), (0.5, "b")):
        config = DecodingConfig(
            beam_size=8, n_best=2, rescorer=str(language_model), rescore_weight=weight
        )
        decoder = DECODERS.make(config)
        whole = decoder([LOG_PROBS])[0]
        assert [whole[0].text, len(whole)] == [text, 2]
        stream = decoder.stream()
        assert stream.push(LOG_PROBS[:1]).text == "a"  # what is shown meanwhile is the search's
        assert stream.push(LOG_PROBS[1:]).text == "a"
        assert stream.finish() == whole


def test_a_folder_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ModelError):
        DECODERS.make(DecodingConfig(rescorer=str(tmp_path)))


def test_transcribing_with_a_second_pass(language_model, tmp_path):
    """Oracle: the first pass's own readings, their scores added up by hand."""
    speech = speak("the old man went to the river", speed_wpm=200)
    audio = tmp_path / "river.wav"
    soundfile.write(audio, speech.samples, speech.sample_rate)
    first = load_model("en", {"n_best": N_BEST}).transcribe(audio).segments[0].alternatives
    scores = load_scorer(language_model)([reading.text for reading in first])
    best = max(zip(first, scores, strict=True), key=lambda pair: pair[0].score + 3 * pair[1])[0]
    assert best.text != first[0].text  # the second pass has an opinion
    run = [
        "transcribe",
        str(audio),
        "--rescore",
        str(language_model),
        "--rescore-weight",
        "3",
        "--threads",
        "1",
        "--no-punctuation",
    ]
    result = CliRunner().invoke(app, run)
    assert (result.exit_code, result.stdout.strip()) == (0, best.text)
    refused = CliRunner().invoke(app, [*run, "--decoding-method", "greedy"])
    assert refused.exit_code == 1
    assert "second pass" in str(refused.exception)


def pieces(*tokens: str) -> SimpleNamespace:
    return SimpleNamespace(tokens=["<blank>", *tokens], lexicon=None)


def test_auto_is_the_beam_where_it_is_needed(tmp_path):
    write_arpa(estimate([["a b"]], order=1), tmp_path / "lm.arpa")
    plain, with_lm = DECODERS, replace(DECODERS, lm=tmp_path / "lm.arpa")
    configs = [DecodingConfig(), DecodingConfig(n_best=2), DecodingConfig(method="greedy")]
    kinds = [[type(factory.make(c)) for c in configs] for factory in (plain, with_lm)]
    assert kinds == [
        [GreedyDecoder, BeamDecoder, GreedyDecoder],
        [BeamDecoder, BeamDecoder, GreedyDecoder],
    ]


def test_the_search_takes_the_settings_whole():
    config = DecodingConfig(method="beam", beam_size=7, lm_beta=0.25, merge="max", n_best=3)
    settings = DECODERS.beam(config).settings
    assert {f.name: getattr(settings, f.name) for f in fields(Settings)} == {
        **asdict(Settings()),
        "beam_size": 7,
        "lm_beta": 0.25,
        "merge": "max",
        "n_best": 3,
    }


def test_hotwords_are_written_in_the_letters_of_the_model():
    capitals = DecoderFactory(pieces("▁", "A", "B"))
    hot = capitals.beam(DecodingConfig(hotwords={"ab": 2.0})).hotwords
    assert hot == {"AB": 2.0}


def test_hotwords_are_let_into_a_closed_vocabulary(tmp_path):
    write_arpa(estimate([["a b"]], order=1), tmp_path / "lm.arpa")
    factory = DecoderFactory(pieces("▁", "a", "b"), lm=tmp_path / "lm.arpa")
    spoken = np.log(np.full((4, 4), 0.02))
    spoken[[0, 1, 2, 3], [2, 3, 2, 0]] = np.log(0.94)  # aba
    closed = DecodingConfig(open_vocabulary=False)
    assert factory.beam(closed)(spoken)[0].text != "aba"
    assert factory.beam(replace(closed, hotwords={"aba": 50.0}))(spoken)[0].text == "aba"


def test_a_lexicon_needs_phones(tmp_path):
    with pytest.raises(ConfigError, match="spells its words"):
        DECODERS.with_lexicon(tmp_path / "none.txt")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"beam_size": 0}, "decoding.beam_size is 0"),
        ({"n_best": 0}, "decoding.n_best is 0"),
        ({"lm_alpha": -1.0}, "decoding.lm_alpha is -1"),
        ({"merge": "mean"}, "decoding.merge is 'mean'"),
        ({"method": "fast"}, "Unknown decoding method 'fast'"),
        ({"rescore_weight": -0.5}, "decoding.rescore_weight"),
        ({"hotwords": {"a": 1e6}}, "hotwords"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        DecodingConfig(**wrong)


SAID = {"a": [("AH",)], "tee": [("T", "IY")], "tea": [("T", "IY")], "at": [("AH", "T")]}


def emissions(tokens: list[str], spoken: list[int]) -> np.ndarray:
    """Log-probabilities in which each of these tokens is likely for a frame, then the blank."""
    probs = np.full((2 * len(spoken), len(tokens)), 0.3 / len(tokens))
    for place, token in enumerate(spoken):
        probs[2 * place, token], probs[2 * place + 1, 0] = 0.7, 0.7
    return np.log(probs / probs.sum(1, keepdims=True))


@pytest.mark.parametrize("phones", [False, True])
def test_a_variant_decodes_as_a_decoder_made_anew(phones, tmp_path):
    """Oracle: the decoder that the factory makes from nothing."""
    write_arpa(estimate([["a tea", "at tea", "a tee"] * 5], 2), tmp_path / "lm.arpa")
    tokenizer = PhoneTokenizer(Pronunciations(SAID)) if phones else CharTokenizer("ate")
    factory = DecoderFactory(tokenizer, tmp_path / "lm.arpa")
    base = DecodingConfig(beam_size=40, beam_threshold=20.0)
    decoder = factory.make(base)
    spoken = emissions(tokenizer.tokens, tokenizer.encode("a tee at"))
    changes = [
        {"hotwords": {"tee": 12.0}},
        {"hotwords": {"at tea": 6.0}, "n_best": 3},
        {"lm_alpha": 0.0},
        {"lm_beta": 4.0, "n_best": 2},
        {"method": "greedy"},
        {},
    ]
    for change in changes:
        config = replace(base, **change)
        assert factory.variant(decoder, config)([spoken]) == factory.make(config)([spoken]), change


@pytest.mark.parametrize("phones", [False, True])
def test_only_the_words_of_a_list_are_recognised(phones):
    tokenizer = PhoneTokenizer(Pronunciations(SAID)) if phones else CharTokenizer("ate")
    factory = DecoderFactory(tokenizer)
    spoken = emissions(tokenizer.tokens, tokenizer.encode("a tee at"))
    config = DecodingConfig(beam_size=40, beam_threshold=50.0, token_min_logp=-50.0)
    limited = factory.with_words(["A", "tea"])
    assert set(limited.make(config)([spoken])[0][0].text.split()) <= {"a", "tea"}
    assert limited.make(config)([spoken])[0][0].text
    assert limited.variant(factory.make(config), config)([spoken]) == limited.make(config)([spoken])
    known = ["a", "tea at", "xylophone", "", "A"]
    assert [factory.knows(phrase) for phrase in known] == [True, True, False, False, True]
    if phones:
        with pytest.raises(ConfigError, match="'xylophone' is not known"):
            factory.with_words(["tea", "xylophone"])
