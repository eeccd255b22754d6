"""Grammars: templates of sentences with lists, options, weights and slots, as graphs of words.

A file has a line for each list or sentence; lines that start with ``#`` are comments::

    light = lamp | ceiling light | /3/ kitchen lights => kitchen
    room  = kitchen | living room
    turn (on | off) [the] {light} [in the {room}]
    set {light} to {level:0..100} percent

``a | b`` are alternatives, ``(...)`` a group, ``[...]`` may be left out, ``/3/`` before an
alternative makes it three times as probable, ``{light}`` is any entry of that list and becomes a
slot of the result, ``{where:room}`` calls the slot otherwise, ``{level:0..100}`` is a number, and
what follows ``=>`` is the value of the slot in place of the words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

from asr.errors import DataError
from asr.lines import nfc, read_text
from asr.text.numerals import spell_cardinal

__all__ = ["Arc", "Grammar", "Reading", "parse_grammar", "read_grammar"]

_TOKEN = re.compile(r"\s*(=>|/[0-9.]+/|[()\[\]|]|\{[^{}]*\}|[^\s()\[\]{}|/]+)")
_SLOT = re.compile(r"\{\s*(?:(\w+)\s*:)?\s*(?:(\w+)|(\d+)\s*\.\.\s*(\d+))\s*\}")
_RULE = re.compile(r"\s*(\w+)\s*=(?!>)(.*)")
_MOST_NUMBERS = 10_000
_DEEPEST = 20  # lists within lists


@dataclass(frozen=True)
class Arc:
    """A step of a grammar's graph.

    Attributes:
        target: node that it leads to.
        word: that is said; empty: none.
        log_prob: natural log.
        slot: where the step opens or closes one, its name.
        opens: whether it opens the slot.
        value: of the slot that it closes, where it is not the words.
    """

    target: int
    word: str = ""
    log_prob: float = 0.0
    slot: str = ""
    opens: bool = False
    value: str | None = None


@dataclass(frozen=True)
class Reading:
    """What a sentence says.

    Attributes:
        slots: name -> value, in the order of the sentence.
        log_prob: of the sentence in the grammar, natural log.
    """

    slots: dict[str, str]
    log_prob: float


@dataclass(frozen=True, eq=False)
class Grammar:
    """Sentences as a graph without circles, from node 0 to ``final``.

    Attributes:
        arcs: of each node.
        final: the last node.
        words: all words, each once.
    """

    arcs: tuple[tuple[Arc, ...], ...]
    final: int
    words: tuple[str, ...]

    def sample(self, random: Random) -> str:
        """Return a sentence, by its probability."""
        node, words = 0, list[str]()
        while node != self.final:
            arcs = self.arcs[node]
            (arc,) = random.choices(arcs, [math.exp(a.log_prob) for a in arcs])
            words += [arc.word] if arc.word else []
            node = arc.target
        return " ".join(words)

    def read(self, sentence: str) -> Reading | None:
        """Return what a sentence says; None if it is not one of the grammar's."""
        words = sentence.split()
        path = dict(self._beginnings(words)).get(len(words))
        return None if path is None else _reading(path)

    def find(self, words: Sequence[str]) -> tuple[int, int, Reading] | None:
        """Return the longest sentence of the grammar within a text: its first word, the word after
        its last, and what it says; None if there is none. Of equally long ones the first counts.
        """
        best: tuple[int, int, _Path] | None = None
        for start in range(len(words)):
            for count, path in self._beginnings(words[start:]):
                if count > (0 if best is None else best[1] - best[0]):
                    best = start, start + count, path
        return None if best is None else (best[0], best[1], _reading(best[2]))

    def _beginnings(self, words: Sequence[str]) -> Iterator[tuple[int, _Path]]:
        """Yield how many of the first words are a sentence, and its path, for every such number."""
        paths = self._start
        if self.final in paths:
            yield 0, paths[self.final]
        for count, word in enumerate(words, 1):
            following: dict[int, _Path] = {}
            for node, path in paths.items():
                for arc in self.arcs[node]:
                    if arc.word == word:
                        _offer(following, arc, path)
            if not following:
                return
            paths = self._silent(following)
            if self.final in paths:
                yield count, paths[self.final]

    @cached_property
    def _start(self) -> dict[int, _Path]:
        return self._silent({0: (0.0, None)})

    def _silent(self, paths: dict[int, _Path]) -> dict[int, _Path]:
        """Return the best path to every node that is reached without a word."""
        # Nodes are numbered so that arcs lead to larger numbers, but for the joins of alternatives.
        waiting = list(paths)
        while waiting:
            node = waiting.pop()
            for arc in self.arcs[node]:
                if not arc.word and _offer(paths, arc, paths[node]):
                    waiting.append(arc.target)  # noqa: PERF401 - each step changes the paths
        return paths


