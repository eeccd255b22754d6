"""Signals that ``asr predict`` and ``POST /v1/predict`` classify, and the JSON lines they write."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr.errors import DataError
from asr.files import atomic_write_text
from asr.lines import read_json_lines
from asr.scoring.classification import best_classes
from asr.signals.data import cut_padding, load_npz
from asr.text.tables import read_table

if TYPE_CHECKING:
    from asr.signals.classifier import SequenceClassifier

__all__ = ["SignalInputs", "Signals", "predict_rows"]

NEEDED = "a .csv, .jsonl, .npz or .npy file of signals"
ID, TIME = "unique_id", "ds"  # of CSV files: which signal, and when; neither is a channel
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
Row = dict[str, Any]


@dataclass(frozen=True)
class Signals:
    """Signals to classify.

    Attributes:
        sequences: one a signal, (steps,) or (steps, channels).
        static: features of each signal as a whole, or None.
        names: what to write of each signal before its label.
    """

    sequences: Sequence[Any]
    static: Any
    names: Sequence[Row]


def predict_rows(classifier: SequenceClassifier, signals: Signals) -> list[Row]:
    """Return the likeliest label of each signal and its probability."""
    if not len(signals.sequences):
        return []
    probabilities = classifier.predict_proba(signals.sequences, static=signals.static)
    best = best_classes(probabilities, [str(name) for name in classifier.classes_])
    return [{"label": label, "probability": probability} for label, probability in best]


class SignalInputs:
    """Signals as files and JSON: see :class:`asr.catalogue.Inputs`."""

    keys = ("sequences",)

    def read_file(self, model: object, file: Path, future: Path | None = None) -> Signals:
        """Return the signals of a file.

        .csv
            A row a step and a column a channel. ``unique_id`` separates several signals; ``ds`` is
            no channel.
        .jsonl
            An object a line with the signal under ``sequence`` and perhaps ``static``; other keys
            are kept.
        .npz
            ``x``, and perhaps ``lengths`` and ``static``, as in training.
        .npy
            ``x`` alone.

        Raises:
            DataError: the file is missing or malformed.
        """
        readers = {".csv": _read_csv, ".jsonl": _read_jsonl, ".npz": _read_npz, ".npy": _read_npy}
        if file.suffix not in readers:
            raise DataError(f"{file} is not a file of signals.", f"Give {NEEDED}.")
        if not file.is_file():
            raise DataError(f"There is no file {file}.", f"Give {NEEDED}.")
        return readers[file.suffix](file)

    def read_json(self, model: object, request: Mapping[str, Any]) -> Signals:
        """Return the signals of a request's ``sequences``.

        Raises:
            DataError: steps of a signal have different numbers of channels.
        """
        given = request["sequences"]
        sequences = [_array(sequence, f"sequences[{n}]") for n, sequence in enumerate(given)]
        return Signals(sequences, None, [{} for _ in sequences])

    def write_file(self, rows: Signals, predictions: list[Row], output_dir: Path | None) -> str:
        """Return a JSON line a signal, or write them to ``predictions.jsonl``."""
        lines = [
            json.dumps({**name, **prediction}, ensure_ascii=False) + "\n"
            for name, prediction in zip(rows.names, predictions, strict=True)
        ]
        if output_dir is None:
            return "".join(lines)
        path = output_dir / "predictions.jsonl"
        atomic_write_text(path, "".join(lines))
        return f"{path}\n"

    def write_json(self, predictions: list[Row]) -> list[Row]:
        """Return the predictions, which are JSON objects already."""
        return predictions


def _array(values: Any, where: str) -> Any:
    try:
        return np.array(values, np.float32)
    except (TypeError, ValueError):
        raise DataError(
            f"{where} is not a list of steps with the same number of channels each.",
            "Give numbers, one a step, or a list of channels a step.",
        ) from None


def _numbered(sequences: Sequence[Any], static: Any = None) -> Signals:
    return Signals(sequences, static, [{"id": str(n)} for n in range(len(sequences))])


def _read_csv(file: Path) -> Signals:
    table = read_table(file, (ID, TIME), NEEDED)
    channels = [column for column in table.columns if column not in (ID, TIME)]
    if not channels or not table.rows:
        what = "There is no channel" if table.rows else "There are no rows"
        raise DataError(f"{file}: {what}.", "Give a column of numbers a channel.")
    groups: dict[str, list[list[float]]] = {}
    for row in table.rows:
        where = table.where(row)
        if ID in table.columns and not row.values[ID]:
            raise DataError(f"{where}: no {ID}.", "Fill in the cell.")
        steps = groups.setdefault(str(row.values.get(ID, "")), [])
        steps.append([_cell(row.values[channel], channel, where) for channel in channels])
    arrays = [np.array(steps, np.float32) for steps in groups.values()]
    if ID not in table.columns:
        return _numbered(arrays)
    return Signals(arrays, None, [{ID: name} for name in groups])


def _cell(text: str, channel: str, where: str) -> float:
    """Return a cell as a number; true and false are 1 and 0."""
    flags = {"true": 1.0, "false": 0.0}
    if text.lower() in flags:
        return flags[text.lower()]
    if not _NUMBER.fullmatch(text):
        raise DataError(
            f"{where}: the column {channel} holds {text[:40]!r}, which is no number.",
            "Give a column of numbers with a decimal point a channel.",
        )
    return float(text)


def _read_jsonl(file: Path) -> Signals:
    sequences: list[Any] = []
    static: list[Any] = []
    names: list[Row] = []
    for number, row in read_json_lines(file, NEEDED):
        where = f"{file}, line {number}"
        fields: Row = row if isinstance(row, dict) else {"sequence": row}
        if not isinstance(fields.get("sequence"), list):
            raise DataError(f"{where}: no signal under 'sequence'.", "Give a list of steps.")
        sequences.append(_array(fields["sequence"], where))
        static.append(fields.get("static"))
        kept = {key: value for key, value in fields.items() if key not in ("sequence", "static")}
        names.append(kept or {"id": str(len(names))})
    lacking = [n for n, features in enumerate(static) if features is None]
    if lacking and len(lacking) < len(static):
        raise DataError(f"{file}: signal {lacking[0] + 1} has no 'static', others have.")
    return Signals(
        sequences, None if lacking or not static else _array(static, f"{file}, static"), names
    )


def _read_npz(file: Path) -> Signals:
    content = load_npz(file, needed=("x",))
    return _numbered(cut_padding(content["x"], content.get("lengths"), file), content.get("static"))


def _read_npy(file: Path) -> Signals:
    try:
        return _numbered(np.load(file, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file} is not a readable .npy file: {error}.", "Write it with numpy.save."
        ) from error
