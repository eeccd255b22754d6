"""The sections of a report, one file each.

A section is a module with ``TITLE`` and ``content(run: Run) -> str``, which returns HTML made with
:mod:`asr.report.markup`, or raises :class:`asr.report.Absent` with the reason where the run folder
does not hold what it shows. To add one, write the module and put its name into ``SECTIONS`` of
asr/report/page.py where it should stand on the page.
"""
