"""Gates and cell state of LSTM layers over time."""

from __future__ import annotations

import itertools

import numpy as np

from asr.errors import DataError
from asr.plots import gates
from asr.report.acoustic import listen, load_acoustics
from asr.report.markup import picture
from asr.report.run import Absent, Run
from asr.report.sections.alignment import chosen_utterances

TITLE = "LSTM gates"
_SHOWN = 4


def content(run: Run) -> str:
    try:
        return _recorded(run)
    except Absent:
        return _computed(run)


def _recorded(run: Run) -> str:
    pictures = []
    for number, (split, record) in enumerate(itertools.islice(run.records("gates"), _SHOWN)):
        try:
            activations = {
                str(name): np.asarray(values, float) for name, values in record["gates"].items()
            }
            drawing = gates(activations)
        except (TypeError, ValueError, AttributeError, IndexError, StopIteration) as problem:
            raise DataError(
                f"{split}/predictions.jsonl, {record.get('id')}: gates cannot be read ({problem})."
            ) from None
        pictures.append(
            picture(f"gates-{number}", drawing, f"{record.get('id', '')} ({split})", wide=True)
        )
    return "".join(pictures)


def _computed(run: Run) -> str:
    split, utterance = chosen_utterances(run)[0]
    acoustics = load_acoustics(run)
    found = listen(acoustics, utterance.source, run.source(split)).gates
    if not found:
        raise Absent("the model has no LSTM layers")
    pictures = []
    for layer, activations in found.items():
        shown = {name: values for name, values in activations.items() if name != "hidden"}
        units = next(iter(shown.values())).shape[1]
        caption = (
            f"{utterance.id}, {layer}, forward direction: {min(64, units)} of {units} units, "
            "ordered by input gate"
        )
        name = f"gates-{layer.replace(' ', '-')}"
        pictures.append(
            picture(name, gates(shown, acoustics.frames.seconds_per_frame), caption, wide=True)
        )
    return "".join(pictures)
