"""OpenAI's routes: ``/v1/audio/transcriptions`` and ``/v1/models``, as its clients call them.

Fields without effect are named in the header ``X-Asr-Ignored`` of the answer. Requests and answers:
https://platform.openai.com/docs/api-reference/audio
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

from asr.errors import AsrError
from asr.serve.errors import BadOption, NoSuchModel, TimedOut, answered, problem, refusal_of, within
from asr.serve.forms import FILE_FIELD, Form, read_form
from asr.serve.models import HostedModel
from asr.serve.options import (
    HOTWORD_WEIGHT,
    MAX_CHARACTERS,
    MAX_HOTWORDS,
    WRITING,
    RequestOptions,
    read_options,
)
from asr.serve.service import Service
from asr.speech.acoustics.windows import Heard
from asr.speech.streaming import SENTENCE_PAUSE
from asr.speech.transcripts.transcript import Segment, Transcript
from asr.speech.transcripts.writing import Writer
from asr.text.chinese import join_words

__all__ = ["openai_routes"]

IGNORED = "X-Asr-Ignored"
NAMES = {"whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"}
"""Models of OpenAI that programs name without asking: they mean the first model here."""
OWN = WRITING | {
    "hotwords",
    "new_words",
    "grammar",
    "grammar_mode",
    "words",
    "lm_weight",
    "word_bonus",
    "min_confidence",
}
"""Options of ours that these routes take as well."""
FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
GRANULARITIES = ("segment", "word")
MAX_PHRASE_WORDS = 5  # of a prompt; more words are a sentence, which is no hotword
SENTENCE_MARKS = re.compile(r"[,;:.!?\n\"()]+")
PATH = "/v1/audio/transcriptions"


class Fault(BaseModel):
    """Why a request was refused."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIProblem(BaseModel):
    """A refused request."""

    error: Fault


