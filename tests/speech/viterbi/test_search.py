"""The best path through a text: against every path of tiny texts, and torchaudio."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.speech.viterbi.graph import TextGraph, text_graph
from asr.speech.viterbi.search import LogProbs, best_path, whole_band

Floats = npt.NDArray[np.float32]
LETTERS = "_ab*"  # blank, two tokens, star


def random_log_probs(frames: int, size: int, seed: int) -> Floats:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, size))
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)), np.float32)


def said(tokens: tuple[int, ...]) -> str:
    """Pattern of the frames of a pronunciation."""
    pattern = LETTERS[tokens[0]] + "+"
    for before, token in itertools.pairwise(tokens):
        pattern += ("_+" if before == token else "_*") + LETTERS[token] + "+"
    return pattern


def readings(words: list[list[tuple[int, ...]]], cost: float, star: float) -> Iterator[Any]:
    """Every way to say a text, as pattern and cost: words left out, pronunciations, stars."""
    for kept in itertools.product([False, True], repeat=len(words)):
        places = [place for place, keep in enumerate(kept) if keep]
        if math.isinf(cost) and len(places) < len(words):
            continue
        gaps = itertools.product([False, True], repeat=len(places) + 1)
        for ways, stars in itertools.product(
            itertools.product(*(words[place] for place in places)), list(gaps)
        ):
            if math.isinf(star) and any(stars):
                continue
            bounds = [-1, *places, len(words)]
            pattern = ""
            for number, starred in enumerate(stars):
                skipped = bounds[number + 1] - bounds[number] > 1 and number > 0
                inner = 0 < number < len(places)
                again = inner and ways[number - 1][-1] == ways[number][0]
                pattern += r"_*\*+_*" if starred else "_+" if skipped or again else "_*"
                pattern += said(ways[number]) if number < len(places) else ""
            skips = (len(words) - len(places)) * cost if len(places) < len(words) else 0.0
            yield pattern, skips + (sum(stars) * star if any(stars) else 0.0)


def best_score(rows: Floats, words: list[list[tuple[int, ...]]], cost: float, star: float) -> float:
    paths = ["".join(path) for path in itertools.product(LETTERS, repeat=len(rows))]
    scores = {p: sum(float(rows[t, LETTERS.index(x)]) for t, x in enumerate(p)) for p in paths}
    best = -math.inf
    for pattern, price in readings(words, cost, star):
        match = re.compile(pattern).fullmatch
        best = max(best, max((scores[p] - price for p in paths if match(p)), default=-math.inf))
    return best


def path_score(rows: Floats, graph: TextGraph, path: npt.NDArray[np.int32]) -> float:
    """Score of a path, with what it leaves out and the stars that it opens."""
    arrays = graph.arrays
    score = sum(float(rows[t, arrays.labels[s]]) for t, s in enumerate(path))
    spoken = {int(graph.word_of[s]) for s in path if s - arrays.nodes[graph.word_of[s]] > 2}
    score -= sum(float(arrays.skips[w]) for w in range(graph.num_words) if w not in spoken)
    stars = graph.is_star[path]
    opened = int((stars & ~np.append(False, stars[:-1])).sum())
    return score - (opened * float(arrays.star_open) if opened else 0.0)


TEXTS = st.lists(
    st.lists(
        st.lists(st.integers(1, 2), min_size=1, max_size=2).map(tuple), min_size=1, max_size=2
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(1, 5), st.sampled_from([math.inf, 0.5, 2.0]), st.booleans(), st.data())
def test_the_path_is_the_best_of_all(
    words: list[list[tuple[int, ...]]], frames: int, cost: float, free: bool, data: Any
) -> None:
    seed, memory = data.draw(st.integers(0, 10**6)), data.draw(st.sampled_from([1, 40, 10**6]))
    star = 0.7 if free else math.inf
    emissions = LogProbs([random_log_probs(frames, 3, seed)], star_cost=0.3)
    graph = text_graph(words, 3, np.full(len(words), cost, np.float32), star)
    path = best_path(emissions, graph, memory=memory)
    rows = emissions.rows(0, frames)
    best = best_score(rows, words, cost, star)
    if path is None:
        assert best == -math.inf
        return
    assert path_score(rows, graph, path) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("memory", [1000, 10**7])
def test_torchaudio_finds_the_same_path(memory: int) -> None:
    rng = np.random.default_rng(5)
    for seed in range(4):
        log_probs = random_log_probs(400, 30, seed)
        ids = rng.integers(1, 30, 90)
        graph = text_graph([[[int(i)]] for i in ids], 30)
        path = best_path(LogProbs([log_probs]), graph, memory=memory)
        assert path is not None
        theirs, _ = torchaudio.functional.forced_align(
            torch.from_numpy(log_probs)[None], torch.from_numpy(ids.astype(np.int32))[None], blank=0
        )
        ours = graph.arrays.labels[path]
        scores = [log_probs[np.arange(400), p].sum() for p in (ours, theirs[0].numpy())]
        assert scores[0] == pytest.approx(scores[1], abs=1e-2)


def test_a_band_around_the_path_changes_nothing() -> None:
    log_probs = random_log_probs(300, 6, 1)
    words = [[tuple(np.random.default_rng(w).integers(1, 6, 3).tolist())] for w in range(40)]
    graph = text_graph(words, 6, np.full(40, 3.0, np.float32), 2.0)
    emissions = LogProbs([log_probs], 0.5)
    whole = best_path(emissions, graph)
    assert whole is not None
    band = whole_band(300, graph)
    places = graph.word_of[whole]
    band[:, 0] = np.maximum(places - 3, 0)
    band[:, 1] = np.minimum(places + 3, 40)
    for memory in (500, 10**7):
        np.testing.assert_array_equal(best_path(emissions, graph, band, memory), whole)


def test_long_recordings_are_kept_in_half_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.speech.viterbi.search.HALF_AT", 50)
    parts = [random_log_probs(40, 4, seed) for seed in range(3)]
    emissions = LogProbs(parts)
    assert emissions.array.dtype == np.float16
    np.testing.assert_allclose(
        emissions.rows(30, 90)[:, :4], np.concatenate(parts)[30:90], rtol=1e-3
    )
