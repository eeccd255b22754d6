"""What `asr bench` shows: a table, JSON, and the machine that was measured."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from asr.cores import usable_cores
from asr.speech.jobs.bench import PERCENTILES, BenchConfig, Result

__all__ = ["aligned_table", "machine", "report_json", "table_rows", "table_text"]

COLUMNS = (
    *("back end", "decoder", "clip s", "p50 ms", "p90", "p95", "p99"),
    *("network", "decode", "RTF", "RTF batched", "memory MB", "disk MB", "load s", "n"),
)


def machine() -> str:
    """Return processor, number of cores this process may use, system, and Python in one line."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        rows = [row for row in info.read_text().splitlines() if row.startswith("model name")]
        name = rows[0].split(":", 1)[1].strip() if rows else name
    version = platform.python_version()
    return f"{name}, {usable_cores()} cores, {platform.system()}, Python {version}"


def report_json(results: Sequence[Result], model: str, audio: str, config: BenchConfig) -> str:
    """Return everything as JSON: ``model``, ``machine``, ``audio``, ``config``, ``results``."""
    content = {"model": model, "machine": machine(), "audio": audio, "config": asdict(config)}
    return json.dumps({**content, "results": [asdict(r) for r in results]}, indent=1) + "\n"


def table_rows(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Return column names and rows: latencies in ms, memory and disk in MB."""
    return list(COLUMNS), [_row(result) for result in results]


def _row(r: Result) -> list[str]:
    percentiles = [r.latency_ms.get(f"p{q}") for q in PERCENTILES]
    return [
        *(r.backend, r.decoder, f"{r.clip_s:g}"),
        *("-" if value is None else f"{value:.1f}" for value in percentiles),
        *(f"{r.network_ms:.1f}", f"{r.decode_ms:.1f}"),
        *(f"{r.real_time_factor:.4f}", f"{r.batched_real_time_factor:.4f}"),
        *(f"{r.memory_mb:.0f}", f"{r.disk_mb:.1f}", f"{r.load_s:.2f}", str(r.repeats)),
    ]


def table_text(results: Sequence[Result]) -> str:
    """Return the table for a terminal."""
    return aligned_table(*table_rows(results))


def aligned_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a terminal: two columns of names, then columns of numbers."""
    lines = [columns, *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    names = [cell.ljust(width) for cell, width in zip(line[:2], widths, strict=False)]
    numbers = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
    return "  ".join([*names, *numbers]).rstrip()
