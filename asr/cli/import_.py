"""``asr import``: a network that was trained elsewhere -> a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asr.speakers.importing import ImportedSpeakers
    from asr.speech.importing.importing import ImportReport


def import_(
    model: Annotated[
        Path, typer.Argument(help="ONNX file of a CTC network, or of a speaker embedding.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new model folder.")],
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="Its labels: tokens.txt, vocab.json, a sentencepiece model, or a label a line."
        ),
    ] = None,
    speakers: Annotated[
        bool,
        typer.Option(
            "--speakers", help="A speaker embedding; --features wespeaker, 3dspeaker, samples, ..."
        ),
    ] = False,
    features: Annotated[
        str,
        typer.Option(
            help="What the network takes: samples, wav2vec2, omnilingual, icefall, wenet, nemo or "
            "gigaam; by default what the file's metadata say."
        ),
    ] = "",
    feature: Annotated[
        list[str] | None,
        typer.Option("--feature", help="key=value of the features, such as n_mels=64."),
    ] = None,
    blank: Annotated[
        str | None, typer.Option(help="Label or number of the blank, where it is not clear.")
    ] = None,
    word_boundary: Annotated[
        str | None,
        typer.Option(help="Label between words or mark at their start, where it is not clear."),
    ] = None,
    special: Annotated[
        list[str] | None,
        typer.Option(help="Label that is never text; by default those in brackets."),
    ] = None,
    case: Annotated[
        str | None, typer.Option(help="lower or upper: letter case of the transcripts.")
    ] = None,
    scores: Annotated[
        str, typer.Option(help="logits, log_probs or probs; by default found out.")
    ] = "",
    input_name: Annotated[
        str, typer.Option("--input", help="Input for the audio, where it is not clear.")
    ] = "",
    output_name: Annotated[
        str, typer.Option("--scores-output", help="Output with the scores, where it is not clear.")
    ] = "",
) -> None:
    """Make a model folder of a CTC network in ONNX that another toolkit trained."""
    from asr.config import parse_overrides

    if speakers:
        from asr.speakers.importing import import_speakers

        settings = parse_overrides(feature or [])
        _done(import_speakers(model, output, features or "wespeaker", settings))
        return
    if tokens is None:
        raise typer.BadParameter("needed for a CTC network.", param_hint="--tokens")
    from asr.speech.importing.importing import ImportOptions, import_model

    options = ImportOptions(
        features=features,
        settings=parse_overrides(feature or []),
        blank=int(blank) if blank is not None and blank.isdigit() else blank,
        word_boundary=word_boundary,
        special=special,
        case=case,
        input=input_name,
        output=output_name,
        scores_are=scores,
    )
    _done(import_model(model, tokens, output, options))


def _done(report: ImportReport | ImportedSpeakers) -> None:
    for line in report.lines():
        typer.echo(line, err=True)
    typer.echo(f"wrote {report.folder}")
