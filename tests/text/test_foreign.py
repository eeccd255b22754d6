"""Texts in another language among many of one, told apart by their letters alone."""

from __future__ import annotations

import random

import pytest

from asr.text.foreign import foreign_texts, letter_scripts

WORDS = (
    "the of and a to in he was that it his her with as had for she not at but on you they is "
    "were said there one be him which from this all would so when out what up we who them then "
    "if about into little could more time some like now only over very old down other house "
    "before again after their never must through good where man first hand long upon night"
)
FOREIGN = {
    "de": "der hund läuft durch den wald und findet einen knochen unter dem großen baum",
    "fr": "nous avons passé toute la journée à chercher les clefs que tu avais laissées ici",
    "es": "el perro corre por el bosque y encuentra un hueso debajo de un árbol muy grande",
    "pl": "pies biegnie przez las i znajduje kość pod wielkim drzewem obok starej drogi",
    "fi": "koira juoksee metsän läpi ja löytää luun suuren puun alta vanhan tien vierestä",
    "ru": "собака бежит через лес и находит кость под большим деревом",
    "zh": "狗跑过森林在一棵大树下找到了一根骨头然后高兴地回家",
}


@pytest.fixture(scope="module")
def english() -> list[str]:
    draw, words = random.Random(0), WORDS.split()
    return [" ".join(draw.choices(words, k=draw.randint(4, 20))) for _ in range(600)]


def test_other_languages_are_found_and_no_others(english: list[str]) -> None:
    reasons = foreign_texts([*english, *FOREIGN.values()])
    assert not any(reasons[: len(english)])
    found = dict(zip(FOREIGN, reasons[len(english) :], strict=True))
    assert all(found.values())
    assert found["ru"] == "another language: written in Cyrillic letters"
    assert found["zh"] == "another language: written in Cjk letters"
    assert found["de"] == "another language, by its letters"


def test_what_most_texts_are_written_in_is_usual(english: list[str]) -> None:
    draw, letters = random.Random(1), FOREIGN["ru"].split()
    russian = [" ".join(draw.choices(letters, k=9)) for _ in range(200)]
    reasons = foreign_texts([*russian, *english[:2]])
    assert not any(reasons[:-2])
    assert reasons[-2:] == ["another language: written in Latin letters"] * 2


def test_too_little_is_not_judged(english: list[str]) -> None:
    assert not any(foreign_texts([*english[:20], FOREIGN["ru"]]))
    assert not any(foreign_texts([*english, "gut", ""]))
    assert foreign_texts([]) == []
    assert letter_scripts("Ja да 12!") == {"LATIN": 2, "CYRILLIC": 2}
