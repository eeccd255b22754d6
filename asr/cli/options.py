"""Options that several verbs have, each declared once, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from asr.speech.new_words import NewWord
    from asr.speech.transcripts.writing import WritingConfig

__all__ = [
    "DEFAULT_MODEL",
    "Backend",
    "BeamSize",
    "BlankPenalty",
    "Device",
    "GrammarFile",
    "GrammarMode",
    "HotwordWeight",
    "Hotwords",
    "Lexicon",
    "LmAlpha",
    "LmBeta",
    "LmFile",
    "Model",
    "NewWordsFile",
    "Numbers",
    "Punctuation",
    "RescoreModel",
    "SpeakerModel",
    "TextModel",
    "Threads",
    "Workers",
    "enrolments",
    "given",
    "numbers",
    "words_of",
    "writing_of",
]

Number = TypeVar("Number", int, float)
# That of asr.model_folder, for whose imports `asr --help` does not wait.
DEFAULT_MODEL = "en"
Model = Annotated[str, typer.Option("--model", help="Model folder, run folder, or name.")]
Device = Annotated[str, typer.Option("--device", help="cpu or cuda.")]
Punctuation = Annotated[
    bool,
    typer.Option(
        "--punctuation/--no-punctuation",
        help="Set marks and capitals, with the text model that the speech model names.",
    ),
]
TextModel = Annotated[
    str | None,
    typer.Option("--text-model", help="Set marks and capitals with this model folder or name."),
]
SpeakerModel = Annotated[
    str | None,
    typer.Option("--speaker-model", help="Model folder or name that knows voices; speaker."),
]
Numbers = Annotated[
    bool,
    typer.Option(
        "--numbers/--no-numbers", help="Write English numbers, dates, money and times in figures."
    ),
]
Backend = Annotated[
    str,
    typer.Option(
        "--backend", help="torch, onnxruntime, or auto: ONNX on the processor if it is there."
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=0, help="Processor threads; 0: all.")]
Workers = Annotated[
    int, typer.Option("--workers", min=0, help="Processes with --ray local; 0: one per core.")
]
Lexicon = Annotated[
    Path | None,
    typer.Option("--lexicon", help="Pronunciations of further words, for a model of phones."),
]
GrammarFile = Annotated[
    Path | None,
    typer.Option(
        "--grammar", help="Recognise only the sentences of these templates; -f json has the slots."
    ),
]
GrammarMode = Annotated[
    str,
    typer.Option(
        "--grammar-mode",
        help="replace: nothing else is recognised; join: all other speech is too.",
    ),
]
Hotwords = Annotated[
    list[str] | None,
    typer.Option(help="Phrases to listen for, with commas, or @file with one a line."),
]
HotwordWeight = Annotated[
    float, typer.Option(help="Added to the score of a hypothesis with a hotword.")
]
NewWordsFile = Annotated[
    Path | None,
    typer.Option(
        "--words",
        help="New words, one a line; behind tabs what it sounds like, and a word it is used like.",
    ),
]
LmFile = Annotated[
    Path | None, typer.Option("--lm", help="n-gram model instead of the model folder's own.")
]
LmAlpha = Annotated[float | None, typer.Option(help="Weight of the language model.")]
LmBeta = Annotated[float | None, typer.Option(help="Bonus per word.")]
BeamSize = Annotated[int | None, typer.Option(min=1, help="Hypotheses kept by the beam search.")]
BlankPenalty = Annotated[
    float | None,
    typer.Option(min=0, help="Taken from the blank's log-probability; higher: fewer deletions."),
]
RescoreModel = Annotated[
    Path | None,
    typer.Option(
        "--rescore", help="Model folder of an LSTM language model that re-ranks the hypotheses."
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def enrolments(given: list[str]) -> dict[str, str]:
    """Return name -> recording of options such as ``--enrol anna=anna.wav``.

    Raises:
        BadParameter: a part is missing, or a name is given twice.
    """
    recordings: dict[str, str] = {}
    for item in given:
        name, equals, path = item.partition("=")
        if not (name.strip() and equals and path.strip()):
            raise typer.BadParameter(
                f"{item!r} is not NAME=RECORDING, such as anna=anna.wav.", param_hint="--enrol"
            )
        if name.strip() in recordings:
            raise typer.BadParameter(f"{name.strip()} is given twice.", param_hint="--enrol")
        recordings[name.strip()] = path.strip()
    return recordings


def numbers(text: str, option: str, kind: type[Number]) -> tuple[Number, ...]:
    """Return the numbers of an option such as ``--speeds 0.9,1,1.1``; commas or spaces part them.

    Raises:
        BadParameter: a part is not a number of that kind.
    """
    try:
        return tuple(kind(part) for part in text.replace(",", " ").split())
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise typer.BadParameter(
            f"{text!r} is not a list of {what}, such as 1,2.", param_hint=option
        ) from None


def words_of(path: Path | None) -> tuple[NewWord, ...]:
    """Return the new words of a file; none without one."""
    from asr.speech.new_words import read_new_words

    return () if path is None else read_new_words(path)


def writing_of(punctuation: bool, text_model: str | None, numbers: bool) -> WritingConfig:
    """Return how words become text.

    Raises:
        BadParameter: a text model, and no marks.
    """
    from asr.speech.transcripts.writing import AUTO, WritingConfig

    if text_model is not None and not punctuation:
        raise typer.BadParameter("it goes without --no-punctuation.", param_hint="--text-model")
    return WritingConfig(text_model=(text_model or AUTO) if punctuation else "", numbers=numbers)
