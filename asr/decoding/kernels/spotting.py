"""Search phrases in the log-probabilities of a CTC network, frame by frame.

A path through a phrase may begin at every frame. Each frame of it scores the log-probability of its
token (or blank) minus that of the frame's best token, so a path that is as good as any other text
scores 0, and all others less. The score of a phrase is that of its best path (Viterbi) divided by
the number of its tokens. One row of scores is carried from frame to frame, so audio may come in
pieces. T frames, V vocabulary, P phrases; states of all phrases are in one array, first a blank,
then token and blank in turn, as in CTC.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


class Phrases(NamedTuple):
    """The states of phrases; phrase p has those from ``first[p]`` up to ``first[p + 1]``."""

    tokens: I32  # of each state; 0: the blank
    first: I64  # (P + 1,)


@kernel(error_model="numpy", _nrt=False)
def advance(
    log_probs: F32, phrases: Phrases, carried: tuple[F64, I64], frame: int, out: tuple[F64, I64]
) -> None:
    """Search the frames of ``log_probs`` (T, V).

    Args:
        log_probs: of the frames.
        phrases: what is searched.
        carried: score of the best path into each state, and the frame at which it began; changed.
        frame: number of the first frame.
        out: filled with the score of each phrase that ends at a frame, (T, P), and the frame at
            which it began.
    """
    scores, begins = carried
    ends, starts = out
    for t in range(len(log_probs)):
        best = log_probs[t, 0]
        for v in range(1, log_probs.shape[1]):
            best = max(best, log_probs[t, v])
        for p in range(len(phrases.first) - 1):
            low, high = phrases.first[p], phrases.first[p + 1]
            for s in range(high - 1, low, -1):  # downwards: one row is enough
                score, begin = scores[s], begins[s]
                if scores[s - 1] > score:
                    score, begin = scores[s - 1], begins[s - 1]
                token = phrases.tokens[s]
                skips = token != 0 and s - 2 > low and token != phrases.tokens[s - 2]
                if skips and scores[s - 2] > score:
                    score, begin = scores[s - 2], begins[s - 2]
                if s == low + 1 and score < 0.0:  # the first token: a path may begin here
                    score, begin = 0.0, frame + t
                scores[s] = score + log_probs[t, token] - best
                begins[s] = begin
            # the last token, before any blank: that is where the phrase ends
            ends[t, p] = scores[high - 1] / ((high - low) // 2)
            starts[t, p] = begins[high - 1]
