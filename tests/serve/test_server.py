"""A real server: uvicorn in a process of its own, with good, bad and rude clients."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from service import RATE, Server, save_tiny, wav

from asr import load_model
from asr.audio.synthetic import made_audio
from asr.errors import ConfigError
from asr.serve.config import ServeConfig
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet, HostedModel
from asr.speech.acoustics.windows import Heard
from asr.speech.export.exporting import export_model
from asr.speech.streaming import EndpointConfig, StreamingRecognizer
from asr.speech.transcripts.transcript import Transcript

CONFIG = {
    "max_bytes": 200_000,
    "max_duration_s": 5.0,
    "max_files": 3,
    "upload_timeout_s": 1.0,
    "stream_idle_s": 1.5,
    "max_streams": 2,
    "api_keys": ["secret"],
    "split": [0.5, 0.5],
}
KEY = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [
        export_model(save_tiny(folder / f"t{n}", n), folder / name).folder
        for n, name in enumerate("ab")
    ]


@pytest.fixture(scope="module")
def server(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(models, tmp_path_factory.mktemp("log") / "log", **CONFIG)
    yield running
    assert running.stop() == 0, running.log.read_text()


def post(
    server: Server, *files: tuple[str, bytes], model: str = "a", **options: Any
) -> httpx.Response:
    given = [("files", file) for file in files]
    query = f"?model={model}" if model else ""
    return httpx.post(
        f"{server.url}/v1/transcribe{query}",
        files=given,
        headers={**KEY, **options.pop("headers", {})},
        timeout=60,
        **options,
    )


def test_good_recordings_are_answered_right(server: Server, models: list[Path]) -> None:
    expected = load_model(models[0])
    clips = [(f"{n}.wav", wav(0.5 + n / 2, n, rate)) for n, rate in enumerate((16000, 8000, 44100))]
    results = post(server, *clips).json()["results"]
    assert [r["name"] for r in results] == ["0.wav", "1.wav", "2.wav"]
    for result, (_, data) in zip(results, clips, strict=True):
        transcript = expected.transcribe(data)
        assert result["text"] == transcript.text
        assert result["duration_s"] == transcript.duration_s
        assert result["model"] == "a"
        assert result["error"] is None
        assert [w["word"] for s in result["segments"] for w in s["words"]] == [
            w.word for w in transcript.words
        ]


def test_a_model_that_cuts_at_pauses_answers_as_it_transcribes(tmp_path: Path) -> None:
    recognizer = load_model(save_tiny(tmp_path / "trimming", 0, trim=True))
    hosted = HostedModel("trimming", recognizer, ServeConfig(), ServiceMetrics())
    said = [made_audio(1.0, RATE, seed) for seed in range(3)]
    samples = np.concatenate([part for each in said for part in (each, np.zeros(RATE, np.float32))])

    async def go() -> list[Transcript]:
        hosted.batcher.start()
        transcripts = await asyncio.gather(
            hosted.transcribe(Heard(samples)), hosted.transcribe(Heard(np.zeros(RATE, np.float32)))
        )
        await hosted.batcher.stop()
        return transcripts

    hosted.warm_up()
    speech, silence = asyncio.run(go())
    assert speech == recognizer.transcribe(samples, RATE)
    assert len(speech.segments) == 3
    assert (silence.text, silence.duration_s, hosted.streaming) == ("", 1.0, None)


def test_many_at_once_are_batched_and_right(server: Server, models: list[Path]) -> None:
    expected = load_model(models[1])
    clips = [wav(0.5 + 0.02 * n, n) for n in range(24)]

    async def go() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60, headers=KEY) as client:
            url = f"{server.url}/v1/transcribe?model=b"
            return await asyncio.gather(
                *(client.post(url, files={"files": ("x.wav", clip)}) for clip in clips)
            )

    answers = asyncio.run(go())
    assert [a.status_code for a in answers] == [200] * len(clips)
    texts = [a.json()["results"][0]["text"] for a in answers]
    assert texts == [expected.transcribe(clip).text for clip in clips]
    metrics = httpx.get(f"{server.url}/metrics", headers=KEY).text
    counts = {
        line.split(" ")[0]: float(line.split(" ")[1])
        for line in metrics.splitlines()
        if line[0] != "#"
    }
    assert counts['asr_batch_size_count{model="b"}'] < counts['asr_batch_size_sum{model="b"}']


def of_unknown_length(seconds: float) -> bytes:
    """FLAC as it is written to a pipe."""
    file = io.BytesIO()
    soundfile.write(file, made_audio(seconds, RATE), RATE, format="FLAC")
    data = bytearray(file.getvalue())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def test_bad_recordings_are_refused(server: Server) -> None:
    for data, status in (
        (b"this is no audio", 400),
        (b"", 400),
        (wav()[:60], 400),
        (wav(0.01), 400),
        (wav(6.0), 413),
        (wav(1.0)[:40] + b"\0" * 250_000, 413),
        (of_unknown_length(6.0), 413),
    ):
        answer = post(server, ("x.wav", data))
        assert answer.status_code == status, answer.text
        assert "x.wav" in answer.json()["detail"]
    assert post(server, ("x.flac", of_unknown_length(1.0))).status_code == 200
    mixed = post(server, ("good.wav", wav()), ("bad.wav", b"junk"))
    assert mixed.status_code == 200
    good, bad = mixed.json()["results"]
    assert good["text"]
    assert bad["text"] is None
    assert "bad.wav" in bad["error"]
    assert post(server, *[("x.wav", wav())] * 4).status_code == 413
    assert post(server, ("x.wav", wav()), model="nobody").status_code == 404


def test_keys(server: Server) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = httpx.post(f"{server.url}/v1/transcribe", files={"files": wav()}, headers=headers)
        assert answer.status_code == 401
    for path in ("/health", "/ready", "/"):
        assert httpx.get(server.url + path).status_code == 200
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    listed = httpx.get(f"{server.url}/v1/models", headers=KEY).json()["data"]
    assert [model["name"] for model in listed] == ["a", "b"]


def raw(server: Server, content: bytes, wait: float = 10.0) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
        connection.sendall(content)
        try:
            return connection.recv(1000)
        except TimeoutError:
            return b""


def head(length: int) -> bytes:
    lines = [
        "POST /v1/transcribe HTTP/1.1",
        "Host: x",
        "Authorization: Bearer secret",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "Content-Type: multipart/form-data; boundary=b", "", ""]).encode()


def test_rude_clients_do_no_harm(server: Server) -> None:
    part = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.wav"\r\n\r\n'
        + wav()[:1000]
    )
    assert b" 408 " in raw(server, head(100_000) + part).splitlines()[0]  # slow
    assert b" 413 " in raw(server, head(10**9)).splitlines()[0]  # huge
    with socket.create_connection(
        ("127.0.0.1", server.port), timeout=10
    ) as connection:  # who goes on is hung up on
        connection.sendall(head(10**9))
        while connection.recv(1000):
            pass
    for _ in range(10):  # whoever is still sending gets to read why not
        kind = {"Content-Type": "multipart/form-data; boundary=b", **KEY}
        huge = httpx.post(
            f"{server.url}/v1/transcribe", content=b"x" * 5_000_000, headers=kind, timeout=60
        )
        assert (huge.status_code, huge.headers["connection"]) == (413, "close")
    for _ in range(5):  # cut off
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head(100_000) + part)
    assert raw(server, b"nonsense\r\n\r\n").split()[1] == b"400"
    assert post(server, ("x.wav", wav())).status_code == 200
    assert server.process.poll() is None


def test_the_split_and_sticky_clients(server: Server) -> None:
    def chosen(client: str) -> str:
        answer = post(server, ("x.wav", wav(0.1)), model="", headers={"X-Client-Id": client})
        return str(answer.json()["results"][0]["model"])

    first = {client: chosen(client) for client in map(str, range(12))}
    assert set(first.values()) == {"a", "b"}
    assert {client: chosen(client) for client in ("0", "1", "2")} == {
        c: first[c] for c in ("0", "1", "2")
    }
    metrics = httpx.get(f"{server.url}/metrics", headers=KEY).text
    assert 'asr_recordings_total{model="a",outcome="ok"}' in metrics
    assert 'asr_recordings_total{model="b",outcome="ok"}' in metrics
    assert 'asr_requests_total{route="/v1/transcribe",status="200"}' in metrics


def stream(
    server: Server, messages: list[bytes | str], query: str = "model=a&key=secret"
) -> list[dict[str, Any]]:
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{server.port}/v1/stream?{query}", max_size=None) as connection:
        with contextlib.suppress(ConnectionClosedError):  # it may refuse before it has heard all
            for message in messages:
                connection.send(message)
        received: list[dict[str, Any]] = []
        with contextlib.suppress(
            ConnectionClosedError
        ):  # after an error it closes with another code than 1000
            received.extend(json.loads(message) for message in connection)
        return received


def test_streams(server: Server, models: list[Path]) -> None:
    pcm = (made_audio(2.0, RATE, 1) * 32767).astype("<i2")
    chunks: list[bytes | str] = [pcm[n : n + 2560].tobytes() for n in range(0, len(pcm), 2560)]
    results = stream(server, [*chunks, '{"type": "end"}'])
    assert results[-1] == {"type": "done", "seconds": 2.0}
    finals = [r["text"] for r in results if r["type"] == "final"]
    assert (
        " ".join(finals)
        == load_model(models[0]).transcribe(pcm.astype(np.float32) / 32768, RATE).text
    )
    assert any(r["type"] == "partial" for r in results)


def test_chunks_of_odd_bytes_and_options(server: Server, models: list[Path]) -> None:
    pcm = (made_audio(2.0, RATE, 1) * 32767).astype("<i2")
    data = pcm.tobytes()
    odd: list[bytes | str] = [data[n : n + 2561] for n in range(0, len(data), 2561)]
    asked = json.dumps({"type": "options", "hotwords": {"abba": 10.0}, "n_best": 2})
    results = stream(server, [asked, *odd, '{"type": "end"}'], "model=a&key=secret&silence_s=0.3")
    recognizer = load_model(models[0]).with_decoding({"hotwords": {"abba": 10.0}, "n_best": 2})
    direct = StreamingRecognizer(recognizer, EndpointConfig(silence_s=0.3)).transcribe(
        pcm.astype(np.float32) / 32768
    )
    finals = [result for result in results if result["type"] == "final"]
    assert [result["text"] for result in finals] == [result.text for result in direct]
    assert [[reading["text"] for reading in result["alternatives"]] for result in finals] == [
        [reading.text for reading in result.alternatives] for result in direct
    ]
    assert results[-1] == {"type": "done", "seconds": 2.0}


def test_options_of_a_recording(server: Server, models: list[Path]) -> None:
    recognizer, sound = load_model(models[0]), wav(2.0)
    plain = recognizer.transcribe(sound)
    hot = recognizer.with_decoding({"hotwords": {"abba": 10.0}})

    def ask(field: str = "file", **options: Any) -> httpx.Response:
        data = {"model": "a", **options}
        files = {field: ("x.wav", sound)}
        return httpx.post(
            f"{server.url}/v1/transcribe", files=files, data=data, headers=KEY, timeout=60
        )

    for field in ("file", "files"):
        assert ask(field).json()["results"][0]["text"] == plain.text
    assert ask(hotwords="abba").json()["results"][0]["text"] == hot.transcribe(sound).text
    for output_format in ("srt", "vtt", "txt", "tsv"):
        assert ask(output_format=output_format).text == plain.render(output_format)
    assert ask(output_format="ctm").text == plain.render("ctm", "x.wav")
    (segment,) = ask(timestamps="segment").json()["results"][0]["segments"]
    assert set(segment) == {"start", "end", "text", "confidence"}
    assert ask(timestamps="none").json()["results"][0]["segments"] == []
    (segment,) = ask(n_best=2).json()["results"][0]["segments"]
    assert len(segment["alternatives"]) == 2
    for name, value, reason in (
        ("hotword", "x", "hotword is not an option"),
        ("n_best", 0, "n_best"),
        ("silence_s", 1, "silence_s has no effect"),
        ("hotwords", "xyz", "xyz"),
    ):
        refused = ask(**{name: value})
        assert refused.status_code == 422
        assert reason in refused.json()["detail"]
    assert ask("recording").status_code == 422
    two = [("files", ("x.wav", sound)), ("files", ("y.wav", sound))]
    address = f"{server.url}/v1/transcribe?output_format=srt"
    assert httpx.post(address, files=two, headers=KEY).status_code == 422
    assert httpx.post(address, json={}, headers=KEY).status_code == 422


def test_the_description_is_served_locally(server: Server) -> None:
    page = httpx.get(f"{server.url}/docs").text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(addresses) == 3
    for address in addresses:
        assert httpx.get(httpx.URL(f"{server.url}/docs").join(address)).status_code == 200
    assert "http" not in page.lower().replace("<!doctype html>", "").replace("html", "")
    described = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    assert {"/v1/transcribe", "/v1/audio/transcriptions", "/v1/jobs"} <= set(described)


def test_bad_streams(server: Server) -> None:
    for messages, query, reason in (
        ([], "model=a&key=secret&hotword=x", "hotword is not an option"),
        ([], "model=a&key=secret&timestamps=word", "timestamps has no effect"),
        (['{"type": "options", "n_best": 99}'], "model=a&key=secret", "n_best"),
        ([b"ab", '{"type": "options"}'], "model=a&key=secret", "before audio"),
        (["hello"], "model=a&key=secret", "must be"),
        ([], "model=a&key=secret&sample_rate=x", "sample_rate"),
        ([], "model=a&key=secret&sample_rate=%C2%B2", "sample_rate"),
        ([], "model=nobody&key=secret", "no model"),
        ([b"\0\0" * 50_000] * 2, "model=a&key=secret", "longer than"),
        ([], "model=a&key=secret", "No audio for"),
    ):
        last = stream(server, list(messages), query)[-1]
        assert last["type"] == "error"
        assert reason in last["detail"]
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = f"ws://127.0.0.1:{server.port}/v1/stream"
    with pytest.raises(InvalidStatus), connect(f"{address}?model=a"):
        pass
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connect(f"{address}?key=secret")) for _ in range(3)]
        assert "open already" in json.loads(opened[2].recv())["detail"]


def test_page_and_log(server: Server) -> None:
    page = httpx.get(server.url).text
    assert "http://" not in page
    assert "https://" not in page
    answer = post(server, ("x.wav", wav(0.1)), headers={"X-Request-Id": "find-me"})
    assert answer.headers["x-request-id"] == "find-me"
    assert "key=secret" not in server.log.read_text()
    for _ in range(50):  # the line is written once the answer is on its way
        entries = [json.loads(line) for line in server.log.read_text().splitlines()]
        if logged := [entry for entry in entries if entry.get("request_id") == "find-me"]:
            break
        time.sleep(0.1)
    entry = logged[0]
    assert (entry["status"], entry["path"], entry["message"]) == (200, "/v1/transcribe", "request")


SMALL: dict[str, Any] = {"max_epochs": 1, "batch_size": 16}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import pandas as pd

    import asr

    folder, rng = tmp_path_factory.mktemp("others"), np.random.default_rng(0)
    sine = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.date_range("2024-01-01", periods=40),
            "y": np.sin(np.arange(40)),
        }
    )
    config = {"model": {"hidden_dim": 4}, "trainer": {"threads": 1}, "windows_per_epoch": 32}
    asr.Forecaster(3, 8, config=config, **SMALL).fit(sine).save(folder / "forecast")
    waves = [rng.normal(size=(20, 2)).astype(np.float32) for _ in range(16)]
    asr.SequenceClassifier(hidden_dim=4, **SMALL).fit(waves, ["up", "down"] * 8).save(
        folder / "signals"
    )
    words = [["fly", "to", "rome"], ["fly", "to", "oslo"]] * 6
    asr.Tagger(max_epochs=1).fit(words, [["O", "O", "B-city"]] * 12).save(folder / "tags")
    return {name: folder / name for name in ("forecast", "signals", "tags")}


def test_only_speech_models_run_with_onnxruntime(others: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="not a speech model"):
        Fleet([others["forecast"]], ServeConfig(backend="onnxruntime"), ServiceMetrics())


def test_models_of_other_tasks(models: list[Path], others: dict[str, Path], tmp_path: Path) -> None:
    import pandas as pd

    import asr

    server = Server([models[0], *others.values()], tmp_path / "log")

    def ask(model: str | None, **body: Any) -> httpx.Response:
        return httpx.post(
            f"{server.url}/v1/predict",
            params={"model": model} if model else {},
            content=json.dumps(body),  # with NaN, which httpx would refuse
            headers={"Content-Type": "application/json"},
            timeout=60,
        )

    listed = httpx.get(f"{server.url}/v1/models").json()["data"]
    assert [m["task"] for m in listed] == ["ctc", "forecast", "classify", "tag"]

    sine = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.date_range("2024-05-01", periods=12),
            "y": np.cos(np.arange(12)),
        }
    )
    rows = [{**row, "ds": row["ds"].strftime("%Y-%m-%d")} for row in sine.to_dict("records")]
    answer = ask("forecast", series=rows)
    assert answer.status_code == 200, answer.text
    expected = asr.Forecaster.load(others["forecast"]).predict(sine)
    assert [p["yhat"] for p in answer.json()["predictions"]] == pytest.approx(
        expected.yhat.tolist(), rel=1e-4
    )
    assert [p["ds"][:10] for p in answer.json()["predictions"]] == [
        "2024-05-13",
        "2024-05-14",
        "2024-05-15",
    ]

    waves = np.random.default_rng(1).normal(size=(3, 9, 2)).astype(np.float32)
    answer = ask("signals", sequences=waves.tolist())
    proba = asr.SequenceClassifier.load(others["signals"]).predict_proba(list(waves))
    assert [p["probability"] for p in answer.json()["predictions"]] == pytest.approx(
        proba.max(1).tolist(), rel=1e-4
    )

    answer = ask("tags", texts=["fly to new york", ""])
    tags = asr.Tagger.load(others["tags"]).predict([["fly", "to", "new", "york"], []])
    assert [p["tags"] for p in answer.json()["predictions"]] == tags

    for status, model, body in (
        (404, "nobody", {"texts": ["x"]}),
        (404, None, {"texts": ["x"]}),
        (404, "a", {"texts": ["x"]}),
        (400, "forecast", {"texts": ["x"]}),
        (400, "tags", {}),
        (400, "forecast", {"series": []}),
        (400, "forecast", {"series": rows[:3]}),
        (400, "forecast", {"series": [{"ds": "never", "y": 1.0}]}),
        (400, "signals", {"sequences": [[[1.0, 2.0], [1.0]]]}),
        (400, "signals", {"sequences": [[[1.0]]]}),
        (422, "tags", {"texts": 3}),
        (422, "tags", {"text": ["x"]}),
        (422, "tags", {"texts": [float("nan")]}),
        (422, "signals", {"sequences": [[[float("nan")]]]}),
        (422, "forecast", {"series": [{"ds": "2024-05-01", "y": float("inf")}]}),
        (422, "forecast", {"series": [{"ds": "2024-05-01", "y": 10**400}]}),
    ):
        answer = ask(model, **body)
        assert answer.status_code == status, (model, body, answer.text)
        assert answer.json()["detail"]
    assert post(server, ("x.wav", wav(0.5))).status_code == 200
    assert server.stop() == 0, server.log.read_text()


def test_sigterm_loses_nothing(models: list[Path], tmp_path: Path) -> None:
    # the network waits for company, so that all requests are inside when the signal comes
    server = Server(models[:1], tmp_path / "log", max_wait_ms=8000, max_batch_size=64)
    clips, statuses = [wav(1.0, n) for n in range(12)], []

    def ask(clip: bytes) -> None:
        statuses.append(
            httpx.post(
                f"{server.url}/v1/transcribe", files={"files": clip}, timeout=100
            ).status_code
        )

    threads = [threading.Thread(target=ask, args=(clip,)) for clip in clips]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while (
        f'asr_queue_depth{{model="a"}} {len(clips)}.0'
        not in httpx.get(f"{server.url}/metrics", timeout=60).text
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.stop() == 0, server.log.read_text()
    for thread in threads:
        thread.join()
    assert statuses == [200] * len(clips)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/health")
