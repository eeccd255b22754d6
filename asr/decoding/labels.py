"""What the outputs of a CTC network mean: labels in the forms that people have them.

A label list says which output is the blank, where words begin, and which outputs are never text.
Every toolkit writes that in its own way. Here it is brought into one form: tokens with the blank
first, a leading ``▁`` for the start of a word, no special tokens, and every spelling once.

V outputs of the network, N tokens.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from asr.errors import DecodingError

__all__ = ["BLANK", "WORD_MARK", "Reading", "Unit", "read_labels", "spell_bytes", "write_bytes"]

BLANK = "<blank>"
# U+2581. At the beginning of a token it starts a word; alone it is the space between words.
WORD_MARK = "▁"

# Labels that mean the blank, most certain first: the first group that has one of them decides.
_BLANKS = (
    re.compile(r"[<\[](blank|blk|ctc_blank|ctc|eps|epsilon)[>\]]", re.IGNORECASE),
    re.compile(r"[<\[]pad[>\]]", re.IGNORECASE),
    re.compile(""),
)
_SPECIAL = re.compile(r"<.+>|\[.+\]|▁?⁇▁?", re.DOTALL)
_SPACE = re.compile(r"[<\[]space[>\]]", re.IGNORECASE)
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CONTINUED = "##"  # wordpieces: what does not begin so starts a word
_BYTE_SPACE = "Ġ"  # byte-level BPE: the byte of the space
_CONTINUING = 48  # of the 64 bytes that continue a character: no language has so many such letters
_HIGH = 0xE000  # private use area of Unicode: where the bytes above 127 are


@dataclass(frozen=True)
class Unit:
    """One token: whether it starts a word, and the characters that it adds."""

    starts_word: bool
    piece: str


@dataclass(frozen=True)
class Reading:
    """How a label list was understood.

    Attributes:
        units: of the N tokens, the blank first.
        columns: output of the network for each token, (N,).
        repeats: further outputs that spell a token: (token, output).
        size: V.
        bytewise: pieces are bytes of UTF-8, see :func:`spell_bytes`.
        summary: what was understood, for people.
    """

    units: tuple[Unit, ...]
    columns: tuple[int, ...]
    repeats: tuple[tuple[int, int], ...]
    size: int
    bytewise: bool
    summary: str

    def name(self, piece: str) -> str:
        """Return a piece for people to read; bytes that are no text by their numbers."""
        if not self.bytewise:
            return piece
        text = write_bytes(piece)
        return text if "�" not in text else "".join(f"<0x{ord(c) & 0xFF:02X}>" for c in piece)


def read_labels(
    labels: Sequence[str],
    *,
    blank: int | str | None = None,
    word_boundary: str | None = None,
    special: Iterable[str] | None = None,
    case: str | None = None,
    unwritten: Collection[int] = (),
) -> Reading:
    """Return how ``labels`` are understood; :meth:`Vocabulary.read` describes the arguments.

    Args:
        unwritten: outputs that are known to be no text.

    Raises:
        DecodingError: they can be understood in several ways, or in none.
    """
    _check(labels)
    place = _blank(labels, blank)
    mark = _boundary(labels, place, word_boundary)
    hidden = _hidden(labels, place, mark, special) | set(unwritten) - {place}
    kept = [i for i in range(len(labels)) if i != place and i not in hidden]
    alphabet = _alphabet([labels[i] for i in kept], mark)
    bytewise = alphabet is not None or any(_BYTE.fullmatch(labels[i]) for i in kept)
    unit_of = _speller(mark, alphabet, bytewise, _case(case))
    places: dict[Unit, int] = {}
    columns, repeats = [place], list[tuple[int, int]]()
    for i in kept:
        unit = unit_of(labels[i], i)
        if unit in places:
            repeats.append((places[unit], i))
        else:
            places[unit] = len(columns)
            columns.append(i)
    if not any(unit.piece for unit in places):
        raise DecodingError("No label is text.", "Give the labels of the network's outputs.")
    return Reading(
        units=(Unit(False, ""), *places),
        columns=tuple(columns),
        repeats=tuple(repeats),
        size=max(len(labels), place + 1),
        bytewise=bytewise,
        summary=_summary(
            labels, place, mark, hidden=sorted(hidden), bytewise=bytewise, n_repeats=len(repeats)
        ),
    )


def spell_bytes(text: str) -> str:
    """Return a text with one character for every byte of its UTF-8.

    Bytes above 127 stand in Unicode's private use area, where none is white space.
    """
    return "".join(chr(byte if byte < 128 else _HIGH + byte) for byte in text.encode())


def write_bytes(spelled: str) -> str:
    """Return the text of :func:`spell_bytes`; broken characters become U+FFFD."""
    return bytes(ord(c) & 0xFF for c in spelled).decode("utf-8", "replace")


def _check(labels: Sequence[str]) -> None:
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise DecodingError(
            "The labels are not a list of strings.", "Give one label for each output."
        )
    if not labels:
        raise DecodingError("There are no labels.", "Give one for each output of the network.")
    if ended := next((label for label in labels if label.endswith(("@@", "</w>"))), None):
        raise DecodingError(
            f"The label {ended!r} marks where a word ends or continues behind it.",
            "Rewrite the labels so that '▁' begins each word's first piece.",
        )


def _blank(labels: Sequence[str], given: int | str | None) -> int:
    """Return the output that is the blank; ``len(labels)``: one that is not listed."""
    n = len(labels)
    if isinstance(given, str):
        places = [i for i, label in enumerate(labels) if label == given]
        if len(places) != 1:
            raise DecodingError(
                f"blank={given!r} is {len(places)} of the labels.", "Give the number of the output."
            )
        return places[0]
    if given is not None:
        if not 0 <= given <= n:
            raise DecodingError(
                f"blank={given} but there are {n} labels.",
                f"Give 0 to {n - 1}, or {n} for an output behind the last label.",
            )
        return int(given)
    for names in _BLANKS:
        places = [i for i, label in enumerate(labels) if names.fullmatch(label)]
        if len(places) > 1:
            listed = ", ".join(f"{labels[i]!r} at {i}" for i in places)
            raise DecodingError(
                f"Each of these labels may be the blank: {listed}.", f"Give blank={places[0]}."
            )
        if places:
            return places[0]
    doubtful = [i for i, label in enumerate(labels) if label == "_" or (label == "-" and i == 0)]
    if doubtful:
        i = doubtful[0]
        raise DecodingError(
            f"The label {labels[i]!r} at {i} may be the blank or a character.",
            f"Give blank={i}, or blank={n} if the network has an output behind the last label.",
        )
    return n


def _boundary(labels: Sequence[str], blank: int, given: str | None) -> str:
    """Return the mark of word starts, or the label between words; "": there is neither."""
    text = [label for i, label in enumerate(labels) if i != blank]
    if given is not None:
        starts = (WORD_MARK, _CONTINUED, _BYTE_SPACE)
        if (
            given
            and given not in text
            and not (given in starts and any(label.startswith(given) for label in text))
        ):
            raise DecodingError(
                f"word_boundary={given!r} is in no label.", "Give a label, or '' for none."
            )
        return given
    for mark in (WORD_MARK, _BYTE_SPACE, _CONTINUED):
        if any(label.startswith(mark) and len(label) > len(mark) for label in text):
            return mark
    lone = [x for x in dict.fromkeys(text) if x in (WORD_MARK, "|", " ") or _SPACE.fullmatch(x)]
    if len(lone) > 1:
        raise DecodingError(
            f"Each of these labels may stand between words: {', '.join(map(repr, lone))}.",
            f"Give word_boundary={lone[0]!r}.",
        )
    return lone[0] if lone else ""


def _hidden(
    labels: Sequence[str], blank: int, mark: str, special: Iterable[str] | None
) -> set[int]:
    """Return the outputs that are never text."""
    if isinstance(special, str):
        raise DecodingError("special is a string.", "Give a list of labels.")
    chosen = None if special is None else set(special)
    if unknown := sorted((chosen or set()) - set(labels)):
        raise DecodingError(f"special has {unknown[0]!r}, which is no label.", "Leave it out.")
    hidden = set()
    for i, label in enumerate(labels):
        if i == blank or label == mark:
            continue
        bracketed = _SPECIAL.fullmatch(label) and not _BYTE.fullmatch(label)
        named = bool(bracketed) if chosen is None else label in chosen
        if named or not label or (label.isspace() and label != mark):
            hidden.add(i)
    return hidden


def _case(case: str | None) -> Callable[[str], str]:
    if case not in (None, "lower", "upper"):
        raise DecodingError(f"case is {case!r}.", 'Choose "lower" or "upper", or leave it out.')
    if case is None:
        return str
    return str.lower if case == "lower" else str.upper


def _speller(
    mark: str, alphabet: Mapping[str, int] | None, bytewise: bool, case: Callable[[str], str]
) -> Callable[[str, int], Unit]:
    """Return how a label becomes a unit."""

    def unit_of(label: str, place: int) -> Unit:
        if bytewise and (byte := _BYTE.fullmatch(label)):
            code = int(byte[1], 16)
            piece = chr(code if code < 128 else _HIGH + code)
            return Unit(True, "") if piece.isspace() else Unit(False, case(piece))
        starts, piece = _split(label, mark)
        if alphabet is not None:
            piece = _bytes_of(piece, alphabet, place)
        if piece and (inner := _inner_boundary(piece, mark)):
            raise DecodingError(
                f"Label {place}, {label!r}, has a word boundary inside ({inner!r}).",
                "Train the pieces so that none spans two words (split_by_whitespace), or give "
                "word_boundary.",
            )
        if alphabet is not None:
            return Unit(starts, case(piece))  # only ASCII letters have a case as bytes
        return Unit(starts, spell_bytes(case(piece)) if bytewise else case(piece))

    return unit_of


def _split(label: str, mark: str) -> tuple[bool, str]:
    """Return whether a label starts a word, and its text."""
    if mark == _CONTINUED:
        continued = label.startswith(mark) and label != mark
        alone = label in (WORD_MARK, " ")
        return not continued, "" if alone else label.removeprefix(mark) if continued else label
    if mark in (WORD_MARK, _BYTE_SPACE):
        return label.startswith(mark), label.lstrip(mark)
    return (True, "") if label == mark and mark else (False, label)


def _inner_boundary(piece: str, mark: str) -> str | None:
    if mark in (WORD_MARK, _BYTE_SPACE) and mark in piece:
        return mark
    return next((c for c in piece if c.isspace()), None)


def _alphabet(labels: Sequence[str], mark: str) -> Mapping[str, int] | None:
    """Return the byte of each character, if the labels' characters stand for bytes."""
    if mark == _BYTE_SPACE:
        return _gpt2_bytes()
    if mark == WORD_MARK:
        used, alphabet = set("".join(labels)) - {WORD_MARK}, _icefall_bytes()
        continuing = sum(0x80 <= alphabet.get(c, 0) < 0xC0 for c in used)
        if used <= alphabet.keys() and continuing >= _CONTINUING:
            return alphabet
    return None


