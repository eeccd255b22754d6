"""vosk-server's protocol, with a client that speaks as Vosk's examples do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from service import RATE, Server
from websockets.sync.client import connect

import asr
from asr.audio.synthetic import made_audio
from asr.speech.streaming import StreamingRecognizer, StreamResult

PCM = (made_audio(3.0, RATE, 1) * 32767).astype("<i2")


@pytest.fixture(scope="module")
def expected(streaming_model: Path) -> list[StreamResult]:
    """What the library makes of the same stream."""
    return StreamingRecognizer(streaming_model).transcribe(PCM.astype(np.float32) / 32768)


def talk(keyed_server: Server, config: dict[str, Any] | None, data: bytes, size: int) -> list[Any]:
    """Return the answers: one to each chunk, and one to the end."""
    answers: list[Any] = []
    with connect(f"ws://127.0.0.1:{keyed_server.port}/?key=secret") as socket:
        if config is not None:
            socket.send(json.dumps({"config": config}))
        for begin in range(0, len(data), size):
            socket.send(data[begin : begin + size])
            answers.append(json.loads(socket.recv()))
        socket.send('{"eof" : 1}')
        answers.append(json.loads(socket.recv()))
    return answers


def said(answers: list[Any]) -> str:
    return " ".join(answer["text"] for answer in answers if answer.get("text"))


@pytest.mark.parametrize("size", [6400, 3201])  # 0.2 s as the examples; half a sample too many
def test_partial_and_final_results(
    keyed_server: Server, expected: list[StreamResult], size: int
) -> None:
    answers = talk(keyed_server, {"sample_rate": RATE}, PCM.tobytes(), size)
    assert len(answers) == -(-2 * len(PCM) // size) + 1
    assert all(set(answer) in ({"partial"}, {"text"}, {"result", "text"}) for answer in answers)
    assert any(answer.get("partial") for answer in answers)
    assert said(answers) == " ".join(result.text for result in expected)
    words = [word for answer in answers for word in answer.get("result", [])]
    assert words == [
        {"conf": w.confidence, "end": w.end, "start": w.start, "word": w.word}
        for result in expected
        for w in result.words
    ]
    partials = [answer["partial"] for answer in answers if "partial" in answer]
    shown = [text for text in partials if text]
    assert partials.index(shown[0]) < len(partials) - 1
    assert all(partials[partials.index(shown[0]) + n] for n in range(2))  # it stays until it ends


def test_the_form_of_results(keyed_server: Server, streaming_model: Path) -> None:
    plain = talk(keyed_server, {"sample_rate": RATE, "words": False}, PCM.tobytes(), 6400)
    assert all(set(answer) in ({"partial"}, {"text"}) for answer in plain)
    several = talk(keyed_server, {"sample_rate": RATE, "max_alternatives": 3}, PCM.tobytes(), 6400)
    finals = [answer["alternatives"] for answer in several if "alternatives" in answer]
    assert any(len(alternatives) == 3 for alternatives in finals)
    for reading in (reading for alternatives in finals for reading in alternatives):
        assert set(reading) in ({"confidence", "text"}, {"confidence", "result", "text"})
        assert all(set(word) == {"end", "start", "word"} for word in reading.get("result", []))
    recognizer = asr.load_model(streaming_model).with_decoding({"n_best": 3})
    direct = StreamingRecognizer(recognizer).transcribe(PCM.astype(np.float32) / 32768)
    texts = [[reading.text for reading in result.alternatives] for result in direct]
    assert [[reading["text"] for reading in final] for final in finals if final[0]["text"]] == texts


def test_other_rates_are_resampled(keyed_server: Server, streaming_model: Path) -> None:
    slow = (made_audio(2.0, 8000, 2) * 32767).astype("<i2")
    stream = StreamingRecognizer(streaming_model).stream(8000)
    results = [r for r in stream.push(slow) + stream.finish() if r.final]
    assert said(talk(keyed_server, None, slow.tobytes(), 3200)) == " ".join(r.text for r in results)


def test_a_phrase_list_limits_what_is_recognised(keyed_server: Server) -> None:
    anything = {"sample_rate": RATE}
    free = set(said(talk(keyed_server, anything, PCM.tobytes(), 6400)).split())
    assert len(free) > 3
    phrases = [" ".join(sorted(free)[:2]), sorted(free)[2]]
    words = set(" ".join(phrases).split())
    limited = talk(keyed_server, {**anything, "phrase_list": phrases}, PCM.tobytes(), 6400)
    assert set(said(limited).split()) <= words
    assert said(limited)
    marked = talk(keyed_server, {**anything, "phrase_list": ["cab", "[unk]"]}, PCM.tobytes(), 6400)
    assert {"[unk]"} <= set(said(marked).split()) <= {"cab", "[unk]"}
    unknown = {**anything, "phrase_list": [phrases[1], "xylophone"], "spk": 1}
    answers = talk(keyed_server, unknown, PCM.tobytes(), 6400)
    assert answers[0]["ignored"] == ["spk", "phrase_list: xylophone"]
    assert not any("ignored" in answer for answer in answers[1:])
    assert set(said(answers).split()) == {phrases[1]}


def test_what_cannot_be_done_is_said(keyed_server: Server) -> None:
    for config, reason in (
        ({"sample_rate": 3}, "sample_rate"),
        ({"sample_rate": "x"}, "sample_rate"),
        ({"model": "nobody"}, "no model"),
        ({"max_alternatives": 99}, "n_best"),
    ):
        with connect(f"ws://127.0.0.1:{keyed_server.port}/?key=secret") as socket:
            socket.send(json.dumps({"config": config}))
            socket.send(b"\0\0")
            assert reason in json.loads(socket.recv())["error"]
    with connect(f"ws://127.0.0.1:{keyed_server.port}/?key=secret") as socket:
        socket.send("hello")
        assert "must be" in json.loads(socket.recv())["error"]


def test_a_key_is_needed(keyed_server: Server) -> None:
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{keyed_server.port}/"):
        pass
