"""Validate log-probabilities before a search. T frames, V vocabulary.

Accepted: float16, float32 and float64 arrays (T, V) of natural-log probabilities, each frame
summing to one; ``-inf`` is probability 0. Rejected, each with its own message: NaN, ``+inf``,
positive values, frames that do not sum to one (with more than 64 tokens every eighth frame is
checked), another vocabulary size, other types and ranks, and zero frames: without frames there was
no audio, which an empty transcript would hide. A stream may finish without frames; its hypothesis
is empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels.inputs import (
    FINE,
    NAN,
    NOT_NORMALISED,
    POSITIVE,
    POSITIVE_INFINITY,
    first_fault,
)
from asr.errors import DecodingError

__all__ = ["check_log_probs", "penalise_blank"]

_NORMALISE = "Apply log_softmax over the vocabulary axis to the network's outputs."


def check_log_probs(
    log_probs: Any, vocabulary_size: int, *, allow_empty: bool = False
) -> npt.NDArray[np.float32]:
    """Return valid ``log_probs`` as a C-contiguous float32 array (T, V).

    Args:
        log_probs: array-like (T, V), natural logarithms.
        vocabulary_size: V, the number of tokens with the blank.
        allow_empty: accept zero frames (chunks of a stream).

    Raises:
        DecodingError: they are not valid; the module's docstring lists what is checked.
    """
    array = _as_array(log_probs)
    if array.ndim != 2:
        hint = (
            "Pass one utterance (T, V), or a list of them."
            if array.ndim == 3
            else "Pass an array (T, V)."
        )
        raise DecodingError(
            f"log_probs must have two axes (frames, vocabulary) but has shape {array.shape}.", hint
        )
    if array.shape[1] != vocabulary_size:
        raise DecodingError(
            f"log_probs has {array.shape[1]} columns but there are {vocabulary_size} tokens (blank "
            "included).",
            "Use the tokenizer that the acoustic model was trained with.",
        )
    if array.shape[0] == 0 and not allow_empty:
        raise DecodingError("log_probs has zero frames.", "Leave out utterances without audio.")
    array = np.ascontiguousarray(array, dtype=np.float32)
    _raise_fault(array)
    return array


def penalise_blank(log_probs: npt.NDArray[Any], penalty: float) -> npt.NDArray[Any]:
    """Return ``log_probs`` (..., V) with ``penalty`` subtracted from the blank, then normalised."""
    blank = np.asarray(log_probs[..., 0], np.float64)
    penalised = log_probs - np.log1p(np.exp(blank) * np.expm1(-penalty))[..., None].astype(
        log_probs.dtype
    )
    penalised[..., 0] -= penalty
    return np.minimum(penalised, 0)


def _as_array(log_probs: Any) -> npt.NDArray[Any]:
    if hasattr(log_probs, "detach"):
        log_probs = log_probs.detach().cpu()  # a torch tensor, without importing torch
    try:
        array = np.asarray(log_probs)
    except (TypeError, ValueError) as error:
        raise DecodingError(
            f"log_probs cannot be read as an array ({error}).", "Pass floats (T, V)."
        ) from None
    if array.dtype.kind != "f":
        raise DecodingError(
            f"log_probs has dtype {array.dtype}, not a floating-point one.", _NORMALISE
        )
    return array


def _raise_fault(array: npt.NDArray[np.float32]) -> None:
    fault, t, v = first_fault(array)
    if fault == FINE:
        return
    where = f"at frame {t}, token {v}"
    if fault == NAN:
        raise DecodingError(
            f"log_probs holds NaN {where}.", "Look for a diverged model or broken features."
        )
    if fault == POSITIVE_INFINITY:
        raise DecodingError(
            f"log_probs holds +inf {where}.", "Look for a diverged model or an overflow."
        )
    if fault == POSITIVE:
        looks = (
            " These look like probabilities." if array.min() >= 0 and array.max() <= 1.001 else ""
        )
        remedy = "Take the logarithm." if looks else _NORMALISE
        raise DecodingError(
            f"log_probs holds the positive value {array[t, v]:.4g} {where}.{looks}", remedy
        )
    assert fault == NOT_NORMALISED
    with np.errstate(divide="ignore"):
        total = float(np.log(np.exp(array[t].astype(np.float64)).sum()))
    raise DecodingError(
        f"log_probs is not normalised: frame {t} sums to exp({total:.4g}), not to 1.", _NORMALISE
    )
