"""OpenAI's routes, asked by OpenAI's own clients."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from service import RATE, Server, wav

import asr
from asr.audio.synthetic import made_audio
from asr.speech.transcripts.transcript import Transcript

ROOT = Path(__file__).parents[2]
KEY = "secret"


@pytest.fixture(scope="module")
def client(keyed_server: Server) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        openai = pytest.importorskip("openai")
        with openai.OpenAI(base_url=f"{keyed_server.url}/v1", api_key=KEY, max_retries=0) as made:
            yield made


@pytest.fixture(scope="module")
def expected(streaming_model: Path) -> Transcript:
    return asr.load_model(streaming_model).transcribe(wav(3.0))


def test_models(client: Any) -> None:
    listed = client.models.list().data
    assert [(m.id, m.object, m.owned_by) for m in listed] == [("tiny", "model", "asr")]
    assert client.models.retrieve("tiny").streaming is True
    assert listed[0].created > 1_600_000_000


def test_every_format_of_the_client(client: Any, expected: Transcript) -> None:
    create = client.audio.transcriptions.create
    file = ("talk.wav", wav(3.0))
    assert expected.text
    assert create(model="tiny", file=file).text == expected.text
    assert create(model="whisper-1", file=file, response_format="text") == f"{expected.text}\n"
    assert create(model="tiny", file=file, response_format="srt") == expected.to_srt()
    assert create(model="tiny", file=file, response_format="vtt") == expected.to_vtt()

    verbose = create(model="tiny", file=file, response_format="verbose_json")
    assert (verbose.text, verbose.duration) == (expected.text, 3.0)
    assert verbose.words is None
    for got, segment in zip(verbose.segments, expected.segments, strict=True):
        assert (got.start, got.end, got.text) == (segment.start, segment.end, segment.text)
        assert math.exp(got.avg_logprob) == pytest.approx(segment.confidence, abs=1e-3)
    timed = create(
        model="tiny",
        file=file,
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    assert timed.segments is None
    assert [(w.word, w.start, w.end) for w in timed.words] == [
        (w.word, w.start, w.end) for w in expected.words
    ]


def test_a_stream_of_events_adds_up_to_the_transcript(client: Any, streaming_model: Path) -> None:
    pause = np.zeros(RATE, np.float32)
    parts = [part for seed in range(14) for part in (made_audio(2.0, RATE, seed), pause)]
    samples = np.concatenate(parts)
    for count, least in ((2 * RATE, 1), (len(samples), 2)):
        sound = samples[:count]
        whole = asr.load_model(streaming_model).transcribe(pcm_wav(sound)).text
        events = list(
            client.audio.transcriptions.create(
                model="gpt-4o-transcribe", file=("x.wav", pcm_wav(sound)), stream=True
            )
        )
        assert [e.type for e in events[:-1]] == ["transcript.text.delta"] * (len(events) - 1)
        assert len(events) > least
        assert "".join(e.delta for e in events[:-1]) == whole
        assert (events[-1].type, events[-1].text) == ("transcript.text.done", whole)


def pcm_wav(samples: np.ndarray) -> bytes:
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def test_a_prompt_is_hotwords(client: Any, streaming_model: Path) -> None:
    recognizer = asr.load_model(streaming_model)
    hot = recognizer.with_decoding({"hotwords": {"abba": 10.0, "dead": 10.0}})
    assert hot.transcribe(wav(3.0)).text != recognizer.transcribe(wav(3.0)).text
    raw = client.audio.transcriptions.with_raw_response.create(
        model="tiny", file=("x.wav", wav(3.0)), prompt="Abba, dead."
    )
    assert raw.parse().text == hot.transcribe(wav(3.0)).text
    assert "x-asr-ignored" not in raw.headers
    own = client.audio.transcriptions.create(
        model="tiny", file=("x.wav", wav(3.0)), extra_body={"hotwords": "abba, dead:10"}
    )
    assert own.text == raw.parse().text


def test_fields_without_effect_are_named(client: Any, expected: Transcript) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        model="tiny",
        file=("x.wav", wav(3.0)),
        temperature=0.2,
        language="en",
        prompt="This is how a longer sentence of the last part went on. Xylophone",
        include=["logprobs"],
        extra_body={"vad_filter": "true"},
    )
    assert raw.parse().text == expected.text
    ignored = raw.headers["x-asr-ignored"].split(", ")
    assert sorted(ignored) == ["include[]", "language", "prompt", "temperature", "vad_filter"]


@pytest.mark.filterwarnings("ignore:deprecated")  # newer clients say so of translations
def test_refusals_have_the_shape_of_openai(client: Any, keyed_server: Server) -> None:
    import openai

    create, good = client.audio.transcriptions.create, ("x.wav", wav(0.5))
    for error, param, code, arguments in (
        (openai.NotFoundError, "model", "model_not_found", {"model": "nobody"}),
        (openai.BadRequestError, None, None, {"file": ("x.wav", b"no audio")}),
        (openai.BadRequestError, "response_format", None, {"response_format": "diarized_json"}),
        (
            openai.BadRequestError,
            "response_format",
            None,
            {"response_format": "srt", "stream": True},
        ),
        (
            openai.BadRequestError,
            "timestamp_granularities[]",
            None,
            {"timestamp_granularities": ["word"]},
        ),
        (openai.BadRequestError, "min_confidence", None, {"extra_body": {"min_confidence": 2}}),
        (openai.APIStatusError, None, None, {"file": ("x.wav", wav(0.5) + bytes(4_000_000))}),
    ):
        with pytest.raises(error) as raised:
            create(**{"model": "tiny", "file": good, **arguments})
        body = raised.value.body
        assert (body["param"], body["code"]) == (param, code)
        assert body["message"]
        assert body["type"] == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match="not served"):
        client.audio.translations.create(model="tiny", file=good)
    with pytest.raises(openai.AuthenticationError) as raised:
        client.with_options(api_key="wrong").models.list()
    assert raised.value.body["code"] == "invalid_api_key"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")
    nothing = httpx.post(
        f"{keyed_server.url}/v1/audio/transcriptions", headers={"Authorization": f"Bearer {KEY}"}
    )
    assert nothing.status_code == 400
    assert nothing.json()["error"]["param"] == "file"


NODE = """
const OpenAI = require(require.resolve("openai", {paths: [process.argv[1]]}));
const fs = require("fs");
const client = new OpenAI({baseURL: process.argv[2], apiKey: process.argv[3]});
(async () => {
  const models = (await client.models.list()).data.map(model => model.id);
  const file = () => fs.createReadStream(process.argv[4]);
  const create = options =>
    client.audio.transcriptions.create({file: file(), model: "tiny", ...options});
  const {text} = await create({});
  const srt = await create({response_format: "srt"});
  const timed = {response_format: "verbose_json", timestamp_granularities: ["word"]};
  const {words} = await create(timed);
  let streamed = "";
  for await (const event of await create({stream: true})) streamed += event.delta ?? "";
  const refused = await create({model: "nobody"}).catch(error => error.code);
  console.log(JSON.stringify({models, text, srt, words, streamed, refused}));
})();
"""


def test_the_client_for_node(keyed_server: Server, expected: Transcript, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    where = [str(ROOT)]
    found = subprocess.run(
        [node, "-e", "require.resolve('openai', {paths: [process.argv[1]]})", *where],
        capture_output=True,
        check=False,
    )
    if found.returncode:
        pytest.skip("needs npm's openai: npm install --no-save openai")
    (tmp_path / "talk.wav").write_bytes(wav(3.0))
    arguments = [*where, f"{keyed_server.url}/v1", KEY, str(tmp_path / "talk.wav")]
    ran = subprocess.run(
        [node, "-e", NODE, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["models"] == ["tiny"]
    assert answer["text"] == answer["streamed"] == expected.text
    assert answer["srt"] == expected.to_srt()
    assert [word["word"] for word in answer["words"]] == [w.word for w in expected.words]
    assert answer["refused"] == "model_not_found"
