"""Bring the outputs of a network into the form of the search, checked. B utterances, T frames,
V outputs.

Accepted: arrays (T, V) of float16, float32, float64 or bfloat16, of numpy, torch (on any device) or
whatever numpy can read, as natural-log probabilities (each frame sums to one; ``-inf`` is
probability 0), logits or probabilities; which of the three is said by ``kind`` and checked, not
guessed. Rejected, each with its own message: NaN, ``+inf``, another kind, frames that do not sum to
one (with more than 64 outputs every eighth frame is checked), another number of outputs, other
types and ranks, and zero frames: without frames there was no audio, which an empty transcript would
hide. A stream may finish without frames; its hypothesis is empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels.inputs import (
    FINE,
    NAN,
    NORMALISATION_TOLERANCE,
    NOT_NORMALISED,
    POSITIVE,
    POSITIVE_INFINITY,
    first_fault,
)
from asr.errors import DecodingError

__all__ = ["KINDS", "as_array", "check_log_probs", "log_softmax", "penalise_blank", "utterances"]

KINDS = ("log_probs", "logits", "probs")
_NORMALISE = "Apply log_softmax over the vocabulary axis, or give kind='logits'."


def check_log_probs(
    scores: Any, vocabulary_size: int, *, kind: str = "log_probs", allow_empty: bool = False
) -> npt.NDArray[np.float32]:
    """Return valid log-probabilities as a C-contiguous float32 array (T, V).

    Args:
        scores: array-like (T, V).
        vocabulary_size: V, the number of outputs with the blank.
        kind: what ``scores`` are: ``"log_probs"``, ``"logits"`` or ``"probs"``.
        allow_empty: accept zero frames (chunks of a stream).

    Raises:
        DecodingError: they are not valid; the module's docstring lists what is checked.
    """
    if kind not in KINDS:
        raise DecodingError(f"kind is {kind!r}.", f"Choose one of {', '.join(map(repr, KINDS))}.")
    array = _floats(scores, kind)
    if array.ndim != 2:
        hint = (
            "Pass one utterance (T, V), or a list of them."
            if array.ndim == 3
            else "Pass an array (T, V)."
        )
        raise DecodingError(
            f"{kind} must have two axes (frames, vocabulary) but has shape {array.shape}.", hint
        )
    if array.shape[1] != vocabulary_size:
        raise DecodingError(
            f"{kind} has {array.shape[1]} columns but there are {vocabulary_size} tokens (blank "
            "included).",
            "Use the vocabulary that the acoustic model was trained with; if it does not list the "
            "blank, say where it is: Vocabulary.read(labels, blank=NUMBER).",
        )
    if array.shape[0] == 0 and not allow_empty:
        raise DecodingError(f"{kind} has zero frames.", "Leave out utterances without audio.")
    array = np.ascontiguousarray(array, dtype=np.float32)
    if kind != "log_probs":
        array = _from_logits(array) if kind == "logits" else _from_probs(array)
    _raise_fault(array, kind)
    return array


def utterances(scores: Any, lengths: Any, mask: Any) -> list[Any] | None:
    """Return the utterances of a batch; None if ``scores`` are one utterance.

    Args:
        scores: array (T, V) or (B, T, V), or a list of arrays (T, V).
        lengths: of a batch (B, T, V): frames of each utterance, (B,).
        mask: of a batch: whether a frame belongs to its utterance, (B, T).

    Raises:
        DecodingError: a batch whose lengths are not known, or do not fit.
    """
    if isinstance(scores, (list, tuple)):
        if lengths is not None or mask is not None:
            raise DecodingError(
                "A list of arrays has no padding.", "Leave lengths and mask out, or pass (B, T, V)."
            )
        return list(scores)
    if getattr(scores, "ndim", None) != 3:
        if lengths is not None or mask is not None:
            raise DecodingError("lengths and mask belong to a batch.", "Pass an array (B, T, V).")
        return None
    batch = as_array(scores)
    B, T = batch.shape[:2]
    if lengths is not None and mask is not None:
        raise DecodingError("Both lengths and mask are given.", "Give one of them.")
    if mask is not None:
        return _masked(batch, as_array(mask))
    if lengths is None:
        if B == 1:
            return [batch[0]]
        raise DecodingError(
            f"The batch has {B} utterances of unknown lengths.",
            "Give lengths (B,) or mask (B, T), so that padding is not decoded.",
        )
    counts = as_array(lengths)
    fits = counts.shape == (B,) and counts.dtype.kind in "iu"
    if not fits or counts.min(initial=0) < 0 or counts.max(initial=0) > T:
        raise DecodingError(
            f"lengths of dtype {counts.dtype} and shape {counts.shape} do not fit a batch of "
            f"{B} utterances of up to {T} frames.",
            "Give the output frames of each utterance, whole numbers (B,).",
        )
    return [utterance[:n] for utterance, n in zip(batch, counts.tolist(), strict=True)]


def log_softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):
        total = np.exp(shifted).sum(axis=-1, keepdims=True)
    normalised: npt.NDArray[Any] = shifted - np.log(total)
    return normalised


def penalise_blank(log_probs: npt.NDArray[Any], penalty: float) -> npt.NDArray[Any]:
    """Return ``log_probs`` (..., V) with ``penalty`` subtracted from the blank, then normalised."""
    blank = np.asarray(log_probs[..., 0], np.float64)
    penalised = log_probs - np.log1p(np.exp(blank) * np.expm1(-penalty))[..., None].astype(
        log_probs.dtype
    )
    penalised[..., 0] -= penalty
    return np.minimum(penalised, 0)


def as_array(values: Any) -> npt.NDArray[Any]:
    """Return an array of numpy, from one of any kind; torch is not imported.

    Raises:
        DecodingError: they are no array.
    """
    try:
        if hasattr(values, "detach"):
            values = values.detach().cpu()
            if "bfloat16" in str(values.dtype):
                values = values.float()
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DecodingError(
            f"{type(values).__name__} cannot be read as an array ({error}).", "Pass floats (T, V)."
        ) from None


def _floats(scores: Any, kind: str) -> npt.NDArray[Any]:
    array = as_array(scores)
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise DecodingError(
            f"{kind} has dtype {array.dtype}, not a floating-point one.", _NORMALISE
        )
    return array


def _masked(batch: npt.NDArray[Any], mask: npt.NDArray[Any]) -> list[Any]:
    if mask.shape != batch.shape[:2]:
        raise DecodingError(
            f"mask has shape {mask.shape} but the batch {batch.shape[:2]} (utterances, frames).",
            "Give one value for each output frame; a mask of samples has to be shortened as the "
            "network shortens them.",
        )
    if not np.isin(mask, (0, 1)).all():
        raise DecodingError("mask has values other than 0 and 1.", "Give 1 for frames of audio.")
    return [utterance[row] for utterance, row in zip(batch, mask.astype(bool), strict=True)]


def _sums_to_one(array: npt.NDArray[np.float32]) -> bool:
    """Return whether all frames look like probabilities."""
    if not len(array) or not array.min() >= 0 or not array.max() <= 1.001:
        return False
    totals = array.sum(axis=1, dtype=np.float64)
    return bool(np.abs(totals - 1).max() < NORMALISATION_TOLERANCE)


def _from_logits(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    bad = np.argwhere(np.isnan(array) | np.isposinf(array))
    if len(bad):
        t, v = bad[0].tolist()
        raise DecodingError(
            f"logits holds {array[t, v]:+} at frame {t}, token {v}.", "Look for a diverged model."
        )
    if _sums_to_one(array):
        raise DecodingError(
            "kind is 'logits', but every frame sums to 1 as probabilities do.", "Give kind='probs'."
        )
    if len(array) and not np.isfinite(array.max(axis=1)).all():
        raise DecodingError("logits has a frame that is all -inf.", "Look for a diverged model.")
    return log_softmax(array)


def _from_probs(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if np.isnan(array).any():
        return array
    if len(array) and not _sums_to_one(array):
        worst = array.min() if array.min() < 0 else array.max()
        raise DecodingError(
            f"kind is 'probs', but the frames do not sum to 1 (a value is {worst:.4g}).",
            "Give kind='logits' or 'log_probs', or normalise them.",
        )
    with np.errstate(divide="ignore"):
        logs: npt.NDArray[np.float32] = np.log(array)
    return np.minimum(logs, 0)


def _raise_fault(array: npt.NDArray[np.float32], kind: str) -> None:
    fault, t, v = first_fault(array)
    if fault == FINE:
        return
    where = f"at frame {t}, token {v}"
    if fault == NAN:
        raise DecodingError(
            f"{kind} holds NaN {where}.", "Look for a diverged model or broken features."
        )
    if fault == POSITIVE_INFINITY:
        raise DecodingError(
            f"{kind} holds +inf {where}.", "Look for a diverged model or an overflow."
        )
    if fault == POSITIVE:
        looks = " These look like probabilities." if _sums_to_one(array) else ""
        remedy = "Take the logarithm, or give kind='probs'." if looks else _NORMALISE
        raise DecodingError(
            f"{kind} holds the positive value {array[t, v]:.4g} {where}.{looks}", remedy
        )
    assert fault == NOT_NORMALISED
    with np.errstate(divide="ignore"):
        total = float(np.log(np.exp(array[t].astype(np.float64)).sum()))
    raise DecodingError(
        f"{kind} is not normalised: frame {t} sums to exp({total:.4g}), not to 1.", _NORMALISE
    )
