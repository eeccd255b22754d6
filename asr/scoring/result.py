"""Word and character error rates, with their counts and confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from asr.errors import ScoringError
from asr.scoring.align import align_characters, align_words, steps
from asr.scoring.intervals import Interval, groups_of, resample
from asr.scoring.pairing import Pair
from asr.scoring.utterances import Utterance
from asr.text.chinese import join_words
from asr.text.normalizers import CHINESE, get_normalizer

__all__ = ["Score", "UtteranceScore", "score_pairs", "score_texts", "score_utterances", "sum_up"]


@dataclass(frozen=True)
class UtteranceScore:
    """Score of one utterance, after normalisation.

    Attributes:
        id: of the utterance.
        reference: words of the reference.
        hypothesis: words of the hypothesis.
        edits: the alignment, see `asr.scoring.align`.
        characters: number of characters in the reference.
        character_errors: errors of the best alignment of characters.
        source: the reference with speaker, times and audio, if known.
    """

    id: str
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]
    edits: str
    characters: int
    character_errors: int
    source: Utterance

    @cached_property
    def errors(self) -> int:
        return len(self.edits) - self.edits.count("=")

    @property
    def speaker(self) -> str | None:
        return self.source.speaker

    def steps(self) -> list[tuple[str, str, str]]:
        """Return (edit, reference word, hypothesis word) in order; a missing word is empty."""
        return list(steps(self.edits, self.reference, self.hypothesis))


@dataclass(frozen=True)
class Score:
    """Error rates of a corpus: counts are summed over utterances, rates are never averaged.

    Attributes:
        wer: (substitutions + deletions + insertions) / words, a fraction; if the references have no
            words, the number of insertions, as in jiwer.
        cer: the same for characters, with single spaces between words (none between Chinese
            characters, and none at all with the normalisers ``chinese`` and ``mandarin``).
        words: number of words in the references.
        substitutions: number of substituted words.
        deletions: number of deleted words.
        insertions: number of inserted words.
        hits: number of correct words.
        sentences: number of utterances.
        sentence_errors: number of utterances with at least one error.
        characters: number of characters in the references.
        character_errors: number of errors of characters.
        normalizer: name of the normaliser.
        aligner: ``jiwer`` or ``sclite``.
        wer_interval: 95 % interval; None if there is no error or only one utterance.
        cer_interval: the same for characters.
        utterances: score of each utterance, in the order of the references.
    """

    wer: float
    cer: float
    words: int
    substitutions: int
    deletions: int
    insertions: int
    hits: int
    sentences: int
    sentence_errors: int
    characters: int
    character_errors: int
    normalizer: str
    aligner: str
    wer_interval: Interval | None
    cer_interval: Interval | None
    utterances: tuple[UtteranceScore, ...]

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def sentence_error_rate(self) -> float:
        return self.sentence_errors / self.sentences

    def to_json(self) -> dict[str, Any]:
        """Return everything but the utterances, ready for `json.dumps`; rates are fractions."""
        keys = (
            "wer",
            "cer",
            "words",
            "substitutions",
            "deletions",
            "insertions",
            "hits",
            "sentences",
            "sentence_errors",
        )
        out: dict[str, Any] = {key: getattr(self, key) for key in keys}
        out |= {"sentence_error_rate": self.sentence_error_rate, "characters": self.characters}
        out |= {
            "character_errors": self.character_errors,
            "normalizer": self.normalizer,
            "aligner": self.aligner,
        }
        for key in ("wer_interval", "cer_interval"):
            interval = getattr(self, key)
            out[key] = None if interval is None else asdict(interval)
        return out


def score_texts(
    references: Mapping[str, str] | Sequence[str],
    hypotheses: Mapping[str, str] | Sequence[str],
    *,
    normalizer: str = "none",
    speakers: Mapping[str, str] | None = None,
    aligner: str = "jiwer",
    samples: int = 2000,
    seed: int = 0,
) -> Score:
    """Score texts in memory.

    Args:
        references: texts, or id -> text.
        hypotheses: in the same form, with the same number of texts or the same ids.
        normalizer: a key of `asr.text.NORMALIZERS`, applied to both sides.
        speakers: id -> speaker; from 20 speakers on the intervals are by speaker.
        aligner: ``jiwer`` or ``sclite``, see `asr.scoring.align.align_words`.
        samples: number of bootstrap samples; 0: no intervals.
        seed: of the bootstrap.

    Raises:
        ScoringError: counts or ids differ, or there are no references.

    Example:
        >>> score_texts(["the cat sat"], ["the cat"]).deletions
        1
    """
    left, right = _by_id(references), _by_id(hypotheses)
    if left.keys() != right.keys():
        only = sorted(left.keys() ^ right.keys())[:5]
        raise ScoringError(
            f"There are {len(left)} references and {len(right)} hypotheses; on one side only: "
            f"{', '.join(only)}.",
            "Both sides need the same utterances.",
        )
    named = speakers or {}
    pairs = [Pair(Utterance(key, text, named.get(key)), right[key]) for key, text in left.items()]
    return score_pairs(pairs, normalizer=normalizer, aligner=aligner, samples=samples, seed=seed)


def _by_id(texts: Mapping[str, str] | Sequence[str]) -> dict[str, str]:
    if isinstance(texts, str):
        raise ScoringError(
            "A single text was given where a list of texts was needed.", "Put it in a list."
        )
    return (
        dict(texts)
        if isinstance(texts, Mapping)
        else {str(n): text for n, text in enumerate(texts, 1)}
    )


def score_pairs(
    pairs: Sequence[Pair],
    *,
    normalizer: str = "none",
    aligner: str = "jiwer",
    samples: int = 2000,
    seed: int = 0,
) -> Score:
    """Score the pairs of `asr.scoring.pairing.pair`; arguments and errors as in `score_texts`."""
    return sum_up(score_utterances(pairs, normalizer, aligner), normalizer, aligner, samples, seed)


def sum_up(
    utterances: Sequence[UtteranceScore],
    normalizer: str,
    aligner: str,
    samples: int = 2000,
    seed: int = 0,
) -> Score:
    """Return the score of a corpus from scored utterances; arguments as in `score_texts`."""
    if not utterances:
        raise ScoringError(
            "There are no references to score against.", "Give at least one utterance."
        )
    edits = "".join(u.edits for u in utterances)
    hits, substitutions, deletions, insertions = (edits.count(code) for code in "=SDI")
    words = hits + substitutions + deletions
    characters = sum(u.characters for u in utterances)
    character_errors = sum(u.character_errors for u in utterances)
    result = Score(
        wer=(substitutions + deletions + insertions) / (words or 1),
        cer=character_errors / (characters or 1),
        words=words,
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        hits=hits,
        sentences=len(utterances),
        sentence_errors=sum(u.errors > 0 for u in utterances),
        characters=characters,
        character_errors=character_errors,
        normalizer=normalizer,
        aligner=aligner,
        wer_interval=None,
        cer_interval=None,
        utterances=tuple(utterances),
    )
    return _with_intervals(result, samples, seed) if samples else result


def score_utterances(
    pairs: Sequence[Pair], normalizer: str, aligner: str
) -> tuple[UtteranceScore, ...]:
    """Return the score of each pair; it does not depend on other pairs."""
    normalise = get_normalizer(normalizer)
    references = [normalise(p.reference.text) for p in pairs]
    hypotheses = [normalise(p.hypothesis) for p in pairs]
    left, right = [text.split() for text in references], [text.split() for text in hypotheses]
    # Chinese texts have no spaces: those that part characters are no characters of the text.
    joined = "".join if normalizer in CHINESE else join_words
    left_text, right_text = [joined(words) for words in left], [joined(words) for words in right]
    word_edits = align_words(left, right, aligner)
    character_edits = align_characters(left_text, right_text)
    return tuple(
        UtteranceScore(
            id=p.reference.id,
            reference=tuple(a),
            hypothesis=tuple(b),
            edits=edits,
            characters=len(text),
            character_errors=len(chars) - chars.count("="),
            source=p.reference,
        )
        for p, a, b, edits, text, chars in zip(
            pairs, left, right, word_edits, left_text, character_edits, strict=True
        )
    )


def _with_intervals(result: Score, samples: int, seed: int) -> Score:
    utterances = result.utterances
    groups, unit = groups_of([u.speaker for u in utterances])
    counts = np.array(
        [[u.errors, len(u.reference), u.character_errors, u.characters] for u in utterances], float
    )
    sums = np.zeros((int(groups.max()) + 1, 4))
    np.add.at(sums, groups, counts)
    intervals: list[Interval | None] = []
    for column in (0, 2):
        bootstrap = resample(sums[:, column], sums[:, column + 1], samples, seed)
        if bootstrap is None:
            intervals.append(None)
            continue
        low, high = max(0.0, bootstrap.low), max(0.0, bootstrap.high)
        intervals.append(Interval(low, high, unit, len(sums), bootstrap.method))
    return replace(result, wer_interval=intervals[0], cer_interval=intervals[1])
