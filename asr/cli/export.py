"""``asr export``: a trained model folder -> one to deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Argument(help="Model folder or run folder with trained weights.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new folder.")],
    output_format: Annotated[
        str, typer.Option("--format", help="onnx, onnx-int8, torch-export or sherpa.")
    ] = "onnx",
    fixed_ranges: Annotated[
        bool,
        typer.Option(
            "--fixed-ranges",
            help="8-bit activations in ranges measured now: a text does not depend on its batch; "
            "a tenth slower.",
        ),
    ] = False,
) -> None:
    """Write a model for ONNX Runtime, torch.export or sherpa-onnx, after comparing it with the
    trained one.
    """
    from asr.catalogue import export as export_task
    from asr.model_folder import open_model

    report = export_task(open_model(model), output, output_format, fixed_ranges)
    for comparison in report.comparisons:
        typer.echo(comparison, err=True)
    share = 100 * (1 - report.network_bytes / report.source_bytes)
    change = f"{abs(share):.0f} % {'smaller' if share >= 0 else 'larger'}"
    size = f"{report.network_bytes / 1e6:.1f} MB, {change} than the trained weights"
    typer.echo(f"wrote {report.folder}: {size}{', streams' if report.streams else ''}")
    if report.format == "sherpa":
        folder = report.folder
        typer.echo(
            f"run it: sherpa-onnx-offline --omnilingual-asr-model={folder}/model.onnx "
            f"--tokens={folder}/tokens.txt talk.wav",
            err=True,
        )
