"""Measure the structure of the code: rooms, floors, imports, longest files and functions.

    python tools/house.py            prints the table
    python tools/house.py --check    also exits with 1 where a limit is broken, and names the place
    python tools/house.py --write    puts the table into ARCHITECTURE.md, between its two marks

A room is a folder of `asr/` with Python files, or a module directly below `asr/`. An arrow is an
import from one room to another; late imports inside functions count, imports for annotations alone
do not. A room stands one floor above the highest room that it imports. The length of a function
counts its body without the docstring, that of a file all lines.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = ("asr", "data_prep", "recipes", "benchmarks", "tools")
MAX_FUNCTION, MAX_FILE, MAX_POSITIONAL, MAX_FLOORS = 60, 500, 5, 11
BEGIN, END = "<!-- tools/house.py -->", "<!-- /tools/house.py -->"
# Functions whose arguments have no names: variadic ones, and C functions behind bindings.
NO_NAMES = {"zip", "add_row", "_arrays", "espeak_Synth", "LexiconDecoder", "LexiconDecoderOptions"}
Function = ast.FunctionDef | ast.AsyncFunctionDef
Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class Place:
    """A file with a line, and how long or how large what stands there is."""

    path: Path
    line: int
    name: str
    size: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} {self.name} ({self.size})"


def python_files(*folders: str) -> list[Path]:
    """Return the Python files below folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    """Return the dotted name of a file: `asr/lm/arpa.py` is `asr.lm.arpa`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_for_annotations(node: ast.AST) -> bool:
    """Whether a statement is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def import_statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports below a node, late ones too, those for annotations alone not."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif is_for_annotations(child) and isinstance(child, ast.If):
            for statement in child.orelse:
                yield from import_statements(statement)
        else:
            yield from import_statements(child)


def imported_modules(tree: ast.AST, known: set[str]) -> set[str]:
    """Return the modules of the project that a file imports."""
    names: set[str] = set()
    for node in import_statements(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (members & known) or {node.module}
    return names & known


def import_graph() -> Graph:
    """Return for each module of `asr` the modules of it that it imports."""
    files = {module_name(path): path for path in python_files("asr")}
    return {
        name: imported_modules(ast.parse(path.read_text(encoding="utf-8")), set(files)) - {name}
        for name, path in files.items()
    }


def room_of(module: str, packages: set[str]) -> str:
    """Return the folder of a module, or the module itself where it lies directly below `asr`."""
    if module in packages:
        return module
    parent = module.rpartition(".")[0]
    return module if parent in ("asr", "") else parent


def room_graph(modules: Graph) -> Graph:
    """Return for each room the rooms that it imports; neither the package `asr` itself is one nor
    its `__main__`, which only calls the command line.
    """
    packages = {module_name(p) for p in python_files("asr") if p.name == "__init__.py"} - {"asr"}
    rooms: dict[str, set[str]] = defaultdict(set)
    for module, targets in modules.items():
        if module in ("asr", "asr.__main__"):
            continue
        room = room_of(module, packages)
        rooms[room] |= {room_of(target, packages) for target in targets if target != "asr"}
        rooms[room].discard(room)
    return rooms


def floors_of(rooms: Graph) -> dict[str, int]:
    """Return the floor of each room, counted from 1 at the ground.

    Raises:
        CycleError: rooms import each other in a circle.
    """
    floors: dict[str, int] = {}
    for room in TopologicalSorter(rooms).static_order():
        floors[room] = 1 + max((floors[below] for below in rooms.get(room, ())), default=0)
    return floors


def circle_of(graph: Graph) -> list[str]:
    """Return the modules or rooms of one circle of imports, none where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def functions(path: Path) -> Iterator[Place]:
    """Yield the functions of a file with the lines of their bodies, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, Function):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield Place(path, node.lineno, node.name, length)


