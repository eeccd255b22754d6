"""Size of the model, and its speed if it was measured."""

from __future__ import annotations

import json

from asr.errors import DataError
from asr.plots import bars
from asr.report.markup import paragraph, picture, table
from asr.report.run import Absent, Run
from asr.report.weights import count_parameters, folder_size, megabytes
from asr.speech.jobs.bench import Result
from asr.speech.jobs.bench_report import table_rows

TITLE = "Speed and size"


def content(run: Run) -> str:
    parts = []
    if run.model.is_dir():
        sizes = [(name, megabytes(size)) for name, size in folder_size(run.model)]
        parts.append(table(["file", "size"], sizes))
        if (run.model / "model.safetensors").is_file():
            rows = [(name, f"{count:,}") for name, count in count_parameters(run.model).items()]
            parts.append(table(["module", "parameters"], rows))
    parts.append(_measured(run))
    if not any(parts):
        raise Absent("there is neither a model nor a bench.json")
    return "".join(parts)


def _measured(run: Run) -> str:
    path = run.path / "bench.json"
    if not path.is_file():
        command = f"asr bench {run.path} -o {path}"
        can_measure = run.model.is_dir() and run.task == "ctc"
        return (
            paragraph(f"Speed was not measured; measure it with: {command}") if can_measure else ""
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        results = [Result.from_json(entry) for entry in content["results"]]
        machine, audio = content["machine"], content["audio"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read ({error}).", "Measure again: asr bench MODEL -o FILE."
        ) from None
    columns, rows = table_rows(results)
    groups: dict[str, dict[str, float]] = {}
    for r in results:
        groups.setdefault(f"{r.clip_s:g} s", {})[f"{r.backend} {r.decoder}"] = r.latency_ms["p50"]
    caption = f"Median latency of one recording by its length, {machine}"
    return (
        table(columns, rows)
        + picture("latency", bars(groups, "ms"), caption)
        + paragraph(f"Audio: {audio}")
    )
