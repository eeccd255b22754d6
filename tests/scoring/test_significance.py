from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ScoringError
from asr.scoring import Comparison, Pair, Utterance, compare_pairs, matched_pairs
from asr.scoring.significance import segment_errors


def corrupted(
    texts: dict[str, list[str]], vocabulary: list[str], rng: random.Random, rate: float
) -> dict[str, list[str]]:
    out = {}
    for key, words in texts.items():
        heard: list[str] = []
        for word in words:
            draw = rng.random()
            heard += (
                [rng.choice(vocabulary)]
                if draw < rate * 0.5
                else []
                if draw < rate * 0.75
                else [word]
            )
            heard += [rng.choice(vocabulary)] if rng.random() < rate * 0.25 else []
        out[key] = heard
    return out


def corpus(seed: int) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[str, list[str]]]:
    rng = random.Random(seed)
    vocabulary = [f"w{n}" for n in range(rng.choice([3, 8, 30]))]
    texts = {
        f"s{n % 4}_u{n:03d}": [rng.choice(vocabulary) for _ in range(rng.randint(0, 12))]
        for n in range(60)
    }
    return texts, corrupted(texts, vocabulary, rng, 0.3), corrupted(texts, vocabulary, rng, 0.25)


def pairs(texts: dict[str, list[str]], heard: dict[str, list[str]]) -> list[Pair]:
    return [
        Pair(Utterance(key, " ".join(words)), " ".join(heard[key])) for key, words in texts.items()
    ]


def compared(seed: int) -> Comparison:
    texts, a, b = corpus(seed)
    return compare_pairs(pairs(texts, a), pairs(texts, b), samples=300)


# segments, mean, standard deviation, z as printed by sc_stats 1.3 (SCTK): sclite -o sgml | sc_stats
# -p -t mapsswe -v
GOLDEN = {
    0: (88, "0.386", "1.290", "2.809"),
    1: (74, "0.014", "1.188", "0.098"),
    2: (89, "0.292", "1.170", "2.356"),
}


@pytest.mark.parametrize("seed", GOLDEN)
def test_golden_matched_pairs_of_sc_stats(seed: int) -> None:
    test = compared(seed).mapsswe
    assert (test.segments, f"{test.mean:.3f}", f"{test.std:.3f}", f"{test.z:.3f}") == GOLDEN[seed]


@pytest.mark.parametrize("seed", range(3, 8))
def test_matched_pairs_equal_sc_stats(tmp_path: Path, seed: int) -> None:
    found = shutil.which("sc_stats") or shutil.which("sc_stats", path="/usr/lib/sctk/bin")
    if found is None:
        pytest.skip("sc_stats (the package sctk) is not installed")
    texts, a, b = corpus(seed)
    for name, side in (("r", texts), ("a", a), ("b", b)):
        (tmp_path / name).write_text(
            "".join(f"{' '.join(words)} ({key})\n" for key, words in side.items())
        )
    align = [
        str(Path(found).with_name("sclite")),
        "-r",
        "r",
        "trn",
        "-h",
        "a",
        "trn",
        "A",
        "-h",
        "b",
        "trn",
        "B",
    ]
    subprocess.run(
        [*align, "-i", "spu_id", "-o", "sgml"], cwd=tmp_path, check=True, capture_output=True
    )
    systems = (tmp_path / "a.sgml").read_bytes() + (tmp_path / "b.sgml").read_bytes()
    for flag in ("-v", "-u"):
        command = [found, "-p", "-t", "mapsswe", flag, "-n", f"out{flag}"]
        subprocess.run(command, cwd=tmp_path, input=systems, check=True, capture_output=True)
    report = (tmp_path / "out-v.stats.mapsswe").read_text(encoding="latin-1")
    pattern = (
        r"\(# segs: (\d+)\).*\(mean: *([-\d.]+)\) \(std dev: *([\d.]+)\) \(Z Stat: *([-\d.]+)\)"
    )
    theirs = re.search(pattern, report)
    test = compare_pairs(pairs(texts, a), pairs(texts, b), samples=100).mapsswe
    assert theirs is not None
    assert theirs.groups() == (
        str(test.segments),
        f"{test.mean:.3f}",
        f"{test.std:.3f}",
        f"{test.z:.3f}",
    )
    unified = re.search(
        r"MP +\|\| +A +\|[^|]*\| +\S+ +(<?)([\d.]+)", (tmp_path / "out-u.stats.unified").read_text()
    )
    assert unified is not None
    table_p = math.erfc(
        math.floor(abs(test.z) * 100) / 100 / math.sqrt(2)
    )  # sc_stats looks z up with two decimals, cut
    assert (test.p_value < 0.001) if unified[1] else abs(float(unified[2]) - table_p) < 0.00051


