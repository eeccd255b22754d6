"""How much of a language model a search can use: the words that its tokens or dictionary spell."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

import numpy as np

from asr.decoding.language_models import AnyModel
from asr.decoding.vocabulary import Vocabulary
from asr.errors import LanguageModelError
from asr.lm.model import SPECIAL_WORDS

__all__ = ["Coverage", "check_coverage", "coverage"]

HARDLY_ANY, NEARLY_ALL = 0.1, 0.95  # of the probability of all words
_CASES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("lower case", str.lower),
    ("capitals", str.upper),
)


@dataclass(frozen=True)
class Coverage:
    """Words of a language model that a search knows.

    Attributes:
        known: so many of them.
        words: of the model, its special ones apart.
        share: of their probability without context, 0 to 1.
        case: letter case in which most of it would be known, empty where none would help.
        example: a word that is not known, empty where all are.
    """

    known: int
    words: int
    share: float
    case: str = ""
    example: str = ""


def coverage(lm: AnyModel, tokens: Vocabulary, lexicon: Container[str] | None) -> Coverage:
    """Return how many words of a model the dictionary knows, or the tokens can spell.

    Args:
        lm: n-gram model of words.
        tokens: of the search.
        lexicon: its dictionary; None where tokens are characters or pieces of words.
    """
    characters = set("".join(tokens.pieces))

    def knows(word: str) -> bool:
        return characters.issuperset(word) if lexicon is None else word in lexicon

    words = [word for word in lm.words if word not in SPECIAL_WORDS]
    weights = np.exp([float(lm.unigrams[lm.ids[word]]) for word in words])
    total = float(weights.sum()) or 1.0
    known = np.fromiter(map(knows, words), np.bool_, len(words))
    share = float(weights[known].sum()) / total
    case = ""
    if share < NEARLY_ALL:
        folded = {
            name: float(weights[[knows(change(word)) for word in words]].sum()) / total
            for name, change in _CASES
        }
        best = max(folded, key=lambda name: folded[name])
        case = best if folded[best] > max(NEARLY_ALL * share, share + 0.1) else ""
    example = next((w for w, is_known in zip(words, known, strict=True) if not is_known), "")
    return Coverage(int(known.sum()), len(words), share, case, example)


def check_coverage(
    lm: AnyModel, name: str, tokens: Vocabulary, lexicon: Container[str] | None
) -> str:
    """Return what is to be said about the words of a model, empty where nearly all are known.

    Args:
        lm: n-gram model of words.
        name: of its file.
        tokens: of the search.
        lexicon: see :func:`coverage`.

    Raises:
        LanguageModelError: hardly any word is known, so that the model cannot help.
    """
    found = coverage(lm, tokens, lexicon)
    if found.share >= NEARLY_ALL:
        return ""
    by = "the dictionary knows" if lexicon is not None else "the tokens can spell"
    said = (
        f"{by} {found.known} of the {found.words} words of the language model {name}, "
        f"{100 * found.share:.0f} % by their frequency; {found.example!r} is one of the others."
    )
    remedy = f"Write the text of the language model in {found.case}." if found.case else ""
    if found.share < HARDLY_ANY:
        more = "Build it from text with the spelling of the model's transcripts."
        raise LanguageModelError(f"{by.capitalize()}{said.removeprefix(by)}", remedy or more)
    return f"{said} {remedy}".strip()
