"""What the metadata of an ONNX file says of its network, as sherpa-onnx's files carry it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asr.errors import ConfigError, ModelError

__all__ = ["STREAMING_KEYS", "Hints", "read_metadata"]

# model_type -> name of the front end in asr.features.front_end.FRONT_ENDS
FRONT_END_OF = {
    "EncDecCTCModel": "nemo",
    "EncDecCTCModelBPE": "nemo",
    "EncDecHybridRNNTCTCBPEModel": "nemo",
    "wenet_ctc": "wenet",
    "zipformer2_ctc": "icefall",
    "fire-red-asr-2-ctc": "wenet",
    "omnilingual-asr": "omnilingual",
}
# Known, and not CTC with features that are computed here.
UNSUPPORTED = {
    "tdnn": "23-dimensional features of its own",
    "telespeech_ctc": "MFCC",
    "sense_voice_ctc": "several frames joined to one, and a language beside them",
}
# Files with these have a state that goes from chunk to chunk.
STREAMING_KEYS = (
    "decode_chunk_len",
    "chunk_size",
    "chunk_shift",
    "window_size",
    "left_context_len",
    "cache_last_channel_dim1",
    "state_dim",
)
NORMALIZATIONS = {
    "per_feature": "feature",
    "all_features": "recording",
    "": "none",
    "NA": "none",
    "none": "none",
}
# Mean and reciprocal of the standard deviation of each feature: of FireRedASR, of Dolphin.
STATISTICS = (("cmvn_mean", "cmvn_inv_stddev"), ("mean", "invstd"))
# Samples in [-1, 1], or as 16-bit numbers.
SCALES = {"1": 1.0, "0": 32768.0}
KNOWN = {"normalize_type", "normalize_samples", *(key for pair in STATISTICS for key in pair)}
# Keys of any toolkit that ask for a normalisation, and for frames joined to one.
NORMALIZING = re.compile(r"(?:^|_)(?:norm|cmvn|mean|std|inv_?std)", re.IGNORECASE)
JOINED_FRAMES = "lfr_window_size"


@dataclass(frozen=True)
class Hints:
    """What metadata says.

    Attributes:
        front_end: name of a front end, empty where nothing says it.
        settings: of the front end, other than its usual ones.
        blank: output that is the blank, where nothing else says it.
        streams: why the network takes chunks, empty where it does not.
    """

    front_end: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    blank: int | None = None
    streams: str = ""


def read_metadata(
    metadata: Mapping[str, str],
    file: str,
    front_end: str = "",
    given: Mapping[str, Any] | None = None,
) -> Hints:
    """Return what the metadata of an ONNX file says.

    Args:
        metadata: its custom metadata.
        file: its path, for errors.
        front_end: name of a front end that is given, before which the model's type stands back.
        given: settings of the front end that are given, before which those of the file stand back.

    Raises:
        ConfigError: a model type, a value or a normalisation is unknown, and not given either.
        ModelError: the type of model is known, and cannot be imported.
    """
    if chunks := [key for key in STREAMING_KEYS if key in metadata]:
        return Hints(front_end, streams=f"its metadata has {chunks[0]}")
    kind = metadata.get("model_type", "")
    if JOINED_FRAMES in metadata or (kind in UNSUPPORTED and not front_end):
        takes = UNSUPPORTED.get(kind, "several frames joined to one")
        raise ModelError(
            f"{file} is a {kind or 'foreign'} network, which takes {takes}.",
            "These are not computed here.",
        )
    if kind and kind not in FRONT_END_OF and not front_end:
        raise ConfigError(
            f"{file} has the model_type {kind!r} in its metadata, which says nothing of its "
            "features.",
            "Give --features.",
        )
    name = front_end or FRONT_END_OF.get(kind, "")
    if int(metadata.get("is_giga_am") or 0) and not front_end:
        name = "gigaam"
    settings = _settings(metadata, file, given or {})
    return Hints(name, settings, blank=0 if kind == "omnilingual-asr" else None)


def _settings(metadata: Mapping[str, str], file: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a front end that metadata changes, without those that are given."""
    settings: dict[str, Any] = {}
    if metadata.get("feature"):  # of icefall's Zipformer: another front end than its usual one
        raise ConfigError(
            f"{file} has feature={metadata['feature']!r} in its metadata, which is unknown here.",
            "Export it with 80-dimensional Fbank features.",
        )
    if "sample_rate" in metadata and "sample_rate" not in given:
        settings["sample_rate"] = _number(metadata, "sample_rate", file)
    if "normalize_samples" in metadata and "scale" not in given:
        settings["scale"] = _scale(metadata["normalize_samples"], file)
    if "normalization" not in given:
        settings |= _normalization(metadata, file)
    return settings


def _scale(value: str, file: str) -> float:
    """What samples in [-1, 1] are multiplied by."""
    if value not in SCALES:
        raise ConfigError(
            f"{file} has normalize_samples={value!r} in its metadata, which is neither 0 nor 1.",
            "Give --feature scale=1 or scale=32768.",
        )
    return SCALES[value]


def _normalization(metadata: Mapping[str, str], file: str) -> dict[str, Any]:
    """The normalisation of features that metadata ask for, none of them silently left out."""
    settings: dict[str, Any] = {}
    for key in metadata:
        if NORMALIZING.search(key) and key not in KNOWN:
            raise ConfigError(
                f"{file} has {key} in its metadata, a normalisation that is unknown here.",
                "Give --feature normalization=none, recording, feature or global.",
            )
    if (kind := metadata.get("normalize_type")) is not None:
        if kind not in NORMALIZATIONS:
            raise ConfigError(
                f"{file} has normalize_type={kind!r} in its metadata, which is unknown here.",
                "Give --feature normalization=feature, recording or none.",
            )
        settings["normalization"] = NORMALIZATIONS[kind]
    for keys in STATISTICS:
        if any(key in metadata for key in keys):
            settings |= _statistics(metadata, keys, file)
    return settings


def _number(metadata: Mapping[str, str], key: str, file: str) -> int:
    try:
        return int(metadata[key])
    except ValueError:
        raise ConfigError(
            f"{file} has {key}={metadata[key]!r} in its metadata, which is no whole number.",
            f"Give --feature {key}=NUMBER.",
        ) from None


def _statistics(metadata: Mapping[str, str], keys: tuple[str, str], file: str) -> dict[str, Any]:
    """Mean and standard deviation of each feature."""
    try:
        mean, inverse = (
            [float(value) for value in metadata[key].split(",") if value.strip()] for key in keys
        )
        std = [1 / value for value in inverse]
    except (KeyError, ValueError, ZeroDivisionError):
        raise ConfigError(
            f"{file} has {keys[0]} or {keys[1]} in its metadata, which cannot be read.",
            "Both are numbers with commas in between.",
        ) from None
    return {"normalization": "global", "mean": mean, "std": std}
