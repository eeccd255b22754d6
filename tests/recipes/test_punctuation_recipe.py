from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from asr.language.punctuation.data import marked_text
from asr.lm import UNK
from asr.lm.trie import next_nodes
from recipes import load_recipe, run_recipe

NAMES = ("Rome", "Paris", "London")
SENTENCES = ("Where is {}?", "It is in {}, my friend.", "Nobody knows {}.", "We saw {}, and left.")


def paragraphs(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(rng.choice(SENTENCES).format(rng.choice(NAMES)) for _ in range(5))
        for _ in range(count)
    ]


def test_hidden_events_are_the_most_probable_of_all() -> None:
    recipe = load_recipe("punctuation")
    text = marked_text(paragraphs(60, 1))
    events = recipe.HiddenEvents.of(text)
    tokens = events.predict.__globals__["TOKENS"]
    words = ["where", "is", "rome", "we", "saw", "it"]

    def log10_prob(marks: tuple[int, ...]) -> float:
        pieces = [p for w, m in zip(words, marks, strict=True) for p in (w, tokens[m]) if p]
        ids = [events.model.ids.get(piece, UNK) for piece in pieces]
        nodes = np.full(events.model.order - 1, -1, np.int64)
        nodes[0] = ids[0]
        trie = events.trie
        return sum(
            next_nodes(
                nodes,
                word,
                last_words=trie.last_words,
                first_child=trie.first_child,
                log10_probs=trie.log10_probs,
                log10_backoffs=trie.log10_backoffs,
            )
            for word in ids[1:]
        )

    best = max(itertools.product(range(4), repeat=len(words)), key=log10_prob)
    marks, shapes = events.predict(words)
    assert log10_prob(tuple(marks.tolist())) == pytest.approx(log10_prob(best))
    assert marks[2] == 3
    assert shapes.tolist() == [1, 0, 1, 1, 0, 0]


def test_from_texts_to_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talks = []
    for number, paragraph in enumerate(paragraphs(400, 2)):
        talks += [f"[00:30] {paragraph} Number {number % 7}.", f"[40:00] {paragraph}"]
    (tmp_path / "talks.txt").write_text("\n".join(talks) + "\n")
    (tmp_path / "books.txt").write_text("\n".join(paragraphs(400, 3)) + "\n")
    monkeypatch.setattr("data_prep.written.STRETCH", 50)
    small = ["data.shortest=5", "data.longest=30", "data.vocab_size=60", "model.dim=8"]
    small += ["model.hidden_dim=8", "trainer.max_epochs=1", "trainer.precision=fp32"]
    run_recipe(
        "punctuation",
        monkeypatch,
        tmp_path / "talks.txt",
        tmp_path / "books.txt",
        "--output-dir",
        tmp_path / "run",
        *small,
    )
    rows = (tmp_path / "run" / "table.md").read_text().splitlines()
    assert [row.split(" | ")[:2] for row in rows[2:]] == [
        [f"| {split}", system]
        for split in ("podcasts", "novels")
        for system in ("hidden events", "network")
    ]
    assert (tmp_path / "run" / "text-model" / "punctuation.onnx").is_file()
