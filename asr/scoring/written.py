"""How well text is written: word error rates with capitals and marks, and each mark by itself.

After Meister et al. 2023, "LibriSpeech-PC": the error rate of words in lower case without marks, of
words as they are spelled, of words and marks, of both, and of marks alone. Words are aligned
without looking at capitals and marks; a mark is right if it follows the same word on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any

from asr.lines import nfc
from asr.scoring.align import align_words, steps
from asr.scoring.pairing import Pair
from asr.scoring.result import Score, score_texts
from asr.text.chinese import is_ideograph

__all__ = ["MarkScore", "WrittenScore", "score_written", "written_words"]

MARKS = ",.?!;:"
CAPITAL = "capital"
_FULL_WIDTH = str.maketrans(
    {"。": ". ", "，": ", ", "、": ", ", "？": "? ", "！": "! ", "；": "; ", "：": ": "}
)
_NO_WORD = MARKS + "…\"“”„«»‘’'()[]{}（）《》「」『』【】<>-–—*"  # around a word

Word = tuple[str, str]
"""A word and the mark behind it, empty for none."""


@dataclass(frozen=True)
class MarkScore:
    """Counts of a mark, or of capitals.

    Attributes:
        reference: how often it is in the references.
        hypothesis: how often it is in the hypotheses.
        hits: how often it is in both at the same word.
    """

    reference: int
    hypothesis: int
    hits: int

    @property
    def precision(self) -> float:
        """Share of those in the hypotheses that are right; 0 without any."""
        return self.hits / self.hypothesis if self.hypothesis else 0.0

    @property
    def recall(self) -> float:
        """Share of those in the references that were found; 0 without any."""
        return self.hits / self.reference if self.reference else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 without any."""
        total = self.reference + self.hypothesis
        return 2 * self.hits / total if total else 0.0


@dataclass(frozen=True)
class WrittenScore:
    """Scores of written text.

    Attributes:
        rates: ``plain``, ``cased``, ``marked`` and ``written`` (cased and marked) error rates;
            in the latter two a mark is a word.
        marks: mark, or ``capital`` -> its counts.
        mark_errors: marks of the references that are missing or another one, and further ones.
    """

    rates: dict[str, Score]
    marks: dict[str, MarkScore]
    mark_errors: int

    @property
    def mark_error_rate(self) -> float:
        """Errors of marks a mark of the references; NaN where these have none."""
        count = sum(score.reference for name, score in self.marks.items() if name != CAPITAL)
        return self.mark_errors / count if count else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Return all figures, ready for ``json.dumps``; rates are fractions."""
        rate = self.mark_error_rate
        return {
            "rates": {name: score.to_json() for name, score in self.rates.items()},
            "mark_error_rate": rate if rate == rate else None,
            "marks": {
                name: {
                    "reference": score.reference,
                    "hypothesis": score.hypothesis,
                    "precision": score.precision,
                    "recall": score.recall,
                    "f1": score.f1,
                }
                for name, score in self.marks.items()
            },
        }


def written_words(text: str) -> list[Word]:
    """Return the words of a text with the marks behind them; Chinese characters are words.

    Quotes, brackets and dashes are left out; of several marks in a row the first counts.

    Example:
        >>> written_words('"Well," she said -- 3.5 %?')
        [('Well', ','), ('she', ''), ('said', ''), ('3.5', ''), ('%', '?')]
    """
    spaced = "".join(f" {c} " if is_ideograph(c) else c for c in nfc(text).translate(_FULL_WIDTH))
    words: list[Word] = []
    for token in spaced.split():
        word = token.strip(_NO_WORD)
        behind = token[token.rindex(word) + len(word) :] if word else token
        mark = next((c for c in behind if c in MARKS), "")
        if word:
            words.append((word, mark))
        elif mark and words and not words[-1][1]:
            words[-1] = words[-1][0], mark
    return words


_FORMS: dict[str, Callable[[str, str], str]] = {
    "plain": lambda word, mark: word.lower(),
    "cased": lambda word, mark: word,
    "marked": lambda word, mark: f"{word.lower()} {mark}",
    "written": lambda word, mark: f"{word} {mark}",
}


def score_written(
    pairs: Sequence[Pair], aligner: str = "jiwer", samples: int = 2000
) -> WrittenScore:
    """Return the scores of written text.

    Args:
        pairs: of :func:`asr.scoring.pair`, as people write: no normaliser is applied.
        aligner: see :func:`asr.scoring.align.align_words`.
        samples: of the bootstrap for the intervals of the error rates; 0: none.

    Raises:
        ScoringError: there are no references, or no such aligner.

    Example:
        >>> from asr.scoring import Pair, Utterance
        >>> score = score_written([Pair(Utterance("1", "Yes, sir."), "yes, Sir")])
        >>> score.rates["plain"].wer, score.rates["cased"].wer, score.marks["."].recall
        (0.0, 1.0, 0.0)
    """
    said = [written_words(pair.reference.text) for pair in pairs]
    heard = [written_words(pair.hypothesis) for pair in pairs]
    rates = {}
    for name, form in _FORMS.items():
        left, right = ([" ".join(starmap(form, words)) for words in side] for side in (said, heard))
        rates[name] = score_texts(left, right, aligner=aligner, samples=samples)
    return WrittenScore(rates, *_mark_scores(said, heard, aligner))


def _mark_scores(
    references: Sequence[list[Word]], hypotheses: Sequence[list[Word]], aligner: str
) -> tuple[dict[str, MarkScore], int]:
    """Return the counts of each mark and of capitals, and how many errors of marks there are."""
    said, heard, both = Counter[str](), Counter[str](), Counter[str]()
    errors = 0
    lower = [[[w.lower() for w, _ in words] for words in side] for side in (references, hypotheses)]
    for edits, left, right in zip(
        align_words(lower[0], lower[1], aligner), references, hypotheses, strict=True
    ):
        joined = list(map(" ".join, left)), list(map(" ".join, right))
        for _, ours, theirs in steps(edits, *joined):
            is_there, is_heard = _signs(ours), _signs(theirs)
            said.update(is_there)
            heard.update(is_heard)
            both.update(is_there & is_heard)
            errors += {*is_there} - {CAPITAL} != {*is_heard} - {CAPITAL}
    names = [*(mark for mark in MARKS if said[mark] or heard[mark]), CAPITAL]
    return {name: MarkScore(said[name], heard[name], both[name]) for name in names}, errors


def _signs(written: str) -> set[str]:
    """Return the mark behind a word, and whether it has a capital."""
    word, _, mark = written.partition(" ")
    return {sign for sign, is_there in ((mark, mark), (CAPITAL, word != word.lower())) if is_there}