@lru_cache(maxsize=1)
def _gpt2_bytes() -> dict[str, int]:
    """Return the byte of each character of byte-level BPE (Radford et al. 2019, GPT-2).

    Printable characters of Latin-1 stand for themselves, the other bytes for U+0100 and up.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


@lru_cache(maxsize=1)
def _icefall_bytes() -> dict[str, int]:
    """Return the byte of each character of icefall's byte-level BPE (fairseq's alphabet).

    Printable ASCII stands for itself, the other bytes for those characters from U+0100 on that
    NFKC leaves as they are.
    """
    stable = (c for c in map(chr, count(0x100)) if unicodedata.normalize("NFKC", c) == c)
    return {chr(b) if 0x20 <= b < 0x7F else next(stable): b for b in range(256)}


def _bytes_of(piece: str, alphabet: Mapping[str, int], place: int) -> str:
    try:
        codes = [alphabet[c] for c in piece]
    except KeyError as error:
        raise DecodingError(
            f"Label {place} has {error.args[0]!r}, which byte-level pieces cannot have.",
            "Give word_boundary if the pieces are not byte-level.",
        ) from None
    return "".join(chr(code if code < 128 else _HIGH + code) for code in codes)


_MARKS = {
    WORD_MARK: "words start with '▁'",
    _CONTINUED: "words continue with '##'",
    _BYTE_SPACE: "words start with 'Ġ'",
    "": "nothing marks word boundaries",
}


def _summary(
    labels: Sequence[str],
    blank: int,
    mark: str,
    *,
    hidden: Sequence[int],
    bytewise: bool,
    n_repeats: int,
) -> str:
    listed = repr(labels[blank]) if blank < len(labels) else "not listed, behind the last label"
    parts = [
        f"{max(len(labels), blank + 1)} outputs",
        f"blank: {blank} ({listed})",
        _MARKS.get(mark, f"{mark!r} stands between words"),
    ]
    if bytewise:
        parts.append("pieces are bytes of UTF-8")
    if hidden:
        shown = ", ".join(f"{labels[i]!r} ({i})" for i in hidden[:6])
        parts.append(f"never text: {shown}" + (f" and {len(hidden) - 6} more" * (len(hidden) > 6)))
    if n_repeats:
        parts.append(f"{n_repeats} outputs spell what another one does and are added to it")
    return "; ".join(parts) + "."
