"""``POST /v1/render``: a transcript, perhaps corrected by a person -> subtitles and others."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from asr.serve.errors import PROBLEMS
from asr.serve.transcribe import MEDIA_TYPES, SegmentAnswer, TurnAnswer, rendered
from asr.speech.transcripts.transcript import FORMATS, read_transcript

__all__ = ["TranscriptBody", "on_one_line", "render_route"]

MAX_TIME_S = 1e6
KINDS = sorted({"text/plain", *MEDIA_TYPES.values()})


class TranscriptBody(BaseModel):
    """A transcript as ``/v1/transcribe`` answers it; unknown fields have no effect."""

    model_config = ConfigDict(allow_inf_nan=False, protected_namespaces=())
    text: str = ""
    duration_s: float = Field(0.0, ge=0, le=MAX_TIME_S)
    segments: list[SegmentAnswer] = Field(max_length=100_000)
    model: str = ""
    turns: list[TurnAnswer] | None = Field(None, max_length=100_000)

    @model_validator(mode="after")
    def _check_times(self) -> TranscriptBody:
        for segment in self.segments:
            spans = [(segment.start, segment.end), *((w.start, w.end) for w in segment.words)]
            if segment.written is not None:
                spans += [(token.start, token.end) for token in segment.written.tokens]
            spans += [(turn.start, turn.end) for turn in self.turns or ()]
            for start, end in spans:
                if not 0 <= start <= end <= MAX_TIME_S:
                    raise ValueError(f"the times {start:g} and {end:g} are not in order")
        return self


def render_route(app: FastAPI) -> None:
    """Add the route."""

    @app.post(
        "/v1/render",
        tags=["speech"],
        responses={**PROBLEMS, 200: {"content": {kind: {} for kind in KINDS}}},
        response_class=Response,
    )
    async def render(
        body: TranscriptBody,
        output_format: Annotated[str, Query(pattern=f"^({'|'.join(FORMATS)})$")] = "srt",
        name: Annotated[str, Query(max_length=200, description="Of the recording.")] = "recording",
    ) -> Response:
        """Write a transcript in another format, such as one that was corrected."""
        return await asyncio.to_thread(_rendered, body, output_format, name)


def _rendered(body: TranscriptBody, output_format: str, name: str) -> Response:
    content = on_one_line(body.model_dump(exclude_none=True))
    return rendered(read_transcript(content), output_format, name)


def on_one_line(content: Any) -> Any:
    """Return content with single spaces in its texts: a line is a cue's or a row's."""
    if isinstance(content, str):
        return " ".join(content.split())
    if isinstance(content, list):
        return [on_one_line(entry) for entry in content]
    if isinstance(content, dict):
        return {name: on_one_line(value) for name, value in content.items()}
    return content
