"""The progress bar: nothing where nobody watches, and texts as they are on a terminal."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from asr.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("transcribing", total=2) as bar:
        bar.advance(status="fast")
        bar.print("a line")
        bar.write("a result")
        bar.restart("again", total=1)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a result\n", "a line\n")


def test_nothing_is_imported_where_nobody_watches() -> None:
    code = (
        "import sys, asr.progress as p; "
        "p.ProgressBar('x', 1).advance(); print('rich' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_a_terminal_shows_names_counts_and_texts_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with ProgressBar("file [1].wav", total=3, done=1) as bar:
        bar.advance(status="[fast]")
        bar.print("a [bold] line")
    shown = terminal.getvalue()
    for text in ("file [1].wav", "2/3", "[fast]", "a [bold] line"):
        assert text in shown
    assert shown.endswith("\x1b[2K")  # the bar is erased at the end
    assert capsys.readouterr().out == ""


def test_a_bar_that_is_not_wanted_is_silent_on_a_terminal_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressBar("training", total=1, enabled=False) as bar:
        bar.advance()
    assert terminal.getvalue() == ""
