"""The form of a request: its files, and the other fields."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from asr.serve.errors import BadOption

__all__ = ["FILE_FIELD", "Form", "read_form"]

FILE_FIELD = {"type": "string", "format": "binary", "description": "WAV, FLAC, OGG or MP3."}
"""A file in the OpenAPI description."""


@dataclass(frozen=True)
class Form:
    """What a request holds.

    Attributes:
        files: in order.
        fields: names and values of the query and of the form.
        places: the field that each file was in.
    """

    files: list[UploadFile]
    fields: list[tuple[str, Any]]
    places: list[str]

    def named(self, *fields: str) -> list[UploadFile]:
        """Return the files that were in these fields."""
        pairs = zip(self.files, self.places, strict=True)
        return [file for file, place in pairs if place in fields]


@contextlib.asynccontextmanager
async def read_form(request: Request, file_fields: tuple[str, ...]) -> AsyncIterator[Form]:
    """Yield the query and the multipart form of a request; its files are closed in the end.

    Args:
        request: its body was not read yet.
        file_fields: names of fields that hold files.

    Raises:
        BadOption: a file in another field, a text in one of these, or no file.
    """
    async with request.form() as form:
        yield _checked(request, form, file_fields)


def _checked(request: Request, form: FormData, file_fields: tuple[str, ...]) -> Form:
    files: list[UploadFile] = []
    places: list[str] = []
    fields: list[tuple[str, Any]] = list(request.query_params.multi_items())
    for name, value in form.multi_items():
        if isinstance(value, UploadFile) != (name in file_fields):
            what = "not a file" if name in file_fields else "a file"
            raise BadOption(
                name, f"{name} is {what}.", f"Files go into {' or '.join(file_fields)}."
            )
        if isinstance(value, UploadFile):
            files.append(value)
            places.append(name)
        else:
            fields.append((name, value))
    if not files:
        raise BadOption(
            file_fields[0],
            "There is no file in the request.",
            f"Send it as multipart/form-data: curl -F {file_fields[0]}=@talk.wav",
        )
    return Form(files, fields, places)
