"""Log-probabilities and perplexity of texts under a model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.kernels import kernel
from asr.lm.corpus import Text, Tokenizer, as_texts
from asr.lm.model import BOS, EOS, UNK, NgramModel
from asr.lm.trie import build_trie, next_nodes

__all__ = ["Perplexity", "Scorer", "perplexity"]


@dataclass(frozen=True)
class Perplexity:
    """Perplexity of a text; sentence ends count as predictions, as in KenLM's ``query``.

    Attributes:
        with_oov: perplexity of all predictions; unknown words score as ``<unk>``.
        without_oov: perplexity without unknown words, which stay in the contexts of others.
        sentences: number of sentences.
        words: number of words, without sentence ends.
        oov: number of words that the model does not know.
        log10_prob: log10 probability of the whole text.
        log10_prob_oov: the part of it that is due to unknown words.
    """

    with_oov: float
    without_oov: float
    sentences: int
    words: int
    oov: int
    log10_prob: float
    log10_prob_oov: float


@kernel
def _score(
    ids: npt.NDArray[np.int32],
    nodes: npt.NDArray[np.int64],
    last_words: npt.NDArray[np.int32],
    first_child: npt.NDArray[np.int64],
    log10_probs: npt.NDArray[np.float32],
    log10_backoffs: npt.NDArray[np.float32],
    out: npt.NDArray[np.float64],
) -> None:
    for i in range(len(ids)):
        word = ids[i]
        out[i] = next_nodes(
            nodes,
            word,
            last_words=last_words,
            first_child=first_child,
            log10_probs=log10_probs,
            log10_backoffs=log10_backoffs,
        )
        if word == EOS:
            nodes[:] = -1
            nodes[:1] = BOS


class Scorer:
    """Scores texts with a model; create it once for many texts.

    Example:
        >>> from asr.lm import estimate
        >>> scorer = Scorer(estimate([["a b", "a c"]], order=2, notify=lambda note: None))
        >>> float(scorer.sentence("a b").sum()) > float(scorer.sentence("b a").sum())
        True
    """

    def __init__(self, model: NgramModel) -> None:
        self.model, self._trie = model, build_trie(model)

    def ids(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Return the log10 probability of each id in (T,).

        A sentence begins at the start and after every ``</s>``.
        """
        nodes = np.full(self.model.order - 1, -1, np.int64)
        nodes[:1] = BOS
        out, t = np.empty(len(ids)), self._trie
        _score(
            ids,
            nodes,
            last_words=t.last_words,
            first_child=t.first_child,
            log10_probs=t.log10_probs,
            log10_backoffs=t.log10_backoffs,
            out=out,
        )
        return out

    def sentence(self, sentence: str) -> npt.NDArray[np.float64]:
        """Return the log10 probability of each word of a sentence, and of its end.

        Unknown words score as ``<unk>``.
        """
        ids = [self.model.ids.get(word, UNK) for word in sentence.split()]
        return self.ids(np.array([*ids, EOS], np.int32))

    def texts(
        self, texts: str | os.PathLike[str] | Sequence[Text], skip_symbols: bool = False
    ) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]]:
        """Yield ids and log10 probabilities of texts, in blocks of whole sentences.

        Raises:
            LanguageModelError: a text cannot be read or holds reserved symbols.
        """
        tokenizer = Tokenizer(self.model.words, skip_symbols)
        for text in as_texts(texts):
            for ids in tokenizer.read(text):
                yield ids, self.ids(ids)


def perplexity(
    model: NgramModel | Scorer,
    texts: str | os.PathLike[str] | Sequence[Text],
    *,
    skip_symbols: bool = False,
) -> Perplexity:
    """Return the perplexity of a model on texts.

    Args:
        model: the model, or a scorer of it.
        texts: a path, or a sequence of paths and iterables of sentences.
        skip_symbols: treat ``<s>``, ``</s>`` and ``<unk>`` in a text as white space.

    Raises:
        LanguageModelError: a text cannot be read or holds reserved symbols, or there is no text.
    """
    scorer = model if isinstance(model, Scorer) else Scorer(model)
    total = total_oov = 0.0
    tokens = sentences = oov = 0
    for ids, scores in scorer.texts(texts, skip_symbols):
        unknown = ids == UNK
        total += float(scores.sum())
        total_oov += float(scores[unknown].sum())
        tokens += len(ids)
        sentences += int((ids == EOS).sum())
        oov += int(unknown.sum())
    if tokens == 0:
        raise LanguageModelError(
            "The text is empty, so it has no perplexity.", "Give text to score."
        )
    known = -(total - total_oov) / (tokens - oov)  # never 0: every sentence has an end
    return Perplexity(
        with_oov=_power(-total / tokens),
        without_oov=_power(known),
        sentences=sentences,
        words=tokens - sentences,
        oov=oov,
        log10_prob=total,
        log10_prob_oov=total_oov,
    )


def _power(exponent: float) -> float:
    return float(10.0**exponent) if exponent < 300 else float("inf")
