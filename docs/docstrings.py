"""Reads this project's docstrings for the site: several arguments a line, and roles such as
:func:`name`.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|mod|meth|data|attr):`~?([^`]+)`")
_SECTION = re.compile(r"^(Args|Attributes):\n((?:[ ]+.*\n?|\n)+)", re.MULTILINE)
_ITEM = re.compile(r"(?<=[.;)]) (?=[a-z_][a-z_0-9]*(?:, [a-z_][a-z_0-9]*)*: )")


class OneItemALine(griffe.Extension):
    """Rewrites docstrings before they are parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Give every argument and attribute a line of its own, and turn roles into code."""
        if obj.docstring is not None:
            text = _ROLE.sub(r"`\1`", obj.docstring.value).replace("# doctest: +SKIP", "")
            text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
            obj.docstring.value = _SECTION.sub(
                lambda m: f"{m[1]}:\n{_items(m[2])}\n", text + "\n"
            ).rstrip()


def _items(body: str) -> str:
    lines = [line for line in body.splitlines() if line.strip()]
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    items: list[str] = []
    for line in lines:
        if len(line) - len(line.lstrip()) == indent or not items:
            items.append(line.strip())
        else:
            items[-1] += " " + line.strip()
    single = [part for item in items for part in _ITEM.split(item)]
    return "\n".join(" " * 4 + _unshared(part) for part in single) + "\n"


def _unshared(item: str) -> str:
    """``train, dev: folders`` documents two names; griffe wants one."""
    names, _, text = item.partition(": ")
    return "\n    ".join(f"{name.strip()}: {text}" for name in names.split(",")) if text else item