_Path = tuple[float, "tuple[Arc, _Path] | None"]  # log-probability, last arc and the path before it


def _reading(path: _Path) -> Reading:
    log_prob, steps = path
    return Reading(_slots(_in_order(steps)), log_prob)


def _offer(paths: dict[int, _Path], arc: Arc, before: _Path) -> bool:
    """Take a longer path if it is the best one to its node; return whether it is."""
    total = before[0] + arc.log_prob
    if arc.target in paths and paths[arc.target][0] >= total:
        return False
    paths[arc.target] = total, (arc, before)
    return True


def _in_order(steps: tuple[Arc, _Path] | None) -> list[Arc]:
    arcs = []
    while steps is not None:
        arc, (_, steps) = steps
        arcs.append(arc)
    return arcs[::-1]


def _slots(arcs: list[Arc]) -> dict[str, str]:
    slots: dict[str, str] = {}
    open_slots: list[tuple[str, list[str]]] = []
    for arc in arcs:
        if arc.word:
            for _, words in open_slots:
                words.append(arc.word)
        elif arc.slot and arc.opens:
            open_slots.append((arc.slot, []))
        elif arc.slot:
            name, words = open_slots.pop()
            slots[name] = " ".join(words)
        elif arc.value is not None and open_slots:
            open_slots[-1][1][:] = [arc.value]
    return slots


def read_grammar(path: str | Path, case: Callable[[str], str] = str.lower) -> Grammar:
    """Return the grammar of a file; see :func:`parse_grammar`.

    Raises:
        DataError: the file is not there, or a line cannot be read.
    """
    return parse_grammar(nfc(read_text(Path(path), "a grammar")), case, str(path))


def parse_grammar(
    text: str, case: Callable[[str], str] = str.lower, name: str = "grammar"
) -> Grammar:
    """Return the grammar of a text.

    Args:
        text: lists and sentences, one a line.
        case: makes words those of transcripts.
        name: of the text in errors.

    Raises:
        DataError: a line cannot be read, or a list is missing or holds itself; it is named.

    Example:
        >>> grammar = parse_grammar("light = lamp | ceiling light\\nturn on [the] {light}")
        >>> grammar.read("turn on the ceiling light").slots
        {'light': 'ceiling light'}
    """
    lists: dict[str, str] = {}
    sentences: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        rule = _RULE.fullmatch(line)
        if rule is None:
            sentences.append((number, line))
        elif rule[1] in lists:
            raise DataError(f"{name}:{number}: the list {rule[1]} is there twice.", "Join the two.")
        else:
            lists[rule[1]] = rule[2]
    if not sentences:
        raise DataError(
            f"{name} has no sentences.", "Write one on a line, such as: turn (on | off) the light"
        )
    builder = _Builder(lists, case)
    final = builder.node()
    for number, line in sentences:
        try:
            end = builder.expression(line, 0, -math.log(len(sentences)))
        except DataError as error:
            raise DataError(f"{name}:{number}: {error.message}", error.remedy) from None
        builder.add(end, Arc(final))
    words = dict.fromkeys(arc.word for arcs in builder.arcs for arc in arcs if arc.word)
    return Grammar(tuple(map(tuple, builder.arcs)), final, tuple(words))


