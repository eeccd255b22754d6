"""Where a sequence-to-sequence model looked while it wrote each token."""

from __future__ import annotations

import itertools

import numpy as np

from asr.errors import DataError
from asr.plots import attention
from asr.report.markup import picture
from asr.report.run import Run

TITLE = "Attention"
_SHOWN = 6


def content(run: Run) -> str:
    pictures = []
    for number, (split, record) in enumerate(itertools.islice(run.records("attention"), _SHOWN)):
        try:
            source, target = record["attention"]["source"], record["attention"]["target"]
            weights = np.asarray(record["attention"]["weights"], float)
            if weights.shape != (len(target), len(source)):
                raise ValueError(f"weights {weights.shape}, needed ({len(target)}, {len(source)})")
        except (TypeError, ValueError, KeyError) as problem:
            raise DataError(
                f"{split}/predictions.jsonl, {record.get('id')}: attention cannot be read ({problem})."
            ) from None
        caption = f"{record.get('id', '')} ({split}): rows are what was written, columns what was read"
        pictures.append(
            picture(f"attention-{number}", attention(weights, source, target), caption, wide=len(source) > 12)
        )
    return "".join(pictures)
