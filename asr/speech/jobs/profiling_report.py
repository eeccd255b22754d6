"""What `asr bench --profile` shows: a table, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from asr.errors import ConfigError
from asr.files import atomic_path
from asr.speech.jobs.bench_report import aligned_table, machine
from asr.speech.jobs.profiling import START, Part, ProfileConfig

__all__ = ["draw_profile", "profile_json", "profile_table"]

COLUMNS = ("phase", "part", "ms", "processor ms", "share %")
PICTURES = (".svg", ".png")


def _phases(parts: Sequence[Part]) -> dict[str, list[Part]]:
    phases: dict[str, list[Part]] = {}
    for part in parts:
        phases.setdefault(part.phase, []).append(part)
    return phases


def profile_table(parts: Sequence[Part]) -> str:
    """Return a table for a terminal: the parts of each phase, their shares of it, and the sum."""
    rows = []
    for phase, own in _phases(parts).items():
        total = sum(part.seconds for part in own)
        rows += [_row(phase, p.name, p.seconds, p.processor_s, total) for p in own]
        rows.append(_row(phase, "all", total, sum(part.processor_s for part in own), total))
    return aligned_table(list(COLUMNS), rows)


def _row(phase: str, name: str, seconds: float, processor_s: float, total: float) -> list[str]:
    share = 100 * seconds / max(total, 1e-9)
    return [phase, name, f"{1000 * seconds:.1f}", f"{1000 * processor_s:.1f}", f"{share:.0f}"]


def profile_json(parts: Sequence[Part], model: str, audio: str, config: ProfileConfig) -> str:
    """Return everything as JSON: ``model``, ``machine``, ``audio``, ``config``, ``parts``."""
    content = {"model": model, "machine": machine(), "audio": audio, "config": asdict(config)}
    return json.dumps({**content, "parts": [asdict(part) for part in parts]}, indent=1) + "\n"


def draw_profile(parts: Sequence[Part], path: Path) -> None:
    """Draw the parts of each phase as a bar, into an SVG or PNG file.

    Raises:
        ConfigError: another kind of picture.
        MissingDependencyError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    from asr.plots import stacked, to_png, to_svg

    if path.suffix not in PICTURES:
        endings = " or ".join(PICTURES)
        raise ConfigError(f"{path} is no picture.", f"Give a name that ends in {endings}.")
    groups = {
        phase: {part.name: 1000 * part.seconds for part in own}
        for phase, own in _phases(parts).items()
    }
    panels = [
        {phase: own for phase, own in groups.items() if (phase == START) == is_start}
        for is_start in (True, False)
    ]
    figure = stacked([panel for panel in panels if panel], "milliseconds by the clock")
    if path.suffix == ".png":
        content = to_png(figure)
    else:
        content = to_svg(figure, "profile", "Where the time goes").encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
