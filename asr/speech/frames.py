"""The shape of a speech model as its folder describes it: no torch in here."""

from __future__ import annotations

from asr.model_folder import Bundle

__all__ = ["streams"]


def streams(bundle: Bundle) -> bool:
    """Return whether the model of a folder can be fed as the audio arrives."""
    network = bundle.config["network"]
    whole = network.get("normalization", "global") == "utterance" or network["features"].get(
        "trim", False
    )
    return not whole and not network["model"].get("bidirectional", True)
