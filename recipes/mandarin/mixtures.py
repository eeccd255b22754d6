"""The Mandarin recipe's n-gram models, of characters and of words: texts, mixed and pruned."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
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

FLOOR = 0.01  # least weight of a text: other speakers speak otherwise than dev


@dataclass(frozen=True)
class Part:
    """Texts that are counted together.

    Attributes:
        texts: paths, words apart.
        order: of their n-grams.
    """

    texts: Sequence[Path]
    order: int


def mix(
    parts: Sequence[Part], words: Sequence[str], dev: Path, *, output: Path, max_ngrams: int
) -> Path:
    """Write the mixture with the lowest perplexity on ``dev``, pruned, and return its path.

    Args:
        parts: each is a model of its own.
        words: the vocabulary.
        dev: transcripts to find the weights on.
        output: the compact model.
        max_ngrams: of all orders together.
    """
    models = [estimate(part.texts, part.order, vocabulary=words) for part in parts]
    for part, model in zip(parts, models, strict=True):
        _report(part.texts[-1].name, model, dev)
    full = models[0]
    if len(parts) > 1:
        found = interpolation_weights(models, [dev])
        weights = [FLOOR + (1 - FLOOR * len(found)) * weight for weight in found]
        print("weights: " + " ".join(f"{weight:.3f}" for weight in weights), file=sys.stderr)
        full = interpolate(models, weights)
    _report(f"{output.name}, not pruned", full, dev)
    if sum(full.counts) > max(max_ngrams, len(words)):
        contexts = [path for part in parts for path in part.texts]
        full = prune_entropy(full, max_ngrams=max(max_ngrams, len(full.words)), contexts=contexts)
        _report(output.name, full, dev)
    write_compact(full, output)
    return output


def _report(name: str, model: NgramModel, dev: Path) -> None:
    scored = perplexity(model, [dev])
    print(
        f"{name}: {sum(model.counts)} n-grams, perplexity {scored.with_oov:.1f} on dev, "
        f"{scored.oov} unknown",
        file=sys.stderr,
    )