class ModelAnswer(BaseModel):
    """A model that is served; what only speech models have is null for others."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "asr"
    name: str
    task: str
    backend: str
    sample_rate: int | None = None
    streaming: bool | None = None
    share: float | None = None


class ModelsAnswer(BaseModel):
    """The models that are served."""

    object: str = "list"
    data: list[ModelAnswer]


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIProblem} for status in (400, 401, 404, 408, 413, 503, 504)
}


def openai_routes(app: FastAPI, service: Service) -> None:
    """Add the routes."""
    _add_models(app, service)

    @app.post(PATH, tags=["openai"], responses=PROBLEMS, openapi_extra={"requestBody": _form()})
    async def transcriptions(request: Request) -> Response:
        """Transcribe a recording as OpenAI's API does.

        `prompt` holds hotwords, with commas. Fields without effect are named in the header
        X-Asr-Ignored.
        """
        async with read_form(request, ("file",)) as form:
            asked = _read(form, service)
            work = service.read(form.files[0], asked.hosted)
            recording = await answered(request, within(service.config.request_timeout_s, work))
        headers = {IGNORED: ", ".join(asked.ignored)} if asked.ignored else {}
        if asked.stream:
            events = _events(service, recording, asked)
            first = await answered(request, anext(events))  # refused with a status, if at all
            answer = _with_errors(first, events)
            return StreamingResponse(answer, headers=headers, media_type="text/event-stream")
        heard = service.hear(recording, asked.hosted, asked.options)
        transcript = await answered(request, within(service.config.request_timeout_s, heard))
        response = _response(transcript, asked)
        response.headers.update(headers)
        return response

    @app.post("/v1/audio/translations", tags=["openai"], responses=PROBLEMS)
    async def translations() -> Response:
        """Answers with an error: speech is transcribed, not translated."""
        raise BadOption("model", "Translation is not served.", f"Ask {PATH} for a transcript.")


def _add_models(app: FastAPI, service: Service) -> None:
    def described() -> list[ModelAnswer]:
        return [ModelAnswer(id=entry["name"], **entry) for entry in service.fleet.describe()]

    @app.get("/v1/models", tags=["speech", "openai"], responses={401: {"model": OpenAIProblem}})
    async def models() -> ModelsAnswer:
        """The models that are served and their shares of the traffic."""
        return ModelsAnswer(data=described())

    @app.get(
        "/v1/models/{model}",
        tags=["openai"],
        responses={status: {"model": OpenAIProblem} for status in (400, 401, 404)},
    )
    async def model(model: str) -> ModelAnswer:
        """One of them."""
        found = [entry for entry in described() if entry.id == model]
        if not found:
            names = ", ".join(entry.id for entry in described())
            raise NoSuchModel(f"There is no model {model!r}.", f"Served are: {names}.")
        return found[0]


@dataclass(frozen=True)
class _Asked:
    """A request.

    Attributes:
        hosted: the model.
        options: for it.
        response_format: one of ``FORMATS``.
        granularities: of the times in ``verbose_json``.
        stream: the answer comes as server-sent events.
        language: as the client named it.
        ignored: names of fields without effect.
    """

    hosted: HostedModel
    options: RequestOptions
    response_format: str
    granularities: set[str]
    stream: bool
    language: str
    ignored: list[str]


def _read(form: Form, service: Service) -> _Asked:
    """Return what a form asks for.

    Raises:
        BadOption: a value is wrong.
        NoSuchModel: there is no such model.
    """
    lists = {name: [v for n, v in form.fields if n == name] for name, _ in form.fields}
    given = {name: values[-1] for name, values in lists.items()}
    granularities = set(
        lists.pop("timestamp_granularities[]", []) + lists.pop("timestamp_granularities", [])
    )
    model = given.pop("model", "")
    hosted = service.fleet.choose("" if model in NAMES else model)
    prompt, dropped = _hotwords(given.pop("prompt", ""), hosted)
    response_format = _choice(given, "response_format", FORMATS, "json")
    stream = _choice(given, "stream", ("true", "false"), "false") == "true"
    own = [(name, value) for name, value in given.items() if name in OWN]
    if prompt and "hotwords" not in given:
        own.append(("hotwords", prompt))
    elif prompt:
        dropped = True
    _check_times(granularities, response_format, stream)
    known = {"prompt", "response_format", "stream", "model", *OWN}
    return _Asked(
        hosted=hosted,
        options=read_options(own, OWN),
        response_format=response_format,
        granularities=granularities or {"segment"},
        stream=stream,
        language=given.get("language", ""),
        ignored=[name for name in lists if name not in known] + ["prompt"] * dropped,
    )


def _choice(given: dict[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = str(given.get(name) or default)
    value = value if name == "response_format" else value.lower()
    if value not in choices:
        raise BadOption(name, f"{name} is {value!r}.", f"Choose {', '.join(choices)}.")
    return value


def _check_times(granularities: set[str], response_format: str, stream: bool) -> None:
    name = "timestamp_granularities[]"
    if unknown := sorted(granularities - set(GRANULARITIES)):
        raise BadOption(name, f"{name} is {unknown[0]!r}.", "Choose segment or word.")
    if granularities and response_format != "verbose_json":
        raise BadOption(name, f"{name} needs response_format verbose_json.", "Set it.")
    if stream and response_format not in ("json", "text"):
        raise BadOption(
            "response_format", f"{response_format} cannot be streamed.", "Choose json or text."
        )


def _hotwords(prompt: str, hosted: HostedModel) -> tuple[dict[str, float], bool]:
    """Return the phrases of a prompt with their weights, and whether some of it has no effect.

    Sentences have none, and words that the model can neither write nor say.
    """
    phrases = [" ".join(part.split()) for part in SENTENCE_MARKS.split(prompt)]
    phrases = [phrase for phrase in phrases if phrase]
    usable = [
        phrase
        for phrase in phrases
        if len(phrase.split()) <= MAX_PHRASE_WORDS
        and len(phrase) <= MAX_CHARACTERS
        and hosted.recognizer.decoders.knows(phrase)
    ][:MAX_HOTWORDS]
    return dict.fromkeys(usable, HOTWORD_WEIGHT), len(usable) < len(phrases)


def _response(transcript: Transcript, asked: _Asked) -> Response:
    if asked.response_format == "json":
        seconds = math.ceil(transcript.duration_s)
        usage = {"type": "duration", "seconds": seconds}
        return JSONResponse({"text": transcript.readable, "usage": usage})
    if asked.response_format == "verbose_json":
        return JSONResponse(_verbose(transcript, asked))
    if asked.response_format == "text":
        return Response(transcript.readable + "\n", media_type="text/plain; charset=utf-8")
    text = transcript.render(asked.response_format)
    return Response(text, media_type="text/plain; charset=utf-8")


def _verbose(transcript: Transcript, asked: _Asked) -> dict[str, Any]:
    """Return what ``verbose_json`` holds; values that only Whisper has are neutral."""
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": asked.language or asked.hosted.language,
        "duration": transcript.duration_s,
        "text": transcript.readable,
        "usage": {"type": "duration", "seconds": math.ceil(transcript.duration_s)},
    }
    if "segment" in asked.granularities:
        answer["segments"] = [_segment(n, s) for n, s in enumerate(transcript.segments)]
    if "word" in asked.granularities:
        answer["words"] = [word for segment in transcript.segments for word in _words(segment)]
    return answer


def _words(segment: Segment) -> list[dict[str, Any]]:
    """Return words with their times; as OpenAI's, they have capitals and no marks."""
    if segment.written is None:
        return [{"word": w.word, "start": w.start, "end": w.end} for w in segment.words]
    return [
        {"word": t.text.removesuffix(t.mark), "start": t.start, "end": t.end}
        for t in segment.written.tokens
    ]


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    text = segment.readable.encode()
    return {
        "id": number,
        "seek": round(100 * segment.start),
        "start": segment.start,
        "end": segment.end,
        "text": segment.readable,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(math.log(max(segment.confidence, 1e-4)), 4),
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 4),
        "no_speech_prob": 0.0,
    }


