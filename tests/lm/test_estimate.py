from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import DataError, LanguageModelError, OutputError
from asr.lm import (
    BOS,
    EOS,
    EstimateConfig,
    NgramModel,
    Scorer,
    build_arpa,
    estimate,
    perplexity,
    read_arpa,
    write_arpa,
)

GOLDEN = Path(__file__).parent / "golden"
SENTENCES = st.lists(
    st.lists(st.sampled_from("abcde"), max_size=7).map(" ".join), min_size=1, max_size=12
).filter(lambda sentences: any(sentences))


def silent(note: str) -> None:
    """Swallow notes about fallback discounts, which small texts always need."""


def assert_equal_models(ours: NgramModel, theirs: NgramModel, tolerance: float) -> None:
    assert ours.words == theirs.words
    assert ours.counts == theirs.counts
    for n in range(ours.order):
        np.testing.assert_array_equal(ours.ngrams[n], theirs.ngrams[n])
        np.testing.assert_allclose(ours.log10_probs[n], theirs.log10_probs[n], atol=tolerance)
        np.testing.assert_allclose(ours.log10_backoffs[n], theirs.log10_backoffs[n], atol=tolerance)


def zipf_text(lines: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(300)]
    return [
        " ".join(words[min(int(300**u) - 1, 299)] for u in rng.random(rng.integers(0, 15)))
        for _ in range(lines)
    ]


def sum_behind(model: NgramModel, context: tuple[int, ...]) -> float:
    scorer = Scorer(model)
    total = 0.0
    for word in range(len(model.words)):
        if word != BOS:
            total += 10.0 ** scorer.ids(np.array([*context, word], np.int32))[-1]
    return total


@pytest.mark.parametrize(
    ("name", "options"),
    [("order3", {}), ("order3_pruned", {"prune": (0, 0, 1), "interpolate_unigrams": False})],
)
def test_equals_lmplz(name: str, options: dict[str, object]) -> None:
    model = estimate(GOLDEN / "text.txt", 3, notify=silent, **options)
    assert_equal_models(model, read_arpa(GOLDEN / f"{name}.arpa"), 5e-7)


def test_golden_numbers_of_lmplz() -> None:
    # lmplz of kenlm 0.3.0, `lmplz -o 3 --discount_fallback < golden/text.txt`
    model = estimate(GOLDEN / "text.txt", 3, notify=silent)
    the, mat = model.ids["the"], model.ids["mat"]
    assert model.counts == (18, 37, 39)
    assert model.log10_probs[0][[0, BOS, EOS, the]] == pytest.approx(
        [-1.5049199, 0, -0.7559439, -1.0253519], abs=1e-6
    )
    assert model.log10_backoffs[0][[0, BOS, EOS, the]] == pytest.approx(
        [0, -0.39794, 0, -0.30103], abs=1e-6
    )
    row = np.flatnonzero((model.ngrams[2] == [the, mat, EOS]).all(axis=1))
    assert model.log10_probs[2][row] == pytest.approx([-0.33675212], abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    sentences=SENTENCES,
    order=st.integers(1, 6),
    thresholds=st.lists(st.integers(0, 2), max_size=5),
    context=st.lists(st.integers(0, 5), max_size=6),
    options=st.fixed_dictionaries(
        {"interpolate_unigrams": st.booleans(), "max_words": st.sampled_from([None, 2])}
    ),
)
def test_probabilities_sum_to_one(
    sentences: list[str],
    order: int,
    thresholds: list[int],
    context: list[int],
    options: dict[str, object],
) -> None:
    prune = (0, *sorted(thresholds))[:order]
    model = estimate([sentences], order, notify=silent, prune=prune, **options)
    ids = [3 + word for word in context if 3 + word < len(model.words)]
    assert sum_behind(model, tuple(ids)) == pytest.approx(1, abs=2e-5)
    assert all((probs <= 0).all() for probs in model.log10_probs)


@settings(max_examples=15, deadline=None)
@given(sentences=SENTENCES, order=st.integers(2, 6))
def test_scores_equal_kenlm(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[str], order: int
) -> None:
    kenlm = pytest.importorskip("kenlm")
    path = tmp_path_factory.getbasetemp() / "model.arpa"
    build_arpa([sentences], path, order, notify=silent)
    oracle, scorer = kenlm.Model(str(path)), Scorer(read_arpa(path))
    for sentence in [*sentences, "a b z a", "z", "e d c b a e d c b a"]:
        expected = [score for score, *_ in oracle.full_scores(sentence)]
        assert scorer.sentence(sentence) == pytest.approx(expected, abs=1e-4)


