"""Modules, names and files that the pages mention exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if page.name != "CHANGELOG.md"]  # it tells of names that are gone
FOLDERS = ("asr", "data_prep", "recipes", "benchmarks", "tests", "tools", "docs", "pretrained")
NAME = re.compile(r"(?<![\w./-])(?:asr|data_prep)(?:\.[A-Za-z_]\w*)+")
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w/?")


def mentions(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Return (page, mention) for every match on the pages, each once."""
    return sorted(
        {
            (page.relative_to(ROOT).as_posix(), mention)
            for page in PAGES
            for mention in pattern.findall(page.read_text(encoding="utf-8"))
        }
    )


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


@pytest.mark.parametrize(("page", "name"), mentions(NAME))
def test_dotted_names_exist(page: str, name: str) -> None:
    assert exists(name), f"{page} names {name}"


@pytest.mark.parametrize(("page", "path"), mentions(PATH))
def test_paths_exist(page: str, path: str) -> None:
    is_shortened = bool(re.search(r"[A-Z]{4,}", path))  # recipes/NAME/run.py
    assert is_shortened or (ROOT / path).exists(), f"{page} names {path}"
