"""The Mandarin recipe's n-gram model of characters: transcripts and texts, mixed and pruned."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from asr.lm import (
    NgramModel,
    estimate,
    interpolate,
    interpolation_weights,
    perplexity,
    prune_entropy,
    write_compact,
)
from asr.text.pronunciations import Pronunciations

ORDER = 5
MAX_NGRAMS = 8_000_000


def make_language_model(
    transcripts: Path, texts: Sequence[Path], dev: Path, *, lexicon: Path, output: Path
) -> Path:
    """Write the mixture with the lowest perplexity on ``dev`` and return its path.

    Args:
        transcripts: of the training speech; they count with the first text, which should be like
            them.
        texts: cleaned texts, each a model of its own.
        dev: transcripts to find the weights on.
        lexicon: dictionary; its words are the model's.
        output: the compact model.
    """
    words = list(Pronunciations.load(lexicon))
    main, *others = [[transcripts, *texts[:1]], *([text] for text in texts[1:])]
    models = [estimate(text, ORDER, vocabulary=words) for text in (main, *others)]
    for text, model in zip((main, *others), models, strict=True):
        _report(text[-1].name, model, dev)
    full = models[0]
    if others:
        weights = interpolation_weights(models, [dev])
        print("weights: " + " ".join(f"{weight:.3f}" for weight in weights), file=sys.stderr)
        full = interpolate(models, weights)
    _report("mixture", full, dev)
    if sum(full.counts) > MAX_NGRAMS:
        contexts = [path for text in (main, *others) for path in text]
        full = prune_entropy(full, max_ngrams=MAX_NGRAMS, contexts=contexts)
        _report("pruned", full, dev)
    write_compact(full, output)
    return output


def _report(name: str, model: NgramModel, dev: Path) -> None:
    figure = perplexity(model, [dev]).with_oov
    print(f"{name}: {sum(model.counts)} n-grams, perplexity {figure:.1f} on dev", file=sys.stderr)
