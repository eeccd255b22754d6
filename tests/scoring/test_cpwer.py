"""cpWER against every permutation, and against MeetEval."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from asr.cli import app
from asr.decoding.word_errors import word_errors
from asr.scoring.cpwer import cpwer

# speakers, channels, errors and words of the references, as MeetEval 0.4.3 has them
# (meeteval.wer.cp_word_error_rate)
MEETEVAL = (
    (["c a", "c", ""], ["", "c"], 2, 3),
    (["a c e"], ["d d a"], 3, 3),
    (["", "a f b", "d d", "a d"], ["a e d d c", "e c f c b b"], 9, 7),
    (["d", "f e b f a c e"], ["c f a d e e c", "d d c f f"], 10, 8),
    (
        ["a", "d f e b", "f c f c d c", "e a b"],
        ["a c d f e f b", "f e c b a a", "a e b", "a c c d"],
        12,
        14,
    ),
    (["", "f e f e c c a"], ["", "a b a", "d a d d f", ""], 10, 7),
    (["d a b"], ["c a c f c", "a a c b", "d b"], 9, 3),
    (["e f", "f f e b", "f c b d d"], ["e e e", "b c e"], 9, 11),
    (["c b d c"], ["a a c c c", "", "f c d f a c e"], 10, 4),
    (["f c d a f e c", "e"], ["a d", "e a e f d c d"], 8, 8),
    (["", ""], ["c f"], 2, 0),
    (["", "b d e b"], ["a e", "d e d e f a a", "", "e d e a a d a"], 14, 4),
)
TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=4).map(" ".join), max_size=3)


@given(TEXTS, TEXTS)
def test_the_best_of_all_permutations(said: list[str], heard: list[str]) -> None:
    result = cpwer({str(i): t for i, t in enumerate(said)}, dict(enumerate(heard)))  # type: ignore[arg-type]
    count = max(len(said), len(heard))
    whole, others = (texts + [""] * (count - len(texts)) for texts in (said, heard))
    best = min(
        sum(word_errors(a, b)[0] for a, b in zip(whole, order, strict=True))
        for order in itertools.permutations(others)
    )
    assert result.errors == best
    assert result.words == sum(len(text.split()) for text in said)


@pytest.mark.parametrize(("speakers", "channels", "errors", "words"), MEETEVAL)
def test_errors_are_those_of_meeteval(
    speakers: list[str], channels: list[str], errors: int, words: int
) -> None:
    said, heard = (
        {str(number): text for number, text in enumerate(texts)} for texts in (speakers, channels)
    )
    result = cpwer(said, heard)
    assert (result.errors, result.words) == (errors, words)


def test_files_of_two_speakers(tmp_path: Path) -> None:
    (tmp_path / "r.stm").write_text(
        "talk 1 anna 0.0 1.0 one two\ntalk 1 ben 1.0 2.0 three\ntalk 1 anna 2.0 3.0 four\n"
    )
    (tmp_path / "h.ctm").write_text(
        "talk A 1.0 0.5 three\ntalk B 0.0 0.4 one\ntalk B 0.5 0.4 too\ntalk B 2.0 0.4 four\n"
    )
    line = ["score", "-r", str(tmp_path / "r.stm"), "-y", str(tmp_path / "h.ctm"), "--cpwer"]
    done = CliRunner().invoke(app, [*line, "--json"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert (content["errors"], content["words"], content["cpwer"]) == (1, 4, 0.25)
    assert content["recordings"]["talk"]["assignment"] == {"anna": "B", "ben": "A"}
    assert "cpWER 25.00 %, 1 errors in 4 words" in CliRunner().invoke(app, line).stdout
