"""What every verb is guarded by: inputs are not overwritten, and an error is one line."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from asr.errors import AsrError, ConfigError
from asr.lines import check_ends

__all__ = ["guarded", "run", "run_script"]

OUTPUTS = {"--output", "--output-dir", "--html", "--shar"}
TRACEBACK = "ASR_TRACEBACK"  # set: an unforeseen error ends with all its lines


def run(command: Callable[[Sequence[str]], Any], arguments: Sequence[str]) -> None:
    """Run the command line and exit with its status; see :func:`asr.cli.main`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name need not be text
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            command(arguments)
        finally:
            sys.stdout.flush()  # a full disk shows when what is buffered is written
    except KeyboardInterrupt:
        print("interrupted; what was finished before is kept", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `asr ... | head` is no failure of ours
        _drop_output()
        sys.exit(0)
    except Exception as error:
        if TRACEBACK in os.environ and not isinstance(error, AsrError):
            raise
        _drop_output()
        print(f"error: {_line(error)}", file=sys.stderr)
        sys.exit(1)


def run_script(main: Callable[[], Any]) -> None:
    """Run a script, such as a recipe's, and end as a verb of the command line does."""
    run(lambda _: main(), ())


def _drop_output() -> None:
    """Let nobody try again to write what could not be written."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(null, sys.stdout.fileno())
            sys.stdout.flush()
        finally:
            os.close(null)


def _line(error: Exception) -> str:
    """Return what is said of an error, in one line."""
    if isinstance(error, AsrError):
        return " ".join(str(error).split("\n"))
    if isinstance(error, OSError):
        place = error.filename if error.filename is not None else "standard output or a file"
        return f"{os.fsdecode(place)}: {error.strerror or error}. Give another path, or free space."
    if isinstance(error, MemoryError):
        return f"There is not enough memory ({error}). Give less at once."
    last = traceback.extract_tb(error.__traceback__)[-1]
    what = " ".join(f"{type(error).__name__}: {error}".split("\n"))
    return (
        f"unforeseen: {what} ({Path(last.filename).name}, line {last.lineno}). Please report it; "
        f"{TRACEBACK}=1 shows where it came from."
    )


def guarded(command: Any) -> Any:
    """Have a command and those below it refuse an output file that is one of their inputs, and an
    input that never ends, such as /dev/zero.

    Args:
        command: of click, or of the copy of click in typer.
    """
    below = getattr(command, "commands", {})
    for one in below.values():
        guarded(one)
    called = command.callback
    if called is not None and not below:

        def checked(*args: Any, **values: Any) -> Any:
            _check_outputs(command, values)
            return called(*args, **values)

        command.callback = checked
    return command


def _check_outputs(command: Any, values: dict[str, Any]) -> None:
    places: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    for parameter in command.params:
        is_output = not OUTPUTS.isdisjoint(parameter.opts)
        value = values.get(parameter.name or "")
        if not is_output:
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(one, (str, Path)):
                    check_ends(one)
        name = parameter.opts[0] if is_output else parameter.human_readable_name
        places[is_output] += [(name, path) for path in _files(value)]
    for option, output in places[True]:
        for _, given in places[False]:
            if Path(output).samefile(given):
                raise ConfigError(
                    f"{option} {output} is an input as well: it would be overwritten.",
                    "Give another output.",
                )


def _files(value: Any) -> Iterator[str]:
    """Yield the values that are files which exist."""
    for one in value if isinstance(value, (list, tuple)) else [value]:
        with contextlib.suppress(OSError, ValueError):
            if isinstance(one, (str, Path)) and Path(one).is_file():
                yield str(one)
