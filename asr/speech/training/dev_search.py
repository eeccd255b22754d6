"""The dev split decoded with a language model after every epoch, to choose the weights by.

Greedy errors say little of a network trained by CTC-CRF: they rise while the word error rate with a
language model falls.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.decoding import BeamDecoder, load_lm
from asr.decoding.coverage import check_coverage
from asr.decoding.settings import WIDE_BEAM, Settings, with_numbers
from asr.decoding.vocabulary import Vocabulary
from asr.speech.data.store import FeatureStore
from asr.text.tokenizers import Tokenizer

__all__ = ["DevSearch"]


class DevSearch:
    """Word error rate of a beam search on some utterances of a split, evenly spread over it.

    Args:
        store: the split.
        tokenizer: of the network.
        lm: n-gram of words, path.
        lm_alpha: its weight.
        lm_beta: bonus a word.
        num_utterances: how many, 0 for all.
        threads: of the search.

    Attributes:
        ids: names of the utterances.
    """

    def __init__(
        self,
        store: FeatureStore,
        tokenizer: Tokenizer,
        lm: str,
        lm_alpha: float = 1.0,
        lm_beta: float = 0.5,
        num_utterances: int = 0,
        threads: int = 1,
    ) -> None:
        plain = sorted(
            name for name, speed in zip(store.ids, store.speeds, strict=True) if speed == 1.0
        )
        number = min(num_utterances or len(plain), len(plain))
        self.ids = frozenset(plain[i] for i in np.linspace(0, len(plain) - 1, number).astype(int))
        self.references = {
            name: text
            for name, text in zip(store.ids, store.texts, strict=True)
            if name in self.ids
        }
        model = load_lm(lm)
        tokens, lexicon = Vocabulary(tokenizer.tokens), tokenizer.lexicon
        if note := check_coverage(model, Path(lm).name, tokens, lexicon):
            print(f"note: {note}", file=sys.stderr)
        self.decoder = BeamDecoder(
            tokenizer.tokens,
            lm=model,
            lexicon=tokenizer.lexicon,
            settings=with_numbers(
                Settings(lm_alpha=lm_alpha, lm_beta=lm_beta),
                {} if tokenizer.lexicon is None else WIDE_BEAM,
            ),
            threads=threads,
        )

    def wer(self, log_probs: Mapping[str, npt.NDArray[np.float32]]) -> float:
        """Return the word error rate of log_probs (T', V) of all of ``ids``."""
        from asr.scoring import score_texts

        names = sorted(self.ids)
        texts = [
            hypotheses[0].text for hypotheses in self.decoder([log_probs[name] for name in names])
        ]
        return score_texts([self.references[name] for name in names], texts, samples=0).wer
