"""Shares of a corpus set aside, by speaker where speakers are known."""

from __future__ import annotations

import pytest

from asr.errors import ConfigError, DataError
from data_prep.splits import split_by_share
from data_prep.store import Utterance


def test_shares_by_speaker_or_utterance() -> None:
    spoken = [Utterance(f"{s}{i}", "", "x", f"s{s}") for s in range(10) for i in range(10)]
    splits = split_by_share(spoken, 0.2, 0.1)
    assert {name: len(part) for name, part in splits.items()} == {
        "train": 70,
        "dev": 20,
        "test": 10,
    }
    assert len({u.speaker for u in splits["dev"]}) == 2
    anonymous = [Utterance(str(i), "", "x", "") for i in range(100)]
    assert len(split_by_share(anonymous, 0.05)["dev"]) == 5
    more = split_by_share([*anonymous, Utterance("new", "", "x", "")], 0.05)["dev"]
    assert len({u.id for u in more} & {u.id for u in split_by_share(anonymous, 0.05)["dev"]}) >= 4
    one_speaker = [Utterance(str(i), "", "x", "me") for i in range(10)]
    assert len(split_by_share(one_speaker, 0.1)["dev"]) == 1
    assert set(split_by_share(anonymous, 0)) == {"train"}
    with pytest.raises(DataError, match="too few"):
        split_by_share(anonymous[:1], 0.1)
    with pytest.raises(ConfigError, match="shares"):
        split_by_share(anonymous, 0.6, 0.5)
