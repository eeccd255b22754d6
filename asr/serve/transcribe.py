"""``POST /v1/transcribe``: one or many recordings -> transcripts."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from asr.errors import AsrError
from asr.serve.errors import PROBLEMS, BadOption, Refusal, TooLarge, answered, refusal_of
from asr.serve.forms import FILE_FIELD, read_form
from asr.serve.models import HostedModel
from asr.serve.options import (
    RECORDING,
    RequestOptions,
    form_schema,
    query_parameters,
    read_options,
)
from asr.serve.service import Service
from asr.serve.speakers import check_speakers
from asr.speech.transcripts.transcript import Transcript

__all__ = ["MEDIA_TYPES", "SegmentAnswer", "content", "rendered", "transcribe_route"]

MEDIA_TYPES = {"vtt": "text/vtt", "tsv": "text/tab-separated-values", "srt": "application/x-subrip"}
MANY = {"type": "array", "items": FILE_FIELD, "description": "Recordings."}


class WordAnswer(BaseModel):
    """A word, its times in seconds and its confidence."""

    word: str
    start: float
    end: float
    confidence: float


class Reading(BaseModel):
    """One of the N best readings of a segment."""

    text: str
    confidence: float
    score: float
    words: list[WordAnswer]


class TokenAnswer(BaseModel):
    """A piece of written text; it stands for the words from first_word up to stop_word."""

    text: str
    start: float
    end: float
    confidence: float
    first_word: int
    stop_word: int
    mark: str


class WrittenAnswer(BaseModel):
    """A segment as people write it."""

    text: str
    tokens: list[TokenAnswer] = []


class TurnAnswer(BaseModel):
    """A stretch of speech of one speaker."""

    start: float
    end: float
    speaker: str


class SegmentAnswer(BaseModel):
    """A stretch of speech in plain words; alternatives where N-best was asked for, written where
    punctuation or numbers were, slots where a sentence of a grammar was heard, a speaker where
    those were told apart.
    """

    start: float
    end: float
    text: str
    confidence: float
    words: list[WordAnswer] = []
    alternatives: list[Reading] = []
    written: WrittenAnswer | None = None
    slots: dict[str, str] | None = None
    speaker: str | None = None


class FileAnswer(BaseModel):
    """The transcript of a file, in plain words and as people write it, or why there is none."""

    name: str
    model: str
    text: str | None = None
    written: str | None = None
    duration_s: float | None = None
    segments: list[SegmentAnswer] = []
    notes: list[str] = []
    turns: list[TurnAnswer] | None = None
    error: str | None = None


class TranscribeAnswer(BaseModel):
    """One result a file, in the order of the request."""

    results: list[FileAnswer]


def transcribe_route(app: FastAPI, service: Service) -> None:
    """Add the route."""
    description = {
        "parameters": query_parameters(RECORDING),
        "requestBody": form_schema(RECORDING, {"files": MANY, "file": FILE_FIELD}),
    }

    @app.post(
        "/v1/transcribe",
        tags=["speech"],
        responses=PROBLEMS,
        response_model=TranscribeAnswer,
        openapi_extra=description,
    )
    async def transcribe(
        request: Request,
        x_client_id: Annotated[
            str | None, Header(description="The same client always gets the same model.")
        ] = None,
    ) -> Response:
        """Transcribe one or many recordings; options go into the query or into the form.

        A file that fails has `error`; if all fail, the status says why.
        """
        async with read_form(request, ("files", "file")) as form:
            options = read_options(form.fields, RECORDING)
            check_speakers(options)
            _check_number(len(form.files), options, service.config.max_files)
            hosted = service.fleet.choose(options.model, x_client_id)
            outcomes = (_outcome(service, file, hosted, options) for file in form.files)
            return _answer(await answered(request, asyncio.gather(*outcomes)), hosted, options)


def _check_number(files: int, options: RequestOptions, max_files: int) -> None:
    if files > max_files:
        raise TooLarge(f"More than {max_files} files in one request.")
    if files > 1 and options.output_format != "json":
        raise BadOption("output_format", f"{options.output_format} takes one file.", "Take json.")


Outcome = tuple[str, Transcript | AsrError]


async def _outcome(
    service: Service, file: UploadFile, hosted: HostedModel, options: RequestOptions
) -> Outcome:
    name = file.filename or "recording"
    try:
        return name, await service.transcribe(file, hosted, options)
    except BadOption:
        raise  # of the request, not of the file
    except AsrError as error:
        return name, error


def _answer(outcomes: list[Outcome], hosted: HostedModel, options: RequestOptions) -> Response:
    refusals = [refusal_of(result) for _, result in outcomes if isinstance(result, AsrError)]
    if len(refusals) == len(outcomes):
        details = [
            _detail(name, refusal) for (name, _), refusal in zip(outcomes, refusals, strict=True)
        ]
        worst = max(refusals, key=lambda refusal: (refusal.status, refusal.retry_after_s))
        return JSONResponse({"detail": "; ".join(details)}, worst.status, worst.headers)
    if options.output_format != "json":
        name, transcript = outcomes[0]
        assert isinstance(transcript, Transcript)
        return rendered(transcript, options.output_format, name)
    results = []
    for name, result in outcomes:
        entry: dict[str, Any] = FileAnswer(name=name, model=hosted.name).model_dump()
        if isinstance(result, Transcript):
            entry |= content(result, options)
        else:
            entry["error"] = _detail(name, refusal_of(result))
        results.append(entry)
    return JSONResponse({"results": results})


def _detail(name: str, refusal: Refusal) -> str:
    return f"{name}: {refusal.detail}"


def rendered(transcript: Transcript, output_format: str, name: str) -> Response:
    """Return a transcript as a file of one of the formats of ``Transcript.render``."""
    media_type = MEDIA_TYPES.get(output_format, "text/plain")
    text = transcript.render(output_format, name)
    return Response(text, media_type=f"{media_type}; charset=utf-8")


def content(transcript: Transcript, options: RequestOptions) -> dict[str, Any]:
    """Return a transcript for JSON, with the times that were asked for."""
    entry = transcript.to_dict()
    if options.timestamps == "none":
        del entry["segments"]
    elif options.timestamps == "segment":
        for segment in entry["segments"]:
            del segment["words"]
            if "written" in segment:
                del segment["written"]["tokens"]
    return entry