def brute_force_counts(sentences: list[str], order: int) -> list[dict[tuple[str, ...], int]]:
    padded = [["<s>", *sentence.split(), "</s>"] for sentence in sentences]
    seen = [
        [tuple(words[i : i + n]) for words in padded for i in range(len(words) - n + 1)]
        for n in range(1, order + 1)
    ]
    counts: list[dict[tuple[str, ...], int]] = []
    for n in range(1, order + 1):
        grams = {gram for gram in seen[n - 1] if gram != ("<s>",)}
        raw = {gram: seen[n - 1].count(gram) for gram in grams}
        if n == order:
            counts.append(raw)
            continue
        before = {gram: {longer[0] for longer in seen[n] if longer[1:] == gram} for gram in grams}
        counts.append(
            {gram: raw[gram] if gram[0] == "<s>" else len(before[gram]) for gram in grams}
        )
    return counts


@settings(max_examples=30, deadline=None)
@given(sentences=SENTENCES, order=st.integers(1, 4))
def test_probabilities_equal_the_formula(sentences: list[str], order: int) -> None:
    sentences = [*sentences, "a b c d"]  # long enough for every order
    fallback = (0.4, 0.9, 1.2)
    model = estimate([sentences], order, notify=silent, discount_fallback=fallback)
    counts = brute_force_counts(sentences, order)
    notes: list[str] = []
    build_notes = estimate([sentences], order, notify=notes.append, discount_fallback=fallback)
    assert build_notes.counts == model.counts
    fell_back = {n for n in range(1, order + 1) if any(f"of {n}-grams" in note for note in notes)}
    vocabulary = {word for (word,) in counts[0]} | {"<unk>"}

    def prob(gram: tuple[str, ...]) -> float:
        if not gram:
            return 1 / len(vocabulary)
        n, lower = len(gram), prob(gram[1:])
        same = {other: count for other, count in counts[n - 1].items() if other[:-1] == gram[:-1]}
        if not same:
            return lower
        discounts = (0, *fallback) if n in fell_back else formula(counts[n - 1])
        taken = {other: discounts[min(count, 3)] for other, count in same.items()}
        own = same.get(gram, 0) - taken.get(gram, 0)
        return (own + sum(taken.values()) * lower) / sum(same.values())

    for n in range(1, model.order + 1):
        for row, log10_prob in zip(
            model.ngrams[n - 1].tolist(), model.log10_probs[n - 1].tolist(), strict=True
        ):
            if row != [BOS]:
                assert 10**log10_prob == pytest.approx(
                    prob(tuple(model.words[i] for i in row)), rel=1e-5
                )


def formula(counts: dict[tuple[str, ...], int]) -> tuple[float, ...]:
    t = [sum(count == c for count in counts.values()) for c in range(5)]
    y = t[1] / (t[1] + 2 * t[2])
    return (0, *(c - (c + 1) * y * t[c + 1] / t[c] for c in (1, 2, 3)))


@pytest.mark.parametrize(
    ("order", "prune"), [(1, (0,)), (2, (0,)), (3, (0,)), (4, (0, 0, 1)), (6, (0,))]
)
@pytest.mark.parametrize("limit", [200_000, 700_000])
def test_bounded_memory_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: int, prune: tuple[int, ...], limit: int
) -> None:
    text = zipf_text(2000)
    build_arpa([text], tmp_path / "free.arpa", order, prune=prune, notify=silent, threads=2)
    monkeypatch.setattr(
        sys.modules["asr.lm.estimation"], "available_memory", lambda memory, load_kernels: memory
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    summary = build_arpa(
        [text],
        tmp_path / "bound.arpa",
        order,
        prune=prune,
        notify=silent,
        memory=limit,
        temp_folder=scratch,
    )
    assert summary.spilled
    assert (tmp_path / "bound.arpa").read_bytes() == (tmp_path / "free.arpa").read_bytes()
    assert not list(scratch.iterdir())


def test_estimate_equals_build(tmp_path: Path) -> None:
    text = zipf_text(500)
    build_arpa([text], tmp_path / "built.arpa", 4, notify=silent)
    write_arpa(estimate([text], 4, notify=silent), tmp_path / "held.arpa")
    assert (tmp_path / "built.arpa").read_bytes() == (tmp_path / "held.arpa").read_bytes()


def test_too_small_memory_says_how_much(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match=r"Give at least \d+MB"):
        build_arpa([["a"]], tmp_path / "a.arpa", memory="10MB")
    with pytest.raises(LanguageModelError, match="not a memory size"):
        build_arpa([["a"]], tmp_path / "a.arpa", memory="plenty")


def test_n_grams_of_one_context_beyond_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys.modules["asr.lm.estimation"], "available_memory", lambda memory, load_kernels: memory
    )
    text = [f"a w{i} a" for i in range(6000)]
    with pytest.raises(LanguageModelError, match="are processed together"):
        build_arpa([text], tmp_path / "a.arpa", 3, memory=20_000, notify=silent)
    assert not (tmp_path / "a.arpa").exists()


