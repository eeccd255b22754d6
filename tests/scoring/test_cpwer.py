"""cpWER against every permutation."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from asr.cli import app
from asr.decoding.word_errors import word_errors
from asr.scoring.cpwer import cpwer

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
