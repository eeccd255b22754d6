"""One self-contained HTML page about a run folder, the same for every task.

To add a section, see :mod:`asr.report.sections`.
"""

from __future__ import annotations

from asr.report.page import Report, write_report
from asr.report.run import Absent, ReportOptions, Run

__all__ = ["Absent", "Report", "ReportOptions", "Run", "write_report"]
