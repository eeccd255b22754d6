"""``asr bench``: how fast and how large a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from asr.cli.options import Device, numbers

__all__ = ["bench"]

PROFILED = 20  # recordings of each length in a profile, at most
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
            help="Folder that `asr export` made of the model; may be repeated.",
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
    repeats: Annotated[
        int, typer.Option(min=1, help="Recordings of each length; p99 needs 100.")
    ] = 100,
    budget_s: Annotated[
        float, typer.Option(min=0, help="Time limit per length in seconds, from 10 repeats on.")
    ] = 10.0,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="For the batched real-time factor.")
    ] = 8,
    rounds: Annotated[
        int, typer.Option(min=1, help="Fresh processes per combination, taking turns.")
    ] = 1,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile", help="Where the time goes: start-up, features, network, search, text."
        ),
    ] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the profile into this file, .svg or .png."),
    ] = None,
    device: Device = "cpu",
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
    """Measure latency, memory and size of a model, each combination in a process of its own."""
    if profile:
        if exported or "," in backend:
            raise typer.BadParameter("it takes one model folder.", param_hint="--profile")
        lengths = numbers(clip_s, "--clip-s", float)
        how = {"device": device, "backend": backend, "threads": threads}
        how |= {"clips_s": lengths, "repeats": min(repeats, PROFILED), "starts": max(3, rounds)}
        _profile(model, data, how, as_json, (output, picture))
        return
    if picture is not None:
        raise typer.BadParameter("it goes with --profile.", param_hint="--picture")
    from asr.files import atomic_write_text
    from asr.speech.acoustics.frames import FrameShape
    from asr.speech.jobs import bench as measuring
    from asr.speech.jobs.bench_report import machine, report_json, table_text

    bundles = measuring.open_backends(model, exported or ())
    config = measuring.BenchConfig(
        backends=tuple(backend.split(",")) if backend else tuple(bundles),
        decoders=tuple(decoding_method.split(",")),
        clips_s=numbers(clip_s, "--clip-s", float),
        repeats=repeats,
        budget_s=budget_s,
        batch_size=batch_size,
        rounds=rounds,
        device=device,
        threads=threads,
    )
    sample_rate = FrameShape.of(next(iter(bundles.values()))).sample_rate
    recordings, audio = _recordings(data, sample_rate)
    progress = lambda text: typer.echo(f"measuring {text}", err=True)  # noqa: E731
    results = measuring.bench(bundles, config, recordings, progress)
    content = report_json(results, str(model), audio, config)
    if output is not None:
        atomic_write_text(output, content)
        typer.echo(f"wrote {output}", err=True)
    table = f"{machine()}\naudio: {audio}\n{table_text(results)}"
    typer.echo(content if as_json else table)


def _profile(
    model: Path,
    data: Path | None,
    how: dict[str, Any],
    as_json: bool,
    targets: tuple[Path | None, Path | None],
) -> None:
    """Measure where the time goes; print it, write JSON and picture where they are asked for."""
    from asr.files import atomic_write_text
    from asr.model_folder import open_model
    from asr.speech.acoustics.frames import FrameShape
    from asr.speech.jobs.bench_report import machine
    from asr.speech.jobs.profiling import ProfileConfig, profile
    from asr.speech.jobs.profiling_report import draw_profile, profile_json, profile_table

    config = ProfileConfig(**{**how, "backend": _runtime(how["backend"])})
    sample_rate = FrameShape.of(open_model(model, task="ctc")).sample_rate
    recordings, audio = _recordings(data, sample_rate)
    parts = profile(str(model), recordings, sample_rate, config)
    content, (output, picture) = profile_json(parts, str(model), audio, config), targets
    if output is not None:
        atomic_write_text(output, content)
        typer.echo(f"wrote {output}", err=True)
    if picture is not None:
        draw_profile(parts, picture)
        typer.echo(f"wrote {picture}", err=True)
    typer.echo(content if as_json else f"{machine()}\naudio: {audio}\n{profile_table(parts)}")


def _runtime(backend: str) -> str:
    """Return what runs the network, from the name of a back end."""
    from asr.errors import ConfigError
    from asr.speech.jobs.bench import BACKENDS

    if backend and backend not in BACKENDS:
        raise ConfigError(f"Unknown backend {backend!r}.", f"Choose of: {', '.join(BACKENDS)}.")
    return BACKENDS[backend].runtime if backend else "auto"


def _recordings(data: Path | None, sample_rate: int) -> tuple[list[Any], str]:
    """Recordings (n,) to cut clips from, and what they are."""
    from asr.audio.synthetic import made_audio
    from asr.speech.jobs.bench import MADE_S, read_split_audio

    if data is not None:
        return read_split_audio(data, sample_rate), f"recordings of {data}"
    if spoken := _spoken(sample_rate):
        return spoken, "synthetic speech (eSpeak NG)"
    made = made_audio(MADE_S, sample_rate)
    return [made], "a made sound that moves like speech but says nothing"


def _spoken(sample_rate: int) -> list[Any]:
    """Sentences by a speech synthesizer, none where it is not installed."""
    from asr.errors import MissingDependencyError

    try:
        from asr.audio.reading import resample
        from data_prep.espeak import speak

        spoken = [speak(sentence, voice) for sentence in SENTENCES for voice in ("en-us", "en-gb")]
    except (ImportError, MissingDependencyError):
        return []
    return [resample(s.samples, s.sample_rate, sample_rate) for s in spoken]
