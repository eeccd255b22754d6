"""Tag schemes: BIO and its rules, checks of tag sequences, and entities read off them.

In BIO, ``B-city`` begins an entity, ``I-city`` continues it, and ``O`` is outside of all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from asr.errors import DataError
from asr.language.tagging.data import TaggedSentences
from asr.sequence.crf import BioRules, bio_rules, first_illegal_step

__all__ = ["check_tags", "entities", "iob1_to_bio", "tag_rules"]


def entities(tokens: Sequence[str], tags: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entities of BIO tags: type, text, first token and the one after the last.

    Example:
        >>> entities(["to", "new", "york"], ["O", "B-city", "I-city"])
        [{'type': 'city', 'text': 'new york', 'start': 1, 'end': 3}]
    """
    spans: list[dict[str, Any]] = []
    for place, (token, tag) in enumerate(zip(tokens, tags, strict=True)):
        prefix, kind = tag[:2], tag[2:]
        last = spans[-1] if spans else {"type": None, "end": -1}
        if prefix == "I-" and last["end"] == place and last["type"] == kind:
            last |= {"text": f"{last['text']} {token}", "end": place + 1}
        elif prefix in ("B-", "I-"):
            spans.append({"type": kind, "text": token, "start": place, "end": place + 1})
    return spans


def iob1_to_bio(tags: Sequence[str]) -> list[str]:
    """Return tags with ``B-`` at the beginning of every entity; legal BIO comes back unchanged.

    Example:
        >>> iob1_to_bio(["I-x", "I-x", "O", "I-y"])
        ['B-x', 'I-x', 'O', 'B-y']
    """
    out = []
    for before, tag in zip(["O", *tags], tags, strict=False):
        begins = tag.startswith("I-") and before[2:] != tag[2:]
        out.append(f"B-{tag[2:]}" if begins else tag)
    return out


def _is_bio(tag: str) -> bool:
    return tag == "O" or (tag.startswith(("B-", "I-")) and len(tag) > 2)


def tag_rules(tags: Sequence[str], scheme: str) -> BioRules | None:
    """Return which tag may follow which, or None where anything may.

    Args:
        tags: all there are.
        scheme: see :class:`asr.language.tagging.config.TagDataConfig`.

    Raises:
        DataError: the scheme is ``bio`` and a tag is not.
    """
    odd = [tag for tag in tags if not _is_bio(tag)]
    if scheme == "bio" and odd:
        raise DataError(
            f"The tag {odd[0]!r} is not O, B-... or I-....", "Set data.scheme=none for other tags."
        )
    looks_bio = not odd and any(tag.startswith("B-") for tag in tags)
    return bio_rules(tags) if scheme == "bio" or (scheme == "auto" and looks_bio) else None


def check_tags(data: TaggedSentences, scheme: str, repair: bool, where: str) -> TaggedSentences:
    """Return the data with legal tags.

    Args:
        data: sentences with tags.
        scheme: see :class:`asr.language.tagging.config.TagDataConfig`.
        repair: put in the ``B-`` that is missing, and say so, instead of an error.
        where: name of the data in errors.

    Raises:
        DataError: there are no tags, a sentence's words and tags differ in number, or a sequence
            breaks the scheme and is not to be repaired; the sentence is named.
    """
    if data.tags is None:
        raise DataError(f"{where} has no tags.", "Give sentences with tags.")
    for number, (words, given) in enumerate(zip(data.sentences, data.tags, strict=True), 1):
        if len(words) != len(given):
            raise DataError(
                f"{where}, sentence {number}: {len(words)} words and {len(given)} tags."
            )
    names = tuple(sorted({tag for tags in data.tags for tag in tags}))
    rules = tag_rules(names, scheme)
    if rules is None:
        return data
    numbers = {name: number for number, name in enumerate(names)}
    steps = [first_illegal_step([numbers[t] for t in tags], rules) for tags in data.tags]
    broken = [(number, step) for number, step in enumerate(steps) if step is not None]
    if broken and not repair:
        sentence, step = broken[0]
        raise DataError(
            f"{where}, sentence {sentence + 1}: {data.tags[sentence][step]} at word {step + 1} "
            f"follows no B- or I- of its type ({len(broken)} such sentences).",
            "Set data.repair=true to begin such entities with B-.",
        )
    if broken:
        print(
            f"{where}: {len(broken)} sentences had entities without B-; it was put in",
            file=sys.stderr,
        )
    return TaggedSentences(data.sentences, [iob1_to_bio(tags) for tags in data.tags], data.labels)
