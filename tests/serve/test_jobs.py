"""Long recordings: submitted, polled, fetched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from service import RATE, Server, wav

import asr
from asr.audio.synthetic import made_audio
from asr.serve.config import ServeConfig
from asr.serve.errors import NotFound
from asr.serve.jobs import MAX_DONE, Job, Jobs
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet
from asr.serve.options import RequestOptions
from asr.serve.service import Service

LIMITS = {
    "max_duration_s": 10.0,
    "max_bytes": 400_000,
    "max_job_bytes": 4_000_000,
    "max_job_s": 100.0,
    "max_jobs": 2,
}


@pytest.fixture(scope="module")
def server(streaming_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "log"
    running = Server([streaming_model], log, **LIMITS)
    yield running
    assert running.stop() == 0, log.read_text()


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech-like sounds with pauses, 70 seconds."""
    pause = np.zeros(RATE, np.float32)
    parts = [part for seed in range(23) for part in (made_audio(2.0, RATE, seed), pause)]
    path = tmp_path_factory.mktemp("long") / "talk.flac"
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


def submit(server: Server, data: bytes, **options: Any) -> httpx.Response:
    return httpx.post(
        f"{server.url}/v1/jobs", files={"file": ("talk.flac", data)}, data=options, timeout=60
    )


def finished(server: Server, key: str) -> list[dict[str, Any]]:
    """Return what polling a job said until it ended."""
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["status"] in ("queued", "running"):
        seen.append(httpx.get(f"{server.url}/v1/jobs/{key}", timeout=60).raise_for_status().json())
        time.sleep(0.02)
    return seen


def test_a_long_recording_is_sent_to_jobs_and_transcribed(
    server: Server, streaming_model: Path, long: Path
) -> None:
    refused = httpx.post(f"{server.url}/v1/transcribe", files={"file": long.read_bytes()[:390_000]})
    assert refused.status_code == 413
    assert "/v1/jobs" in refused.json()["detail"]

    accepted = submit(server, long.read_bytes())
    assert accepted.status_code == 202, accepted.text
    key = accepted.json()["id"]
    assert accepted.headers["location"] == f"/v1/jobs/{key}"
    states = finished(server, key)
    progress = [state["progress"] for state in states]
    assert progress == sorted(progress)
    assert states[-1] | {"id": ""} == {
        "id": "",
        "status": "done",
        "name": "talk.flac",
        "model": "tiny",
        "progress": 1.0,
        "duration_s": 69.0,
        "error": None,
    }

    expected = asr.load_model(streaming_model).transcribe(long)
    result = f"{server.url}/v1/jobs/{key}/transcript"
    assert len(expected.segments) > 3
    assert httpx.get(result).json() == {"name": "talk.flac", **json_form(expected.to_dict())}
    for output_format in ("srt", "vtt", "txt", "tsv"):
        got = httpx.get(result, params={"output_format": output_format})
        assert got.text == expected.render(output_format)
    assert httpx.get(result, params={"n_best": 2}).status_code == 422
    assert httpx.delete(f"{server.url}/v1/jobs/{key}").status_code == 204
    assert httpx.get(result).status_code == 404


def json_form(content: dict[str, Any]) -> dict[str, Any]:
    import json

    return dict(json.loads(json.dumps(content)))


def test_results_are_forgotten(streaming_model: Path, tmp_path: Path) -> None:
    metrics, config = ServiceMetrics(), ServeConfig(job_ttl_s=60.0)
    service = Service(Fleet([streaming_model], config, metrics), config, metrics)
    jobs, hosted = Jobs(service), service.fleet.choose(None)
    now = time.monotonic()
    for number in range(MAX_DONE + 3):
        folder = tmp_path / str(number)
        folder.mkdir()
        job = Job(str(number), "talk.wav", hosted, RequestOptions(), folder, status="done")
        job.ended = now - 61 if number == MAX_DONE + 2 else now - 50 + number / 10
        jobs._jobs[job.id] = job
    for key in (str(MAX_DONE + 2), "0", "1"):  # too old, and the oldest of too many
        with pytest.raises(NotFound, match="kept for 60 s"):
            jobs.get(key)
        assert not (tmp_path / key).exists()
    assert jobs.get("2").folder.exists()
    assert jobs.get(str(MAX_DONE + 1)).folder.exists()


def test_options_of_a_job(server: Server, streaming_model: Path, long: Path) -> None:
    hot = asr.load_model(streaming_model).with_decoding({"hotwords": {"abba": 10.0}, "n_best": 2})
    expected = hot.transcribe(long)
    key = submit(server, long.read_bytes(), hotwords="abba", n_best=2).json()["id"]
    finished(server, key)
    got = httpx.get(f"{server.url}/v1/jobs/{key}/transcript").json()
    assert got["text"] == expected.text
    assert all(len(segment["alternatives"]) == 2 for segment in got["segments"])
    for options in ({"hotwords": "xylophone"}, {"silence_s": 1}, {"output_format": "srt"}):
        refused = submit(server, wav(1.0), **options)
        assert refused.status_code == 422
        assert next(iter(options)) in refused.text or "xylophone" in refused.text


def test_limits(server: Server, long: Path) -> None:
    sound = made_audio(51.0, 8000, 1)
    too_long = Path(long).with_name("long.ogg")
    soundfile.write(too_long, np.concatenate([sound, sound]), 8000)
    for data, status in (
        (b"no audio", 400),
        (too_long.read_bytes(), 413),
        (bytes(5_000_000), 413),
    ):
        answer = submit(server, data)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"]
    for method, path in (
        ("GET", "/v1/jobs/nothing"),
        ("GET", "/v1/jobs/nothing/transcript"),
        ("DELETE", "/v1/jobs/../nothing"),
    ):
        assert httpx.request(method, server.url + path).status_code == 404


def test_the_queue_is_bounded_and_jobs_can_be_stopped(server: Server, long: Path) -> None:
    data, keys = long.read_bytes(), []
    statuses = []
    for _ in range(8):
        answer = submit(server, data, n_best=20)  # slow ones
        statuses.append(answer.status_code)
        keys += [answer.json()["id"]] if answer.status_code == 202 else []
    assert 503 in statuses
    early = httpx.get(f"{server.url}/v1/jobs/{keys[-1]}/transcript")
    assert early.status_code in (404, 409, 200)
    for key in keys:
        assert httpx.delete(f"{server.url}/v1/jobs/{key}").status_code in (204, 404)
        assert httpx.get(f"{server.url}/v1/jobs/{key}").status_code == 404
    assert submit(server, wav(1.0)).status_code == 202