@pytest.mark.parametrize(
    ("a", "b", "segments"),
    [
        ("====", "====", []),
        ("S===", "====", [(1, 0)]),
        ("S==S", "====", [(1, 0), (1, 0)]),  # two words right by both part the errors
        ("S=S=", "====", [(2, 0)]),  # one does not
        ("S===S", "=S===", [(1, 1), (1, 0)]),
        ("=I=S", "===", [(2, 0)]),  # an insertion between the two right words joins
        ("==I", "==", [(1, 0)]),
        ("==", "==I", [(0, 1)]),
        ("I", "", [(1, 0)]),
        ("", "", []),
    ],
)
def test_segments_by_hand(a: str, b: str, segments: list[tuple[int, int]]) -> None:
    assert segment_errors(a, b) == segments


EDITS = st.text(alphabet="=SD", max_size=12)


@settings(deadline=None)
@given(EDITS, st.data())
def test_every_error_is_in_one_segment_and_swapping_swaps(edits: str, data: st.DataObject) -> None:
    words = len(edits)
    other = "".join(data.draw(st.sampled_from(["=", "S", "D", "I=", "IS"])) for _ in range(words))
    found = segment_errors(edits, other)
    assert sum(a for a, _ in found) == sum(edit != "=" for edit in edits)
    assert sum(b for _, b in found) == sum(edit != "=" for edit in other)
    assert segment_errors(other, edits) == [(b, a) for a, b in found]


def test_same_hypotheses_are_no_different() -> None:
    texts, a, _ = corpus(1)
    result = compare_pairs(pairs(texts, a), pairs(texts, a))
    assert result.bootstrap is None
    assert (result.mapsswe.z, result.mapsswe.p_value) == (0.0, 1.0)
    assert matched_pairs([""], [""]).p_value == 1.0


def test_segments_that_all_differ_alike() -> None:
    """Oracle: the sign test, whose p-value of n signs alike is 2 / 2^n."""
    for n, p_value in ((1, 1.0), (2, 0.5), (6, 1 / 32)):
        found = matched_pairs(["===="] * n, ["===S"] * n)
        assert (found.segments, found.mean, found.p_value) == (n, -1.0, p_value)
    assert matched_pairs(["===S"] * 6, ["===="] * 6).z == math.inf
    assert matched_pairs(["===S"] * 6, ["===S"] * 6).p_value == 1.0
    good, bad = (
        [Pair(Utterance(f"u{i}", "a b c d"), said) for i in range(6)]
        for said in ("a b c d", "a b c x")
    )
    found = json.loads(json.dumps(compare_pairs(good, bad).to_json(), allow_nan=False))
    assert found["mapsswe"]["z"] is None


def test_bootstrap_and_matched_pairs_agree_on_a_clear_case() -> None:
    texts, a, _ = corpus(2)
    result = compare_pairs(pairs(texts, a), pairs(texts, texts))
    assert result.bootstrap is not None
    assert result.bootstrap.difference == pytest.approx(-result.a.wer)
    assert result.bootstrap.low < result.bootstrap.difference < result.bootstrap.high < 0
    assert result.bootstrap.share_b_better == 1.0
    assert result.bootstrap.p_value < 0.01
    assert result.mapsswe.p_value < 0.01
    assert result.mapsswe.z > 0


def test_other_references_are_refused() -> None:
    texts, a, b = corpus(0)
    with pytest.raises(ScoringError, match="same references"):
        compare_pairs(pairs(texts, a), pairs(a, b))
