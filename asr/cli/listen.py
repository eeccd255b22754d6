"""``asr listen``: microphone -> text."""

from __future__ import annotations

from typing import Annotated

import typer

from asr.cli.options import (
    DEFAULT_MODEL,
    Backend,
    GrammarFile,
    GrammarMode,
    Hotwords,
    HotwordWeight,
    Model,
    NewWordsFile,
    Numbers,
    Punctuation,
    TextModel,
    Threads,
    given,
    words_of,
    writing_of,
)


def listen(
    model: Model = DEFAULT_MODEL,
    microphone: Annotated[
        str | None, typer.Option(help="Number or part of the name of the device.")
    ] = None,
    silence: Annotated[
        float, typer.Option(min=0.2, help="Seconds of pause that end an utterance.")
    ] = 0.8,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so long; else Ctrl-C stops.")
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="Show the sound devices and exit.")
    ] = False,
    words: NewWordsFile = None,
    grammar: GrammarFile = None,
    grammar_mode: GrammarMode = "replace",
    hotwords: Hotwords = None,
    hotword_weight: HotwordWeight = 10.0,
    punctuation: Punctuation = True,
    text_model: TextModel = None,
    numbers: Numbers = False,
    backend: Backend = "auto",
    threads: Threads = 0,
) -> None:
    """Turn what the microphone hears into text, one line per utterance."""
    from asr.speech.jobs.transcribe import parse_hotwords
    from asr.speech.microphone import listen_to_microphone, microphones
    from asr.speech.options import ModelOptions

    if list_devices:
        print(microphones())
        return
    hot = parse_hotwords(hotwords, hotword_weight) if hotwords else None
    numbered = microphone is not None and microphone.isdecimal()
    listen_to_microphone(
        ModelOptions(
            model,
            backend=backend,
            threads=threads,
            writing=writing_of(punctuation, text_model, numbers),
            decoding=given(hotwords=hot),
            new_words=words_of(words),
            grammar=grammar,
            grammar_mode=grammar_mode,
        ),
        device=int(microphone or 0) if numbered else microphone,
        silence_s=silence,
        seconds=seconds,
    )
