"""Forced alignment: against every path of tiny lattices, formats, bad texts, the command, and
speech of known times.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import asr
from asr.decoding.vocabulary import Vocabulary
from asr.errors import ConfigError, DataError, TokenError
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.aligner import align_tokens, forced_align
from asr.speech.alignment import ONSET_S, ForcedAlignment, earlier_starts
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import CharTokenizer, PhoneTokenizer

RATE = 16000
Floats = npt.NDArray[np.float32]


def random_log_probs(frames: int, size: int, seed: int) -> Floats:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, size))
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)), np.float32)


def collapsed(path: tuple[int, ...]) -> list[int]:
    return [t for t, _ in itertools.groupby(path) if t]


def best_score(log_probs: Floats, ids: list[int]) -> float:
    """Of all paths that spell ``ids``, the score of the best."""
    T, V = log_probs.shape
    paths = (p for p in itertools.product(range(V), repeat=T) if collapsed(p) == ids)
    return max(sum(float(log_probs[t, p[t]]) for t in range(T)) for p in paths)


@settings(max_examples=60)
@given(
    st.integers(1, 6), st.lists(st.integers(1, 2), min_size=1, max_size=4), st.integers(0, 10**6)
)
def test_the_path_is_the_best_of_all(frames: int, ids: list[int], seed: int) -> None:
    log_probs = random_log_probs(frames, 3, seed)
    needed = len(ids) + sum(a == b for a, b in itertools.pairwise(ids))
    if needed > frames:
        with pytest.raises(DataError, match=f"needs at least {needed} output frames"):
            forced_align(log_probs, ids)
        return
    spans = forced_align(log_probs, ids)
    path = np.zeros(frames, int)
    for token, span in zip(ids, spans, strict=True):
        path[span.start : span.end] = token
        assert span.log_prob == pytest.approx(
            log_probs[span.start : span.end, token].mean(), abs=1e-5
        )
    assert collapsed(tuple(path.tolist())) == ids
    assert log_probs[np.arange(frames), path].sum() == pytest.approx(
        best_score(log_probs, ids), abs=1e-4
    )


def test_impossible_tokens() -> None:
    log_probs = random_log_probs(6, 3, 0)
    log_probs[:, 2] = -np.inf
    spans = forced_align(log_probs, [1, 2])
    assert spans[0].end <= spans[1].start
    with pytest.raises(DataError, match="no words"):
        forced_align(log_probs, [])


def test_words_and_characters() -> None:
    vocabulary = Vocabulary(["<blank>", "▁", "a", "b"])
    ids = [2, 3, 1, 3]
    log_probs = np.log(np.full((20, 4), 0.02, np.float32))
    for frame, token in enumerate([0, 0, 0, 2, 2, 0, 3, 0, 0, 1, 0, 0, 0, 3, 3, 3, 0, 0, 0, 0]):
        log_probs[frame, token] = np.log(0.94)
    how: dict[str, Any] = {"seconds_per_frame": 0.04, "duration_s": 0.8, "model": "m"}
    words = align_tokens(log_probs, ids, vocabulary, **how).words
    assert [(w.word, w.start, w.end) for w in words] == [
        ("ab", round(0.12 - ONSET_S, 3), 0.28),
        ("b", round(0.52 - ONSET_S, 3), 0.64),
    ]
    assert [(t.token, t.start, t.end) for t in words[0].tokens] == [
        ("a", round(0.12 - ONSET_S, 3), 0.2),
        ("b", 0.24, 0.28),
    ]
    assert words[0].confidence == pytest.approx(0.94, abs=1e-3)


@given(st.lists(st.tuples(st.floats(0, 0.3), st.floats(0.01, 0.5)), max_size=10))
def test_moved_starts_stay_in_order(parts: list[tuple[float, float]]) -> None:
    spans, place = [], 0.0
    for gap, length in parts:
        spans.append((place + gap, place + gap + length))
        place = spans[-1][1]
    moved = earlier_starts(spans)
    times = [t for span in moved for t in span]
    assert times == sorted(times)
    for (start, end), (begin, stop) in zip(spans, moved, strict=True):
        assert max(0.0, start - ONSET_S) <= begin <= start
        assert stop <= end
        assert stop > begin or end == start


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    tokenizer = CharTokenizer("abcde")
    task = CtcTask(
        CtcTaskConfig(model=CtcModelConfig(hidden_dim=16, num_layers=2, conv_channels=4)),
        len(tokenizer),
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


def noise(seconds: float, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def test_align_keeps_the_spelling(model: Path) -> None:
    recognizer = asr.load_model(model)
    alignment = recognizer.align(noise(2.0), "A cab, dad!", RATE)
    assert [w.word for w in alignment.words] == ["A", "cab,", "dad!"]
    assert ["".join(t.token for t in w.tokens) for w in alignment.words] == ["a", "cab", "dad"]
    times = [t for w in alignment.words for t in (w.start, w.end)]
    assert times == sorted(times)
    assert times[-1] <= alignment.duration_s == 2.0
    assert recognizer.align(noise(2.0), "a - cab", RATE).text == "a cab"


def test_texts_that_do_not_fit(model: Path) -> None:
    recognizer = asr.load_model(model)
    with pytest.raises(TokenError, match="'x'"):
        recognizer.align(noise(1.0), "a xab", RATE)
    with pytest.raises(DataError, match="longer than what can have been said"):
        recognizer.align(noise(0.2), "abcdeabcde", RATE)
    with pytest.raises(DataError, match="no words"):
        recognizer.align(noise(1.0), " ?! ", RATE)
    with pytest.raises(ConfigError, match="normaliser"):
        recognizer.align(noise(1.0), "a", RATE, normalizer="nonsense")


def grid(text: str) -> dict[str, list[tuple[float, float, str]]]:
    """Tiers of a TextGrid, read by rules of Praat's manual."""
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    for part in text.split("item [")[2:]:
        name = re.search(r'name = "(.*)"', part)
        assert name is not None
        rows = re.findall(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"', part)
        tiers[name[1]] = [(float(a), float(b), t.replace('""', '"')) for a, b, t in rows]
        assert f"size = {len(rows)}" in part
    return tiers


def test_formats(model: Path) -> None:
    alignment = asr.load_model(model).align(noise(2.0), 'a "cab"', RATE)
    content = json.loads(alignment.render("json"))
    assert set(content) == {
        *("text", "duration_s", "words", "score", "model", "gap", "unit", "unsaid", "other")
    }
    assert set(content["words"][0]) == {*("word", "start", "end", "confidence", "tokens", "cost")}
    assert set(content["words"][0]["tokens"][0]) == {"token", "start", "end", "confidence"}
    assert len(alignment.render("ctm", "my talk").splitlines()) == 2
    assert alignment.render("ctm", "my talk").startswith("my_talk 1 ")
    tiers = grid(alignment.render("textgrid"))
    assert [t for _, _, t in tiers["words"] if t] == ["a", '"cab"']
    assert [t for _, _, t in tiers["characters"] if t] == list("acab")
    for intervals in tiers.values():
        assert intervals[0][0] == 0
        assert intervals[-1][1] == 2.0
        assert all(a[1] == b[0] for a, b in itertools.pairwise(intervals))


def test_the_gap_is_what_the_text_costs_beside_the_best_path() -> None:
    vocabulary = Vocabulary(["<blank>", "▁", "a", "b", "c"])
    probs = np.full((8, 5), 0.01, np.float32)
    for frame, token in enumerate((0, 2, 2, 0, 3, 0, 4, 0)):
        probs[frame, token] = 0.96
    how = {"seconds_per_frame": 0.04, "duration_s": 0.32, "model": "m"}

    def aligned(*ids: int) -> ForcedAlignment:
        return align_tokens(np.log(probs), ids, vocabulary, unit="phones", **how)  # type: ignore[arg-type]

    assert aligned(2, 3, 4).gap == pytest.approx(0, abs=1e-4)
    assert aligned(2, 3, 4).doubt == ""
    wrong = aligned(4, 2, 3)
    paths = {
        path: sum(float(np.log(probs)[t, p]) for t, p in enumerate(path))
        for path in itertools.product(range(5), repeat=8)
        if collapsed(path) == [4, 2, 3]
    }
    cost = float(np.log(probs).max(1).sum()) - max(paths.values())
    top = probs.argmax(1)
    frames = {  # of the best paths, of which there are several
        sum(token > 0 or best > 0 for token, best in zip(path, top, strict=True))
        for path, score in paths.items()
        if score > max(paths.values()) - 1e-4
    }
    assert any(wrong.gap == pytest.approx(cost / number, abs=1e-3) for number in frames)
    assert "something else seems to be said" in wrong.doubt
    assert set(grid(wrong.render("textgrid"))) == {"words", "phones"}


def test_all_that_is_unknown_is_named() -> None:
    with pytest.raises(TokenError, match=r"'x' \(and 'y', 'z'\) in 'a xyzx'"):
        CharTokenizer("abc ").encode("a xyzx")
    phones = PhoneTokenizer(Pronunciations({"a": [("AA",)]}))
    with pytest.raises(TokenError, match=r"The word 'b' \(and 'c'\) in 'a b c b'"):
        phones.encode("a b c b")
    assert phones.unknown("a b c b") == ["b", "c"]
    said = Pronunciations({"b": [("AA", "AA")], "c": [("ZH",)]})
    assert list(phones.sayable(said)) == ["b"]
