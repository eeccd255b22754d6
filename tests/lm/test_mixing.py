from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import LanguageModelError
from asr.lm import (
    BOS,
    NgramModel,
    Scorer,
    estimate,
    interpolate,
    interpolation_weights,
    perplexity,
    prune_entropy,
    write_arpa,
)
from asr.lm.trie import build_trie

TEXT = Path(__file__).parent / "golden" / "text.txt"


def model_of(seed: int, order: int = 3, words: int = 8, lines: int = 60) -> NgramModel:
    rng = np.random.default_rng(seed)
    text = [
        " ".join(f"w{i}" for i in rng.integers(0, words, rng.integers(1, 8))) for _ in range(lines)
    ]
    return estimate([text], order, notify=lambda note: None)


def prob(scorer: Scorer, words: list[str], word: str) -> float:
    return float(10.0 ** scorer.sentence(" ".join([*words, word]))[len(words)])


def assert_normalized(model: NgramModel, context: list[str]) -> None:
    scorer = Scorer(model)
    ids = [model.ids.get(word, 0) for word in context]
    total = sum(
        10.0 ** scorer.ids(np.array([*ids, w], np.int32))[-1]
        for w in range(len(model.words))
        if w != BOS
    )
    assert total == pytest.approx(1, abs=1e-4)


CONTEXTS = st.lists(st.sampled_from([f"w{i}" for i in range(10)]), max_size=4)


@settings(max_examples=20, deadline=None)
@given(context=CONTEXTS, threshold=st.sampled_from([1e-6, 1e-4, 1e-3, 1e-2, 1.0]))
def test_pruned_model_is_normalized(context: list[str], threshold: float) -> None:
    assert_normalized(prune_entropy(model_of(0), threshold=threshold), context)


def brute_force_change(model: NgramModel, row: tuple[int, ...]) -> float:
    """Relative change of perplexity, by the definition: sum over all words of p(h) p(w|h) log
    p(w|h)/p'(w|h).
    """
    n = len(row)
    arrays = [list(arrays) for arrays in (model.ngrams, model.log10_probs, model.log10_backoffs)]
    kept = ~(model.ngrams[n - 1] == row).all(axis=1)
    for part in arrays:
        part[n - 1] = part[n - 1][kept]
    scorers = Scorer(model), Scorer(NgramModel(model.words, *arrays))  # type: ignore[arg-type]
    begins = row[0] == BOS
    history = list(row[1:-1]) if begins else list(row[:-1])
    context_prob = 10.0 ** float(model.log10_probs[0][2 if begins else row[0]])
    for i in range(1, n - 1):
        found = (model.ngrams[i] == row[: i + 1]).all(axis=1)
        context_prob *= 10.0 ** float(model.log10_probs[i][found][0])
    old, new = [], []
    for word in range(len(model.words)):
        if word == BOS:
            continue
        for scorer, out in zip(scorers, (old, new), strict=True):
            sequence = [*history, word] if begins else [2, *history, word]
            out.append(10.0 ** conditional(scorer, sequence, begins, n))
    mine, theirs = np.array(old), np.array(new)
    explicit = {tuple(r) for r in scorers[1].model.ngrams[n - 1].tolist()}
    words = [word for word in range(len(model.words)) if word != BOS]
    listed = np.array([(*row[:-1], word) in explicit for word in words])
    scale = (1 - mine[listed].sum()) / theirs[
        ~listed
    ].sum()  # the back-off weight of the smaller model
    theirs = np.where(listed, theirs, theirs * scale)
    return float(np.expm1(context_prob * (mine * np.log(mine / theirs)).sum()))


def conditional(scorer: Scorer, sequence: list[int], begins: bool, n: int) -> float:
    """log10 p of the last word behind the (n - 1)-word context only."""
    model = scorer.model
    context = [BOS, *sequence[:-1]] if begins else sequence[1:-1]
    score = 0.0
    while True:
        row = [*context, sequence[-1]]
        found = np.flatnonzero((model.ngrams[len(row) - 1] == row).all(axis=1))
        if len(found):
            return score + float(model.log10_probs[len(row) - 1][found[0]])
        found = np.flatnonzero((model.ngrams[len(context) - 1] == context).all(axis=1))
        score += float(model.log10_backoffs[len(context) - 1][found[0]]) if len(found) else 0.0
        context = context[1:]


def test_highest_order_is_pruned_by_the_definition() -> None:
    from asr.lm.prune import _changes

    model = model_of(3, order=2, words=5, lines=25)
    change, offsets = _changes(model, None)
    expected = [brute_force_change(model, tuple(row)) for row in model.ngrams[1].tolist()]
    np.testing.assert_allclose(change[offsets[1] :], expected, rtol=2e-3, atol=1e-7)


