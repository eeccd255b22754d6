"""Corrected transcripts that the service keeps: where it may, how, and that they can be learned."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from service import RATE, Server, wav

from asr.audio.synthetic import made_audio
from asr.errors import AudioError, ConfigError, DataError
from asr.serve.config import ServeConfig
from asr.serve.corrections import TABLE, Corrections
from asr.serve.errors import BadOption, NotFound
from asr.serve.rendering import TranscriptBody
from data_prep.tables import read_table

SEGMENT = {"start": 0.0, "end": 1.0, "text": "a bad cab", "confidence": 0.5, "words": []}


def body(text: str = "a bad cab") -> dict[str, Any]:
    return {"segments": [{**SEGMENT, "text": text}], "duration_s": 1.0}


def transcript(text: str = "a bad cab") -> TranscriptBody:
    return TranscriptBody.model_validate(body(text))


def long_transcript(*runs: tuple[float, float]) -> TranscriptBody:
    """Words of half a second without a pause in each run, which has a start and an end."""
    words = [
        {"word": "dab", "start": float(at), "end": float(at) + 0.5, "confidence": 0.9}
        for start, end in runs
        for at in np.arange(start, end, 0.5)
    ]
    segment = {**SEGMENT, "start": runs[0][0], "end": runs[-1][1], "words": words}
    return TranscriptBody.model_validate({"segments": [segment], "duration_s": 100.0})


def test_the_least_certain_come_first_and_can_be_prepared(tmp_path: Path) -> None:
    kept = Corrections(tmp_path)
    for seed, confidence in enumerate((0.9, 0.2, 0.5)):
        source = io.BytesIO(wav(1.0, seed))
        kept.add(source, f"talk {seed}.wav", transcript(f"text {seed}"), "heard", confidence)
    assert [answer.confidence for answer in kept.listed()] == [0.2, 0.5, 0.9]
    assert [answer.name for answer in kept.listed()] == ["talk 1.wav", "talk 2.wav", "talk 0.wav"]
    utterances = read_table(tmp_path / TABLE, 0.0)["train"]
    assert [utterance.text for utterance in utterances] == ["text 1", "text 2", "text 0"]
    for utterance, seed in zip(utterances, (1, 2, 0), strict=True):
        assert Path(utterance.audio).read_bytes() == wav(1.0, seed)
    again = Corrections(tmp_path)
    assert again.listed() == kept.listed()


def test_a_newer_correction_replaces_and_one_is_forgotten(tmp_path: Path) -> None:
    kept = Corrections(tmp_path)
    first = kept.add(io.BytesIO(wav()), "a.wav", transcript("dab"), "bad", 0.5)
    second = kept.add(io.BytesIO(wav()), "b.wav", transcript(""), "bad", 0.5)
    assert first.id == second.id
    assert [answer.text for answer in kept.listed()] == [""]
    kept.delete(first.id)
    assert not kept.listed()
    assert not list((tmp_path / "audio").iterdir())
    with pytest.raises(NotFound):
        kept.delete(first.id)


def test_long_recordings_are_cut_at_pauses(tmp_path: Path) -> None:
    samples = made_audio(100.0, RATE, 1)
    source = io.BytesIO()
    soundfile.write(source, samples, RATE, format="FLAC")
    source.seek(0)
    kept = Corrections(tmp_path)
    # two short runs, one that is too long to learn from, and one
    spoken = long_transcript((0, 4), (5, 9), (10, 40), (50, 60))
    kept.add(source, "talk.flac", spoken, "heard", 0.5)
    utterances = read_table(tmp_path / TABLE, 0.0)["train"]
    times = [(u.start_s, round(u.start_s + (u.duration_s or 0), 3)) for u in utterances]
    assert times == [(0.0, 9.15), (49.85, 60.15)]
    assert [len(u.text.split()) for u in utterances] == [16, 20]


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [("talk.exe", wav(), BadOption), ("", wav(), BadOption), ("a.wav", b"no audio", AudioError)],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, name: str, data: bytes, error: type[Exception]
) -> None:
    kept = Corrections(tmp_path)
    with pytest.raises(error):
        kept.add(io.BytesIO(data), name, transcript(), "", 0.5)
    assert not kept.listed()
    assert not list((tmp_path / "audio").iterdir())


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    for content, problem in (("no json", "not JSON"), ('{"id": "a"}', "not a correction")):
        (tmp_path / TABLE).write_text(f"{content}\n")
        with pytest.raises(DataError, match=problem):
            Corrections(tmp_path)
    with pytest.raises(ConfigError, match="no corrections to learn from"):
        ServeConfig(learn_s=10.0)


@pytest.fixture(scope="module")
def server(streaming_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("kept")
    running = Server([streaming_model], folder / "log", corrections_dir=str(folder / "corrections"))
    yield running
    assert running.stop() == 0, running.log.read_text()


def post(server: Server, **fields: Any) -> httpx.Response:
    form = {"transcript": json.dumps(body()), "heard": "a dad", "confidence": "0.4", **fields}
    files = {"file": ("talk.wav", wav())}
    return httpx.post(f"{server.url}/v1/corrections", files=files, data=form, timeout=60)


def test_the_service_keeps_what_is_sent(server: Server) -> None:
    answer = post(server).raise_for_status().json()
    expected = {"name": "talk.wav", "text": "a bad cab", "heard": "a dad", "confidence": 0.4}
    assert {name: answer[name] for name in expected} == expected
    listed = httpx.get(f"{server.url}/v1/corrections").json()["corrections"]
    assert listed == [answer]
    place = f"{server.url}/v1/corrections/{answer['id']}"
    assert httpx.delete(place).status_code == 204
    assert httpx.delete(place).status_code == 404
    assert "data-corrections" in httpx.get(server.url).text
    assert "data-learn" not in httpx.get(server.url).text
    assert httpx.post(f"{server.url}/v1/learn").status_code == 404


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"transcript": "no json"}, "transcript"),
        ({"transcript": '{"segments": [{"start": 2, "end": 1}]}'}, "transcript"),
        ({"confidence": "nan"}, "confidence"),
        ({"confidence": "high"}, "confidence"),
        ({"speaker": "anna"}, "speaker is unknown"),
    ],
)
def test_bad_fields_are_named(server: Server, fields: dict[str, str], problem: str) -> None:
    answer = post(server, **fields)
    assert answer.status_code == 422
    assert problem in answer.json()["detail"]


def test_nothing_is_kept_by_default(keyed_server: Server) -> None:
    headers = {"Authorization": "Bearer secret"}
    for method, route in (("POST", "corrections"), ("GET", "corrections"), ("POST", "learn")):
        answer = httpx.request(method, f"{keyed_server.url}/v1/{route}", headers=headers)
        assert answer.status_code == 404
    assert "<body>" in httpx.get(keyed_server.url).text
