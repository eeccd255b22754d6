"""Texts and recordings that only partly belong together, and recordings of hours."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tiny_models import RATE, noise, random_model

import asr
from asr.decoding.vocabulary import Vocabulary
from asr.errors import AudioError, DataError
from asr.speech import aligner
from asr.speech.aligner import AlignmentConfig, align_words, search_text, spell_words
from asr.speech.viterbi.search import LogProbs
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import CharTokenizer, PhoneTokenizer

PARTIAL = AlignmentConfig(partial=True)
LETTERS = CharTokenizer("abcdefgh")
HOW: dict[str, Any] = {"seconds_per_frame": 0.04, "model": "m"}


def spoken(text: str, frames: int = 2) -> npt.NDArray[np.float32]:
    """Log-probabilities of clear speech: each token, and blanks behind it."""
    ids = [i for token in LETTERS.encode(text) for i in (token, *[0] * (frames - 1))]
    probs = np.full((len(ids), len(LETTERS)), 0.002, np.float32)
    probs[np.arange(len(ids)), ids] = 1 - 0.002 * (len(LETTERS) - 1)
    return np.log(probs)


def aligned(said: str, text: str, config: AlignmentConfig = PARTIAL) -> asr.ForcedAlignment:
    log_probs, vocabulary = spoken(said), Vocabulary(LETTERS.tokens)
    words = text.split()
    star = len(vocabulary) if config.partial else None
    spelled = list(zip(words, spell_words(words, LETTERS, vocabulary, star), strict=True))
    duration_s = 0.04 * len(log_probs)
    given = LogProbs([log_probs], config.star_frame)
    return align_words(given, spelled, vocabulary, duration_s=duration_s, config=config, **HOW)


def test_words_that_are_not_said_are_left_out() -> None:
    alignment = aligned("bad cab head", "bad dead egg cab fed head")
    assert alignment.text == "bad cab head"
    assert [(word.word, word.position) for word in alignment.unsaid] == [
        ("dead", 1),
        ("egg", 1),
        ("fed", 2),
    ]
    assert alignment.other == ()
    assert alignment.gap == pytest.approx(0, abs=0.01)


def test_speech_that_is_not_in_the_text_is_found() -> None:
    strange = "dead egg bead fade face"
    alignment = aligned(f"bad cab {strange} head", "bad cab head")
    assert alignment.text == "bad cab head"
    (other,) = alignment.other
    before, behind = alignment.words[1].end, alignment.words[2].start
    assert before <= other.start < other.end <= behind + 0.06
    assert other.end - other.start > 0.04 * 2 * (len(strange) - 3)
    strict = aligned(f"bad cab {strange} head", "bad cab head", AlignmentConfig())
    assert strict.other == ()
    assert strict.gap > 1
    assert "most of the text is not said" in aligned("bad", "bad cab head dead egg").doubt


def test_a_word_that_the_model_cannot_spell_stands_for_any_speech() -> None:
    alignment = aligned("bad cab head", "bad xyz head")
    assert alignment.text == "bad xyz head"
    assert [token.token for token in alignment.words[1].tokens] == ["*"]
    times = [t for word in alignment.words for t in (word.start, word.end)]
    assert times == sorted(times)


def test_the_pronunciation_that_is_said_is_taken() -> None:
    ways = {"the": [("DH", "IY"), ("DH", "AH")], "end": [("EH", "N", "D")]}
    tokenizer = PhoneTokenizer(Pronunciations(ways))
    vocabulary = Vocabulary(tokenizer.tokens)
    spelled = spell_words(["the", "end"], tokenizer, vocabulary)
    assert [len(spelling) for spelling in spelled] == [2, 1]
    ids = [*spelled[0][1], *spelled[1][0]]
    probs = np.full((2 * len(ids), len(vocabulary)), 0.001, np.float32)
    probs[np.arange(0, 2 * len(ids), 2), ids] = 0.99
    probs[1::2, 0] = 0.99
    path = search_text(LogProbs([np.log(probs)]), spelled)
    assert [t.token for tokens in path.words for t in tokens or ()] == ids


def random_text(words: int, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 8, words)
    return " ".join("".join(rng.choice(list("abcdefgh"), size)) for size in sizes)


def test_long_recordings_keep_to_a_band(monkeypatch: pytest.MonkeyPatch) -> None:
    words = random_text(600).split()
    text = " ".join(words[:200] + words[260:500])
    said = " ".join(words[40:])
    whole = aligned(said, text)
    monkeypatch.setattr(aligner, "EXACT_CELLS", 0)
    assert aligned(said, text) == whole
    assert len(whole.unsaid) == 40
    assert len(whole.other) == 2
    strict = AlignmentConfig()
    assert aligned(said, said, strict).gap == pytest.approx(0, abs=0.01)


def test_a_long_text_of_another_recording_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligner, "EXACT_CELLS", 1000)
    with pytest.raises(DataError, match="Of 300 words, 0 are heard in the order of the text"):
        aligned(random_text(300, 1), random_text(300, 2))


def test_recordings_that_nothing_can_be_aligned_with(tmp_path: Path) -> None:
    model = asr.load_model(random_model(tmp_path / "m"))
    with pytest.raises(AudioError, match="is silent"):
        model.align(np.zeros(2 * RATE, np.float32), "a cab", RATE, config=PARTIAL)
    with pytest.raises(AudioError, match="shorter than one frame"):
        model.align(noise(0.01), "a cab", RATE, config=PARTIAL)
    with pytest.raises(DataError, match="no words"):
        model.align(noise(1.0), "", RATE, config=PARTIAL)


def test_a_recording_in_blocks_is_aligned_as_one(tmp_path: Path) -> None:
    model = asr.load_model(random_model(tmp_path / "m"))
    alignment = model.align(noise(70.0), "a cab, dad! " * 6, RATE)
    assert alignment.duration_s == 70.0
    assert alignment.text == " ".join(["a cab, dad!"] * 6)
    assert all(a.end <= b.start for a, b in itertools.pairwise(alignment.words))
    assert alignment.render("srt").startswith("1\n00:00:")
