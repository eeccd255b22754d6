"""``asr bench``: how fast and how large a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["bench"]

SENTENCES = (
    "the quick brown fox jumps over the lazy dog while nobody is looking",
    "please call me back at nine thirty or leave a message with my sister",
    "rainbows appear when sunlight meets drops of water in the air",
)


def bench(
    model: Annotated[Path, typer.Argument(help="Model folder or run folder.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Prepared split to take recordings from; synthetic by default."
        ),
    ] = None,
    exported: Annotated[
        list[Path] | None,
        typer.Option(
            "--exported",
            help="Folder that `asr export` made of the model; may be given several times.",
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            "--backend",
            help="torch, onnx, onnx-int8, with commas; by default whatever has a folder.",
        ),
    ] = "",
    decoding_method: Annotated[
        str, typer.Option("--decoding-method", help="greedy, beam, or both.")
    ] = "greedy,beam",
    clip_s: Annotated[
        str, typer.Option("--clip-s", help="Lengths of the recordings in seconds.")
    ] = "1,5,15",
    repeats: Annotated[int, typer.Option(min=1, help="Recordings a length; p99 needs 100.")] = 100,
    budget_s: Annotated[
        float, typer.Option(min=0, help="Seconds after which a length is not repeated more.")
    ] = 10.0,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="For the batched real-time factor.")
    ] = 8,
    rounds: Annotated[
        int, typer.Option(min=1, help="Fresh processes a combination, taking turns.")
    ] = 1,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Processor threads; 0: the library's choice.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write the JSON here; RUN/bench.json is shown by `asr report`."
        ),
    ] = None,
) -> None:
    """Measure real-time factor, latency, memory and size, each combination in a process of its own."""
    from asr.files import atomic_write_text
    from asr.speech.jobs import bench as measuring

    backends = (
        tuple(backend.split(","))
        if backend
        else tuple(measuring.backend_folders(model, exported or ()))
    )
    config = measuring.BenchConfig(
        backends,
        tuple(decoding_method.split(",")),
        _lengths(clip_s),
        repeats,
        budget_s,
        batch_size,
        rounds,
        device,
        threads,
    )
    recordings, audio = _recordings(data, measuring.model_sample_rate(model))
    progress = lambda text: typer.echo(f"measuring {text}", err=True)  # noqa: E731
    results = measuring.bench(model, config, recordings, progress, exported or ())
    content = measuring.report_json(results, str(model), audio, config)
    if output is not None:
        atomic_write_text(output, content)
        typer.echo(f"wrote {output}", err=True)
    typer.echo(
        content
        if as_json
        else f"{measuring.machine()}\naudio: {audio}\n{measuring.table_text(results)}"
    )


def _recordings(data: Path | None, sample_rate: int) -> tuple[list[Any], str]:
    """Recordings (n,) to cut clips from, and what they are."""
    from asr.audio.synthetic import made_audio
    from asr.speech.jobs.bench import read_split_audio

    if data is not None:
        return read_split_audio(data, sample_rate), f"recordings of {data}"
    try:
        from asr.audio.reading import resample
        from data_prep.espeak import speak
    except ImportError:
        return [
            made_audio(20.0, sample_rate)
        ], "a made sound that moves like speech but says nothing"
    from asr.errors import MissingDependencyError

    try:
        spoken = [speak(sentence, voice) for sentence in SENTENCES for voice in ("en-us", "en-gb")]
    except MissingDependencyError:
        return [
            made_audio(20.0, sample_rate)
        ], "a made sound that moves like speech but says nothing"
    return [
        resample(s.samples, s.sample_rate, sample_rate) for s in spoken
    ], "synthetic speech (eSpeak NG)"


def _lengths(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of numbers", param_hint="--clip-s") from None
