"""Configurations: typed, unknown keys refused, saved and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asr.config import (
    build_config,
    check_choice,
    check_range,
    load_config,
    parse_overrides,
    save_config,
)
from asr.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    size: int = 3
    kind: str = "a"

    def __post_init__(self) -> None:
        check_choice("inner.kind", self.kind, ("a", "b"))
        check_range("inner.size", self.size, 1, 9)


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    speeds: list[float] = field(default_factory=list)
    tests: dict[str, str] = field(default_factory=dict)


def test_file_overrides_and_round_trip(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("inner: {size: 4}\ntests: {dev: x}\n")
    config = load_config(Outer, tmp_path / "c.yaml", ["inner.kind=b", "speeds=[0.9,1]"])
    assert config == Outer(Inner(4, "b"), [0.9, 1.0], {"dev": "x"})
    save_config(config, tmp_path / "saved.yaml")
    assert load_config(Outer, tmp_path / "saved.yaml") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inner: {sise: 4}", "unknown key inner.sise. Did you mean inner.size"),
        ("inner: {size: many}", "inner.size"),
        ("inner: {kind: z}", "Choose one of: a, b"),
        ("inner: {size: 10}", "between 1 and 9"),
        ("inner: 3", "inner"),
        ("- a list", "no keys|mapping"),
        ("a: [unclosed", "not a readable YAML"),
    ],
)
def test_bad_files_name_the_key_or_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(Outer, tmp_path / "c.yaml")


def test_missing_file_and_bad_override(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No configuration file"):
        load_config(Outer, tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="key=value"):
        parse_overrides(["inner.size"])


def test_layers_later_ones_win() -> None:
    assert build_config(Outer, {"inner": {"size": 2}}, {"inner": {"kind": "b"}}).inner == Inner(
        2, "b"
    )
