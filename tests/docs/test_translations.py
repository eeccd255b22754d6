"""A translated page shows the same code as its original; only comments may differ."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRANSLATED = sorted([*ROOT.glob("*.zh-CN.md"), *(ROOT / "docs").rglob("*.zh-CN.md")])


def code(page: Path) -> list[list[str]]:
    blocks = re.findall(
        r"^```[a-z]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [
        [line.split("   #")[0].split("     #")[0].rstrip() for line in block.splitlines()]
        for block in blocks
    ]


@pytest.mark.parametrize("page", TRANSLATED, ids=lambda page: page.name)
def test_code_is_that_of_the_original(page: Path) -> None:
    assert code(page) == code(page.with_name(page.name.replace(".zh-CN", "")))
