"""cpWER: the word error rate of several speakers whose channels have no names in common.

The words of each speaker are concatenated, and so are those of each channel of the hypothesis; the
assignment of channels to speakers with the fewest errors counts (concatenated minimum-permutation
word error rate, Watanabe et al. 2020, "CHiME-6 Challenge"). Errors of pairs add, so the best
assignment is found without trying every permutation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from asr.errors import DataError, require
from asr.scoring.align import align_words
from asr.scoring.utterances import Transcripts
from asr.text.normalizers import normalize

__all__ = ["CpWer", "cpwer", "score_cpwer"]


@dataclass(frozen=True)
class CpWer:
    """Errors of the best assignment.

    Attributes:
        errors: substitutions, deletions and insertions.
        words: of the references.
        assignment: speaker -> channel, "" for none.
    """

    errors: int
    words: int
    assignment: dict[str, str]

    @property
    def wer(self) -> float:
        """Errors a word of the references; NaN where there are none."""
        return self.errors / self.words if self.words else float("nan")


def cpwer(
    speakers: Mapping[str, str], channels: Mapping[str, str], normalizer: str = "none"
) -> CpWer:
    """Return the errors of a recording.

    Args:
        speakers: name -> what the speaker says, in order of time.
        channels: name -> what was recognised there.
        normalizer: of both, see :mod:`asr.text.normalizers`.

    Raises:
        MissingDependencyError: scipy is not installed.

    Example:
        >>> cpwer({"anna": "a b c", "ben": "d"}, {"0": "d", "1": "a x c"}).errors
        1
    """
    require("scipy", "train")
    from scipy.optimize import linear_sum_assignment

    count = max(len(speakers), len(channels))
    said = [normalize(text, normalizer).split() for text in speakers.values()]
    heard = [normalize(text, normalizer).split() for text in channels.values()]
    said += [[] for _ in range(count - len(said))]
    heard += [[] for _ in range(count - len(heard))]
    edits = align_words([s for s in said for _ in heard], heard * count)
    errors = np.array([len(e) - e.count("=") for e in edits], np.int64).reshape(count, count)
    rows, columns = linear_sum_assignment(errors)
    names = [*channels, *[""] * (count - len(channels))]
    pairs = zip(speakers, (names[column] for column in columns), strict=False)
    return CpWer(int(errors[rows, columns].sum()), sum(map(len, said)), dict(pairs))


def score_cpwer(
    references: Transcripts, hypotheses: Transcripts, normalizer: str = "none"
) -> dict[str, CpWer]:
    """Return the errors of each recording of two files.

    Args:
        references: with recordings and speakers, such as STM.
        hypotheses: with recordings and channels or speakers, such as CTM or STM.
        normalizer: see :func:`cpwer`.

    Raises:
        DataError: a recording is in one of the files only.
    """
    said, heard = _streams(references), _streams(hypotheses)
    if lacking := sorted(said.keys() ^ heard.keys()):
        where = references.path if lacking[0] in said else hypotheses.path
        raise DataError(
            f"The recording {lacking[0]!r} is in {where} alone.",
            "Give files of the same recordings, such as STM and CTM.",
        )
    return {name: cpwer(said[name], heard[name], normalizer) for name in said}


def _streams(transcripts: Transcripts) -> dict[str, dict[str, str]]:
    """Recording -> speaker or channel -> its words, in order of time."""
    streams: dict[str, dict[str, str]] = {}
    for (recording, channel), words in transcripts.words.items():
        streams.setdefault(recording, {})[channel] = " ".join(word.word for word in words)
    if transcripts.words:
        return streams
    for utterance in sorted(transcripts.utterances.values(), key=lambda u: u.start or 0.0):
        own = streams.setdefault(utterance.recording or "", {})
        name = utterance.speaker or utterance.channel or ""
        own[name] = f"{own.get(name, '')} {utterance.text}".strip()
    return streams
