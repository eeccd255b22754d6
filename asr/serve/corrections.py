"""Transcripts that people corrected, kept beside their recordings, where the operator allows it.

POST   /v1/corrections       a recording and its corrected transcript -> both are kept
GET    /v1/corrections       what is kept, the least certain first
DELETE /v1/corrections/ID    forget one

`corrections.jsonl` in the folder is a table that `asr learn` and `asr prepare` read: audio, text,
and the times of a stretch of a long recording.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import FastAPI, Request
from pydantic import BaseModel, ValidationError

from asr.audio.reading import AUDIO_SUFFIXES, open_recording
from asr.errors import DataError
from asr.files import atomic_path, atomic_write_text
from asr.lines import read_json_lines
from asr.serve.errors import PROBLEMS, BadOption, NotFound, TooLarge
from asr.serve.forms import FILE_FIELD, read_form
from asr.serve.rendering import TranscriptBody, on_one_line
from asr.serve.service import Service
from asr.speech.acoustics.windows import LONG_S

__all__ = ["TABLE", "Corrections", "corrections_routes"]

FACTS = ("heard", "confidence", "original", "source")
TABLE, AUDIO = "corrections.jsonl", "audio"
PAUSE_S = 0.3  # where long recordings are cut
PIECE_S, LONGEST_S = 12.0, 25.0  # lengths of their pieces: aimed at, and at most
FORM = {
    "type": "object",
    "required": ["file", "transcript"],
    "properties": {
        "file": FILE_FIELD,
        "transcript": {"type": "string", "description": "JSON, as /v1/transcribe answers it."},
        "heard": {"type": "string", "description": "The text before it was corrected."},
        "confidence": {"type": "number", "description": "Its confidence, 0 to 1."},
    },
}


class CorrectionAnswer(BaseModel):
    """A corrected recording; heard and confidence are of the text before."""

    id: str
    name: str
    text: str
    heard: str
    confidence: float


class CorrectionsAnswer(BaseModel):
    """What is kept, the least certain first."""

    corrections: list[CorrectionAnswer]


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording, in seconds, with its text; no end: to the end of the recording."""

    start: float
    end: float | None
    text: str


