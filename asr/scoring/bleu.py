"""BLEU (Papineni et al.

2002) as sacreBLEU computes it (Post 2018), with the signature that makes it comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asr.errors import ScoringError, require

__all__ = ["Bleu", "score_bleu"]


@dataclass(frozen=True)
class Bleu:
    """How near translations are to their references.

    Attributes:
        bleu: 0 to 100.
        chrf: chrF2, 0 to 100.
        signature: sacreBLEU's, of the BLEU.
        sentences: how many.
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
        references: in the same order.
        hypotheses: in the same order.
        lowercase: compare in lower case; the signature says so.

    Raises:
        ScoringError: there are none, or not as many of one as of the other.
    """
    if not references or len(references) != len(hypotheses):
        raise ScoringError(
            f"{len(hypotheses)} translations cannot be compared with {len(references)} references.",
            "Give one reference a translation.",
        )
    metrics = require("sacrebleu", "train").metrics
    bleu, chrf = metrics.BLEU(lowercase=lowercase), metrics.CHRF(lowercase=lowercase)
    score = bleu.corpus_score(list(hypotheses), [list(references)]).score
    letters = chrf.corpus_score(list(hypotheses), [list(references)]).score
    return Bleu(float(score), float(letters), str(bleu.get_signature()), len(references))
