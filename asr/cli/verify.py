"""``asr verify``: are two recordings of one speaker?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from asr.cli.options import SpeakerModel

__all__ = ["verify"]


def verify(
    first: Annotated[str, typer.Argument(help="Recording of one person.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    speaker_model: SpeakerModel = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how likely two recordings are of the same speaker."""
    from asr.speakers.embedder import DEFAULT_MODEL, SpeakerEmbedder
    from asr.speakers.verification import verify as compared

    result = compared(SpeakerEmbedder.load(speaker_model or DEFAULT_MODEL), first, second)
    typer.echo(json.dumps(result.to_dict()) if as_json else str(result))
    for note in result.notes:
        typer.echo(f"note: {note}", err=True)