def positional_calls(path: Path) -> Iterator[Place]:
    """Yield the calls of a file that pass more than five arguments by position."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and len(node.args) > MAX_POSITIONAL:
            if ast.unparse(node.func).split(".")[-1] in NO_NAMES:
                continue
            yield Place(path, node.lineno, ast.unparse(node.func)[:60], len(node.args))


def files(*folders: str) -> list[Place]:
    """Return the files below folders with their numbers of lines."""
    return [
        Place(path, 1, path.name, len(path.read_text(encoding="utf-8").splitlines()))
        for path in python_files(*folders)
        if path.name != "__init__.py"
    ]


@dataclass(frozen=True)
class House:
    """What was measured."""

    rooms: Graph
    modules: Graph
    files: list[Place]
    functions: list[Place]
    positional: list[Place]

    @classmethod
    def measured(cls) -> House:
        """Read all files."""
        modules, paths = import_graph(), python_files(*CODE)
        return cls(
            rooms=room_graph(modules),
            modules=modules,
            files=files(*CODE),
            functions=[place for path in paths for place in functions(path)],
            positional=[place for path in paths for place in positional_calls(path)],
        )

    def circles(self) -> list[str]:
        """Return one circle of rooms and one of modules, as text, where there are any."""
        circles = (circle_of(self.rooms), circle_of(self.modules))
        return [" -> ".join(circle) for circle in circles if circle]

    def faults(self) -> list[str]:
        """Return every broken limit with its place."""
        faults = [f"circle of imports: {circle}" for circle in self.circles()]
        if not circle_of(self.rooms) and max(floors_of(self.rooms).values()) > MAX_FLOORS:
            faults.append(f"more than {MAX_FLOORS} floors")
        faults += [
            f"function over {MAX_FUNCTION} lines: {p}"
            for p in self.functions
            if p.size > MAX_FUNCTION
        ]
        faults += [f"file over {MAX_FILE} lines: {p}" for p in self.files if p.size > MAX_FILE]
        faults += [f"more than {MAX_POSITIONAL} positional arguments: {p}" for p in self.positional]
        return faults

    def table(self) -> str:
        """Return the figures as a Markdown table."""
        floors = "circle" if circle_of(self.rooms) else max(floors_of(self.rooms).values())
        file_sizes, function_sizes = [p.size for p in self.files], [p.size for p in self.functions]
        longest_file, longest = max(self.files, key=_size), max(self.functions, key=_size)
        rows = {
            "rooms of `asr/`": len(self.rooms),
            "floors": floors,
            "arrows (imports between rooms)": sum(map(len, self.rooms.values())),
            "circles": len(self.circles()),
            "lines a file, median": round(statistics.median(file_sizes)),
            "longest file": f"{longest_file.size} (`{longest_file.path.relative_to(ROOT)}`)",
            "lines a function, median": round(statistics.median(function_sizes)),
            "longest function": f"{longest.size} (`{longest.name}`)",
            f"functions over {MAX_FUNCTION} lines": sum(n > MAX_FUNCTION for n in function_sizes),
            f"calls with more than {MAX_POSITIONAL} positional arguments": len(self.positional),
        }
        lines = [f"| {name} | {value} |" for name, value in rows.items()]
        return "\n".join(["| figure | value |", "|---|---|", *lines])


def _size(place: Place) -> int:
    return place.size


def write_table(table: str) -> None:
    """Put the table between the two marks of ARCHITECTURE.md."""
    path = ROOT / "ARCHITECTURE.md"
    head, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    if not tail:
        sys.exit(f"{path} lacks the marks {BEGIN} and {END}.")
    path.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", encoding="utf-8")


def main() -> None:
    """Print the table; check the limits and write it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is broken")
    parser.add_argument("--write", action="store_true", help="update ARCHITECTURE.md")
    arguments = parser.parse_args()
    house = House.measured()
    print(house.table())
    if arguments.write:
        write_table(house.table())
    if arguments.check and (faults := house.faults()):
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
