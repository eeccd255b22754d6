"""``asr score``: word and character error rates of hypotheses against references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asr.cli.options import Workers

if TYPE_CHECKING:
    from asr.scoring import Transcripts

__all__ = ["score"]


def score(
    reference: Annotated[
        Path,
        typer.Option(
            "--reference",
            "-r",
            help="References: TSV, CSV, txt, Kaldi text, JSON(L), STM, CTM, RTTM, a manifest.",
        ),
    ],
    hypothesis: Annotated[
        Path, typer.Option("--hypothesis", "-y", help="Hypotheses, in any of these forms.")
    ],
    normalizer: Annotated[
        str,
        typer.Option(help="none, librispeech, basic, english, chinese or mandarin; on both sides."),
    ] = "none",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; rates are fractions.")
    ] = False,
    per_speaker: Annotated[
        bool, typer.Option("--per-speaker", help="Add a table by speaker.")
    ] = False,
    per_length: Annotated[
        bool, typer.Option("--per-length", help="Add a table by length of the reference.")
    ] = False,
    cpwer: Annotated[
        bool,
        typer.Option(
            "--cpwer",
            help="Of several speakers on channels: the best assignment of these; STM, CTM.",
        ),
    ] = False,
    written: Annotated[
        bool,
        typer.Option("--written", help="Score capitals and punctuation too, each mark by itself."),
    ] = False,
    collar: Annotated[
        float,
        typer.Option(min=0, help="RTTM: seconds beside each true boundary that do not count."),
    ] = 0.0,
    skip_overlap: Annotated[
        bool, typer.Option("--skip-overlap", help="RTTM: leave out overlapped speech.")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option("--by", help="Add a table by each of these columns, such as accent,device."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(help="Table with id and these columns, or manifest; else the references."),
    ] = None,
    alignment: Annotated[
        bool, typer.Option("--alignment", help="Add the alignments, worst utterances first.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="Alignments to print at most.")] = 20,
    top: Annotated[
        int, typer.Option(min=0, help="Most frequent errors to list of each kind.")
    ] = 10,
    html: Annotated[
        Path | None, typer.Option(help="Write a page that opens in any browser, without network.")
    ] = None,
    audio: Annotated[
        str, typer.Option(help="Audio on the page: none, link or embed; the manifest names it.")
    ] = "none",
    speakers: Annotated[
        Path | None,
        typer.Option(
            help="Map of utterance ids to speakers (two columns); else the references' own."
        ),
    ] = None,
    aligner: Annotated[
        str, typer.Option(help="jiwer (fewest errors) or sclite (NIST's weights).")
    ] = "jiwer",
    reference_format: Annotated[
        str | None, typer.Option(help="Where the name does not tell: txt, tsv, kaldi, ...")
    ] = None,
    hypothesis_format: Annotated[
        str | None, typer.Option(help="The same for the hypotheses.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, help="Bootstrap samples for the intervals; 0 for none.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray", help="Align on the Ray cluster at this address; local: on this machine."
        ),
    ] = None,
    workers: Workers = 0,
) -> None:
    """Word error rate, character error rate and where the errors are.

    Utterances meet by id, whatever their order; text files without ids meet line by line; a CTM
    meets an STM by time. For RTTM (who speaks when) it is the diarization error rate.
    """
    from asr.scoring import pair, read_speakers, read_transcripts, score_pairs, with_speakers
    from asr.scoring.page import write_score_page
    from asr.scoring.report import case_note, print_json, print_report
    from asr.scoring.tables import read_groups

    if audio != "none" and html is None:
        raise typer.BadParameter("--audio needs --html: there is no page to put the audio on.")
    if workers and ray is None:
        raise typer.BadParameter("it goes with --ray local.", param_hint="--workers")
    if groups is not None and by is None:
        raise typer.BadParameter("it goes with --by COLUMN.", param_hint="--groups")
    if "rttm" in (reference_format, reference.suffix.lower()[1:]):
        _score_rttm(reference, hypothesis, collar, skip_overlap, as_json)
        return
    if collar or skip_overlap:
        raise typer.BadParameter("it goes with RTTM.", param_hint="--collar, --skip-overlap")
    columns = read_groups(groups or reference, by.split(",")) if by else None
    references = read_transcripts(reference, reference_format, "reference")
    hypotheses = read_transcripts(hypothesis, hypothesis_format, "hypothesis")
    if cpwer or written:
        score_specially = _score_cpwer if cpwer else _score_written
        score_specially(references, hypotheses, normalizer, as_json)
        return
    pairs = with_speakers(
        pair(references, hypotheses), read_speakers(speakers) if speakers else None
    )
    how: dict[str, Any] = {
        "normalizer": normalizer,
        "aligner": aligner,
        "samples": samples,
        "seed": seed,
    }
    if ray is None:
        result = score_pairs(pairs, **how)
    else:
        from asr.scale.score import score_on_ray

        result = score_on_ray(pairs, ray, workers=workers, **how)
    shown: dict[str, Any] = {
        "per_speaker": per_speaker,
        "per_length": per_length,
        "groups": columns,
        "alignment": alignment,
        "limit": limit,
    }
    if as_json:
        print_json(result, **shown)
    else:
        print_report(result, top=top, **shown)
    note = case_note(pairs, result)
    if note:
        typer.echo(note, err=True)
    if html is not None:
        write_score_page(
            result, html, title=f"{hypothesis.name} against {reference.name}", audio=audio
        )
        typer.echo(f"wrote {html}", err=True)


def _score_cpwer(
    references: Transcripts, hypotheses: Transcripts, normalizer: str, as_json: bool
) -> None:
    from asr.scoring.cpwer import score_cpwer
    from asr.scoring.report import print_cpwer

    print_cpwer(score_cpwer(references, hypotheses, normalizer), as_json)


def _score_written(
    references: Transcripts, hypotheses: Transcripts, normalizer: str, as_json: bool
) -> None:
    from asr.scoring import pair
    from asr.scoring.report import print_written
    from asr.scoring.written import score_written

    if normalizer != "none":
        raise typer.BadParameter(
            "--written compares text as it is written.", param_hint="--normalizer"
        )
    print_written(score_written(pair(references, hypotheses)), as_json)


def _score_rttm(
    reference: Path, hypothesis: Path, collar_s: float, skip_overlap: bool, as_json: bool
) -> None:
    from asr.scoring.diarization import score_diarization
    from asr.scoring.report import print_diarization
    from asr.text.rttm import read_rttm

    turns = read_rttm(reference), read_rttm(hypothesis)
    print_diarization(score_diarization(*turns, collar_s, skip_overlap), as_json)
