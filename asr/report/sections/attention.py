"""Attention weights of a sequence-to-sequence model."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from asr.catalogue import has_attention, load_attention
from asr.errors import DataError
from asr.lines import iter_lines
from asr.model_folder import open_model
from asr.plots import attention
from asr.report.markup import picture
from asr.report.run import Absent, Run

TITLE = "Attention"
TASKS = ("translate",)
_SHOWN = 6
_COMPUTED = 3
_MAX_WORDS = 20


def content(run: Run) -> str:
    try:
        return _recorded(run)
    except Absent:
        if not has_attention(run.task) or not run.model.is_dir():
            raise
    return _computed(run)


def _computed(run: Run) -> str:
    """Attention maps of the run's model on texts of its evaluation."""
    texts = _texts(run)
    attend = load_attention(open_model(run.model))
    pictures = []
    for number, text in enumerate(texts):
        shown = attend(text)
        drawing = attention(shown.weights, shown.source, shown.target)
        caption = f"{text}: rows are what was written, columns what was read"
        pictures.append(
            picture(f"attention-{number}", drawing, caption, wide=len(shown.source) > 12)
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
    data = run.config.get("data") or {}
    source = Path(str(data.get("dev_source") or "")) if isinstance(data, dict) else Path()
    return (
        list(iter_lines(source, "a text file with one sentence a line")) if source.is_file() else []
    )


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
