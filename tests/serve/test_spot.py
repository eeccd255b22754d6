"""Phrases in recordings and streams, asked of a real service; the toolkit itself is the oracle."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from service import RATE, Server, wav
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from asr.audio.synthetic import made_audio
from asr.serve.errors import BadOption
from asr.serve.options import SPOT, STREAM, read_options
from asr.speech.recognizer import Recognizer, load_model
from asr.speech.spotting import (
    SpottedPhrase,
    StreamSpotter,
    find_phrases,
    phrase_thresholds,
    spell_phrases,
)
from asr.speech.streaming import StreamingRecognizer

KEY = {"Authorization": "Bearer secret"}
RECORDING = wav(3.0, 1)


@pytest.fixture(scope="module")
def model(streaming_model: Path) -> Recognizer:
    return load_model(streaming_model, threads=1)


@pytest.fixture(scope="module")
def phrases(model: Recognizer) -> list[str]:
    """Two short parts of what the model hears."""
    words = "".join(model.transcribe(RECORDING).text.split())
    assert len(words) > 8
    return [words[:3], words[-3:]]


def ask(server: Server, *files: tuple[str, Any], **options: Any) -> httpx.Response:
    given = [(field, (f"{n}.wav", data)) for n, (field, data) in enumerate(files)]
    return httpx.post(f"{server.url}/v1/spot", files=given, data=options, headers=KEY, timeout=60)


def as_dicts(spots: list[SpottedPhrase]) -> list[dict[str, Any]]:
    return [{"phrase": s.phrase, "start": s.start, "end": s.end, "score": s.score} for s in spots]


def test_recordings_are_searched(
    keyed_server: Server, model: Recognizer, phrases: list[str]
) -> None:
    files = ("files", RECORDING), ("files", b"no audio"), ("file", wav(1.0, 2))
    answer = ask(keyed_server, *files, phrases=f"{phrases[0]}:0.3, {phrases[1]}", threshold=0.2)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert content["model"] == "tiny"
    assert content["thresholds"] == {phrases[0]: 0.3, phrases[1]: 0.2}
    first, second, third = content["results"]
    ways = spell_phrases(model, phrases)
    for result, data in ((first, RECORDING), (third, wav(1.0, 2))):
        expected, seconds = find_phrases(model, data, ways, content["thresholds"])
        assert [s["phrase"] for s in result["spots"]] == [s.phrase for s in expected]
        for spot, other in zip(result["spots"], as_dicts(expected), strict=True):
            assert spot == {
                name: value if name == "phrase" else pytest.approx(value, abs=2e-3)
                for name, value in other.items()
            }
        assert result["duration_s"] == pytest.approx(seconds, abs=0.2)
    assert first["spots"]
    assert second["error"].startswith("1.wav: ")


def test_thresholds_of_a_wanted_rate_of_false_alarms(
    keyed_server: Server, model: Recognizer, phrases: list[str]
) -> None:
    asked = {"phrases": json.dumps(phrases), "false_alarms": 1000}
    answer = ask(keyed_server, ("files", RECORDING), ("background", RECORDING), **asked).json()
    found, seconds = find_phrases(model, RECORDING, spell_phrases(model, phrases), 0.0)
    expected = phrase_thresholds(spell_phrases(model, phrases), [found], seconds, 1000)
    assert answer["thresholds"] == pytest.approx(expected, abs=1e-3)
    assert "too few to see 1000 false alarms" in answer["notes"][0]
    none = ask(keyed_server, ("files", RECORDING), ("background", RECORDING), phrases=phrases[0])
    assert none.json()["results"][0]["spots"] == []


@pytest.mark.parametrize(
    ("files", "options", "status", "named"),
    [
        (["files"], {}, 422, "phrases"),
        (["background"], {"phrases": "ab"}, 422, "files"),
        (["files"], {"phrases": "xylophone"}, 422, "'x'"),
        (["files"], {"phrases": "ab:1.5"}, 422, "phrases"),
        (["files"], {"phrases": "ab", "threshold": "2"}, 422, "threshold"),
        (["files"], {"phrases": "ab", "false_alarms": "2"}, 422, "false_alarms"),
        (["files", "background"], {"phrases": "ab:0.5"}, 422, "phrases"),
        (["files", "background"], {"phrases": "ab", "threshold": "0.5"}, 422, "threshold"),
        (["files"], {"phrases": "ab", "n_best": "3"}, 422, "n_best has no effect"),
        (["files"], {"phrases": "ab", "colour": "3"}, 422, "colour is not an option"),
        (["files"], {"phrases": "ab", "model": "other"}, 404, "other"),
        (["sound"], {"phrases": "ab"}, 422, "sound"),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    keyed_server: Server, files: list[str], options: dict[str, str], status: int, named: str
) -> None:
    answer = ask(keyed_server, *((field, RECORDING) for field in files), **options)
    assert answer.status_code == status, answer.text
    assert named in answer.json()["detail"]


def test_a_request_whose_files_all_fail(keyed_server: Server) -> None:
    answer = ask(keyed_server, ("files", b"no audio"), phrases="ab")
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("0.wav: ")
    background = ask(keyed_server, ("files", RECORDING), ("background", b"none"), phrases="ab")
    assert background.status_code == 422


def test_a_stream_is_searched(keyed_server: Server, model: Recognizer) -> None:
    samples = (made_audio(3.0, RATE, 1) * 32767).astype("<i2")
    recognizer = StreamingRecognizer(model)
    heard = recognizer.transcribe(samples)
    word = max((w.word for result in heard for w in result.words), key=len)[:2]
    messages = streamed(keyed_server, samples, f"phrases={word}:0.3,{word}a")
    ways = spell_phrases(model, [word, f"{word}a"])
    spotter = StreamSpotter(model, ways, {word: 0.3, f"{word}a": 0.5})
    stream = recognizer.stream(spotter=spotter)
    stream.push(samples)
    stream.finish()
    expected = as_dicts(spotter.take())
    assert expected
    spots = sorted(
        ({k: v for k, v in m.items() if k != "type"} for m in messages if m["type"] == "spot"),
        key=lambda spot: (spot["start"], spot["phrase"]),
    )
    assert [(s["phrase"], s["start"], s["end"]) for s in spots] == [
        (s["phrase"], s["start"], s["end"]) for s in expected
    ]
    scores = [s["score"] for s in expected]
    assert [s["score"] for s in spots] == pytest.approx(scores, abs=2e-2)
    assert [m["text"] for m in messages if m["type"] == "final"] == [r.text for r in heard]
    assert messages[-1]["type"] == "done"


def streamed(server: Server, samples: np.ndarray, query: str) -> list[dict[str, Any]]:
    """Return all messages of a stream that is sent in pieces."""
    url = f"ws://127.0.0.1:{server.port}/v1/stream?key=secret&{query}"
    messages: list[dict[str, Any]] = []
    with connect(url) as connection, contextlib.suppress(ConnectionClosed):
        with contextlib.suppress(ConnectionClosed):
            for begin in range(0, len(samples), 8000):
                connection.send(samples[begin : begin + 8000].tobytes())
            connection.send(json.dumps({"type": "end"}))
        while True:
            messages.append(json.loads(connection.recv()))
    return messages


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("threshold=0.5", "threshold goes with phrases"),
        ("phrases=xylophone", "'x'"),
        ("phrases=ab:7", "phrases"),
        ("phrases=ab&false_alarms=1", "false_alarms has no effect here"),
    ],
)
def test_a_stream_refuses_by_name(keyed_server: Server, query: str, named: str) -> None:
    messages = streamed(keyed_server, np.zeros(8000, "<i2"), query)
    assert messages[-1]["type"] == "error"
    assert named in messages[-1]["detail"]


def test_the_description_has_the_route(keyed_server: Server) -> None:
    schema = httpx.get(f"{keyed_server.url}/openapi.json", headers=KEY).json()
    route = schema["paths"]["/v1/spot"]["post"]
    assert {parameter["name"] for parameter in route["parameters"]} == SPOT
    form = route["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert set(form) == SPOT | {"files", "file", "background"}
    answer = schema["components"]["schemas"]["SpotAnswers"]["properties"]
    assert set(answer) == {"model", "thresholds", "results", "notes"}


def test_phrases_are_read() -> None:
    options = read_options([("phrases", "new  york: 0.6, refund"), ("threshold", "0.4")], SPOT)
    assert options.thresholds == {"new york": 0.6, "refund": 0.4}
    listed = read_options([("phrases", '["hey you"]')], STREAM)
    assert listed.thresholds == {"hey you": 0.5}
    with pytest.raises(BadOption, match="phrases"):
        read_options([("phrases", ",".join(f"word{n}" for n in range(300)))], SPOT)