def test_fallback_is_said_and_can_be_refused() -> None:
    notes: list[str] = []
    estimate([["a b"]], 2, notify=notes.append)
    assert [note.split(":")[0] for note in notes] == [
        "Too few or too uniform counts for Kneser-Ney discounts of 1-grams",
        "Too few or too uniform counts for Kneser-Ney discounts of 2-grams",
    ]
    with pytest.raises(LanguageModelError, match="discounts of 1-grams"):
        estimate([["a b"]], 2, discount_fallback=None)


def test_one_word_text_and_order_above_sentence_length(tmp_path: Path) -> None:
    notes: list[str] = []
    model = estimate([["a"]], 6, notify=notes.append)
    assert model.order == 3
    assert any("the order is 3" in note for note in notes)
    assert_equal_models(model, estimate([["a"]], 3, notify=silent), 0)
    assert perplexity(model, [["a"]]).words == 1


def test_pruning_a_whole_order_lowers_the_order() -> None:
    notes: list[str] = []
    model = estimate([["a b c d", "b c"]], 3, prune=(0, 0, 5), notify=notes.append)
    assert model.order == 2
    assert any("Pruning left no 3-grams" in note for note in notes)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"  \t\n"])
def test_empty_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(LanguageModelError, match="holds no words"):
        estimate(tmp_path / "a.txt")


def test_vocabulary_limits_count_other_words_as_unknown(tmp_path: Path) -> None:
    text = ["a a a b b c", "c a b d"]
    by_size = estimate([text], 2, max_words=2, notify=silent)
    assert by_size.words == ["<unk>", "<s>", "</s>", "a", "b"]
    (tmp_path / "words.txt").write_text("b a z\n")
    by_file = estimate([text], 2, vocabulary=tmp_path / "words.txt", notify=silent)
    assert_equal_models(by_file, by_size, 0)
    assert [0, EOS] in by_size.ngrams[1].tolist()
    with pytest.raises(LanguageModelError, match="No word of the vocabulary"):
        estimate([text], 2, vocabulary=["q"])
    with pytest.raises(DataError, match="There is no file"):
        estimate([text], 2, vocabulary=tmp_path / "none.txt")


@pytest.mark.parametrize(
    "options",
    [
        {"order": 0},
        {"order": 7},
        {"prune": (1,)},
        {"prune": (0, 2, 1)},
        {"prune": (0, 0, 0, 0)},
        {"prune": ()},
        {"max_words": 0},
        {"threads": 0},
    ],
)
def test_settings_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(LanguageModelError):
        EstimateConfig(**options)  # type: ignore[arg-type]


def test_failing_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asr.lm.arpa.ArpaWriter.close", full)
    with pytest.raises(OutputError, match="No space left"):
        build_arpa([["a b"]], tmp_path / "a.arpa", 2, notify=silent)
    assert not list(tmp_path.iterdir())


def test_words_beyond_sixteen_bits_and_threads_agree(tmp_path: Path) -> None:
    lines = [" ".join(f"w{i + j * j}" for j in range(5)) for i in range(70000)]
    models = [estimate([lines], 4, notify=silent, threads=threads) for threads in (1, 3)]
    assert len(models[0].words) > 1 << 16
    assert_equal_models(*models, 0)
    for low, high in itertools.pairwise(models[0].ngrams[3][:2000].tolist()):
        assert low < high
