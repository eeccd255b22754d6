"""Splits by share, for corpora that have none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from asr.errors import ConfigError, DataError
from data_prep.store import Utterance

__all__ = ["split_by_share", "split_name"]

SYNONYMS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "valid": "dev",
    "validation": "dev",
    "val": "dev",
}
SYNONYMS |= {
    "develop": "dev",
    "development": "dev",
    "eval": "test",
    "test": "test",
    "testing": "test",
}


def split_name(name: str) -> str | None:
    """Return ``train``, ``dev`` or ``test`` for a usual name of that split, else None."""
    return SYNONYMS.get(name.strip().lower())


def split_by_share(
    utterances: Sequence[Utterance], dev_share: float = 0.1, test_share: float = 0.0
) -> dict[str, list[Utterance]]:
    """Return ``train``, and ``dev`` and ``test`` if their share is above 0; deterministic.

    If every utterance has a speaker, and there are at least two speakers more than held-out splits,
    whole speakers are held out, otherwise single utterances. The order is that of a hash, so adding
    utterances to a corpus moves few others to another split.

    Args:
        utterances: all utterances of the corpus.
        dev_share: share of the utterances for ``dev``, from 0 to 1.
        test_share: share of the utterances for ``test``, from 0 to 1.

    Raises:
        ConfigError: a share is out of range.
        DataError: there are too few utterances.

    Example:
        >>> utterances = [Utterance(str(i), f"{i}.wav", "yes", "") for i in range(10)]
        >>> {name: len(part) for name, part in split_by_share(utterances, 0.2).items()}
        {'train': 8, 'dev': 2}
    """
    shares = {"dev": dev_share, "test": test_share}
    if min(shares.values()) < 0 or sum(shares.values()) >= 1:
        raise ConfigError(
            f"The shares {dev_share:g} (dev) and {test_share:g} (test) leave nothing for training.",
            "Lower them.",
        )
    wanted = {
        name: max(1, round(share * len(utterances))) for name, share in shares.items() if share > 0
    }
    if sum(wanted.values()) >= len(utterances):
        raise DataError(
            f"{len(utterances)} utterances are too few to hold some out for "
            f"{' and '.join(wanted) or 'nothing'}.",
            "Add recordings, or give --dev-share 0.",
        )
    speakers = {u.speaker for u in utterances}
    key = _speaker if "" not in speakers and len(speakers) >= len(wanted) + 2 else _id
    return _hold_out(utterances, wanted, key)


def _speaker(utterance: Utterance) -> str:
    return utterance.speaker


def _id(utterance: Utterance) -> str:
    return utterance.id


def _hold_out(
    utterances: Sequence[Utterance], wanted: dict[str, int], key: Callable[[Utterance], str]
) -> dict[str, list[Utterance]]:
    groups: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        groups.setdefault(key(utterance), []).append(utterance)
    order = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).digest())
    name_of: dict[str, str] = {}
    for position, (split, count) in enumerate(wanted.items()):
        taken, still_wanted = 0, len(wanted) - position - 1
        while taken < count and len(order) > still_wanted + 1:
            name_of[order[0]] = split
            taken += len(groups[order.pop(0)])
    splits: dict[str, list[Utterance]] = {"train": [], **{name: [] for name in wanted}}
    for utterance in utterances:
        splits[name_of.get(key(utterance), "train")].append(utterance)
    return splits
