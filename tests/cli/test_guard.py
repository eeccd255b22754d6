"""Every verb: no output over an input, one line for an error, nothing lost on a full disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.main import get_command

from asr.cli import VERBS, make_app
from asr.cli.guard import OUTPUTS, guarded, run
from asr.errors import ConfigError, DataError


def asr(*arguments: str, **how: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "asr", *arguments]
    return subprocess.run(command, text=True, stderr=subprocess.PIPE, check=False, **how)  # type: ignore[call-overload, no-any-return]


def leaves(command: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    below = getattr(command, "commands", None)
    if below is None:
        return {path: command}
    return {p: c for name, one in below.items() for p, c in leaves(one, (*path, name)).items()}


COMMANDS = leaves(get_command(make_app(VERBS)))


def test_every_option_that_writes_is_known() -> None:
    """An option with -o, or whose help says that it writes, is guarded."""
    for path, command in COMMANDS.items():
        for parameter in command.params:
            says = (getattr(parameter, "help", "") or "").startswith(("Write a", "Also write"))
            if "-o" in parameter.opts or (says and parameter.name != "save_to_model"):
                assert OUTPUTS & set(parameter.opts), (path, parameter.opts)


@pytest.mark.parametrize(
    "line",
    [
        "lm build t.txt -o t.txt",
        "lm build - other.txt -o ./t.txt --vocabulary t.txt",
        "lm build other.txt -o link.txt --vocabulary t.txt",
        "lm prune t.txt -o t.txt --threshold 1",
        "lm interpolate other.txt t.txt -o t.txt --weights 0.5,0.5",
        "lm convert t.txt -o t.txt",
        "lm compile t.txt -o t.txt",
        "lexicon t.txt -o t.txt",
        "score -r t.txt -y other.txt --html t.txt",
        "compare other.txt t.txt -r other.txt --html t.txt",
        "bench pretrained --data t.txt -o t.txt",
    ],
)
def test_an_input_is_not_overwritten(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("t.txt", "other.txt"):
        Path(name).write_text("a b c\n")
    Path("link.txt").symlink_to("t.txt")
    verb, *rest = line.split()
    command = guarded(get_command(make_app([verb])))
    with pytest.raises(ConfigError, match="is an input as well"):
        command.main([verb, *rest], standalone_mode=False)
    assert Path("t.txt").read_text() == "a b c\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("verb", ["convert", "perplexity"])
def test_an_input_that_never_ends_is_refused(verb: str, tmp_path: Path) -> None:
    rest = ["-o", str(tmp_path / "x")] if verb == "convert" else ["/dev/zero"]
    command = guarded(get_command(make_app(["lm"])))
    with pytest.raises(DataError, match="never ends"):
        command.main(["lm", verb, "/dev/full", *rest], standalone_mode=False)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (PermissionError(13, "Permission denied", "/a/b"), "/a/b: Permission denied"),
        (MemoryError("3 TiB"), "not enough memory"),
        (ConfigError("This is\nso.", "Do that."), "error: This is so. Do that."),
        (KeyError("x"), "unforeseen: KeyError: 'x'"),
    ],
)
def test_an_error_is_one_line(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(arguments: object) -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        run(command, [])
    assert ended.value.code == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert said in printed


def test_all_of_an_unforeseen_error_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_TRACEBACK", "1")

    def command(arguments: object) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(command, [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [["--version"], ["score", "-r", "r.tsv", "-y", "r.tsv"]])
def test_standard_output_on_a_full_disk(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "r.tsv").write_text("a\tone two\n")
    with Path("/dev/full").open("w") as full:
        done = asr(*arguments, cwd=tmp_path, stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output")
    assert done.stderr.count("\n") == 1


def test_nothing_is_said_of_a_reader_that_has_gone(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = asr("score", "--help", cwd=tmp_path, stdout=writing)
    os.close(writing)
    assert done.stderr == ""


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """They are read, printed, and written to JSON and to files of their own name."""
    noise = np.random.default_rng(0).normal(0, 1e-3, 16000)
    (tmp_path / "in").mkdir()
    for name in (b"caf\xe9.wav", "会".encode() * 82 + b".wav", b"tab\there\nline.wav"):
        soundfile.write(tmp_path / "a.wav", noise, 16000)
        (tmp_path / "a.wav").rename(tmp_path / "in" / os.fsdecode(name))
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    printed = asr("transcribe", "in", cwd=tmp_path, stdout=subprocess.PIPE, env=strict)
    assert printed.returncode == 0, printed.stderr
    lines = printed.stdout.splitlines()
    assert [line.partition("\t")[0] for line in lines] == [
        "caf\\udce9.wav",
        "tab\\there\\nline.wav",
        "会" * 82 + ".wav",
    ]
    written = asr("transcribe", "in", "-o", "out", "-f", "json,txt", cwd=tmp_path, env=strict)
    assert written.returncode == 0, written.stderr
    assert {p.stem for p in (tmp_path / "in").iterdir()} == {
        p.stem for p in (tmp_path / "out").glob("*.json")
    }


def test_an_output_that_is_a_recording(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    (tmp_path / "a.wav").rename(tmp_path / "a.txt")
    done = asr("transcribe", "a.txt", "-o", ".", cwd=tmp_path)
    assert done.returncode == 1
    assert "is an input as well" in done.stderr
    assert (tmp_path / "a.txt").read_bytes()[:4] == b"RIFF"
