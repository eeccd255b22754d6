"""``POST /v1/spot``: where phrases are said in recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from asr.errors import AsrError
from asr.serve.errors import (
    PROBLEMS,
    BadOption,
    Overloaded,
    Refusal,
    TooLarge,
    answered,
    refusal_of,
)
from asr.serve.forms import FILE_FIELD, Form, read_form
from asr.serve.models import HostedModel
from asr.serve.options import SPOT, RequestOptions, form_schema, query_parameters, read_options
from asr.serve.service import Service
from asr.speech.recognizer import Recognizer
from asr.speech.spotting import (
    Phrases,
    SpottedPhrase,
    StreamSpotter,
    phrase_thresholds,
    spell_phrases,
    too_little_background,
)

__all__ = ["check_phrases", "phrases_of", "spot_route"]

FALSE_ALARMS = 1.0  # an hour
RECORDINGS = {"type": "array", "items": FILE_FIELD, "description": "Recordings to search."}
BACKGROUND = {
    "type": "array",
    "items": FILE_FIELD,
    "description": "Recordings without the phrases: thresholds are set on them.",
}


class SpotAnswer(BaseModel):
    """A phrase that was found: times in seconds, score from 0 to 1."""

    phrase: str
    start: float
    end: float
    score: float


class SpottedFile(BaseModel):
    """What was found in a file, or why it could not be searched."""

    name: str
    duration_s: float | None = None
    spots: list[SpotAnswer] = []
    error: str | None = None


class SpotAnswers(BaseModel):
    """One result a file, in the order of the request, and the threshold of each phrase."""

    model: str
    thresholds: dict[str, float]
    results: list[SpottedFile]
    notes: list[str] = []


def spot_route(app: FastAPI, service: Service) -> None:
    """Add the route."""
    files = {"files": RECORDINGS, "file": FILE_FIELD, "background": BACKGROUND}
    description = {
        "parameters": query_parameters(SPOT),
        "requestBody": form_schema(SPOT, files),
    }

    @app.post(
        "/v1/spot",
        tags=["speech"],
        responses=PROBLEMS,
        response_model=SpotAnswers,
        openapi_extra=description,
    )
    async def spot(request: Request) -> Response:
        """Find phrases in one or many recordings; options go into the query or into the form.

        Thresholds are given, or set by recordings in `background` so that all phrases together have
        `false_alarms` an hour there. A file that fails has `error`; if all fail, the status says
        why.
        """
        async with read_form(request, ("files", "file", "background")) as form:
            options = read_options(form.fields, SPOT)
            files, background = _told_apart(form, options, service.config.max_files)
            hosted = service.fleet.choose(options.model)
            recognizer = await hosted.variant(options)
            phrases = await asyncio.to_thread(phrases_of, recognizer, options)
            search = _Search(service, hosted, recognizer, phrases, options)
            return await answered(request, search.answer(files, background))


def check_phrases(options: RequestOptions) -> None:
    """Refuse a threshold without phrases.

    Raises:
        BadOption: there are none.
    """
    if options.threshold is not None and not options.phrases:
        raise BadOption("threshold", "threshold goes with phrases.", "Give phrases.")


def phrases_of(recognizer: Recognizer, options: RequestOptions) -> dict[str, list[list[int]]]:
    """Return the ways to say the phrases of a request.

    Raises:
        BadOption: the model can neither say nor write one.
    """
    try:
        return spell_phrases(recognizer, list(options.phrases))
    except AsrError as error:
        raise BadOption("phrases", error.message, error.remedy) from error


def _told_apart(
    form: Form, options: RequestOptions, max_files: int
) -> tuple[list[UploadFile], list[UploadFile]]:
    """Return the recordings to search, and those of the background.

    Raises:
        BadOption: one of the options is missing, or has no effect beside the others.
        TooLarge: there are too many files.
    """
    background = form.named("background")
    files = form.named("files", "file")
    if not files:
        raise BadOption("files", "There is no recording to search.", "Send it as files or file.")
    if len(form.files) > max_files:
        raise TooLarge(f"More than {max_files} files in one request.")
    if not options.phrases:
        raise BadOption("phrases", "There is no phrase to look for.", "Give phrases=new york.")
    if options.false_alarms is not None and not background:
        raise BadOption(
            "false_alarms", "false_alarms goes with background.", "Send recordings as background."
        )
    own = next((phrase for phrase, least in options.phrases.items() if least is not None), None)
    if background and (options.threshold is not None or own is not None):
        name = "threshold" if options.threshold is not None else "phrases"
        raise BadOption(
            name, f"{name} has a threshold, which background sets.", "Leave one of the two out."
        )
    return files, background


@dataclass(frozen=True)
class _Search:
    """A request.

    Attributes:
        service: computes.
        hosted: the model.
        recognizer: the model under the options of the request.
        phrases: what is searched.
        options: of the request.
    """

    service: Service
    hosted: HostedModel
    recognizer: Recognizer
    phrases: Phrases
    options: RequestOptions

    async def answer(
        self, files: Sequence[UploadFile], background: Sequence[UploadFile]
    ) -> Response:
        """Return the answer; where no file can be searched, the refusal of the worst one."""
        thresholds, notes = self.options.thresholds, list[str]()
        if background:
            thresholds, notes = await self._thresholds(background)
        outcomes = await asyncio.gather(*(self._outcome(file, thresholds) for file in files))
        refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
        names = [file.filename or "recording" for file in files]
        if len(refusals) == len(files):
            details = [f"{n}: {r.detail}" for n, r in zip(names, refusals, strict=True)]
            worst = max(refusals, key=lambda refusal: (refusal.status, refusal.retry_after_s))
            return JSONResponse({"detail": "; ".join(details)}, worst.status, worst.headers)
        results = [_result(name, one) for name, one in zip(names, outcomes, strict=True)]
        answer = SpotAnswers(
            model=self.hosted.name, thresholds=thresholds, results=results, notes=notes
        )
        return JSONResponse(answer.model_dump(exclude_none=True))

    async def _outcome(
        self, file: UploadFile, thresholds: Mapping[str, float]
    ) -> tuple[list[SpottedPhrase], float] | Refusal:
        try:
            return await self._found(file, thresholds)
        except BadOption:
            raise  # of the request, not of the file
        except AsrError as error:
            return refusal_of(error)

    async def _found(
        self, file: UploadFile, thresholds: float | Mapping[str, float]
    ) -> tuple[list[SpottedPhrase], float]:
        """Return what is found in a file, and its seconds."""
        spotter = StreamSpotter(self.recognizer, self.phrases, thresholds)
        return await self.service.spot(file, self.hosted, self.recognizer, spotter)

    async def _thresholds(
        self, background: Sequence[UploadFile]
    ) -> tuple[dict[str, float], list[str]]:
        """Return the threshold of each phrase, and notes for the client."""
        asked = self.options.false_alarms
        wanted = FALSE_ALARMS if asked is None else asked
        try:
            found = [await self._found(file, 0.0) for file in background]
            seconds = sum(heard_s for _, heard_s in found)
            spots = [spots for spots, _ in found]
            thresholds = phrase_thresholds(self.phrases, spots, seconds, wanted)
        except Overloaded:
            raise
        except AsrError as error:
            raise BadOption("background", error.message, error.remedy) from error
        note = too_little_background(self.phrases, seconds, wanted)
        return thresholds, [note] if note else []


def _result(name: str, outcome: tuple[list[SpottedPhrase], float] | Refusal) -> SpottedFile:
    if isinstance(outcome, Refusal):
        return SpottedFile(name=name, error=f"{name}: {outcome.detail}")
    spots, seconds = outcome
    answers = [SpotAnswer(**asdict(spot)) for spot in spots]
    return SpottedFile(name=name, duration_s=round(seconds, 3), spots=answers)
