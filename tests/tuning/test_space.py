"""Ranges from the command line and from YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import ConfigError
from asr.tuning.space import Choices, Range, parse_space, read_space


def test_command_line() -> None:
    space, fixed = parse_space(
        [
            "a.lr=log:1e-4:1e-2",
            "b=float:0:0.4:0.1",
            "c=int:1:9:2",
            "d=logint:16:512",
            "e=choice:x,3,true",
            "f=7",
            "g=a:b",
        ]
    )
    assert space == {
        "a.lr": Range(1e-4, 1e-2, log=True),
        "b": Range(0, 0.4, step=0.1),
        "c": Range(1, 9, integer=True, step=2),
        "d": Range(16, 512, log=True, integer=True),
        "e": Choices(("x", "3", "true")),
    }
    assert fixed == ["f=7", "g=a:b"]


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "optimizer.lr: log:1e-4:1e-2\nmodel: {cell: [lstm, gru], projection_dim: [0, null, true]}\n"
    )
    assert read_space(path) == {
        "optimizer.lr": Range(1e-4, 1e-2, log=True),
        "model.cell": Choices(("lstm", "gru")),
        "model.projection_dim": Choices(("0", "null", "true")),
    }


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("a=log:0:1", "begins above 0"),
        ("a=float:2:1", "2 must be below 1"),
        ("a=float:x:1", "is not LOW:HIGH"),
        ("a=float:1", "is not LOW:HIGH"),
        ("a=int:1:2.5", "whole numbers"),
        ("a=log:1:10:2", "none for logarithmic"),
        ("a=float:0:nan", "must be below"),
        ("a=choice:x", "two or more"),
        ("a=choice:x,x", "all different"),
    ],
)
def test_malformed(argument: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_space([argument])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 3", "3, which is not a range"),
        ("a: [[1], 2]", "not a single value"),
        ("a: around:1:2", "around is unknown"),
    ],
)
def test_malformed_yaml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_space(tmp_path / "s.yaml")
    with pytest.raises(ConfigError, match="searched twice"):
        parse_space(["a=int:1:2", "a=int:1:3"])


def test_what_lies_inside() -> None:
    assert Range(0, 1, step=0.25).inside(0.75) == 0.75
    assert Range(0, 1, step=0.25).inside(0.8) is None
    assert Range(1, 8, integer=True).inside(9) is None
    assert Range(1, 8, integer=True).inside(True) is None
    assert Choices(("3", "true", "gru")).inside(3) == "3"
    assert Choices(("3", "true", "gru")).inside(True) == "true"
    assert Choices(("3", "gru")).inside("lstm") is None
