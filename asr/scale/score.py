"""Scoring on Ray: workers align utterances, this process sums the counts; results are equal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from asr.errors import ScoringError
from asr.progress import ProgressBar
from asr.scale.cluster import LostError, connected, run_pieces, share_out
from asr.scoring.pairing import Pair
from asr.scoring.result import Score, UtteranceScore, score_utterances, sum_up

__all__ = ["score_on_ray"]

MOST_UTTERANCES = 2000  # in a piece

Numbered = tuple[int, Pair]


def score_on_ray(
    pairs: Sequence[Pair],
    address: str,
    *,
    normalizer: str = "none",
    aligner: str = "jiwer",
    samples: int = 2000,
    seed: int = 0,
    workers: int = 0,
) -> Score:
    """Return what :func:`asr.scoring.score_pairs` returns, computed on a cluster.

    Args:
        pairs: see :func:`asr.scoring.score_pairs`.
        address: see :func:`asr.scale.cluster.connected`.
        normalizer: see :func:`asr.scoring.score_pairs`.
        aligner: see :func:`asr.scoring.score_pairs`.
        samples: see :func:`asr.scoring.score_pairs`.
        seed: see :func:`asr.scoring.score_pairs`.
        workers: processes of a local cluster (0: one per core).

    Raises:
        ScoringError: see :func:`asr.scoring.score_pairs`; or workers died on an utterance.
        ConfigError: there is no cluster at ``address``.
    """
    # Unknown names are refused here instead of in every worker.
    score_utterances(pairs[:1], normalizer, aligner)
    scored: dict[int, UtteranceScore] = {}
    if pairs:
        with connected(address, workers) as processors, ProgressBar("scoring", len(pairs)) as bar:
            pieces = share_out(list(enumerate(pairs)), processors, MOST_UTTERANCES)
            for piece, result in run_pieces(partial(score_piece, normalizer, aligner), pieces):
                if isinstance(result, LostError):
                    raise ScoringError(
                        f"{piece[0][1].reference.id} cannot be scored: {result}.", "Leave it out."
                    )
                scored |= result
                bar.advance(len(piece))
    return sum_up(
        [scored[number] for number in range(len(pairs))], normalizer, aligner, samples, seed
    )


def score_piece(
    normalizer: str, aligner: str, piece: Sequence[Numbered]
) -> dict[int, UtteranceScore]:
    """Return the scores of numbered pairs. Runs in a worker."""
    scores = score_utterances([item for _, item in piece], normalizer, aligner)
    return {number: score for (number, _), score in zip(piece, scores, strict=True)}
