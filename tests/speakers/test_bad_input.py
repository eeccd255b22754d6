"""Recordings that are no conversation, with the speaker model that comes with asr."""

from __future__ import annotations

import numpy as np
import pytest
from talks import LINES, RATE, said

from asr.speakers.diarization import Diarization, diarize
from asr.speakers.embedder import SpeakerEmbedder


@pytest.fixture(scope="module")
def embedder() -> SpeakerEmbedder:
    return SpeakerEmbedder.load()


def music() -> np.ndarray:
    """Return four chords of two seconds each, plucked."""
    time_s = np.arange(2 * RATE) / RATE
    chords = [(262, 330, 392), (294, 349, 440), (247, 311, 370), (262, 330, 392)]
    tones = [
        sum(np.sin(2 * np.pi * hz * k * time_s) / k for hz in chord for k in (1, 2, 3))
        for chord in chords
    ]
    return np.concatenate([0.05 * tone * np.exp(-1.5 * time_s) for tone in tones]).astype("f4")


def found(samples: np.ndarray, embedder: SpeakerEmbedder) -> Diarization:
    return diarize([samples], embedder)


def test_one_speaker_is_one(embedder: SpeakerEmbedder) -> None:
    pause = np.zeros(RATE // 2, np.float32)
    lines = [part for line in LINES[:5] for part in (said("man", line), pause)]
    assert found(np.concatenate(lines), embedder).speakers == ("Speaker 1",)


def test_two_seconds_are_one_speaker(embedder: SpeakerEmbedder) -> None:
    assert found(said("man", LINES[0])[: 2 * RATE], embedder).speakers == ("Speaker 1",)


def test_music_is_hardly_a_conversation(embedder: SpeakerEmbedder) -> None:
    assert 1 <= len(found(music(), embedder).speakers) <= 2


def test_half_a_second_does_no_harm(embedder: SpeakerEmbedder) -> None:
    assert len(found(said("woman", LINES[0])[: RATE // 2], embedder).speakers) <= 1
