"""A language model whose words cannot be recognised is named, or refused where hardly any can."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.decoding import load_lm
from asr.decoding.coverage import check_coverage, coverage
from asr.decoding.vocabulary import Vocabulary
from asr.errors import LanguageModelError
from asr.lm import estimate
from asr.lm.arpa import write_arpa

TOKENS = Vocabulary(["<blank>", "▁", *"abcdeé'"])
DICTIONARY = {"a", "bad", "cab", "dad"}


def model(*sentences: str) -> object:
    return load_lm(estimate([list(sentences) * 5], 2, notify=lambda note: None))


def test_what_is_known_is_counted_and_weighted() -> None:
    found = coverage(model("a bad cab", "a bad dad fez"), TOKENS, DICTIONARY)  # type: ignore[arg-type]
    assert (found.known, found.words, found.example) == (4, 5, "fez")
    assert 0.7 < found.share < 0.95
    assert coverage(model("a bad cab"), TOKENS, DICTIONARY).share == pytest.approx(1)  # type: ignore[arg-type]


@pytest.mark.parametrize("lexicon", [DICTIONARY, None])
def test_capitals_are_refused_with_the_remedy(lexicon: set[str] | None) -> None:
    with pytest.raises(LanguageModelError, match="0 of the 3 words .* x.arpa.* in lower case"):
        check_coverage(model("A BAD CAB"), "x.arpa", TOKENS, lexicon)  # type: ignore[arg-type]


def test_another_spelling_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.arpa"
    write_arpa(estimate([["xyz zyx qqq"] * 5], 2, notify=lambda note: None), path)
    with pytest.raises(LanguageModelError, match="Build it from text with the spelling"):
        check_coverage(load_lm(path), path.name, TOKENS, DICTIONARY)
    with pytest.raises(LanguageModelError, match="The tokens can spell 0 of the 3"):
        check_coverage(load_lm(path), path.name, TOKENS, None)


def test_mixed_letter_case_is_said() -> None:
    note = check_coverage(model("A bad cab", "A dad cab"), "x", TOKENS, DICTIONARY)  # type: ignore[arg-type]
    assert "knows 3 of the 4 words" in note
    assert "'A' is one of the others. Write the text of the language model in lower case" in note
    assert check_coverage(model("a bad cab", "a dad"), "x", TOKENS, DICTIONARY) == ""  # type: ignore[arg-type]
