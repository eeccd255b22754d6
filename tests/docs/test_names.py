"""Modules, names and files that pages, comments and docstrings mention exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("asr", "data_prep", "recipes", "benchmarks", "tests", "tools", "docs", "pretrained")
KINDS = (".md", ".py", ".yaml", ".toml", ".sh", "Makefile")
ELSEWHERE = ("asr/_pretrained/", "docs/files/")  # in the built package; addresses of the service
LEFT_OUT = ("CHANGELOG.md", "test_names.py")  # they tell of names that are gone
INSIDE = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
PLACES = sorted(
    path
    for path in (*ROOT.iterdir(), *INSIDE)
    if path.name.endswith(KINDS) and path.name not in LEFT_OUT
)
PYTHON = ["setup.py", *(p.relative_to(ROOT).as_posix() for p in INSIDE if p.suffix == ".py")]
NAME = re.compile(r"(?<![\w./-])(?:asr|data_prep)(?:\.[A-Za-z_]\w*)+")
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w/?")


def mentions(pattern: re.Pattern[str], *kinds: str) -> dict[str, str]:
    """Return every match in files of some kinds, and the first file that has it."""
    found: dict[str, str] = {}
    for place in PLACES:
        if place.name.endswith(kinds or KINDS):
            for mention in pattern.findall(place.read_text(encoding="utf-8")):
                found.setdefault(mention, place.relative_to(ROOT).as_posix())
    return found


def exists(name: str) -> bool:
    """Tell whether a dotted name is a module, or an attribute of a module or of its class."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        try:
            place = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not module.startswith(str(error.name)):
                raise  # the module exists, but a package that it imports is missing
            continue
        if not (place.__file__ or str(ROOT)).startswith(str(ROOT)):
            return False  # of an installed copy
        for attribute in parts[length:]:
            if not hasattr(place, attribute):
                return False
            place = getattr(place, attribute)
        return True
    return False


def test_a_name_that_is_gone_is_noticed() -> None:
    assert exists("asr.errors.AsrError")
    assert not exists("asr.no_such_module")
    assert not exists("asr.errors.NoSuchError")


@pytest.mark.parametrize("kind", KINDS)
def test_dotted_names_exist(kind: str) -> None:
    gone = {name: place for name, place in mentions(NAME, kind).items() if not exists(name)}
    assert gone == {}


def test_paths_exist() -> None:
    is_shortened = re.compile(r"[A-Z]{4,}").search  # recipes/NAME/run.py
    gone = {
        path: place
        for path, place in mentions(PATH).items()
        if not (is_shortened(path) or path.startswith(ELSEWHERE) or (ROOT / path).exists())
    }
    assert gone == {}


def test_files_of_code_exist_that_are_named_without_their_folder() -> None:
    known = {"loops.py", "squares.py", "recipes/NAME/run.py"}  # made by tests; shortened
    known |= {"non_streaming_server.py", "http_server.py"}  # of sherpa-onnx
    gone = {
        name: place
        for name, place in mentions(re.compile(r"(?<![\w./*-])[a-z][\w/]*\.py\b")).items()
        if name not in known and not any(f"/{path}".endswith(f"/{name}") for path in PYTHON)
    }
    assert gone == {}
