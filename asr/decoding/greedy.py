"""Best-path (greedy) decoding: take the best token of every frame, merge repeats, drop blanks.

Graves et al. 2006, "Connectionist Temporal Classification", section 3.2. T frames, V vocabulary, L
tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from asr.decoding.inputs import check_log_probs
from asr.decoding.sounds import Sounds, Speller, written
from asr.decoding.stream import GreedyStream
from asr.decoding.types import Hypothesis
from asr.decoding.vocabulary import BLANK_ID, Vocabulary, word_spans

__all__ = ["GreedyDecoder", "greedy"]


class GreedyDecoder:
    """Best-path decoder with the calling convention of :class:`asr.decoding.BeamDecoder`.

    Args:
        tokens: V token strings, the blank first (see :class:`asr.decoding.vocabulary.Vocabulary`).
        lexicon: if tokens are phones, word -> its pronunciations. Among words that sound alike the
            first one is taken; a sound that no word has is written as its phones.

    Example:
        >>> import numpy as np
        >>> decoder = GreedyDecoder(["<blank>", "▁", "h", "i"])
        >>> probs = np.full((4, 4), 0.02)
        >>> probs[[0, 1, 2, 3], [2, 2, 0, 3]] = 0.94
        >>> decoder(np.log(probs))[0].text
        'hi'
    """

    def __init__(
        self, tokens: Sequence[str], lexicon: Mapping[str, Sequence[Sequence[str]]] | None = None
    ) -> None:
        self.vocabulary = self._vocabulary = Vocabulary(tokens)
        self._speller: Speller | None = None
        if lexicon is not None:
            self._speller = Speller(Sounds.of(lexicon, self.vocabulary))
            self._vocabulary = self._speller.sounds.vocabulary

    @overload
    def __call__(self, log_probs: npt.NDArray[Any]) -> list[Hypothesis]: ...
    @overload
    def __call__(self, log_probs: Sequence[npt.NDArray[Any]]) -> list[list[Hypothesis]]: ...
    def __call__(
        self, log_probs: npt.NDArray[Any] | Sequence[npt.NDArray[Any]]
    ) -> list[Hypothesis] | list[list[Hypothesis]]:
        """Return a list of one hypothesis for an array (T, V), a list of such lists for a list.

        Raises:
            DecodingError: see :func:`asr.decoding.inputs.check_log_probs`.
        """
        if isinstance(log_probs, (list, tuple)):
            return [[self._one(item)] for item in log_probs]
        return [self._one(log_probs)]

    def stream(self) -> GreedyStream:
        """Return a stream, which decodes an utterance in chunks."""
        return GreedyStream(partial(self._one, allow_empty=True), len(self.vocabulary))

    def _one(self, log_probs: Any, allow_empty: bool = False) -> Hypothesis:
        frames = check_log_probs(log_probs, len(self.vocabulary), allow_empty=allow_empty)
        return _best_path(frames, lambda ids: written(self._vocabulary.groups(ids), self._speller))


def greedy(log_probs: npt.NDArray[Any], tokens: Sequence[str]) -> Hypothesis:
    """Return the best-path hypothesis of ``log_probs`` (T, V); see :class:`GreedyDecoder`."""
    return GreedyDecoder(tokens)(log_probs)[0]


def _best_path(
    log_probs: npt.NDArray[np.float32],
    words_of: Callable[[Sequence[int]], list[tuple[str, list[int]]]],
) -> Hypothesis:
    path = log_probs.argmax(axis=1)
    best = log_probs.max(axis=1)
    starts = np.flatnonzero(np.diff(path, prepend=-1))  # first frame of every run of equal tokens
    ends = np.append(starts[1:], len(path))
    peaks = np.maximum.reduceat(best, starts)
    spoken = path[starts] != BLANK_ID
    starts, ends, peaks = starts[spoken], ends[spoken], peaks[spoken]
    tokens = tuple(int(token) for token in path[starts])
    confidences = np.exp(np.minimum(peaks.astype(np.float64), 0.0))
    score = float(best.sum(dtype=np.float64))
    words = words_of(tokens)
    return Hypothesis(
        text=" ".join(word for word, _ in words),
        score=score,
        acoustic_score=score,
        lm_score=0.0,
        tokens=tokens,
        token_frames=tuple(int(frame) for frame in starts),
        words=word_spans(words, starts.tolist(), ends.tolist(), confidences.tolist()),
    )
