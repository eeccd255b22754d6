"""``asr g2p`` from the command line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from asr.cli import main

CONSONANTS, VOWELS = "bdgpt", "aeiou"
SYLLABLES = [a + b + c for a in CONSONANTS for b in VOWELS for c in ("", *CONSONANTS)]


def made_words() -> list[str]:
    """Words of one to three syllables, each letter of which is a phone."""
    rng = random.Random(1)
    made = {
        "".join(rng.choice([*SYLLABLES, *VOWELS]) for _ in range(rng.randint(1, 3)))
        for _ in range(300)
    }
    return sorted(made - {"tip", "bade"})


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["g2p", *arguments])
    return int(ended.value.code or 0)


def test_learn_measure_and_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dictionary, output = tmp_path / "words.dict", tmp_path / "g2p.lmz"
    words = made_words()
    lines = [f"{word} {' '.join(word.upper())}\n" for word in words]
    dictionary.write_text("".join(lines))
    assert run("train", str(dictionary), "-o", str(output)) == 0
    assert f"{len(words)} words" in capsys.readouterr().err
    assert run("say", "Tip", "bade", "--model", str(output)) == 0
    said = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in said] == [["Tip", "T I P"], ["bade", "B A D E"]]
    assert run("evaluate", str(dictionary), "--json") == 0
    score = json.loads(capsys.readouterr().out)
    assert score["words"] == round(len(words) / 10)
    assert score["phone_error_rate"] < 0.1
    assert run("evaluate", str(dictionary)) == 0
    assert f"{score['words']} held out" in capsys.readouterr().out
    assert run("say", "x2", "--model", str(output)) == 1
    assert "No pronunciation of 'x2'" in capsys.readouterr().err
