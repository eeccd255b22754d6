"""Every verb with odd arguments: one line of error or the right result, and no file lost."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from fuzzing import tries
from tiny_models import random_model
from typer.main import get_command

from asr.cli import VERBS, main, make_app

# listen records, and the others would listen at a port, load from the network, or start processes.
LEFT_OUT = {"listen", "serve", "bench"}
LEFT_OUT_OPTIONS = {"--download", "--mirror", "--ray", "--jobs", "--workers", "--threads", "--help"}
ODD = (
    *("", " ", "-", "--", ".", "..", "nan", "-1", "0", "1e400", "99999999999999999999", "0.5"),
    *("text.txt", "folder", "empty", "binary", "sound.wav", "table.tsv", "model.arpa", "none"),
    *("/dev/null", "/dev/full", "/proc/version", "/proc/none", "link", "circle", "x" * 300),
    *("caf\udce9", "会\u3000议", "a\nb", "*.wav", "[", "key=value", "a,b", "@text.txt", "\ufeff"),
)
OUTPUTS = ("out", "text.txt/out", "folder", "/dev/full", "/proc/none", "x" * 300, "", "link")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of things that are not what a verb asks for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASR_CACHE_DIR", "")
    random_model(tmp_path / "tiny")
    Path("folder").mkdir()
    Path("empty").touch()
    Path("binary").write_bytes(np.random.default_rng(0).bytes(300))
    Path("text.txt").write_text("one two\nthree\n")
    Path("table.tsv").write_text("id\ttext\na\tone two\nb\tthree\n")
    Path("model.arpa").write_text("\\data\\\nngram 1=2\n\n\\1-grams:\n-1\t<s>\n-1\t</s>\n\\end\\\n")
    soundfile.write("sound.wav", np.random.default_rng(0).normal(0, 0.05, 8000), 16000)
    Path("link").symlink_to("gone")
    Path("circle").symlink_to("circle")
    return tmp_path


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[Any]:
    if (below := getattr(command, "commands", None)) is None:
        yield path, command
    else:
        for name, one in below.items():
            yield from leaves(one, (*path, name))


def line(path: tuple[str, ...], command: Any, rng: np.random.Generator) -> list[str]:
    """Return a command line with random values for what is asked, and for some of the options."""
    arguments, options = list[str](), list[str]()
    for parameter in command.params:
        known = [choice for choice in parameter.opts if choice.startswith("-")]
        if LEFT_OUT_OPTIONS & set(known):
            continue
        if parameter.param_type_name == "argument":
            arguments += [str(rng.choice(ODD)) for _ in range(1 + (parameter.nargs != 1))]
        elif "--model" in known:  # the project's own takes a second to load
            options += ["--model", "tiny" if rng.random() < 0.7 else str(rng.choice(ODD))]
        elif parameter.required or rng.random() < 0.15:
            values = OUTPUTS if parameter.name in ("output", "output_dir") else ODD
            is_flag = getattr(parameter, "is_flag", False)
            options += [known[0]] if is_flag else [known[0], str(rng.choice(values))]
    return [*path, *options, "--", *arguments]


def told(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run a command line; return its status and what it wrote to standard error."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"one two\n")))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        err.flush()
    return status, err.buffer.getvalue().decode()  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore")
def test_odd_arguments(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verbs = [verb for verb in VERBS if verb not in LEFT_OUT]
    commands = list(leaves(get_command(make_app(verbs))))
    kept = {name: Path(name).read_bytes() for name in ("text.txt", "binary", "sound.wav")}
    rng = np.random.default_rng(int(os.environ.get("ASR_FUZZ_SEED", "0")))
    count, statuses = tries(len(commands)), set[int]()
    for number in range(count):
        arguments = line(*commands[number % len(commands)], rng)
        status, said = told(arguments, monkeypatch)
        statuses.add(status)
        assert status in (0, 1, 2), (arguments, said)
        assert "Traceback" not in said, (arguments, said)
        assert "unforeseen" not in said, (arguments, said)
        assert status == 0 or said.strip(), arguments
        for name, content in kept.items():
            assert Path(name).read_bytes() == content, (name, arguments)
    assert {1, 2} <= statuses
