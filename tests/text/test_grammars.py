"""Grammars of commands; the oracle is a list of all sentences, written out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import pytest

from asr.errors import DataError
from asr.text.grammars import parse_grammar, read_grammar

LIGHTS = """# lists
light = Lamp | ceiling light | /2/ kitchen lights => kitchen
room = hall | living room
turn (on | off) [the] {light} [in the {where:room}]
set {light} to {level:20..22} percent
"""
SAID = {"lamp": "lamp", "ceiling light": "ceiling light", "kitchen lights": "kitchen"}
WEIGHTS = {"lamp": 1 / 4, "ceiling light": 1 / 4, "kitchen lights": 1 / 2}
NUMBERS = {"twenty": "20", "twenty one": "21", "twenty two": "22"}


def sentences() -> dict[str, tuple[dict[str, str], float]]:
    """Return each sentence of a grammar with its slots and probability."""
    every: dict[str, tuple[dict[str, str], float]] = {}
    for light, value in SAID.items():
        for switch in ("on", "off"):
            for the in ("", "the "):
                for room in ("", "hall", "living room"):
                    where = f" in the {room}" if room else ""
                    slots = {"light": value, **({"where": room} if room else {})}
                    p = 1 / 2 * 1 / 2 * 1 / 2 * WEIGHTS[light] * (1 / 4 if room else 1 / 2)
                    every[f"turn {switch} {the}{light}{where}"] = slots, p
        for said, number in NUMBERS.items():
            p = 1 / 2 * WEIGHTS[light] / 3
            every[f"set {light} to {said} percent"] = {"light": value, "level": number}, p
    return every


def test_every_sentence_has_its_slots_and_probability() -> None:
    grammar = parse_grammar(LIGHTS)
    assert math.fsum(p for _, p in sentences().values()) == pytest.approx(1.0)
    for sentence, (slots, p) in sentences().items():
        reading = grammar.read(sentence)
        assert reading is not None, sentence
        assert reading.slots == slots
        assert reading.log_prob == pytest.approx(math.log(p))


def test_samples_are_sentences_and_others_are_not() -> None:
    grammar, random = parse_grammar(LIGHTS), Random(1)
    drawn = {grammar.sample(random) for _ in range(300)}
    assert drawn <= set(sentences())
    assert len(drawn) > len(sentences()) / 2
    for other in ("", "turn", "turn the lamp", "turn on lamp lamp", "set lamp to ten percent"):
        assert grammar.read(other) is None


def test_the_longest_sentence_within_a_text_is_found() -> None:
    grammar, random = parse_grammar(LIGHTS), Random(2)
    words = sorted({word for sentence in sentences() for word in sentence.split()})
    known = sorted(sentences())
    for _ in range(200):
        parts = random.choices([*known, *words], k=3)
        text = " ".join(parts).split()
        spans = [(i, j) for i in range(len(text)) for j in range(i + 1, len(text) + 1)]
        inside = [span for span in spans if " ".join(text[slice(*span)]) in sentences()]
        found = grammar.find(text)
        if not inside:
            assert found is None
            continue
        start, end = max(inside, key=lambda span: (span[1] - span[0], -span[0]))
        assert found == (start, end, grammar.read(" ".join(text[start:end])))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("turn (on | off", r":1: A \( is not closed"),
        ("turn on]", r":1: '\]' stands alone"),
        ("turn {light}", ":1: There is no list 'light'"),
        ("a = b {a}\nturn {a}", ":2: The list a holds itself"),
        ("a = b\na = c\nturn {a}", ":2: the list a is there twice"),
        ("turn (a /2/ b)", "not at the beginning"),
        ("turn (/0/ a | b)", "not a weight"),
        ("turn (on => off)", "outside a list"),
        ("turn {x y}", "is not a slot"),
        ("turn {n:9..3}", "not a range"),
        ("turn }", "cannot be read"),
        ("a = b", "has no sentences"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_grammar(text)


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "lights.txt").write_text(LIGHTS)
    assert read_grammar(tmp_path / "lights.txt").read("turn on lamp") is not None
    with pytest.raises(DataError, match=r"none\.txt"):
        read_grammar(tmp_path / "none.txt")
