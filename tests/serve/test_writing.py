"""Marks, capitals and numbers: the same text by every protocol, with the plain words beside it."""

from __future__ import annotations

import asyncio
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from service import RATE, free_port, wav

import asr
from asr.audio.synthetic import made_audio
from asr.serve.app import create_app
from asr.serve.config import ServeConfig
from asr.serve.options import RECORDING, read_options
from asr.serve.variants import Variants
from asr.speech.streaming import StreamingRecognizer, StreamResult
from asr.speech.transcripts.transcript import Transcript
from asr.speech.transcripts.writing import WritingConfig
from data_prep.espeak import speak

PCM = (made_audio(3.0, RATE, 1) * 32767).astype("<i2")
TEXT_MODEL = "en-text"


@pytest.fixture(scope="module")
def wyoming_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def client(streaming_model: Path, wyoming_port: int) -> Iterator[Any]:
    config = ServeConfig(text_model=TEXT_MODEL, wyoming_port=wyoming_port)
    with TestClient(create_app([streaming_model], config)) as opened:
        yield opened


@pytest.fixture(scope="module")
def recognizer(streaming_model: Path) -> asr.Recognizer:
    return asr.load_model(streaming_model, writing=WritingConfig(TEXT_MODEL))


@pytest.fixture(scope="module")
def expected(recognizer: asr.Recognizer) -> Transcript:
    transcript = recognizer.transcribe(wav(3.0))
    assert transcript.readable not in ("", transcript.text)
    return transcript


@pytest.fixture(scope="module")
def expected_stream(recognizer: asr.Recognizer) -> list[StreamResult]:
    return StreamingRecognizer(recognizer).transcribe(PCM.astype(np.float32) / 32768)


def post(client: Any, path: str = "/v1/transcribe", **fields: Any) -> Any:
    answer = client.post(path, files={"file": ("x.wav", wav(3.0))}, data=fields)
    assert answer.status_code == 200, answer.text
    return answer


def as_json(transcript: Transcript) -> Any:
    return json.loads(transcript.to_json())


def test_json_holds_the_words_and_the_text(client: Any, expected: Transcript) -> None:
    [result] = post(client).json()["results"]
    assert {name: result[name] for name in as_json(expected)} == as_json(expected)
    assert result["written"] == expected.readable
    [plain] = post(client, punctuation="false").json()["results"]
    assert (plain["text"], plain["written"]) == (expected.text, None)
    assert all("written" not in segment for segment in plain["segments"])
    [timed] = post(client, timestamps="segment").json()["results"]
    first = expected.segments[0].written
    assert first is not None
    assert timed["segments"][0]["written"] == {"text": first.text}


def test_other_formats_hold_the_text(client: Any, expected: Transcript) -> None:
    for name in ("txt", "srt", "vtt", "tsv"):
        assert post(client, output_format=name).text == expected.render(name)


def test_openai_answers_with_the_text(client: Any, expected: Transcript) -> None:
    path = "/v1/audio/transcriptions"
    assert post(client, path).json()["text"] == expected.readable
    assert post(client, path, punctuation="false").json()["text"] == expected.text
    asked = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    words = [word["word"] for word in post(client, path, **asked).json()["words"]]
    tokens = [token for s in expected.segments if s.written for token in s.written.tokens]
    assert words == [token.text.removesuffix(token.mark) for token in tokens]
    events = _events(post(client, path, stream="true").text)
    assert events[-1]["text"] == expected.readable
    assert "".join(event.get("delta", "") for event in events) == expected.readable


def _events(text: str) -> list[Any]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_deltas_of_a_long_recording_are_written_as_they_come(client: Any) -> None:
    pause = np.zeros(RATE, np.float32)
    parts = [part for seed in range(14) for part in (made_audio(2.0, RATE, seed), pause)]
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(parts), RATE, format="WAV")
    answer = client.post(
        "/v1/audio/transcriptions",
        files={"file": ("x.wav", file.getvalue())},
        data={"stream": "true"},
    )
    *deltas, done = _events(answer.text)
    assert len(deltas) > 2
    assert "".join(event["delta"] for event in deltas) == done["text"]
    assert done["text"][0].isupper()
    assert done["text"][-1] in ".?"


def test_streams_send_both(client: Any, expected_stream: list[StreamResult]) -> None:
    for query, written in (("", True), ("&punctuation=false", False)):
        with client.websocket_connect(f"/v1/stream?sample_rate={RATE}{query}") as socket:
            socket.send_bytes(PCM.tobytes())
            socket.send_text('{"type": "end"}')
            finals = []
            while (message := socket.receive_json())["type"] != "done":
                finals += [message] if message["type"] == "final" else []
        assert [final["text"] for final in finals] == [r.text for r in expected_stream]
        texts = [final["written"]["text"] if written else final["text"] for final in finals]
        assert texts == [r.readable if written else r.text for r in expected_stream]


