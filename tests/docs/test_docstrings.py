"""Under ``Args``, ``Attributes`` and ``Raises`` a docstring describes one name a line."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("asr", "data_prep", "recipes", "benchmarks", "tools", "docs")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ENTRY = re.compile(r"(\*{0,2}[\w.]+)(?: \([^)]*\))?: \S")
SECOND = re.compile(r"[.;] ([A-Z]\w+): ")  # the next name on the line of another


def entries(docstring: str, section: str) -> Iterator[str]:
    """Yield what stands under a section, with the lines that continue an entry joined to it.

    A line that is indented no deeper than an entry begins one.
    """
    block = re.search(rf"^{section}:\n((?:    .*\n?)+)", docstring, re.MULTILINE)
    if block:
        for entry in re.split(r"^    (?=\S)", block[1], flags=re.MULTILINE)[1:]:
            yield " ".join(entry.split())


def bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).split(".")[-1] for base in node.bases}


def errors_of(trees: Iterable[ast.Module]) -> set[str]:
    """Return the names of Python's errors, and of the classes that derive from one."""
    known = {n for n, x in vars(builtins).items() if isinstance(x, type)} - {"object"}
    known = {name for name in known if issubclass(getattr(builtins, name), BaseException)}
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while more := {node.name for node in classes if bases(node) & known} - known:
        known |= more
    return known


def faults(tree: ast.Module, errors: set[str]) -> list[str]:
    """Return the entries of a file that do not begin with one name, or hold a second error."""
    found = []
    for node in ast.walk(tree):
        docstring = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
        for section in ("Args", "Attributes", "Raises") if docstring else ():
            for entry in entries(str(docstring), section):
                name = ENTRY.match(entry)
                wrong = section == "Raises" and (
                    not (name and name[1] in errors) or errors & set(SECOND.findall(entry))
                )
                if wrong or not name:
                    found.append(f"{getattr(node, 'name', 'module')}, {section}: {entry}")
    return found


def test_one_name_a_line() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
    errors = errors_of(trees.values()) | {"BadParameter", "CycleError"}  # of typer, graphlib
    lines = [
        f"{p.relative_to(ROOT)} {f}" for p, tree in trees.items() for f in faults(tree, errors)
    ]
    assert lines == []


@pytest.mark.parametrize(
    ("section", "lines"),
    [
        ("Raises", ["ValueError: it is odd. KeyError: it is missing."]),
        ("Raises", ["ValueError: it is odd, or", "another line at the same depth."]),
        ("Raises", ["Others: see elsewhere."]),
        ("Args", ["(others): as elsewhere."]),
        ("Attributes", ["a, b: two numbers."]),
    ],
)
def test_what_breaks_the_rule_is_found(section: str, lines: list[str]) -> None:
    body = "\n".join(f"        {line}" for line in lines)
    source = f'def f():\n    """One line.\n\n    {section}:\n{body}\n    """\n'
    assert len(faults(ast.parse(source), errors_of([]))) == 1


def test_lines_that_continue_an_entry_are_indented_deeper() -> None:
    text = "Raises:\n    ValueError: it is odd;\n        see there.\n    KeyError: it is missing.\n"
    assert list(entries(text, "Raises")) == [
        "ValueError: it is odd; see there.",
        "KeyError: it is missing.",
    ]
