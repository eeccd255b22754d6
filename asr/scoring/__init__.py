"""Scoring: error rates with confidence intervals, tables, alignments and significance tests.

>>> from asr.scoring import score_texts
>>> result = score_texts(["the cat sat"], ["the cat sang"])
>>> round(result.wer, 3), result.substitutions
(0.333, 1)
"""

from __future__ import annotations

from asr.scoring.intervals import Interval
from asr.scoring.pairing import Pair, pair, with_speakers
from asr.scoring.result import Score, UtteranceScore, score_pairs, score_texts
from asr.scoring.significance import (
    Comparison,
    MatchedPairs,
    PairedBootstrap,
    compare_pairs,
    matched_pairs,
)
from asr.scoring.tables import Confusion, GroupScore, by_length, by_speaker, confusions
from asr.scoring.transcripts import FORMATS, Transcripts, Utterance, read_speakers, read_transcripts

__all__ = [
    "FORMATS",
    "Comparison",
    "Confusion",
    "GroupScore",
    "Interval",
    "MatchedPairs",
    "Pair",
    "PairedBootstrap",
    "Score",
    "Transcripts",
    "Utterance",
    "UtteranceScore",
    "by_length",
    "by_speaker",
    "compare_pairs",
    "confusions",
    "matched_pairs",
    "pair",
    "read_speakers",
    "read_transcripts",
    "score_pairs",
    "score_texts",
    "with_speakers",
]
