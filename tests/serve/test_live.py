"""Streams without a protocol: any model, any rate, any cut of the bytes, bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from service import RATE, save_tiny

from asr.audio.synthetic import made_audio
from asr.serve.config import ServeConfig
from asr.serve.errors import TooLong
from asr.serve.live import WINDOW_EVERY_S, Streams, TooManyStreams
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet
from asr.serve.options import STREAM, read_options
from asr.speech.microphone import GrowingWindow
from asr.speech.recognizer import load_model
from asr.speech.streaming import EndpointConfig, StreamingRecognizer, StreamResult

PCM = (made_audio(4.0, RATE, 1) * 32767).astype("<i2")
FLOATS = PCM.astype(np.float32) / 32768


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has to see all of a recording."""
    return save_tiny(tmp_path_factory.mktemp("live") / "whole", 1, trim=True)


def streams_of(model: Path, **config: Any) -> Streams:
    metrics, settings = ServiceMetrics(), ServeConfig(**config)
    return Streams(Fleet([model], settings, metrics), settings, metrics)


def heard(streams: Streams, data: bytes, size: int, **options: Any) -> list[StreamResult]:
    """Return the results of bytes in pieces of this size."""

    async def go() -> list[StreamResult]:
        asked = read_options(options.items(), STREAM)
        stream = await streams.open(streams.choose(""), asked)
        results = []
        for begin in range(0, len(data), size):
            results += await stream.push(data[begin : begin + size])
        assert stream.seconds == pytest.approx(len(data) // 2 / (asked.sample_rate or RATE))
        return results + await stream.finish()

    return asyncio.run(go())


@pytest.mark.parametrize("size", [1, 3, 4001, 10**6])
def test_the_cut_of_the_bytes_makes_no_difference(streaming_model: Path, size: int) -> None:
    data = PCM[: RATE // 4].tobytes() if size < 4 else PCM.tobytes()
    expected = StreamingRecognizer(streaming_model).transcribe(FLOATS[: len(data) // 2])
    results = heard(streams_of(streaming_model), data, size)
    assert [result for result in results if result.final] == expected


def test_a_model_that_sees_all_streams_too(whole_model: Path) -> None:
    endpoint = EndpointConfig(max_utterance_s=2.0)
    window = GrowingWindow(load_model(whole_model, threads=1), endpoint, WINDOW_EVERY_S)
    expected = []
    for begin in range(0, len(FLOATS), 4000):
        expected += window.push(FLOATS[begin : begin + 4000])
    expected += window.finish()
    results = heard(streams_of(whole_model), PCM.tobytes(), 8000, max_utterance_s=2)
    assert results == expected
    assert sum(result.final for result in results) > 1
    slow = (made_audio(4.0, 8000, 1) * 32767).astype("<i2")
    assert any(
        r.text for r in heard(streams_of(whole_model), slow.tobytes(), 999, sample_rate=8000)
    )


def test_less_sure_words_are_left_out(streaming_model: Path) -> None:
    words = [w for r in heard(streams_of(streaming_model), PCM.tobytes(), 8000) for w in r.words]
    least = float(np.median([word.confidence for word in words]))
    results = heard(streams_of(streaming_model), PCM.tobytes(), 8000, min_confidence=least)
    finals = [result for result in results if result.final]
    kept = [word for result in finals for word in result.words]
    assert 0 < len(kept) < len(words)
    assert all(word.confidence >= least for word in kept)
    assert [result.text for result in finals] == [
        " ".join(word.word for word in result.words) for result in finals
    ]


def test_streams_are_bounded(streaming_model: Path) -> None:
    streams = streams_of(streaming_model, max_streams=2, max_duration_s=1.0)
    with pytest.raises(TooLong, match="longer than 1 s"):
        heard(streams, PCM.tobytes(), 8000)

    async def three() -> None:
        with await streams.place(), await streams.place():
            with (
                pytest.raises(TooManyStreams, match="2 streams are open already"),
                await streams.place(),
            ):
                pass
            assert "asr_open_streams 2.0" in streams.metrics.text().decode()

    asyncio.run(three())
    assert "asr_open_streams 0.0" in streams.metrics.text().decode()


def test_a_new_stream_waits_for_one_that_is_ending(streaming_model: Path) -> None:
    streams = streams_of(streaming_model, max_streams=1)
    events = []

    async def ending() -> None:
        with await streams.place():
            await asyncio.sleep(0.2)
            events.append("ended")

    async def beginning() -> None:
        with await streams.place():
            events.append("begun")

    async def both() -> None:
        await asyncio.gather(ending(), beginning())

    asyncio.run(both())
    assert events == ["ended", "begun"]
