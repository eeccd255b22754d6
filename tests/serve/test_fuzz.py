"""Damaged bodies and streams: an answer with a status and a reason, never a failure within."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from fuzzing import mutations, tries
from recordings import RATE, encode
from service import save_tiny, wav
from starlette.websockets import WebSocketDisconnect

from asr.serve.app import create_app
from asr.serve.config import ServeConfig

# Starlette leaves the uploads of forms that it refuses to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
BOUNDARY = b"0123456789"
TEXTS = (
    "",
    "{",
    "[]",
    "null",
    '{"type": "end"}',
    '{"type": 1}',
    '{"eof": 1}',
    '"\\ud800"',
    "x" * 999,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    model = save_tiny(tmp_path_factory.mktemp("models") / "tiny", 1)
    config = ServeConfig(max_bytes=200_000, max_duration_s=30, stream_idle_s=5)
    with TestClient(create_app([model], config)) as opened:
        yield opened


def body(content: bytes, name: bytes = b"a.wav") -> bytes:
    head = b'Content-Disposition: form-data; name="files"; filename="' + name + b'"\r\n'
    return b"--" + BOUNDARY + b"\r\n" + head + b"\r\n" + content + b"\r\n--" + BOUNDARY + b"--\r\n"


def seconds_of(client: TestClient, content: bytes) -> float:
    answer = client.post("/v1/transcribe", files={"files": ("a.wav", content)})
    return float(answer.json()["results"][0]["duration_s"])


def test_bodies(client: TestClient) -> None:
    form = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    tones = np.sin(np.arange(4000) * 0.1).astype(np.float32) * np.float32(0.3)
    seeds = [body(encode(tones, "pcm.wav")), body(encode(tones, "a.flac"), "会.flac".encode())]
    seeds.append(b'{"model": "tiny", "inputs": ["a", 1, null, [1e400]]}')
    statuses = set()
    for number, data in enumerate(mutations(seeds, tries(40))):
        route = ("/v1/transcribe", "/v1/predict", "/v1/audio/transcriptions")[number % 3]
        headers = {"Content-Type": form if number % 3 != 1 else "application/json"}
        answer = client.post(route, content=data, headers=headers)
        statuses.add(answer.status_code)
        assert answer.status_code in (200, 400, 404, 413, 422), answer.text
        assert isinstance(answer.json(), (dict, list))
        if number % 20 == 19:  # the neighbours are unharmed
            assert seconds_of(client, wav(1.0)) == 1.0
    assert len(statuses) > 1
    gc.collect()


def frames(rng: np.random.Generator) -> Iterator[Any]:
    for _ in range(int(rng.integers(1, 6))):
        if rng.random() < 0.3:
            yield str(rng.choice(TEXTS))
        else:
            yield rng.bytes(int(rng.choice([0, 1, 2, 999, 3200, 32000])))


@pytest.mark.parametrize("query", ["", f"?sample_rate={RATE // 2}", "?sample_rate=nan", "?model=x"])
def test_streams(client: TestClient, query: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(tries(8)):
        with client.websocket_connect(f"/v1/stream{query}") as socket:
            messages = list[dict[str, Any]]()
            try:
                for frame in frames(rng):
                    (socket.send_text if isinstance(frame, str) else socket.send_bytes)(frame)
                socket.send_text('{"type": "end"}')
                while True:
                    messages.append(json.loads(socket.receive_text()))
            except (WebSocketDisconnect, RuntimeError):
                pass
            kinds = [message["type"] for message in messages]
            assert kinds[-1:] in (["done"], ["error"]), messages
            assert set(kinds) <= {"partial", "final", "done", "error"}
    assert seconds_of(client, wav(1.0)) == 1.0
