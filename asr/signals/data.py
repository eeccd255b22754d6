"""Labelled sequences as people hand them over, checked.

Legend: N sequences, T steps, D channels, S static features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import DataError

__all__ = [
    "LabelledData",
    "Labels",
    "as_sequences",
    "as_static",
    "cut_padding",
    "encode_labels",
    "load_npz",
    "read_labelled_npz",
    "split_off",
]

Labels = tuple[Any, ...]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelledData:
    """Sequences with a label each.

    Attributes:
        sequences: N arrays (T, D).
        labels: (N,) int64, numbers into classes.
        classes: sorted values of the labels.
        static: (N, S).
        groups: (N,) or None; sequences of one group are never in training and validation both.
    """

    sequences: list[Floats]
    labels: npt.NDArray[np.int64]
    classes: Labels
    static: Floats
    groups: npt.NDArray[Any] | None = None

    def subset(self, items: npt.NDArray[np.int64]) -> LabelledData:
        """Return some of the sequences, with the same classes."""
        return replace(
            self,
            sequences=[self.sequences[i] for i in items],
            labels=self.labels[items],
            static=self.static[items],
            groups=None if self.groups is None else self.groups[items],
        )


def as_sequences(X: Any, where: str = "X", channels: int | None = None) -> list[Floats]:
    """Return an array (N, T) or (N, T, D), or a list of (T,) or (T, D), as N float32 arrays (T, D).

    Args:
        X: see above; also a DataFrame or anything else that numpy can make an array of.
        where: name in errors.
        channels: D that is needed; None: that of the first sequence.

    Raises:
        DataError: another shape, no sequence or an empty one, differing channels, text, NaN or
            infinity; it names the first sequence and step concerned.
    """
    if hasattr(X, "toarray"):
        raise DataError(f"{where} is a sparse matrix.", f"Give a dense one: {where}.toarray().")
    if hasattr(X, "__array__"):
        X = np.asarray(X)
        if X.dtype != object and X.ndim not in (2, 3):
            raise DataError(
                f"{where} has shape {X.shape}.",
                "Reshape your data: (n, T), (n, T, channels), or a list of (T, channels).",
            )
    if not len(X):
        raise DataError(f"{where} holds no sequence.", "Give at least one.")
    sequences = [_as_sequence(values, f"{where}[{number}]") for number, values in enumerate(X)]
    width = sequences[0].shape[1] if channels is None else channels
    for number, sequence in enumerate(sequences):
        if sequence.shape[1] != width:
            raise DataError(
                f"{where}[{number}] has {sequence.shape[1]} channels, needed are {width}."
            )
    return sequences


def _as_sequence(values: Any, where: str) -> Floats:
    """Return one sequence as float32 (T, D)."""
    if np.iscomplexobj(values):
        raise DataError(
            f"Complex data not supported: {where} holds complex numbers.",
            "Give real and imaginary part as two channels.",
        )
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise DataError(
            f"{where} does not hold numbers in a regular shape.", "Give (T, channels)."
        ) from None
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not array.size:
        raise DataError(
            f"{where} has shape {np.shape(values)}.", "Give (T, channels) with T at least 1."
        )
    if not np.isfinite(array).all():
        step, channel = np.argwhere(~np.isfinite(array))[0]
        value = array[step, channel]
        what = "NaN" if np.isnan(value) else str(value)
        raise DataError(
            f"{where} has a gap: {what} at step {step}, channel {channel}.",
            "Fill gaps (such as with numpy.interp) or cut them out.",
        )
    return array


def as_static(static: Any, count: int, width: int | None = None) -> Floats:
    """Return static features as (N, S) float32; None gives S = 0.

    Raises:
        DataError: another shape than (N, S), other than ``width`` features, NaN or infinity.
    """
    if static is None:
        if width:
            raise DataError(
                f"static is missing, needed are {width} features a sequence.",
                "Give static=(n, features).",
            )
        return np.zeros((count, 0), np.float32)
    array = np.asarray(static, np.float32)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != count or (width is not None and array.shape[1] != width):
        raise DataError(
            f"static has shape {np.shape(static)}, needed is ({count}, {width or 'features'})."
        )
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(
            f"static has a gap: row {row}, feature {column} is {array[row, column]}.", "Fill gaps."
        )
    return array


def encode_labels(
    y: Any, count: int, classes: Labels | None = None
) -> tuple[npt.NDArray[np.int64], Labels]:
    """Return class numbers (N,) and the classes.

    Args:
        y: (N,) labels: numbers, texts or truth values.
        count: N.
        classes: known ones; None takes those of y, sorted.

    Raises:
        DataError: not one label a sequence, a missing label, a fraction, fewer than two classes, or
            a label that is not known.
    """
    array = _as_labels(y, count)
    if classes is None:
        classes = tuple(np.unique(array).tolist())
        if len(classes) < 2:
            raise DataError(
                f"All labels are {classes[0]!r}: that is 1 class, a classifier needs two classes.",
                "Give more labels.",
            )
    numbers = {value: number for number, value in enumerate(classes)}
    unseen = [value for value in dict.fromkeys(array.tolist()) if value not in numbers]
    if unseen:
        known = ", ".join(map(repr, classes))
        raise DataError(
            f"The label {unseen[0]!r} is none of those trained on: {known}.",
            "Train with sequences of that label.",
        )
    return np.array([numbers[value] for value in array.tolist()], np.int64), classes


def _as_labels(y: Any, count: int) -> npt.NDArray[Any]:
    """Return labels as an array (N,), after checking that each of them can be one."""
    if y is None:
        raise DataError(
            "A classifier requires y to be passed, but the target y is None.",
            "Give one label a sequence.",
        )
    array = np.asarray(y)
    if array.ndim != 1 or len(array) != count:
        raise DataError(f"y has shape {array.shape}, needed is ({count},): one label a sequence.")
    kind = array.dtype.kind
    missing = array != array if kind == "f" else np.array([v is None for v in array.tolist()], bool)
    if missing.any():
        raise DataError(
            f"y[{int(missing.argmax())}] is missing.", "Leave out sequences without a label."
        )
    fractions = array != np.round(array) if kind == "f" else np.zeros(count, bool)
    if fractions.any() or kind == "c":
        number = int(fractions.argmax())
        raise DataError(
            f"Unknown label type: y[{number}] is {array[number]}, not a class.",
            "Give integers, texts or truth values.",
        )
    return array


def read_labelled_npz(path: str | Path, classes: Labels | None = None) -> LabelledData:
    """Return the sequences of an .npz file.

    It holds ``x`` (n, T) or (n, T, channels), ``y`` (n,), and optionally ``lengths`` (n,), where x
    is padded, ``static`` (n, features) and ``groups`` (n,).

    Raises:
        DataError: the file is missing, unreadable, lacks x or y, or its content does not fit
            together.
    """
    content = load_npz(path, needed=("x", "y"))
    return make_labelled(
        cut_padding(content["x"], content.get("lengths"), path),
        content["y"],
        content.get("static"),
        content.get("groups"),
        classes,
    )


def load_npz(path: str | Path, needed: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an .npz file by name.

    Raises:
        DataError: the file is missing or unreadable, or lacks one of the ``needed`` arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.", "Give the path of an .npz file.") from None
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} is not a readable .npz file: {error}.", "Write it with numpy.savez."
        ) from error
    for name in needed:
        if name not in content:
            raise DataError(f"{path} holds no {name}; it holds: {', '.join(content) or 'nothing'}.")
    return content


def cut_padding(x: npt.NDArray[Any], lengths: npt.NDArray[Any] | None, path: str | Path) -> Any:
    """Return padded sequences (N, T) or (N, T, D) cut to their lengths (N,); None: not padded.

    Raises:
        DataError: the lengths do not fit; ``path`` is named.
    """
    if lengths is None:
        return x
    if lengths.shape != (len(x),) or (
        len(x) and not (lengths.min() >= 1 and lengths.max() <= x.shape[1])
    ):
        raise DataError(
            f"{path}: lengths do not fit x of shape {x.shape}.",
            "Give 1 to T steps for each sequence.",
        )
    return [sequence[:n] for sequence, n in zip(x, lengths.tolist(), strict=True)]


def make_labelled(
    X: Any, y: Any, static: Any = None, groups: Any = None, classes: Labels | None = None
) -> LabelledData:
    """Return checked data; see :func:`as_sequences`, :func:`encode_labels`, :func:`as_static`."""
    sequences = as_sequences(X)
    labels, classes = encode_labels(y, len(sequences), classes)
    group_array = None if groups is None else np.asarray(groups)
    if group_array is not None and group_array.shape != (len(sequences),):
        raise DataError(f"groups has shape {group_array.shape}, needed is ({len(sequences)},).")
    return LabelledData(sequences, labels, classes, as_static(static, len(sequences)), group_array)


def split_off(
    data: LabelledData, share: float, seed: int
) -> tuple[LabelledData, LabelledData | None]:
    """Return training and validation parts.

    With groups, whole groups are set aside until about ``share`` of the sequences is; without, that
    share of each class. None where nothing can be set aside: share is 0, a single group, or too few
    sequences.
    """
    rng = np.random.default_rng((seed, 2))
    apart = (
        _whole_groups(data.groups, share, rng)
        if data.groups is not None
        else _stratified(data.labels, share, rng)
    )
    if not apart.any() or apart.all():
        return data, None
    return data.subset(np.flatnonzero(~apart)), data.subset(np.flatnonzero(apart))


def _stratified(
    labels: npt.NDArray[np.int64], share: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    apart = np.zeros(len(labels), bool)
    for number in np.unique(labels):
        items = rng.permutation(np.flatnonzero(labels == number))
        apart[items[: round(share * len(items))]] = True
    return apart


def _whole_groups(
    groups: npt.NDArray[Any], share: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    names = np.unique(groups)
    apart = np.zeros(len(groups), bool)
    for name in rng.permutation(names)[: len(names) - 1]:
        if apart.mean() >= share:
            break
        apart |= groups == name
    return apart
