"""``asr serve``: models as a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import Numbers, Punctuation, TextModel, Threads, given, numbers


def serve(
    models: Annotated[
        list[str], typer.Argument(help="Model folders; the first answers unless --split is given.")
    ],
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8000,
    wyoming_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port for Home Assistant's Wyoming; 0: none.")
    ] = 0,
    language: Annotated[
        str, typer.Option(help="Language of models whose folder and name do not say theirs.")
    ] = "en",
    punctuation: Punctuation = True,
    text_model: TextModel = None,
    figures: Numbers = False,
    split: Annotated[
        str, typer.Option("--split", help="Share of the traffic of each model, such as 0.9,0.1.")
    ] = "",
    max_batch_size: Annotated[int, typer.Option(min=1, help="Largest batch of recordings.")] = 16,
    max_wait_ms: Annotated[
        float, typer.Option(min=0, help="Longest wait of an idle network for a fuller batch.")
    ] = 5.0,
    queue_size: Annotated[
        int, typer.Option(min=1, help="Recordings that may wait; others get 503.")
    ] = 128,
    max_bytes: Annotated[int, typer.Option(min=1, help="Largest file.")] = 50_000_000,
    max_duration_s: Annotated[float, typer.Option(min=0.1, help="Longest recording.")] = 600.0,
    max_jobs: Annotated[
        int, typer.Option(min=0, help="Longer recordings that may wait as jobs; 0: none.")
    ] = 16,
    max_job_s: Annotated[
        float, typer.Option(min=0.1, help="Longest recording of a job.")
    ] = 21600.0,
    job_ttl_s: Annotated[
        float, typer.Option(min=1, help="Time that the result of a job is kept.")
    ] = 3600.0,
    request_timeout_s: Annotated[
        float, typer.Option(min=0.1, help="Time to answer a request; 504 after it.")
    ] = 60.0,
    upload_timeout_s: Annotated[
        float, typer.Option(min=0.1, help="Time to upload a request; 408 after it.")
    ] = 30.0,
    corrections_dir: Annotated[
        Path | None,
        typer.Option(help="Keep transcripts that people correct, and their recordings, here."),
    ] = None,
    learn_s: Annotated[
        float,
        typer.Option(min=0, help="Longest training on them that people may start; 0: none."),
    ] = 0.0,
    backend: Annotated[
        str,
        typer.Option(
            "--backend", help="onnxruntime, torch, or auto: ONNX for speech models that have it."
        ),
    ] = "auto",
    threads: Threads = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            help="Serve on the Ray cluster at this address; local: by processes of this machine.",
        ),
    ] = None,
    replicas: Annotated[
        int,
        typer.Option(
            "--replicas", min=0, help="Copies of the service with --ray; 0: one a processor core."
        ),
    ] = 0,
) -> None:
    """Serve models over HTTP and WebSocket.

    The environment variable ASR_API_KEYS holds the accepted API keys, separated by commas.
    """
    from asr.serve.config import ServeConfig
    from asr.serve.server import run_server

    if replicas and ray is None:
        raise typer.BadParameter("it goes with --ray.", param_hint="--replicas")
    if wyoming_port and ray is not None:
        raise typer.BadParameter("it does not go with --ray.", param_hint="--wyoming-port")
    if corrections_dir and ray is not None:
        raise typer.BadParameter("it does not go with --ray.", param_hint="--corrections-dir")
    config = ServeConfig(
        host=host,
        port=port,
        wyoming_port=wyoming_port,
        language=language,
        punctuation=punctuation,
        numbers=figures,
        api_keys=_api_keys(),
        split=numbers(split, "--split", float),
        max_batch_size=max_batch_size,
        max_wait_ms=max_wait_ms,
        queue_size=queue_size,
        max_bytes=max_bytes,
        max_duration_s=max_duration_s,
        threads=threads,
        backend=backend,
        max_jobs=max_jobs,
        max_job_s=max_job_s,
        job_ttl_s=job_ttl_s,
        request_timeout_s=request_timeout_s,
        upload_timeout_s=upload_timeout_s,
        corrections_dir=str(corrections_dir or ""),
        learn_s=learn_s,
        **given(text_model=text_model),
    )
    if ray is None:
        run_server(models, config)
    else:
        from asr.scale.serve import serve_on_ray

        serve_on_ray(models, config, ray, replicas)


def _api_keys() -> tuple[str, ...]:
    keys = os.environ.get("ASR_API_KEYS", "").split(",")
    return tuple(key.strip() for key in keys if key.strip())
