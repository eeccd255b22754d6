from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import ScoringError
from asr.scoring import by_length, by_speaker, confusions, score_texts
from asr.scoring.align import align_words

WORDS = st.lists(st.sampled_from(["a", "b", "c", "dd", "é"]), max_size=7).map(" ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_counts_equal_jiwers(texts: list[tuple[str, str]]) -> None:
    references, hypotheses = [r for r, _ in texts], [h for _, h in texts]
    ours = score_texts(references, hypotheses, samples=0)
    words = jiwer.process_words(references, hypotheses)
    characters = jiwer.process_characters(references, hypotheses)
    counts = (ours.hits, ours.substitutions, ours.deletions, ours.insertions)
    assert counts == (words.hits, words.substitutions, words.deletions, words.insertions)
    assert ours.wer == pytest.approx(words.wer)
    assert ours.cer == pytest.approx(characters.cer)
    assert ours.sentence_errors == sum(r != h for r, h in texts)


@settings(deadline=None)
@given(WORDS, WORDS, st.sampled_from(["jiwer", "sclite"]))
def test_alignments_rebuild_both_sides(reference: str, hypothesis: str, aligner: str) -> None:
    utterance = score_texts([reference], [hypothesis], aligner=aligner, samples=0).utterances[0]
    steps = utterance.steps()
    assert [left for _, left, _ in steps if left] == reference.split()
    assert [right for _, _, right in steps if right] == hypothesis.split()
    assert all((edit == "=") == (left == right) for edit, left, right in steps)


def cheapest(reference: list[str], hypothesis: list[str]) -> int:
    """The least cost with sclite's weights, by plain recursion over all alignments."""
    if not reference or not hypothesis:
        return 3 * (len(reference) + len(hypothesis))
    step = 0 if reference[0] == hypothesis[0] else 4
    return min(
        step + cheapest(reference[1:], hypothesis[1:]),
        3 + cheapest(reference[1:], hypothesis),
        3 + cheapest(reference, hypothesis[1:]),
    )


SHORT = st.lists(st.sampled_from("abc"), max_size=5)


@settings(deadline=None)
@given(SHORT, SHORT)
def test_weighted_alignment_costs_least(reference: list[str], hypothesis: list[str]) -> None:
    edits = align_words([reference], [hypothesis], "sclite")[0]
    assert 4 * edits.count("S") + 3 * (edits.count("D") + edits.count("I")) == cheapest(
        reference, hypothesis
    )


# Counts printed by sclite 2.10 (SCTK 1.3): sclite -r ref trn -h hyp trn -i spu_id -o rsum
GOLDEN = [
    ("a b c d e f", "a b x d e f", (5, 1, 0, 0)),
    ("the cat sat on the mat", "the cat sat the mat", (5, 0, 1, 0)),
    ("a b c", "c x y", (0, 3, 0, 0)),
    ("hello world foo bar baz", "hello there world bar baz", (4, 0, 1, 1)),
    ("a b c d e f", "a b c d e g h", (5, 1, 0, 1)),
    ("the cat sat on the mat", "the cat on mat", (4, 0, 2, 0)),
    ("hello world foo bar baz", "hello world bar baz", (4, 0, 1, 0)),
]


@pytest.mark.parametrize(("reference", "hypothesis", "counts"), GOLDEN)
@pytest.mark.parametrize("aligner", ["jiwer", "sclite"])
def test_golden_counts_of_sclite(
    reference: str, hypothesis: str, counts: tuple[int, int, int, int], aligner: str
) -> None:
    ours = score_texts([reference], [hypothesis], aligner=aligner, samples=0)
    assert (ours.hits, ours.substitutions, ours.deletions, ours.insertions) == counts


def random_corpus(seed: int) -> tuple[dict[str, str], dict[str, str]]:
    rng = random.Random(seed)
    vocabulary = [f"w{n}" for n in range(rng.choice([3, 8, 30]))]
    references, hypotheses = {}, {}
    for n in range(60):
        words = [rng.choice(vocabulary) for _ in range(rng.randint(0, 12))]
        heard = [
            rng.choice(vocabulary) if rng.random() < 0.2 else w for w in words if rng.random() > 0.1
        ]
        for _ in range(rng.randint(0, 2)):
            heard.insert(rng.randint(0, len(heard)), rng.choice(vocabulary))
        references[f"s{n % 4}_u{n:03d}"], hypotheses[f"s{n % 4}_u{n:03d}"] = (
            " ".join(words),
            " ".join(heard),
        )
    return references, hypotheses


def sctk(program: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/lib/sctk/bin")
    if found is None:
        pytest.skip(f"{program} (the package sctk) is not installed")
    return found


@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_sclites(tmp_path: Path, seed: int) -> None:
    sclite = sctk("sclite")
    references, hypotheses = random_corpus(seed)
    for name, texts in (("ref", references), ("hyp", hypotheses)):
        (tmp_path / name).write_text("".join(f"{text} ({key})\n" for key, text in texts.items()))
    command = [sclite, "-r", "ref", "trn", "-h", "hyp", "trn", "-i", "spu_id", "-o", "rsum"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    line = next(line for line in (tmp_path / "hyp.raw").read_text().splitlines() if "Sum" in line)
    theirs = [int(cell) for cell in line.replace("|", " ").split()[1:9]]
    ours = score_texts(references, hypotheses, aligner="sclite", samples=0)
    counts = [
        ours.sentences,
        ours.words,
        ours.hits,
        ours.substitutions,
        ours.deletions,
        ours.insertions,
    ]
    assert [*counts, ours.errors, ours.sentence_errors] == theirs


def test_corpus_level_not_the_mean_of_utterances() -> None:
    assert score_texts(["a", "b c d e f g h i j"], ["x", "b c d e f g h i j"]).wer == pytest.approx(
        0.1
    )


def test_empty_references_survive() -> None:
    mixed = score_texts(["", "a b"], ["x", "a b"])
    assert (mixed.wer, mixed.insertions, mixed.words, mixed.sentences) == (0.5, 1, 2, 2)
    assert score_texts([""], [""]).wer == 0.0
    assert score_texts(["", ""], ["x y", ""]).wer == 2.0  # as jiwer: there is nothing to divide by


def test_chinese_characters_are_the_words_and_spaces_do_not_count() -> None:
    result = score_texts(["今天天气很好。"], ["今天天汽好"], normalizer="chinese")
    assert (result.words, result.substitutions, result.deletions) == (6, 1, 1)
    assert result.cer == result.wer


def test_spaces_between_chinese_characters_are_no_characters() -> None:
    assert score_texts(["今 天 天 气"], ["今天天汽"]).cer == 1 / 4
    assert score_texts(["用 python 写"], ["用 python 了 写"]).characters == 10
    both = score_texts(["臺灣有２２個縣市。"], ["台湾有二十二个县市"], normalizer="mandarin")
    assert both.wer == both.cer == 0


def test_normalizer_is_applied_to_both_sides_and_named() -> None:
    result = score_texts(["The CAT."], ["the cat"], normalizer="basic")
    assert (result.wer, result.normalizer) == (0.0, "basic")
    assert score_texts(["The CAT."], ["the cat"]).wer == 1.0


def test_json_round_trip() -> None:
    out = json.loads(json.dumps(score_texts(["a b", "c d"], ["a x", "c"]).to_json()))
    assert {
        "wer",
        "cer",
        "words",
        "substitutions",
        "deletions",
        "insertions",
        "sentences",
        "normalizer",
    } <= set(out)
    assert (out["wer"], out["words"], out["substitutions"], out["deletions"]) == (0.5, 4, 1, 1)


def test_mismatched_input_is_refused() -> None:
    with pytest.raises(ScoringError, match="2 references and 1 hypotheses"):
        score_texts(["a", "b"], ["a"])
    with pytest.raises(ScoringError, match="on one side only: u1, u2"):
        score_texts({"u1": "a"}, {"u2": "a"})
    with pytest.raises(ScoringError, match="no references"):
        score_texts([], [])
    with pytest.raises(ScoringError, match="single text"):
        score_texts("a", "a")
    with pytest.raises(ScoringError, match="no aligner named 'x'"):
        score_texts(["a"], ["a"], aligner="x")


def test_tables() -> None:
    references = {"1": "a b c", "2": "a b", "3": "", "4": "a " * 45}
    hypotheses = {"1": "a x c", "2": "a", "3": "uh", "4": "a " * 45}
    result = score_texts(
        references, hypotheses, speakers={"1": "ann", "2": "ann", "3": "bob", "4": "bob"}
    )
    rows = by_speaker(result)
    assert [
        (r.name, r.sentences, r.words, r.substitutions, r.deletions, r.insertions) for r in rows
    ] == [
        ("ann", 2, 5, 1, 1, 0),
        ("bob", 2, 45, 0, 0, 1),
    ]
    assert rows[0].wer == pytest.approx(0.4)
    assert [(r.name, r.sentences) for r in by_length(result)] == [("0", 1), ("1-5", 2), ("41+", 1)]
    assert by_length(result)[0].wer is None
    found = confusions(result)
    assert [(c.reference, c.hypothesis, c.count) for c in found["substitutions"]] == [("b", "x", 1)]
    assert [(c.reference, c.count) for c in found["deletions"]] == [("b", 1)]
    assert [(c.hypothesis, c.count) for c in found["insertions"]] == [("uh", 1)]
    assert by_speaker(score_texts(["a"], ["a"])) == []