async def _events(service: Service, recording: Heard, asked: _Asked) -> AsyncIterator[str]:
    """Yield the text of each segment as it becomes known, then all of it.

    Raises:
        AsrError: what the model says of the recording.
    """
    loop, segments = asyncio.get_running_loop(), asyncio.Queue[Segment | None]()

    def heard(segment: Segment) -> None:
        loop.call_soon_threadsafe(segments.put_nowait, segment)

    work = asyncio.ensure_future(service.hear(recording, asked.hosted, asked.options, heard))
    work.add_done_callback(lambda _: segments.put_nowait(None))
    said: list[str] = []
    try:
        texts = _SegmentTexts((await asked.hosted.variant(asked.options)).builder.writer)
        while segment := await _next(segments, service.config.request_timeout_s):
            if confident := _confident(segment, asked.options.min_confidence):
                for text in await asyncio.to_thread(texts.push, confident):
                    yield _delta(text, said)
        transcript = await work
        for text in texts.finish() or [segment.readable for segment in transcript.segments]:
            yield _delta(text, said)
        yield _event({"type": "transcript.text.done", "text": join_words(said)})
    finally:
        work.cancel()


class _SegmentTexts:
    """Writes the segments of a recording one by one; each waits for the next, since a sentence ends
    with it if a pause follows.

    Args:
        writer: of the request.
    """

    def __init__(self, writer: Writer) -> None:
        self._writing, self._waiting = writer.stream(), list[Segment]()

    def push(self, segment: Segment) -> list[str]:
        """Return the text of the segment before this one, if there is one."""
        written = [self._written(s, segment.start - s.end) for s in self._waiting]
        self._waiting = [segment]
        return written

    def finish(self) -> list[str]:
        """Return the text of the last segment; nothing if there was none."""
        return [self._written(segment, SENTENCE_PAUSE) for segment in self._waiting]

    def _written(self, segment: Segment, pause_s: float) -> str:
        written = self._writing.write(segment.words, ends=pause_s >= SENTENCE_PAUSE)
        return replace(segment, written=written).readable


async def _with_errors(first: str, events: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield events; an error that comes when the status is sent already becomes an event."""
    yield first
    try:
        async for event in events:
            yield event
    except AsrError as error:
        _, body = problem(PATH, refusal_of(error))
        yield _event({"type": "error", **body})


async def _next(segments: asyncio.Queue[Segment | None], seconds: float) -> Segment | None:
    try:
        return await asyncio.wait_for(segments.get(), seconds)
    except asyncio.TimeoutError:
        raise TimedOut(f"not done after {seconds:g} s") from None


def _confident(segment: Segment, minimum: float) -> Segment | None:
    """Return a segment without its less sure words; None if none is left."""
    segments = Transcript("", 0.0, (segment,), "").confident(minimum).segments
    return segments[0] if segments else None


def _delta(text: str, said: list[str]) -> str:
    """Return an event with the next piece of the text; ``said`` holds those before."""
    before = join_words(said)
    said.append(text)
    return _event({"type": "transcript.text.delta", "delta": join_words(said)[len(before) :]})


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


def _form() -> dict[str, Any]:
    text = {"type": "string"}
    own = dict.fromkeys(sorted(OWN), text)
    properties = {
        "file": FILE_FIELD,
        "model": {
            **text,
            "description": f"Name of a model; {', '.join(sorted(NAMES))}: the first.",
        },
        "prompt": {**text, "description": "Hotwords, with commas."},
        "response_format": {**text, "enum": list(FORMATS)},
        "timestamp_granularities[]": {
            "type": "array",
            "items": {**text, "enum": list(GRANULARITIES)},
        },
        "stream": {"type": "boolean"},
        "temperature": {"type": "number", "description": "Without effect."},
        "language": {**text, "description": "Without effect."},
        **own,
    }
    form = {"type": "object", "properties": properties, "required": ["file"]}
    return {"content": {"multipart/form-data": {"schema": form}}, "required": True}
