"""Whether two recordings are of one speaker."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from asr.audio.reading import Source
from asr.speakers.embedder import SpeakerEmbedder, Voice

__all__ = ["SHORT_S", "Verification", "verify"]

SHORT_S = 2.0  # of speech: with less, errors are several times as frequent
ONE_VOICE = 0.5  # mean cosine of a recording's windows with its voice


@dataclass(frozen=True)
class Verification:
    """How alike the voices of two recordings are.

    Attributes:
        probability: that they are one person's, 0 to 1, at even odds before.
        log_odds: natural logarithm of the odds; above 0: rather one person.
        cosine: of the two embeddings.
        notes: what is to be said, a sentence each.
    """

    probability: float
    log_odds: float
    cosine: float
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether one speaker is more probable than two, at even odds."""
        return self.log_odds > 0

    def to_dict(self) -> dict[str, Any]:
        """Return all as JSON has it, ``same`` first."""
        return {"same": self.same, **asdict(self), "notes": list(self.notes)}

    def __str__(self) -> str:
        """In one line, for people."""
        verdict = "one speaker" if self.same else "two speakers"
        return (
            f"{verdict}: the probability of one speaker is {self.probability:.3f} at even odds "
            f"(log-odds {self.log_odds:+.2f}, cosine {self.cosine:.3f})"
        )


def verify(embedder: SpeakerEmbedder, first: Source, second: Source) -> Verification:
    """Return how likely two recordings, of one speaker each, are of the same one.

    Raises:
        AudioError: a recording cannot be read, or has no speech.
    """
    voices = {"the first": embedder.voice(first), "the second": embedder.voice(second)}
    one, other = voices.values()
    cosine = float(one.embedding @ other.embedding)
    calibration = embedder.calibration
    notes = [note for name, voice in voices.items() for note in _notes(name, voice)]
    return Verification(
        probability=round(calibration.probability(cosine), 4),
        log_odds=round(calibration.log_odds(cosine), 3),
        cosine=round(cosine, 4),
        notes=tuple(notes),
    )


def _notes(name: str, voice: Voice) -> list[str]:
    notes = []
    if voice.speech_s < SHORT_S:
        notes.append(f"{name} recording has only {voice.speech_s:.1f} s of speech")
    if voice.agreement < ONE_VOICE:
        notes.append(f"{name} recording is hardly one voice: noise, or several speakers")
    return notes
