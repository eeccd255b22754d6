from __future__ import annotations

import itertools
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest

import asr
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


CHINESE = ("他在{}工作吗？", "我去过{}，很喜欢。", "{}是一座很大的城市。")
CITIES = ("北京", "上海", "广州", "成都", "西安", "武汉")


def chinese(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [rng.choice(CHINESE).format(rng.choice(CITIES)) for _ in range(count)]


def test_chinese_text_of_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = "这一句话在测试集里由别人朗读过。"
    turns = [{"message": sentence, "content": sentence} for sentence in chinese(6, 1)]
    dialogues = [{"messages": turns[n:]} for n in range(5)]
    paragraphs = [{"context": "".join(chinese(4, seed))} for seed in range(20)]
    paragraphs.append({"context": f"前面还有。{held_out}"})
    for name, content in (
        ("kdconv", dialogues),
        ("crosswoz", dict(enumerate(dialogues))),
        ("cmrc", {"data": [{"paragraphs": paragraphs}]}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    files = {
        "conllu": "# text = 树库里的一句。\n1\t树库\n",
        "tatoeba": "Hello.\t你好。\nWho?\t谁？\n",
        "sentences": "".join(f"{sentence}\n" for sentence in chinese(800, 2)),
        "held-out": f"{held_out}\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    options = [(f"--{name}", tmp_path / name) for name in files]
    options += [(f"--{name}", tmp_path / f"{name}.json") for name in ("kdconv", "crosswoz", "cmrc")]
    arguments = [str(part) for option in options for part in option]
    monkeypatch.setattr(sys, "argv", ["chinese_text.py", str(tmp_path / "out"), *arguments])
    recipe = load_recipe("punctuation", "chinese_text")
    recipe.main()
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()}
    assert {"train", "dev", "test-held-out", "test-sentences"} <= set(texts)
    assert texts.pop("test-held-out") == f"{held_out}\n"
    together = "".join(texts.values())
    assert held_out not in together
    for known in ("树库里的一句。", "你好。谁？", turns[0]["message"]):
        assert known in together
    assert not set(texts["train"].splitlines()) & set(texts["test-sentences"].splitlines())


def test_clips_of_a_speaker_are_one_text() -> None:
    recipe = load_recipe("punctuation", "chinese_clips")
    words = [asr.Word("今天", 0.5, 1.0, 1.0), asr.Word("好", 1.5, 2.0, 1.0)]
    segment = asr.Segment(0.5, 2.0, "今天好", 1.0, tuple(words))

    class Recognizer:
        def transcribe(self, path: Path) -> asr.Transcript:
            return asr.Transcript("今天好", 3.0, (segment,), "zh")

    chapter = recipe.heard(Recognizer(), [(Path("a"), "今天，好"), (Path("b"), "今天好？")])
    assert chapter.heard == chapter.words == list("今天好今天好")
    assert chapter.marks.tolist() == [0, 1, 2, 0, 0, 3]
    assert chapter.pauses == [0.0, 0.5, 1.5, 0.0, 0.5, 1.0]
    both = recipe.joined(iter([chapter, chapter]))
    assert (both.words, both.pauses) == (chapter.words * 2, chapter.pauses * 2)
