"""Writes the page: sections in order, and what was left out with the reason."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from asr.errors import AsrError
from asr.files import atomic_write_text
from asr.report.markup import escape, paragraph
from asr.report.run import Absent, ReportOptions, Run, problem

__all__ = ["Report", "fill_template", "write_report"]

# Modules of asr/report/sections/, in the order of the page; imported by name when a page is made.
SECTIONS = (
    "overview",
    "figures",
    "curves",
    "errors",
    "confidences",
    "worst",
    "alignment",
    "forecasts",
    "anomalies",
    "confusion",
    "mistakes",
    "attention",
    "gates",
    "speed",
    "config",
)


@dataclass(frozen=True)
class Report:
    """A written report.

    Attributes:
        path: path of the page.
        shown: titles of its sections.
        left_out: title -> reason, for sections of the run's task without data in the run folder.
        failed: title -> error, for sections whose data could not be shown.
    """

    path: Path
    shown: tuple[str, ...]
    left_out: dict[str, str]
    failed: dict[str, str]


def write_report(
    run_dir: str | Path, output: str | Path, options: ReportOptions | None = None
) -> Report:
    """Write the page about a run folder.

    The error of a section that fails is on the page and in ``failed``; the others are shown.

    Raises:
        DataError: the run folder does not exist.

    Example:
        >>> from asr.report import write_report
        >>> write_report("runs/an4", "report.html").shown  # doctest: +SKIP
        ('Overview', 'Figures', 'Learning curves', 'Configuration')
    """
    run = Run(Path(run_dir), options or ReportOptions(), Path(output))
    blocks, left_out, failed = {}, {}, {}
    for name in SECTIONS:
        section = importlib.import_module(f"asr.report.sections.{name}")
        try:
            blocks[section.TITLE] = section.content(run)
        except Absent as absent:
            if run.task in getattr(section, "TASKS", (run.task,)):
                left_out[section.TITLE] = str(absent)
        except AsrError as error:
            failed[section.TITLE] = problem(error)
            blocks[section.TITLE] = (
                f'<p class="failed">This section could not be made: {escape(problem(error))}</p>'
            )
    atomic_write_text(output, _page(run, blocks, left_out))
    return Report(Path(output), tuple(blocks), left_out, failed)


def _page(run: Run, blocks: dict[str, str], left_out: dict[str, str]) -> str:
    from asr import __version__

    links = "".join(f'<a href="#{_anchor(title)}">{escape(title)}</a>' for title in blocks)
    body = "".join(
        f'<section id="{_anchor(title)}"><h2>{escape(title)}</h2>{content}</section>'
        for title, content in blocks.items()
    )
    notes = "".join(
        f"<li>{escape(title)}: {escape(reason)}</li>" for title, reason in left_out.items()
    )
    footer = (f"<h2>Not on this page</h2><ul>{notes}</ul>" if notes else "") + paragraph(
        f"Written by asr {__version__}."
    )
    return fill_template(run.name, links, body, footer)


def fill_template(title: str, nav: str, body: str, footer: str) -> str:
    """Return a page; all but its title is HTML."""
    values = {"TITLE": escape(title), "NAV": nav, "BODY": body, "FOOTER": footer}
    template = files("asr.report").joinpath("page.html").read_text(encoding="utf-8")
    return re.sub(r"%(TITLE|NAV|BODY|FOOTER)%", lambda match: values[match[1]], template)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z]+", "-", title.lower()).strip("-")
