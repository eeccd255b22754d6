"""Stitched windows against the whole recording at once, with a network whose reach is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from asr.audio.segmentation import SegmentationConfig, Window, speech_windows
from asr.decoding import greedy
from asr.speech.acoustics.stitching import in_batches, stitched_sections

RATE, STRIDE = 16000, 640
TOKENS = ["<blank>", "▁a", "▁b", "c", "▁dd"]
STARTS = np.array([False, True, True, False, True])
Array = npt.NDArray[np.float32]


def network(recordings: Sequence[Array]) -> list[Array]:
    """A "network": each output frame depends on the loudness of half a second around it, and on
    nothing else.
    """
    found = []
    for samples in recordings:
        count = -(-max(1, len(samples) // 160 - 1) // 4)
        power = np.pad(samples, (8000, 8000 + STRIDE)) ** 2
        total = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
        level = (
            np.array([total[t * STRIDE + 16000] - total[t * STRIDE] for t in range(count)]) / 16000
        )
        token = np.floor(level * 1e6).astype(int) % 9  # 0 to 4 are tokens, the others blanks
        probs = np.full((count, len(TOKENS)), 0.02)
        probs[np.arange(count), np.where(token < len(TOKENS), token, 0)] = 0.92
        found.append(np.log(probs).astype(np.float32))
    return found


def restless(seconds: float, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    return (rng.normal(0, 0.1, len(t)) * (0.6 + 0.4 * np.sin(25 * t))).astype(np.float32)


@pytest.mark.parametrize("max_window_s", [4.0, 8.0, 28.0])
def test_speech_without_a_pause_is_that_of_the_whole(max_window_s: float) -> None:
    samples = restless(70.0)
    config = SegmentationConfig(max_window_s=max_window_s, context_s=1.28)
    windows = list(speech_windows([samples], RATE, config))
    assert all(w.goes_on for w in windows[:-1])
    sections = list(stitched_sections(windows, network, STRIDE, STARTS, 40 * RATE))
    expected = greedy(network([samples])[0], TOKENS)
    assert len(sections) > 1
    assert (
        " ".join(greedy(s.log_probs, TOKENS).text for s in sections).split()
        == expected.text.split()
    )
    joined = np.concatenate([s.log_probs for s in sections])
    np.testing.assert_array_equal(joined, network([samples])[0][: len(joined)])
    words = [
        (w.word, s.start // STRIDE + w.start_frame)
        for s in sections
        for w in greedy(s.log_probs, TOKENS).words
    ]
    assert words == [(w.word, w.start_frame) for w in expected.words]


def test_sections_begin_with_words() -> None:
    windows = list(
        speech_windows([restless(60.0)], RATE, SegmentationConfig(max_window_s=4.0, context_s=1.28))
    )
    for section in list(stitched_sections(windows, network, STRIDE, STARTS, 40 * RATE))[1:]:
        path = [t for t in section.log_probs.argmax(axis=1).tolist() if t]
        assert not path or STARTS[path[0]]


def test_nothing_but_blanks() -> None:
    def silent(recordings: Sequence[Array]) -> list[Array]:
        blank = np.log(np.array([[0.92, 0.02, 0.02, 0.02, 0.02]], np.float32))
        return [np.repeat(blank, len(r) // STRIDE, axis=0) for r in recordings]

    windows = list(
        speech_windows([restless(20.0)], RATE, SegmentationConfig(max_window_s=4.0, context_s=1.28))
    )
    sections = list(stitched_sections(windows, silent, STRIDE, STARTS, 40 * RATE))
    assert sum(len(s.log_probs) for s in sections) == pytest.approx(500, abs=2)


def test_batches_keep_order_and_limit() -> None:
    seen: list[int] = []

    def count(recordings: Sequence[Array]) -> list[Array]:
        seen.append(len(recordings) * max(map(len, recordings)))
        return [r[:1, None] for r in recordings]

    recordings = [np.full(n, n, np.float32) for n in (5, 900, 40, 41, 7, 300)]
    found = in_batches(recordings, count, 500)
    assert [float(f[0, 0]) for f in found] == [5, 900, 40, 41, 7, 300]
    assert sorted(seen)[-1] == 900
    assert all(n <= 500 for n in sorted(seen)[:-1])
    assert in_batches([], count, 500) == []


def test_windows_are_taken_as_they_come() -> None:
    """No more windows are held than a pool."""
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield Window(taken * RATE, restless(0.5, taken))

    sections = stitched_sections(endless(), network, STRIDE, STARTS, 40 * RATE)  # type: ignore[arg-type]
    for _ in range(40):
        next(sections)
    assert taken <= 64
