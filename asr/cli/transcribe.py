"""``asr transcribe``: audio files -> text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asr.cli.options import (
    DEFAULT_MODEL,
    Backend,
    BeamSize,
    BlankPenalty,
    Device,
    GrammarFile,
    GrammarMode,
    Hotwords,
    HotwordWeight,
    Lexicon,
    LmAlpha,
    LmBeta,
    LmFile,
    Model,
    NewWordsFile,
    Numbers,
    Punctuation,
    RescoreModel,
    SpeakerModel,
    TextModel,
    Workers,
    enrolments,
    given,
    words_of,
    writing_of,
)

if TYPE_CHECKING:
    from asr.speech.transcripts.speakers import SpeakerOptions
    from asr.speech.transcripts.subtitles import SubtitleConfig


def transcribe(
    inputs: Annotated[
        list[str], typer.Argument(help="Audio files, folders, globs, or - for standard input.")
    ],
    model: Model = DEFAULT_MODEL,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", help="Write one file per input here instead of printing the text."
        ),
    ] = None,
    output_format: Annotated[
        str,
        typer.Option(
            "--output-format",
            "-f",
            help="txt, json, srt, vtt, tsv, ctm, or rttm with speakers; several with commas.",
        ),
    ] = "txt",
    channels: Annotated[
        str,
        typer.Option(help="mix, all (each channel apart), or a channel's number from 0."),
    ] = "mix",
    decoding_method: Annotated[
        str | None,
        typer.Option(help="greedy or beam; as the model folder says by default."),
    ] = None,
    beam_size: BeamSize = None,
    n_best: Annotated[
        int | None, typer.Option(min=1, help="Best hypotheses of each segment, in JSON only.")
    ] = None,
    hotwords: Hotwords = None,
    hotword_weight: HotwordWeight = 10.0,
    words: NewWordsFile = None,
    grammar: GrammarFile = None,
    grammar_mode: GrammarMode = "replace",
    lexicon: Lexicon = None,
    lm: LmFile = None,
    lm_alpha: LmAlpha = None,
    lm_beta: LmBeta = None,
    blank_penalty: BlankPenalty = None,
    rescore: RescoreModel = None,
    rescore_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of that language model; 0.5 by default."),
    ] = None,
    punctuation: Punctuation = True,
    text_model: TextModel = None,
    numbers: Numbers = False,
    speakers: Annotated[
        bool, typer.Option("--speakers", help="Tell speakers apart: who said what.")
    ] = False,
    num_speakers: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="How many speakers there are; as many as are found."),
    ] = None,
    enrol: Annotated[
        list[str] | None,
        typer.Option(help="NAME=RECORDING of one person alone, to know by name; repeatable."),
    ] = None,
    speaker_model: SpeakerModel = None,
    max_line_width: Annotated[
        int | None, typer.Option(min=1, help="Characters in a line of subtitles; 42 by default.")
    ] = None,
    max_line_count: Annotated[
        int | None, typer.Option(min=1, help="Lines of a subtitle; 2 by default.")
    ] = None,
    max_words_per_line: Annotated[
        int | None, typer.Option(min=1, help="Words in a line of subtitles; as many as fit.")
    ] = None,
    highlight_words: Annotated[
        bool, typer.Option("--highlight-words", help="Subtitles mark each word as it is said.")
    ] = False,
    max_skipped: Annotated[int, typer.Option(min=0, help="Exit 0 if at most N files fail.")] = 0,
    device: Device = "cpu",
    backend: Backend = "auto",
    threads: Annotated[
        int, typer.Option(min=0, help="Processor threads; 0: all (one, with --ray).")
    ] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Distribute the files over the Ray cluster at this address; local: this machine.",
        ),
    ] = None,
    workers: Workers = 0,
) -> None:
    """Turn recordings into text."""
    from asr.errors import ConfigError
    from asr.speech.jobs.transcribe import parse_channel, parse_hotwords, transcribe_files
    from asr.speech.options import ModelOptions

    if workers and ray is None:
        raise typer.BadParameter("it goes with --ray local.", param_hint="--workers")
    if rescore_weight is not None and rescore is None:
        raise typer.BadParameter("it goes with --rescore.", param_hint="--rescore-weight")
    formats, channel = output_format.split(","), parse_channel(channels)
    if (n_best or 1) > 1 and "json" not in formats:
        raise ConfigError("N-best is only written to JSON.", "Add -f json.")
    decoding = given(
        method=decoding_method,
        beam_size=beam_size,
        n_best=n_best,
        hotwords=parse_hotwords(hotwords, hotword_weight) if hotwords else None,
        lexicon=str(lexicon) if lexicon else None,
        lm_alpha=lm_alpha,
        lm_beta=lm_beta,
        blank_penalty=blank_penalty,
        rescorer=str(rescore) if rescore else None,
        rescore_weight=rescore_weight,
    )
    subtitles = _subtitles(
        formats,
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        max_words_per_line=max_words_per_line,
        highlight_words=highlight_words or None,
    )
    options = ModelOptions(
        model,
        decoding,
        lm=lm,
        device=device,
        backend=backend,
        threads=threads,
        writing=writing_of(punctuation, text_model, numbers),
        new_words=words_of(words),
        grammar=grammar,
        grammar_mode=grammar_mode,
    )
    output: dict[str, Any] = {"output_dir": output_dir, "formats": formats, "channel": channel}
    output["subtitles"] = subtitles
    who = _speakers(speakers, num_speakers, enrol, speaker_model, threads)
    if who is not None and ray is not None:
        raise ConfigError("Speakers are told apart on one machine.", "Leave out --ray.")
    if who is not None and (n_best or 1) > 1:
        raise ConfigError("N-best readings are not split by speaker.", "Leave out --n-best.")
    if ray is None:
        failed = transcribe_files(inputs, options, **output, speakers=who)
    else:
        from asr.scale.transcribe import transcribe_on_ray

        failed = transcribe_on_ray(inputs, options, **output, address=ray, workers=workers)
    if failed > max_skipped:
        raise typer.Exit(1)


def _speakers(
    asked: bool,
    count: int | None,
    enrol: list[str] | None,
    model: str | None,
    threads: int,
) -> SpeakerOptions | None:
    """Return how speakers are told apart; a number or names ask for it too."""
    if not (asked or count or enrol):
        if model is not None:
            raise typer.BadParameter("it goes with --speakers.", param_hint="--speaker-model")
        return None
    from asr.speech.transcripts.speakers import SpeakerOptions

    options = given(model=model, count=count)
    return SpeakerOptions(**options, enrolled=enrolments(enrol or []), threads=max(1, threads))


def _subtitles(formats: list[str], **rules: int | bool | None) -> SubtitleConfig:
    """Return the rules that were given; they are refused where there are no subtitles."""
    from asr.errors import ConfigError
    from asr.speech.transcripts.subtitles import SubtitleConfig

    if given(**rules) and not {"srt", "vtt"} & set(formats):
        raise ConfigError("Rules of subtitles need subtitles.", "Add -f srt or -f vtt.")
    return SubtitleConfig(**given(**rules))