def test_contexts_are_counted_in_the_texts_that_are_given() -> None:
    from asr.lm.prune import _UNSEEN, _changes

    model = model_of(3, order=3, words=5, lines=25)
    texts = [["w1 w2 w1 w2 w3", "w1 w2", "unheard w1"], ["w2 w1 w2"]]
    seen: Counter[tuple[str, ...]] = Counter()
    tokens = 0
    for line in [line for text in texts for line in text]:
        words = ["<s>", *line.split(), "</s>"]
        tokens += len(words) - 1
        for place in range(1, len(words)):
            seen[tuple(words[max(0, place - 2) : place])] += 1
    own, offsets = _changes(model, None)
    counted, _ = _changes(model, texts)
    for node, row in enumerate(model.ngrams[2].tolist(), int(offsets[2])):
        context = [model.words[i] for i in row[:2]]
        begins = context[0] == "<s>"
        assumed = 10.0 ** float(model.log10_probs[0][2 if begins else row[0]])
        assumed *= 10.0 ** float(model.log10_probs[1][(model.ngrams[1] == row[:2]).all(axis=1)][0])
        expected = np.log1p(own[node]) / assumed * (seen[tuple(context)] + _UNSEEN) / tokens
        assert np.log1p(counted[node]) == pytest.approx(expected, rel=1e-4, abs=1e-12)


def test_counted_contexts_decide_what_is_kept() -> None:
    model = model_of(1, order=2, words=30, lines=300)
    for word in ("w1", "w2"):
        smaller = prune_entropy(
            model, max_ngrams=60, contexts=[[f"{word} {word} {word} {word}"] * 9]
        )
        assert {model.words[first] for first, _ in smaller.ngrams[1].tolist()} == {word, "<s>"}
    with pytest.raises(LanguageModelError, match="texts to count contexts in are empty"):
        prune_entropy(model, max_ngrams=60, contexts=[[]])


def test_pruning_to_a_size_keeps_the_trie_and_what_matters(tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    model = model_of(1, order=4, words=30, lines=300)
    text = [" ".join(model.words[i] for i in (4, 9, 11, 5))]
    sizes = [sum(model.counts), 800, 400, 100, len(model.words)]
    perplexities = []
    for size in sizes:
        smaller = prune_entropy(model, max_ngrams=size)
        assert sum(smaller.counts) <= size
        assert sum(smaller.counts) >= 0.9 * size
        build_trie(smaller)
        write_arpa(smaller, tmp_path / "small.arpa")
        oracle = kenlm.Model(str(tmp_path / "small.arpa")) if smaller.order > 1 else None
        for sentence in text if oracle is not None else []:
            expected = [score for score, *_ in oracle.full_scores(sentence)]
            assert Scorer(smaller).sentence(sentence) == pytest.approx(expected, abs=1e-4)
        perplexities.append(perplexity(smaller, TEXT).with_oov)
    assert prune_entropy(model, max_ngrams=sizes[0]) is model
    assert prune_entropy(model, threshold=0) is not None


@pytest.mark.parametrize(
    "options", [{}, {"threshold": 1e-8, "max_ngrams": 9}, {"threshold": -1.0}, {"max_ngrams": 3}]
)
def test_pruning_settings_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(LanguageModelError):
        prune_entropy(model_of(0), **options)  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(
    context=CONTEXTS,
    word=st.sampled_from([f"w{i}" for i in range(10)]),
    weight=st.floats(0.05, 0.95),
)
def test_mixture_is_normalized_and_linear_where_listed(
    context: list[str], word: str, weight: float
) -> None:
    models = model_of(1, order=2, words=8), model_of(2, order=3, words=10)
    mixture = interpolate(models, [weight, 1 - weight])
    assert_normalized(mixture, context)
    scorers = [Scorer(model) for model in (*models, mixture)]
    parts = [prob(s, context, word) * (word in s.model.ids) for s in scorers]
    row = [mixture.ids[w] for w in [*context[-2:], word]]
    if (mixture.ngrams[len(row) - 1] == row).all(axis=1).any() and len(row) == 3:
        assert parts[2] == pytest.approx(weight * parts[0] + (1 - weight) * parts[1], rel=1e-3)


def test_weights_are_the_best_on_held_out_text() -> None:
    rng = np.random.default_rng(5)
    models = [model_of(1, order=2, words=8), model_of(2, order=3, words=10)]
    heldout = [" ".join(f"w{i}" for i in rng.integers(0, 10, 6)) for _ in range(50)]
    weights = interpolation_weights(models, [heldout])
    assert sum(weights) == pytest.approx(1)
    parts = [list(Scorer(model).texts([heldout])) for model in models]
    probs = [
        np.concatenate([np.where(ids != 0, 10.0**scores, 0) for ids, scores in part])
        for part in parts
    ]
    grid = np.linspace(0.001, 0.999, 999)
    likelihood = [np.log(w * probs[0] + (1 - w) * probs[1]).sum() for w in grid]
    assert weights[0] == pytest.approx(grid[int(np.argmax(likelihood))], abs=2e-3)


def test_mixing_settings_out_of_range() -> None:
    one, two = model_of(0), model_of(1)
    for models, weights in (
        ([one], [1.0]),
        ([one, two], [1.0]),
        ([one, two], [0.5, 0.6]),
        ([one, two], [-1, 2]),
    ):
        with pytest.raises(LanguageModelError):
            interpolate(models, weights)
    with pytest.raises(LanguageModelError, match="held-out text is empty"):
        interpolation_weights([one, two], [[]])
