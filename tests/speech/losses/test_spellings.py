"""Spellings of transcripts: which paths the graphs have, and what loaders make of them."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest

from asr.errors import TokenError
from asr.features.config import FeatureConfig
from asr.lm import estimate
from asr.speech.data.batches import SpeechLoader
from asr.speech.data.store import FeatureStore, LabelTable
from asr.speech.losses.label_graph import LabelGraph
from asr.speech.losses.spellings import Speller, Spelling, Spellings, spell
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import CharTokenizer, PhoneTokenizer
from data_prep.store import write_store

WORDS = [[[1], [2, 1]], [[2], [1, 1], [1]], [[2, 2]]]
MODEL = LabelGraph.of(
    estimate([["a b a", "b b a", "a a b", "b a"]], order=3, notify=lambda _: None),
    ["<blank>", "a", "b"],
)


def paths(spelling: Spelling) -> dict[tuple[int, ...], float]:
    """Every label sequence that the graph has, with its weight."""
    N = len(spelling.labels)
    reached: list[list[tuple[tuple[int, ...], float]]] = [[] for _ in range(N)]
    found: dict[tuple[int, ...], float] = {}
    for n in range(N):
        for arc in range(spelling.first[n], spelling.first[n + 1]):
            source = int(spelling.sources[arc])
            assert source < n or source == N
            for prefix, weight in [((), 1.0)] if source == N else reached[source]:
                reached[n].append(
                    ((*prefix, int(spelling.labels[n])), weight * float(spelling.weights[arc]))
                )
        for sequence, weight in reached[n]:
            if spelling.ends[n]:
                assert sequence not in found
                found[sequence] = weight * float(spelling.ends[n])
    return found


def test_paths_are_the_spellings_weighed_by_the_model() -> None:
    sequences = [tuple(itertools.chain(*ways)) for ways in itertools.product(*WORDS)]
    assert paths(spell(WORDS)) == dict.fromkeys(sequences, 1.0)
    weighed = spell(WORDS, MODEL)
    assert paths(weighed) == pytest.approx({s: math.exp(MODEL.log_score(s)) for s in sequences})
    assert weighed.log_weight == pytest.approx(
        math.log(sum(math.exp(MODEL.log_score(s)) for s in sequences))
    )


def test_a_batch_holds_each_and_gives_it_back() -> None:
    each = [spell(WORDS[:n], model) for n, model in ((1, None), (3, MODEL), (2, MODEL))]
    batch = Spellings.of(each)
    assert len(batch) == 3
    for rows in ([0, 1, 2], [2, 0, 2]):
        taken = batch.take(rows)
        for b, row in enumerate(rows):
            for field, value in vars(each[row]).items():
                np.testing.assert_array_equal(getattr(taken[b], field), value, err_msg=field)


def test_tokenizers_know_the_ways_to_spell() -> None:
    lexicon = Pronunciations({"a": [("AH",), ("EY",)], "tea": [("T", "IY")]})
    tokenizer = PhoneTokenizer(lexicon)
    ids = {token: i for i, token in enumerate(tokenizer.tokens)}
    assert tokenizer.spellings("a tea") == [[[ids["▁AH"]], [ids["▁EY"]]], [[ids["▁T"], ids["IY"]]]]
    assert tokenizer.encode("a tea") == [ids["▁AH"], ids["▁T"], ids["IY"]]
    with pytest.raises(TokenError, match="'tee'"):
        tokenizer.spellings("a tee")
    letters = CharTokenizer("ab")
    assert letters.spellings("ab a") == [[letters.encode("ab a")]]


def test_loaders_add_the_spellings_of_a_batch(tmp_path: object) -> None:
    rng = np.random.default_rng(0)
    items = [
        (f"u{n}", text, rng.normal(size=(20 + n, 80)).astype(np.float32))
        for n, text in enumerate(["ab", "b a"])
    ]
    write_store(tmp_path, FeatureConfig(), items)  # type: ignore[arg-type]
    store = FeatureStore.open(str(tmp_path))
    tokenizer = CharTokenizer("ab")
    labels = LabelTable([tokenizer.encode(text) for text in store.texts], len(tokenizer))
    speller = pickle.loads(
        pickle.dumps(Speller(tokenizer))
    )  # as it goes to the processes that make batches
    loader = SpeechLoader(store, labels, np.arange(2), 100.0, speller=speller)
    batch = loader.for_rank(0, 1).load(0, 0)
    assert batch.spellings is not None
    for b, name in enumerate(batch.ids):
        text = store.texts[store.ids.index(name)]
        assert list(paths(batch.spellings[b])) == [tuple(tokenizer.encode(text))]
    assert batch.to("cpu").spellings is batch.spellings
    assert SpeechLoader(store, labels, np.arange(2), 100.0).load(0, 0).spellings is None
