"""``asr compare``: is one system better than the other, or is it chance?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["compare"]


def compare(
    a: Annotated[Path, typer.Argument(help="Hypotheses of the first system, or its run folder.")],
    b: Annotated[Path, typer.Argument(help="Hypotheses of the second system, or its run folder.")],
    reference: Annotated[
        Path | None,
        typer.Option(
            "--reference", "-r", help="References; else the references.tsv beside the hypotheses."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="The split to compare, where run folders share several.")
    ] = None,
    normalizer: Annotated[
        str,
        typer.Option(help="none, librispeech, basic, english, chinese or mandarin."),
    ] = "none",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; rates are fractions.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with both systems side by side.")
    ] = None,
    audio: Annotated[str, typer.Option(help="Audio on the page: none, link or embed.")] = "none",
    manifest: Annotated[
        Path | None,
        typer.Option(help="Manifest that names the audio, where the references do not."),
    ] = None,
    speakers: Annotated[
        Path | None, typer.Option(help="Map of utterance ids to speakers (two columns).")
    ] = None,
    aligner: Annotated[str, typer.Option(help="jiwer or sclite, for the counts.")] = "jiwer",
    reference_format: Annotated[
        str | None, typer.Option(help="Where the name does not tell: txt, tsv, kaldi, ...")
    ] = None,
    hypothesis_format: Annotated[
        str | None, typer.Option(help="The same for both hypotheses.")
    ] = None,
    samples: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Compare two systems on the same references: paired bootstrap and matched pairs (MAPSSWE),
    with p-values.

    A and B are two files of hypotheses with -r, or two run folders that hold SPLIT/hypotheses.tsv.
    """
    from asr.scoring import compare_pairs, pair, read_speakers, read_transcripts, with_speakers
    from asr.scoring.page import write_comparison_page
    from asr.scoring.report import print_comparison_json, print_comparison_report
    from asr.scoring.runs import find_sides

    if audio != "none" and html is None:
        raise typer.BadParameter("--audio needs --html: there is no page to put the audio on.")
    if manifest is not None and audio == "none":
        raise typer.BadParameter(
            "--manifest names the audio of the page: it needs --html and --audio."
        )
    sides = find_sides(a, b, reference, split)
    references = read_transcripts(sides.reference, reference_format, "reference")
    speaker_map = read_speakers(speakers) if speakers else None
    left, right = (
        with_speakers(
            pair(references, read_transcripts(path, hypothesis_format, "hypothesis")), speaker_map
        )
        for path in (sides.a, sides.b)
    )
    result = compare_pairs(
        left, right, normalizer=normalizer, aligner=aligner, samples=samples, seed=seed
    )
    if as_json:
        print_comparison_json(result, sides.names)
    else:
        print_comparison_report(result, sides.names)
    if html is not None:
        sources = read_transcripts(manifest).utterances if manifest else None
        title = f"{sides.names[0]} and {sides.names[1]}"
        write_comparison_page(result, sides.names, html, title=title, audio=audio, sources=sources)
        typer.echo(f"wrote {html}", err=True)
