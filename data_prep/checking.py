"""Transcripts held against what a recogniser hears: which of them are not what is said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.decoding import GreedyDecoder
from asr.errors import TokenError
from asr.files import atomic_write_text
from asr.scoring import score_texts
from asr.speech.jobs.evaluate import emissions
from asr.speech.loss import ctc_loss
from asr.speech.recognizer import Recognizer
from asr.text.tokenizers import Tokenizer

__all__ = ["CheckedTranscript", "check_transcripts", "write_excluded"]


@dataclass(frozen=True)
class CheckedTranscript:
    """An utterance, and how far its transcript is from what was heard.

    Attributes:
        id: of the utterance.
        text: its transcript.
        heard: what greedy decoding made of the recording.
        error_rate: edits from the transcript's tokens to the heard ones, a token of the transcript;
            NaN where a word cannot be spelled.
        loss: natural log of one over the probability of the transcript (CTC), a token of it;
            infinite where the recording is too short for it, NaN as above.
    """

    id: str
    text: str
    heard: str
    error_rate: float
    loss: float


def check_transcripts(recognizer: Recognizer, split: str | Path) -> list[CheckedTranscript]:
    """Return every unperturbed utterance of a prepared split with its distance from what the model
    hears.

    Args:
        recognizer: a model that runs in torch; words that its dictionary lacks must have been given
            to it.
        split: folder that ``asr prepare`` wrote.

    Raises:
        DataError: the split is missing, or has other features than the model's.
        ModelError: the model runs in ONNX Runtime.
    """
    spoken, tokenizer = emissions(recognizer, split), recognizer.decoders.tokenizer
    decoder = GreedyDecoder(tokenizer.tokens, tokenizer.lexicon)
    checked = []
    for name, text, log_probs in zip(spoken.ids, spoken.texts, spoken.log_probs, strict=True):
        best = decoder(log_probs)[0]
        error_rate, loss = _distance(tokenizer, text, best.tokens, log_probs)
        checked.append(CheckedTranscript(name, text, best.text, error_rate, loss))
    return checked


def _distance(
    tokenizer: Tokenizer, text: str, heard: Sequence[int], log_probs: npt.NDArray[np.float32]
) -> tuple[float, float]:
    try:
        ids = tokenizer.encode(text)
    except TokenError:
        ids = []
    if not ids:
        return math.nan, math.nan
    names = tokenizer.tokens
    score = score_texts(
        [" ".join(names[i] for i in ids)], [" ".join(names[i] for i in heard)], samples=0
    )
    loss = ctc_loss(
        torch.from_numpy(log_probs)[None],
        torch.tensor([len(log_probs)]),
        torch.tensor([ids]),
        torch.tensor([len(ids)]),
    )
    return score.wer, float(loss) / len(ids)


def write_excluded(checked: Iterable[CheckedTranscript], path: str | Path, highest: float) -> int:
    """Write id, error rate, transcript and what was heard of every utterance above an error rate;
    return their number.

    Args:
        checked: see :func:`check_transcripts`.
        path: of the table (TSV with a line of names).
        highest: error rate that is still believed, 0.6 for instance.
    """
    bad = [c for c in checked if c.error_rate > highest]
    rows = [
        f"{c.id}\t{c.error_rate:.2f}\t{c.text}\t{c.heard}\n"
        for c in sorted(bad, key=lambda c: c.id)
    ]
    atomic_write_text(Path(path), "id\terror_rate\ttranscript\theard\n" + "".join(rows))
    return len(bad)
