"""Prepares this project's docstrings for the site: roles, examples and doctest directives."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|mod|meth|data|attr):`~?([^`]+)`")
_EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)


class PlainDocstrings(griffe.Extension):
    """Rewrites docstrings before they are parsed as Google style."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Turn roles into code, ``Example:`` into griffe's ``Examples:``, and drop directives."""
        if obj.docstring is not None:
            text = _ROLE.sub(r"`\1`", obj.docstring.value).replace("# doctest: +SKIP", "")
            obj.docstring.value = _EXAMPLE.sub("Examples:", text)
