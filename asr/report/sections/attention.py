"""Attention weights of a sequence-to-sequence model."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from asr.errors import DataError
from asr.plots import attention
from asr.report.markup import picture
from asr.report.run import Absent, Run

TITLE = "Attention"
_SHOWN = 6
_COMPUTED = 3
_MAX_WORDS = 20


def content(run: Run) -> str:
    try:
        return _recorded(run)
    except Absent:
        if run.task != "translate" or not run.model.is_dir():
            raise
    return _computed(run)


def _computed(run: Run) -> str:
    """Attention maps of the run's model on texts of its evaluation."""
    from asr.language.translation.translator import Translator

    texts = _texts(run)
    model = Translator.load(run.model)
    pictures = []
    for number, text in enumerate(texts):
        found = model.attention_map(text)
        drawing = attention(found.weights, found.source, found.target)
        caption = f"{text}: rows are what was written, columns what was read"
        pictures.append(
            picture(f"attention-{number}", drawing, caption, wide=len(found.source) > 12)
        )
    return "".join(pictures)


def _texts(run: Run) -> list[str]:
    """Short texts of an evaluated split, or else of the dev text of the configuration."""
    try:
        known = [str(record["text"]) for _, record in run.records("text", "prediction")]
    except Absent:
        known = _dev_texts(run)
    short = [text for text in known if 0 < len(text.split()) <= _MAX_WORDS]
    if not short:
        raise Absent("no text to translate: there are neither predictions nor the dev text")
    return short[:_COMPUTED]


def _dev_texts(run: Run) -> list[str]:
    from asr.language.translation.data import read_pairs

    data = run.config.get("data") or {}
    source = Path(str(data.get("dev_source") or "")) if isinstance(data, dict) else Path()
    return list(read_pairs(source, source).sources) if source.is_file() else []


def _recorded(run: Run) -> str:
    pictures = []
    for number, (split, record) in enumerate(itertools.islice(run.records("attention"), _SHOWN)):
        try:
            source, target = record["attention"]["source"], record["attention"]["target"]
            weights = np.asarray(record["attention"]["weights"], float)
            if weights.shape != (len(target), len(source)):
                raise ValueError(f"weights {weights.shape}, needed ({len(target)}, {len(source)})")
        except (TypeError, ValueError, KeyError) as problem:
            raise DataError(
                f"{split}/predictions.jsonl, {record.get('id')}: attention cannot be read "
                f"({problem})."
            ) from None
        caption = (
            f"{record.get('id', '')} ({split}): rows are what was written, columns what was read"
        )
        pictures.append(
            picture(
                f"attention-{number}",
                attention(weights, source, target),
                caption,
                wide=len(source) > 12,
            )
        )
    return "".join(pictures)
