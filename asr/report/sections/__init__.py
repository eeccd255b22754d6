"""The sections of a report, one file each.

A section is a module with ``TITLE`` and ``content(run: Run) -> str``, which returns HTML made with
:mod:`asr.report.markup`, or raises :class:`asr.report.Absent` with the reason if the run folder
lacks its data. Where the section belongs to some tasks only, ``TASKS`` names them: a run of another
task does not mention that it lacks it. To add one, write the module and add its name to
``SECTIONS`` in asr/report/page.py, at its place on the page.
"""
