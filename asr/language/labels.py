"""Labels of several models side by side."""

from __future__ import annotations

from asr.errors import ModelError

__all__ = ["check_same_labels"]


def check_same_labels(names: list[set[str]]) -> None:
    """Refuse an ensemble of no models, or of models with different labels."""
    if not names:
        raise ModelError("An ensemble of no models was asked for.", "Give at least one.")
    for number, other in enumerate(names[1:], 2):
        if odd := names[0] ^ other:
            raise ModelError(
                f"Model {number} and the first one differ in {', '.join(sorted(odd))}.",
                "Train them with the same labels.",
            )
