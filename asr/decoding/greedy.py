"""Best-path (greedy) decoding: take the best token of every frame, merge repeats, drop blanks.

Graves et al. 2006, "Connectionist Temporal Classification", section 3.2. T frames, V vocabulary, L
tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from asr.decoding.inputs import check_log_probs, utterances
from asr.decoding.sounds import Sounds, Speller, written
from asr.decoding.stream import GreedyStream
from asr.decoding.types import Hypothesis
from asr.decoding.vocabulary import BLANK_ID, Vocabulary, word_spans

__all__ = ["GreedyDecoder", "greedy"]


class GreedyDecoder:
    """Best-path decoder with the calling convention of :class:`asr.decoding.BeamDecoder`.

    Args:
        tokens: N token strings, the blank first, or a vocabulary; those of other toolkits' models
            are read by :meth:`asr.decoding.vocabulary.Vocabulary.read`.
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
        self,
        tokens: Sequence[str] | Vocabulary,
        lexicon: Mapping[str, Sequence[Sequence[str]]] | None = None,
    ) -> None:
        self.vocabulary = self._vocabulary = Vocabulary.of(tokens)
        self._speller: Speller | None = None
        if lexicon is not None:
            self._speller = Speller(Sounds.of(lexicon, self.vocabulary))
            self._vocabulary = self._speller.sounds.vocabulary

    @overload
    def __call__(self, log_probs: npt.NDArray[Any], *, kind: str = ...) -> list[Hypothesis]: ...
    @overload
    def __call__(
        self,
        log_probs: Sequence[npt.NDArray[Any]],
        *,
        kind: str = ...,
        lengths: Any = ...,
        mask: Any = ...,
    ) -> list[list[Hypothesis]]: ...
    def __call__(
        self,
        log_probs: npt.NDArray[Any] | Sequence[npt.NDArray[Any]],
        *,
        kind: str = "log_probs",
        lengths: Any = None,
        mask: Any = None,
    ) -> list[Hypothesis] | list[list[Hypothesis]]:
        """Return a list of one hypothesis for an array (T, V), a list of such lists for a batch.

        The arguments are those of :meth:`asr.decoding.BeamDecoder.__call__`.

        Raises:
            DecodingError: see :func:`asr.decoding.inputs.check_log_probs` and
                :func:`asr.decoding.inputs.utterances`.
        """
        batch = utterances(log_probs, lengths, mask)
        if batch is None:
            return [self._best(self._frames(log_probs, kind))]
        return [[self._best(self._frames(item, kind))] for item in batch]

    def stream(self) -> GreedyStream:
        """Return a stream, which decodes an utterance in chunks."""
        check = partial(self._frames, allow_empty=True)
        return GreedyStream(check, self._best, len(self.vocabulary))

    def _frames(
        self, log_probs: Any, kind: str, allow_empty: bool = False
    ) -> npt.NDArray[np.float32]:
        size = self.vocabulary.size
        checked = check_log_probs(log_probs, size, kind=kind, allow_empty=allow_empty)
        return self.vocabulary.arrange(checked)

    def _best(self, frames: npt.NDArray[np.float32]) -> Hypothesis:
        best = _best_path(frames, lambda ids: written(self._vocabulary.groups(ids), self._speller))
        return replace(best, tokens=self.vocabulary.outputs(best.tokens))


def greedy(log_probs: npt.NDArray[Any], tokens: Sequence[str] | Vocabulary) -> Hypothesis:
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
