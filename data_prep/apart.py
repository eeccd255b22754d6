"""Training speech apart from what is held out: by speaker and by sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from asr.errors import DataError
from asr.text.normalizers import normalize
from data_prep.store import Utterance

__all__ = ["check_speakers", "without_sentences"]

LEAST_WORDS = 4  # shorter sentences are everybody's: "yes", "thank you very much"


def check_speakers(train: Iterable[Utterance], held_out: Mapping[str, Iterable[Utterance]]) -> None:
    """Refuse speakers of the training who are in a held-out part; unknown ones (empty names) pass.

    Args:
        train: utterances.
        held_out: name of a part -> its utterances.

    Raises:
        DataError: they share a speaker.
    """
    trained = {utterance.speaker for utterance in train} - {""}
    for name, utterances in held_out.items():
        if shared := sorted(trained & {utterance.speaker for utterance in utterances}):
            raise DataError(
                f"{len(shared)} speakers of the training are in {name} too, such as {shared[0]}.",
                "What is trained on must not be tested on: take their recordings out of one of the "
                "two.",
            )


def without_sentences(
    train: Sequence[Utterance], held_out: Iterable[Utterance], normalizer: str = "none"
) -> tuple[list[Utterance], list[Utterance]]:
    """Return the utterances of the training whose sentences are not held out, and those left out.

    Sentences of fewer than four words pass: everybody says them.

    Args:
        train: utterances.
        held_out: utterances of dev and test parts.
        normalizer: sentences are compared as it writes them, see :mod:`asr.text.normalizers`.

    Example:
        >>> texts = {"a": "It rained all day.", "b": "Yes."}
        >>> train = [Utterance(name, "x.wav", text, "") for name, text in texts.items()]
        >>> held_out = [Utterance("c", "c.wav", "it rained all day", "")]
        >>> kept, left_out = without_sentences(train, held_out, "basic")
        >>> [u.id for u in kept], [u.id for u in left_out]
        (['b'], ['a'])
    """
    apart = {
        text
        for u in held_out
        if len((text := normalize(u.text, normalizer)).split()) >= LEAST_WORDS
    }
    kept: list[Utterance] = []
    left_out: list[Utterance] = []
    for utterance in train:
        (left_out if normalize(utterance.text, normalizer) in apart else kept).append(utterance)
    return kept, left_out
