"""The sections of a report, one file each.

A section is a module with ``TITLE`` and ``content(run: Run) -> str``, which returns HTML made with
:mod:`asr.report.markup`, or raises :class:`asr.report.Absent` with the reason where the run folder
does not hold what it shows. To add one, write the module and put its name into ``SECTIONS`` where
it should stand on the page.
"""

from __future__ import annotations

__all__ = ["SECTIONS"]

SECTIONS = (
    "overview",
    "figures",
    "curves",
    "errors",
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