class Corrections:
    """Corrected transcripts and their recordings, in a folder.

    Args:
        folder: is made if needed; what an earlier service kept is taken over.

    Raises:
        DataError: its table is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.table = folder, folder / TABLE
        self._lock = threading.Lock()
        (folder / AUDIO).mkdir(parents=True, exist_ok=True)
        self._rows: list[dict[str, Any]] = []
        if self.table.is_file():
            self._rows = [row for _, row in read_json_lines(self.table)]
        for number, row in enumerate(self._rows, 1):
            if not isinstance(row, dict) or not row.keys() >= {*FACTS, "id", "path", "text"}:
                raise DataError(
                    f"{self.table}, line {number}: not a correction that a service kept.",
                    "Give another folder, or correct the line.",
                )

    def add(
        self, source: BinaryIO, name: str, body: TranscriptBody, heard: str, confidence: float
    ) -> CorrectionAnswer:
        """Keep a recording and its transcript; a newer one of the same recording replaces it.

        Args:
            source: the recording.
            name: of its file, whose ending says what kind it is.
            body: the corrected transcript; without any text, the recording is not learned from.
            heard: the text before.
            confidence: of the text before, 0 to 1.

        Raises:
            BadOption: the name has no ending of a recording.
            AudioError: the recording cannot be read.
        """
        suffix = Path(name).suffix.lower()
        if suffix not in AUDIO_SUFFIXES:
            raise BadOption("file", f"{name!r} does not end as recordings do.", "Such as .wav.")
        key = _digest(source)
        source.seek(0)
        with open_recording(source) as recording:
            duration_s = recording.duration_s or body.duration_s
        source.seek(0)
        path = Path(AUDIO) / f"{key}{suffix}"
        with atomic_path(self.folder / path) as temporary, temporary.open("wb") as target:
            shutil.copyfileobj(source, target)
        facts = dict(zip(FACTS, (heard, confidence, name, key), strict=True))
        rows = [
            {"id": f"{key}-{number:03d}", "path": path.as_posix(), **_times(piece), **facts}
            for number, piece in enumerate(_pieces(body, duration_s))
        ]
        with self._lock:
            self._write([*(row for row in self._rows if row["source"] != key), *rows])
        return _answers(rows)[0]

    def listed(self) -> list[CorrectionAnswer]:
        """Return what is kept, the least certain first."""
        return _answers(self._rows)

    def delete(self, key: str) -> None:
        """Forget a recording.

        Raises:
            NotFound: there is none of that name.
        """
        with self._lock:
            gone = [row for row in self._rows if row["source"] == key]
            if not gone:
                raise NotFound(f"There is no correction {key!r}.")
            self._write([row for row in self._rows if row["source"] != key])
            (self.folder / gone[0]["path"]).unlink(missing_ok=True)

    def _write(self, rows: list[dict[str, Any]]) -> None:
        rows = sorted(rows, key=lambda row: (row["confidence"], row["id"]))
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        atomic_write_text(self.table, "".join(lines))
        self._rows = rows


def _digest(source: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := source.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()[:32]


def _times(piece: Piece) -> dict[str, Any]:
    times = {} if piece.end is None else {"start": piece.start, "end": piece.end}
    return {**times, "text": piece.text}


def _answers(rows: list[dict[str, Any]]) -> list[CorrectionAnswer]:
    answers = []
    for key, own in itertools.groupby(rows, key=lambda row: row["source"]):
        pieces = list(own)
        first, text = pieces[0], " ".join(row["text"] for row in pieces)
        answers.append(
            CorrectionAnswer(
                id=key,
                name=first["original"],
                text=text,
                heard=first["heard"],
                confidence=first["confidence"],
            )
        )
    return answers


def _pieces(body: TranscriptBody, duration_s: float) -> list[Piece]:
    """Return a transcript as one piece, that of a long recording cut at pauses.

    A long stretch without a pause is left out: its text could not be learned from.
    """
    whole = " ".join(segment.text for segment in body.segments if segment.text)
    words = [word for segment in body.segments for word in segment.words]
    if duration_s <= LONG_S or not words:
        return [Piece(0.0, None, whole)]
    runs = [[words[0]]]  # of words without a pause
    for before, word in itertools.pairwise(words):
        if word.start - before.end >= PAUSE_S:
            runs.append([])
        runs[-1].append(word)
    pieces = []
    for own in _joined_runs(runs):
        start, end = own[0].start - PAUSE_S / 2, own[-1].end + PAUSE_S / 2
        text = " ".join(word.word for word in own)
        pieces.append(Piece(round(max(0.0, start), 3), round(min(end, duration_s), 3), text))
    return pieces or [Piece(0.0, None, "")]


def _joined_runs(runs: list[list[Any]]) -> Iterator[list[Any]]:
    """Yield runs joined up to the length that is aimed at; those that are too long are left out."""
    joined: list[Any] = []
    for run in runs:
        if joined and run[-1].end - joined[0].start > PIECE_S:
            yield joined
            joined = []
        if run[-1].end - run[0].start <= LONGEST_S:
            joined = [*joined, *run]
    if joined:
        yield joined


def corrections_routes(app: FastAPI, corrections: Corrections, service: Service) -> None:
    """Add the routes."""
    tags: list[str | Enum] = ["corrections"]
    body = {"requestBody": {"content": {"multipart/form-data": {"schema": FORM}}}}

    @app.post("/v1/corrections", tags=tags, responses=PROBLEMS, openapi_extra=body)
    async def add(request: Request) -> CorrectionAnswer:
        """Keep a recording and its corrected transcript, to be learned from."""
        async with read_form(request, ("file",)) as form:
            fields = _fields(form.fields)
            if len(form.files) > 1:
                raise BadOption("file", "A correction has one file.")
            file = form.files[0]
            if (file.size or 0) > service.config.max_job_bytes:
                raise TooLarge(
                    f"The recording is larger than {service.config.max_job_bytes} bytes."
                )
            return await asyncio.to_thread(
                corrections.add,
                file.file,
                Path(file.filename or "").name,
                _transcript(fields.get("transcript", "")),
                heard=" ".join(fields.get("heard", "").split()),
                confidence=_confidence(fields.get("confidence", "")),
            )

    @app.get("/v1/corrections", tags=tags, responses=PROBLEMS)
    async def listed() -> CorrectionsAnswer:
        """What is kept, the least certain first."""
        return CorrectionsAnswer(corrections=corrections.listed())

    @app.delete("/v1/corrections/{key}", tags=tags, status_code=204, responses=PROBLEMS)
    async def delete(key: str) -> None:
        """Forget a recording and its transcript."""
        await asyncio.to_thread(corrections.delete, key)


def _fields(given: list[tuple[str, Any]]) -> dict[str, str]:
    known = set(FORM["properties"]) - {"file"}
    for name, _ in given:
        if name not in known:
            raise BadOption(name, f"{name} is unknown.", f"Known: {', '.join(sorted(known))}.")
    return dict(given)


def _transcript(text: str) -> TranscriptBody:
    try:
        body = TranscriptBody.model_validate_json(text)
        return TranscriptBody.model_validate(on_one_line(body.model_dump(exclude_none=True)))
    except ValidationError:
        raise BadOption(
            "transcript", "transcript is no transcript in JSON.", "As /v1/transcribe answers it."
        ) from None


def _confidence(text: str) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise BadOption("confidence", f"confidence is {text!r}.", "Give a number from 0 to 1.")
    return value
