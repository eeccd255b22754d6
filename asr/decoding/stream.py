"""Decode an utterance in chunks, while its audio arrives. T frames, V vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.search import Compiled, SearchSpace
from asr.decoding.types import Hypothesis
from asr.errors import DecodingError

__all__ = ["GreedyStream", "Stream"]


class Stream:
    """Beam search of one utterance in chunks; :meth:`asr.decoding.BeamDecoder.stream` makes it.

    The final hypotheses do not depend on the chunks: they equal those of the whole utterance. The
    log-probabilities are kept until the end (4 T V bytes), because word times and confidences come
    from the best alignment of the final text. So split long audio into utterances.

    Example:
        >>> stream = decoder.stream()  # doctest: +SKIP
        >>> for chunk in chunks:  # doctest: +SKIP
        ...     print(stream.push(chunk).text)
        >>> best = stream.finish()[0]  # doctest: +SKIP
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._space: SearchSpace | None = SearchSpace(compiled)
        self._frames: list[npt.NDArray[np.float32]] = []

    def push(self, log_probs: Any, *, kind: str = "log_probs") -> Hypothesis:
        """Take the next frames (T, V), zero or more; return the best hypothesis so far.

        Its times are those at which the search first appended each token, and its last word may be
        incomplete.

        Raises:
            DecodingError: see :func:`asr.decoding.inputs.check_log_probs`; or the stream is
                finished.
        """
        space = self._open()
        frames = self._compiled.frames(log_probs, kind=kind, allow_empty=True)
        space.push(frames)
        self._frames.append(frames.copy())
        return space.partial()

    def finish(self) -> list[Hypothesis]:
        """End the utterance; return hypotheses, best first (an empty one if there were no frames).

        Raises:
            DecodingError: the stream is finished already.
        """
        space = self._open()
        self._space = None
        V = len(self._compiled.vocabulary)
        frames = np.concatenate(self._frames) if self._frames else np.zeros((0, V), np.float32)
        return space.finish(frames)

    def _open(self) -> SearchSpace:
        if self._space is None:
            raise DecodingError("The stream is finished.", "Open a new one with decoder.stream().")
        return self._space


class GreedyStream:
    """Best path of one utterance in chunks; :meth:`asr.decoding.GreedyDecoder.stream` makes it.

    Args:
        check: (T, V) and their kind -> log-probabilities of the tokens (T, N).
        decode: log-probabilities of the tokens (T, N) -> the hypothesis.
        num_tokens: N.
    """

    def __init__(
        self,
        check: Callable[[Any, str], npt.NDArray[np.float32]],
        decode: Callable[[npt.NDArray[np.float32]], Hypothesis],
        num_tokens: int,
    ) -> None:
        self._check, self._decode = check, decode
        self._frames = np.zeros((0, num_tokens), np.float32)

    def push(self, log_probs: Any, *, kind: str = "log_probs") -> Hypothesis:
        """Take the next frames (T, V), zero or more; return the hypothesis so far.

        Raises:
            DecodingError: see :func:`asr.decoding.inputs.check_log_probs`.
        """
        self._frames = np.concatenate([self._frames, self._check(log_probs, kind)])
        return self._decode(self._frames)

    def finish(self) -> list[Hypothesis]:
        """End the utterance; return a list of its one hypothesis.

        Raises:
            DecodingError: see :func:`asr.decoding.inputs.check_log_probs`.
        """
        return [self._decode(self._frames)]