class _Builder:
    """Makes the graph of templates.

    Args:
        lists: name -> its alternatives, as text.
        case: makes words those of transcripts.
    """

    def __init__(self, lists: Mapping[str, str], case: Callable[[str], str]) -> None:
        self.lists, self.case = lists, case
        self.arcs: list[list[Arc]] = [[]]
        self._inside: list[str] = []

    def node(self) -> int:
        """Return the number of a new node."""
        self.arcs.append([])
        return len(self.arcs) - 1

    def add(self, source: int, arc: Arc) -> int:
        """Add an arc; return its target."""
        self.arcs[source].append(arc)
        return arc.target

    def expression(self, text: str, source: int, log_prob: float = 0.0) -> int:
        """Add the alternatives of a text; return the node where they end.

        Raises:
            DataError: the text cannot be read.
        """
        tokens = _Tokens(text)
        end = self._alternatives(tokens, self.add(source, Arc(self.node(), log_prob=log_prob)))
        if tokens.next:
            raise DataError(f"{tokens.next!r} stands alone in {text.strip()!r}.", "Close brackets.")
        return end

    def _alternatives(self, tokens: _Tokens, source: int) -> int:
        end = self.node()
        starts = list[tuple[int, float]]()
        while True:
            start, weight = self.node(), 1.0
            if tokens.next.startswith("/"):
                weight = tokens.weight()
            starts.append((start, weight))
            here = self._sequence(tokens, start)
            if tokens.next == "=>":
                tokens.take()
                if not self._inside:
                    raise DataError(
                        "A value stands outside a list, so no slot has it.",
                        "Write a list, NAME = word => value, and {NAME} in its place.",
                    )
                here = self.add(here, Arc(self.node(), value=tokens.words()))
            self.add(here, Arc(end))
            if tokens.next != "|":
                break
            tokens.take()
        total = sum(weight for _, weight in starts)
        for start, weight in starts:
            self.add(source, Arc(start, log_prob=math.log(weight / total)))
        return end

    def _sequence(self, tokens: _Tokens, here: int) -> int:
        while tokens.next not in ("", "|", ")", "]", "=>"):
            token = tokens.take()
            if token in ("(", "["):
                here = self._group(tokens, token, here)
            elif token.startswith("{"):
                here = self._slot(token, here)
            elif token.startswith("/"):
                raise DataError(
                    f"The weight {token} is not at the beginning of an alternative.",
                    "Write: (/3/ yes | no)",
                )
            else:
                here = self.add(here, Arc(self.node(), word=self.case(token)))
        return here

    def _group(self, tokens: _Tokens, opening: str, here: int) -> int:
        closing = ")" if opening == "(" else "]"
        start = here
        if opening == "[":
            start = self.add(here, Arc(self.node(), log_prob=-math.log(2)))
        end = self._alternatives(tokens, start)
        if tokens.take() != closing:
            raise DataError(f"A {opening} is not closed.", f"Add {closing}.")
        if opening == "[":
            self.add(here, Arc(end, log_prob=-math.log(2)))
        return end

    def _slot(self, token: str, here: int) -> int:
        match = _SLOT.fullmatch(token)
        if match is None:
            raise DataError(
                f"{token} is not a slot.", "Write {list}, {slot:list} or {slot:0..100}."
            )
        slot, name, first, last = match.groups()
        here = self.add(here, Arc(self.node(), slot=slot or name or "number", opens=True))
        end = self._entries(name, here) if name else self._numbers(int(first), int(last), here)
        return self.add(end, Arc(self.node(), slot=slot or name or "number"))

    def _entries(self, name: str, here: int) -> int:
        if name not in self.lists:
            known = ", ".join(sorted(self.lists)) or "none"
            raise DataError(f"There is no list {name!r}.", f"Lists are: {known}.")
        if name in self._inside or len(self._inside) > _DEEPEST:
            raise DataError(f"The list {name} holds itself.", "Write it without itself.")
        self._inside.append(name)
        end = self.expression(self.lists[name], here)
        self._inside.pop()
        return end

    def _numbers(self, first: int, last: int, here: int) -> int:
        if not first <= last or last - first >= _MOST_NUMBERS:
            raise DataError(
                f"{first}..{last} is not a range of numbers.",
                f"The first is the smallest; at most {_MOST_NUMBERS} numbers.",
            )
        end = self.node()
        for number in range(first, last + 1):
            spoken = spell_cardinal(str(number)).replace("-", " ").split()
            place = self.add(here, Arc(self.node(), log_prob=-math.log(last - first + 1)))
            for word in spoken:
                place = self.add(place, Arc(self.node(), word=self.case(word)))
            self.add(place, Arc(end, value=str(number)))
        return end


class _Tokens:
    """The tokens of a template, one after another."""

    def __init__(self, text: str) -> None:
        self._tokens = self._split(text)
        self.next = ""
        self.take()

    def take(self) -> str:
        """Return the next token and go on; empty at the end."""
        before, self.next = self.next, next(self._tokens, "")
        return before

    def weight(self) -> float:
        """Take a weight."""
        text = self.take().strip("/")
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not value > 0:
            raise DataError(f"/{text}/ is not a weight.", "Write a number above 0, as /3/.")
        return value

    def words(self) -> str:
        """Take words up to the end of an alternative."""
        taken = list[str]()
        while self.next not in ("", "|", ")", "]"):
            taken.append(self.take())
        return " ".join(taken)

    @staticmethod
    def _split(text: str) -> Iterator[str]:
        place = 0
        text = text.strip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise DataError(
                    f"{text[place:][:40].strip()!r} cannot be read.",
                    "Braces and slashes come in pairs.",
                )
            place = match.end()
            yield match[1]
