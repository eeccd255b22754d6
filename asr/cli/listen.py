"""``asr listen``: microphone -> text."""

from __future__ import annotations

from typing import Annotated

import typer

from asr.model_folder import DEFAULT_MODEL


def listen(
    model: Annotated[
        str, typer.Option("--model", help="Model folder, run folder, or name.")
    ] = DEFAULT_MODEL,
    microphone: Annotated[
        str | None, typer.Option("--microphone", help="Number or part of the name of the device.")
    ] = None,
    silence: Annotated[
        float, typer.Option("--silence", min=0.2, help="Seconds of pause that end an utterance.")
    ] = 0.8,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Stop after so long; else Ctrl-C stops.")
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="Show the sound devices and exit.")
    ] = False,
    backend: Annotated[
        str,
        typer.Option(
            "--backend", help="torch, onnxruntime, or auto: ONNX on the processor if it is there."
        ),
    ] = "auto",
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Processor threads; 0: all.")
    ] = 0,
) -> None:
    """Turn what the microphone hears into text, one line an utterance."""
    from asr.speech.microphone import listen_to_microphone, microphones

    if list_devices:
        print(microphones())
        return
    device = int(microphone) if microphone is not None and microphone.isdecimal() else microphone
    listen_to_microphone(model, device, silence, seconds, threads, backend)
