from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import LanguageModelError
from asr.lm import build_arpa, perplexity, read_arpa

TEXT = Path(__file__).parent / "golden" / "text.txt"


def test_perplexity_equals_kenlm(tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    build_arpa(TEXT, tmp_path / "m.arpa", 3, notify=lambda note: None)
    oracle = kenlm.Model(str(tmp_path / "m.arpa"))
    lines = ["the cat sat on a log", "", "zebra the zebra", "birds of the feather"]
    scored = [triple for line in lines for triple in oracle.full_scores(line)]
    known = [score for score, _, oov in scored if not oov]
    result = perplexity(read_arpa(tmp_path / "m.arpa"), [lines])
    assert result.with_oov == pytest.approx(
        10 ** (-sum(s for s, *_ in scored) / len(scored)), rel=1e-5
    )
    assert result.without_oov == pytest.approx(10 ** (-sum(known) / len(known)), rel=1e-5)
    assert (result.sentences, result.words, result.oov) == (4, 13, 2)
    assert result.log10_prob - result.log10_prob_oov == pytest.approx(sum(known), rel=1e-5)


def test_nothing_to_score(tmp_path: Path) -> None:
    build_arpa(TEXT, tmp_path / "m.arpa", 2, notify=lambda note: None)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(LanguageModelError, match="empty"):
        perplexity(read_arpa(tmp_path / "m.arpa"), tmp_path / "empty.txt")