def test_less_sure_words_are_left_out_of_the_text_of_a_stream(
    expected_stream: list[StreamResult],
) -> None:
    [result] = expected_stream
    least = sorted(word.confidence for word in result.words)[len(result.words) // 2]
    kept = result.confident(least)
    assert kept.written is not None
    assert 0 < len(kept.written.tokens) == len(kept.words) < len(result.words)
    places = [(token.first_word, token.stop_word) for token in kept.written.tokens]
    assert places == [(n, n + 1) for n in range(len(kept.words))]


def test_vosk_writes_where_its_client_asks(
    client: Any, expected_stream: list[StreamResult]
) -> None:
    def talk(**config: Any) -> Any:
        with client.websocket_connect("/") as socket:
            socket.send_text(json.dumps({"config": {"sample_rate": RATE, **config}}))
            socket.send_bytes(PCM.tobytes())
            first = socket.receive_json()
            socket.send_text('{"eof": 1}')
            return first, socket.receive_json()

    [result] = expected_stream
    assert talk()[1]["text"] == result.text
    written = talk(punctuation=True)[1]
    assert written["text"] == result.readable
    assert [word["word"] for word in written["result"]] == [word.word for word in result.words]
    first, last = talk(punctuation=True, max_alternatives=2)
    assert first["ignored"] == ["punctuation"]
    assert last["alternatives"][0]["text"] == last["alternatives"][0]["text"].lower()


def test_wyoming_answers_with_the_text(
    client: Any, wyoming_port: int, expected_stream: list[StreamResult]
) -> None:
    with warnings.catch_warnings():  # see test_wyoming.py
        warnings.simplefilter("ignore", DeprecationWarning)
        from wyoming.audio import AudioChunk, AudioStop
        from wyoming.client import AsyncTcpClient

    async def go() -> Any:
        async with AsyncTcpClient("127.0.0.1", wyoming_port) as speaker:
            await speaker.write_event(AudioChunk(RATE, 2, 1, PCM.tobytes()).event())
            await speaker.write_event(AudioStop().event())
            while (event := await speaker.read_event()).type != "transcript":
                pass
            return event

    said = " ".join(result.readable for result in expected_stream)
    assert asyncio.run(go()).data["text"] == said


def test_what_a_model_writes(recognizer: asr.Recognizer) -> None:
    def config_of(**asked: Any) -> WritingConfig:
        variants = Variants(recognizer, ServeConfig(punctuation=False))
        return variants.get(read_options(asked.items(), RECORDING)).builder.writer.config

    assert config_of() == WritingConfig()
    assert config_of(punctuation="true") == WritingConfig(TEXT_MODEL)
    assert config_of(numbers="true") == WritingConfig(numbers=True)
    both = config_of(punctuation="true", numbers="true", n_best="3")
    assert both == WritingConfig(TEXT_MODEL, numbers=True)


def test_a_model_without_a_text_model_refuses_marks(streaming_model: Path) -> None:
    with TestClient(create_app([streaming_model], ServeConfig())) as client:
        given = {"file": ("x.wav", wav(1.0))}
        answer = client.post("/v1/transcribe?punctuation=true", files=given)
        assert answer.status_code == 422
        assert "no text model" in answer.json()["detail"]


def test_mandarin_has_marks_by_every_protocol() -> None:
    speech = speak("他是中国历史上著名的政治家", voice="cmn", speed_wpm=150)
    pause = np.zeros(speech.sample_rate, np.float32)
    file = io.BytesIO()
    samples = np.concatenate([speech.samples, pause, speech.samples])
    soundfile.write(file, samples, speech.sample_rate, format="WAV")
    form = {"files": {"file": ("x.wav", file.getvalue())}}
    with TestClient(create_app(["zh"])) as client:
        [result] = client.post("/v1/transcribe", **form).json()["results"]
        [plain] = client.post("/v1/transcribe", **form, data={"punctuation": "false"}).json()[
            "results"
        ]
        path = "/v1/audio/transcriptions"
        openai = client.post(path, **form).json()["text"]
        *deltas, done = _events(client.post(path, **form, data={"stream": "true"}).text)
    assert not set(plain["text"]) & set("，。？ ")
    assert (plain["text"], plain["written"]) == (result["text"], None)
    assert _characters(result["written"]) == plain["text"]
    assert result["written"].endswith("。")
    assert openai == result["written"]
    assert _characters(done["text"]) == plain["text"]
    assert "".join(event["delta"] for event in deltas) == done["text"]


def _characters(written: str) -> str:
    return "".join(char for char in written if char not in "，。？")
