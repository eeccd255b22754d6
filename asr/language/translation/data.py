"""Pairs of texts: from files, from callers, and a part of them held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.errors import ConfigError, DataError
from asr.language.data import require_texts
from asr.lines import iter_lines

__all__ = ["Pairs", "hold_out", "make_pairs", "read_pairs"]

MOST_HELD_OUT = 1000  # pairs; more would make the dev figure slower and hardly surer


@dataclass(frozen=True)
class Pairs:
    """Texts and their translations, in the same order."""

    sources: Sequence[str]
    targets: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.targets):
            raise DataError(
                f"{len(self.sources)} source texts cannot be paired with "
                f"{len(self.targets)} target texts.",
                "Give one target for each source, in the same order.",
            )

    def __len__(self) -> int:
        return len(self.sources)

    def subset(self, numbers: Sequence[int]) -> Pairs:
        """Return the pairs of these numbers."""
        return Pairs([self.sources[i] for i in numbers], [self.targets[i] for i in numbers])


def read_pairs(source: str | Path, target: str | Path) -> Pairs:
    """Return the lines of two text files, plain or .gz, as pairs.

    Raises:
        DataError: a file is missing or is not UTF-8 text, or they have different numbers of lines.
    """
    needed = "a text file with one sentence a line"
    sources, targets = list(iter_lines(source, needed)), list(iter_lines(target, needed))
    if len(sources) != len(targets):
        raise DataError(
            f"{source} has {len(sources)} lines, {target} has {len(targets)}.",
            "Line n must translate line n.",
        )
    return Pairs(sources, targets)


def make_pairs(sources: Any, targets: Any, prefix: str = "") -> Pairs:
    """Return checked pairs; ``prefix`` comes before the names in errors.

    Raises:
        DataError: the lists do not pair, or hold something else than texts.
    """
    return Pairs(
        require_texts(sources, f"{prefix}sources"), require_texts(targets, f"{prefix}targets")
    )


def hold_out(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """Return the pairs to train on, and ``share`` of those with text on both sides set aside.

    At least one is set aside, and 1000 at most.

    Raises:
        DataError: there are fewer than two pairs with text.
        ConfigError: the share is 0.
    """
    whole = [
        number
        for number, (source, target) in enumerate(zip(pairs.sources, pairs.targets, strict=True))
        if source.strip() and target.strip()
    ]
    if len(whole) < 2:
        raise DataError(
            f"Of {len(pairs)} pairs {len(whole)} have text on both sides; 2 are needed, "
            "thousands help.",
            "Give more pairs.",
        )
    if not share:
        raise ConfigError(
            "validation_share is 0, but translations are judged by held-out pairs.",
            "Give 0.05, or dev=...",
        )
    size = min(MOST_HELD_OUT, max(1, round(share * len(whole))))
    held_out = set(np.random.default_rng(seed).permutation(whole)[:size].tolist())
    train = [number for number in range(len(pairs)) if number not in held_out]
    return pairs.subset(train), pairs.subset(sorted(held_out))
