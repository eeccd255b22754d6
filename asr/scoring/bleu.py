"""BLEU and chrF of translations, computed by sacreBLEU.

Papineni et al. 2002; Post 2018. The signature names all settings, so that scores are comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr.errors import ScoringError, require

__all__ = ["Bleu", "score_bleu"]


@dataclass(frozen=True)
class Bleu:
    """Scores of translations against their references.

    Attributes:
        bleu: BLEU, 0 to 100.
        chrf: chrF2, 0 to 100.
        signature: sacreBLEU's signature of the BLEU score.
        sentences: number of sentences.
    """

    bleu: float
    chrf: float
    signature: str
    sentences: int


def score_bleu(
    references: Sequence[str], hypotheses: Sequence[str], lowercase: bool = False
) -> Bleu:
    """Return BLEU and chrF of untokenised translations against one reference each.

    Args:
        references: one per translation.
        hypotheses: the translations, in the same order.
        lowercase: compare in lower case; the signature records it.

    Raises:
        ScoringError: the lists are empty or differ in length.
    """
    if not references or len(references) != len(hypotheses):
        raise ScoringError(
            f"{len(hypotheses)} translations cannot be compared with {len(references)} references.",
            "Give one reference per translation.",
        )
    metrics = require("sacrebleu", "train").metrics
    bleu, chrf = metrics.BLEU(lowercase=lowercase), metrics.CHRF(lowercase=lowercase)
    score = bleu.corpus_score(list(hypotheses), [list(references)]).score
    letters = chrf.corpus_score(list(hypotheses), [list(references)]).score
    return Bleu(float(score), float(letters), str(bleu.get_signature()), len(references))
