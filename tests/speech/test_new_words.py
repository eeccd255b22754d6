"""Words given at run time: how they are read, said, and recognised."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from asr.errors import AsrError, ConfigError
from asr.g2p.model import G2P_FILE, train_g2p
from asr.lm import estimate
from asr.lm.arpa import write_arpa
from asr.speech.decoders import DecoderFactory, DecodingConfig
from asr.speech.new_words import NewWord, Pronouncer, new_words, read_new_words
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import CharTokenizer, PhoneTokenizer

# each letter is one phone, so that it is known what the letters of any word sound like
LETTERS = {"a": "AH", "b": "B", "i": "IY", "k": "K", "t": "T"}
WORDS = ["a", "bat", "tab", "kit", "tik", "bit", "at", "it", "abba", "kab", "baki", "tabik"]
WORDS += ["".join(letters) for letters in itertools.product("bkt", "ai", "bkt", "ai")]
DICTIONARY = Pronunciations({word: [tuple(LETTERS[c] for c in word)] for word in WORDS})
PHONES = tuple(LETTERS.values())
WIDE = DecodingConfig(beam_size=60, beam_threshold=50.0, token_min_logp=-50.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    train_g2p(DICTIONARY, tmp_path / G2P_FILE, order=2)
    return tmp_path


@pytest.fixture
def factory(folder: Path) -> DecoderFactory:
    write_arpa(estimate([["a bat", "bit it", "a kit at a tab"] * 5], 2), folder / "lm.arpa")
    return DecoderFactory(PhoneTokenizer(DICTIONARY), folder / "lm.arpa", folder=folder)


def spoken(tokenizer: PhoneTokenizer, *words: str) -> np.ndarray:
    """Log-probabilities in which the letters of words are heard one after another."""
    names = [("▁" if n == 0 else "") + LETTERS[c] for word in words for n, c in enumerate(word)]
    ids = [tokenizer.tokens.index(name) for name in names]
    probs = np.full((2 * len(ids), len(tokenizer.tokens)), 0.3 / len(tokenizer.tokens))
    for place, token in enumerate(ids):
        probs[2 * place, token], probs[2 * place + 1, 0] = 0.7, 0.7
    return np.log(probs / probs.sum(1, keepdims=True))


def test_a_file_of_words(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# names\nKubernetes\nnginx\tengine x\nPostgres\t\tlondon\nvan dyke\n\n")
    assert read_new_words(path) == (
        NewWord("Kubernetes"),
        NewWord("nginx", "engine x"),
        NewWord("Postgres", "", "london"),
        NewWord("van"),
        NewWord("dyke"),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("two words\tsound\n", r":1: 'two words' is not one word"),
        ("a\tb\tc\td\n", r":1: .* is not a word and how it is said"),
        ("\tb\n", ":1:"),
        ("# nothing\n", "has no words"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said):
        read_new_words(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_new_words(tmp_path / "none.txt")


def test_words_of_python() -> None:
    assert new_words(["a b", NewWord("c", "d")]) == (NewWord("a"), NewWord("b"), NewWord("c", "d"))
    assert new_words({"a": "b", "c": ""}) == (NewWord("a", "b"), NewWord("c"))
    with pytest.raises(ConfigError, match="a string"):
        new_words("a b")


def test_words_are_said_by_letters_likeness_or_phones(folder: Path) -> None:
    pronounce = Pronouncer(DICTIONARY, PHONES, folder)
    said = pronounce(
        [NewWord("kabat"), NewWord("x2", "kit bati"), NewWord("zz", "T IY"), NewWord("bat")]
    )
    assert said["kabat"][0] == ("K", "AH", "B", "AH", "T")
    assert said["x2"][0] == ("K", "IY", "T", "B", "AH", "T", "IY")
    assert said["zz"] == (("T", "IY"),)
    assert "bat" not in said  # it is known
    further = pronounce([NewWord("bat", "tab")])
    assert further["bat"] == (*DICTIONARY["bat"], *DICTIONARY["tab"])
    assert pronounce.can_say("tatata")
    assert not pronounce.can_say("x2")


def test_all_words_that_cannot_be_said_are_named(folder: Path) -> None:
    pronounce = Pronouncer(DICTIONARY, PHONES, folder)
    with pytest.raises(ConfigError, match="of 'q', 'x2' is not known"):
        pronounce([NewWord("kat"), NewWord("q", "42"), NewWord("x2")])


def test_characters_are_said_as_words() -> None:
    said = {"北": [("b", "ei3")], "京": [("j", "ing1")]}
    pronounce = Pronouncer(Pronunciations(said), ("b", "ei3", "j", "ing1"))
    assert pronounce([NewWord("北京")])["北京"] == (("b", "ei3", "j", "ing1"),)


def test_a_new_word_is_recognised_and_others_stay(factory: DecoderFactory) -> None:
    tokenizer = factory.tokenizer
    assert isinstance(tokenizer, PhoneTokenizer)
    heard = spoken(tokenizer, "a", "kabit", "at")
    assert "kabit" not in factory.make(WIDE)(heard)[0].text
    knowing = factory.with_new_words(["Kabit"])
    assert knowing.make(WIDE)(heard)[0].text == "a kabit at"
    known = spoken(tokenizer, "a", "bat")
    assert knowing.make(WIDE)(known)[0].text == factory.make(WIDE)(known)[0].text == "a bat"
    stream = knowing.make(WIDE).stream()
    for frame in heard:
        stream.push(frame[None])
    assert stream.finish()[0].text == "a kabit at"
    both = knowing.with_new_words(["tibab"]).make(WIDE)
    assert both(spoken(tokenizer, "tibab", "kabit"))[0].text == "tibab kabit"
    greedy = knowing.make(DecodingConfig(method="greedy"))
    assert greedy(heard)[0].text == "a kabit at"


def test_hotwords_and_word_lists_take_new_words(factory: DecoderFactory) -> None:
    tokenizer = factory.tokenizer
    assert isinstance(tokenizer, PhoneTokenizer)
    heard = spoken(tokenizer, "a", "kabit", "at")
    config = DecodingConfig(
        beam_size=60, beam_threshold=50.0, token_min_logp=-50.0, hotwords={"Kabit at": 5.0}
    )
    plain = factory.make(WIDE)
    assert factory.variant(plain, config)(heard)[0].text == "a kabit at"
    assert factory.knows("kabit")
    assert not factory.knows("x2")
    only = factory.with_words(["a", "kabit", "at"])
    assert only.make(WIDE)(heard)[0].text == "a kabit at"
    with pytest.raises(AsrError, match="'x2'"):
        factory.make(DecodingConfig(method="beam", hotwords={"x2": 5.0}))


def test_models_that_spell(tmp_path: Path) -> None:
    tokenizer = CharTokenizer("abt")
    with pytest.raises(ConfigError, match="knows every word"):
        DecoderFactory(tokenizer).with_new_words(["tab"])
    write_arpa(estimate([["a bat", "a bat at"]], 2), tmp_path / "lm.arpa")
    factory = DecoderFactory(tokenizer, tmp_path / "lm.arpa")
    with pytest.raises(ConfigError, match="cannot write 'kit': it has no 'k'"):
        factory.with_new_words(["kit"])
    with pytest.raises(ConfigError, match="cannot sound like"):
        factory.with_new_words({"tab": "bat"})
    closed = DecodingConfig(method="beam", open_vocabulary=False)
    ids = tokenizer.encode("a tab")
    probs = np.full((2 * len(ids), len(tokenizer.tokens)), 0.02)
    for place, token in enumerate(ids):
        probs[2 * place, token], probs[2 * place + 1, 0] = 0.9, 0.9
    heard = np.log(probs)
    assert factory.make(closed)(heard)[0].text != "a tab"
    assert factory.with_new_words(["tab"]).make(closed)(heard)[0].text == "a tab"
