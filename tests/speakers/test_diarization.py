"""Who spoke when, with an embedder that knows two tones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from tones import EMBEDDER, RATE, tone

from asr.errors import AudioError, ConfigError
from asr.speakers.diarization import DiarizationConfig, check_names, diarize
from asr.speakers.embedder import Voice
from asr.speakers.verification import verify
from asr.speakers.windows import Array


def silence(seconds: float) -> Array:
    noise = np.random.default_rng(0).standard_normal(round(seconds * RATE))
    return (1e-4 * noise).astype(np.float32)


def blocks(samples: Array, size: int = 5000) -> Iterator[Array]:
    for first in range(0, len(samples), size):
        yield samples[first : first + size]


def conversation(*tones: float, pause_s: float = 0.5) -> Array:
    parts = [silence(0.5)]
    for hz in tones:
        parts += [tone(hz, 2.0), silence(pause_s)]
    return np.concatenate(parts)


def test_turns_are_where_the_tones_are() -> None:
    found = diarize(blocks(conversation(300, 2000, 300, 2000)), EMBEDDER)
    assert found.speakers == ("Speaker 1", "Speaker 2")
    assert [t.speaker[-1] for t in found.turns] == list("1212")
    for number, turn in enumerate(found.turns):
        assert turn.start == pytest.approx(0.5 + 2.5 * number, abs=0.2)
        assert turn.end == pytest.approx(2.5 + 2.5 * number, abs=0.2)


def test_blocks_do_not_matter() -> None:
    talk = conversation(300, 2000, 900)
    assert diarize(blocks(talk), EMBEDDER).turns == diarize(blocks(talk, 160001), EMBEDDER).turns


def test_a_change_without_a_pause_is_found() -> None:
    found = diarize(blocks(conversation(300, 2000, 300, pause_s=0.0)), EMBEDDER)
    assert [t.speaker[-1] for t in found.turns] == list("121")
    assert found.turns[0].end == pytest.approx(2.5, abs=0.4)


def test_a_given_number_of_speakers() -> None:
    talk = conversation(300, 2000, 4000, 300, 2000, 4000)
    assert len(diarize(blocks(talk), EMBEDDER).speakers) == 3
    two = diarize(blocks(talk), EMBEDDER, DiarizationConfig(speakers=2))
    assert len(two.speakers) == 2
    one = diarize(blocks(talk), EMBEDDER, DiarizationConfig(speakers=1))
    assert len(one.speakers) == 1
    many = diarize(blocks(talk), EMBEDDER, DiarizationConfig(speakers=50))
    assert "of 50 speakers" in many.notes[0]


def test_enrolled_speakers_have_their_names() -> None:
    voices = {"low": EMBEDDER.voice(conversation(300), RATE)}
    found = diarize(blocks(conversation(2000, 300, 2000)), EMBEDDER, enrolled=voices)
    assert [t.speaker for t in found.turns] == ["Speaker 1", "low", "Speaker 1"]
    stranger = {"high": Voice(np.eye(64, dtype=np.float32)[63], 2.0, 1.0)}
    found = diarize(blocks(conversation(2000, 300)), EMBEDDER, enrolled=stranger)
    assert found.speakers == ("Speaker 1", "Speaker 2")


@pytest.mark.parametrize("samples", [silence(3), np.zeros(16000, np.float32), silence(0.01)])
def test_silence_has_no_speakers(samples: Array) -> None:
    found = diarize(blocks(samples), EMBEDDER)
    assert len(found.speakers) <= 1  # steady noise may be speech as far as levels tell
    if not found.turns:
        assert found.notes == ("no speech was found to tell speakers by",)


def test_two_seconds_are_one_turn() -> None:
    found = diarize(blocks(np.concatenate([silence(0.3), tone(300, 1.4), silence(0.3)])), EMBEDDER)
    assert len(found.turns) == 1


def test_verification_tells_tones_apart() -> None:
    low, again, high = conversation(300), conversation(300, 300), conversation(2000)
    as_bytes = {name: _wav(samples) for name, samples in (("l", low), ("a", again), ("h", high))}
    assert verify(EMBEDDER, as_bytes["l"], as_bytes["a"]).same
    apart = verify(EMBEDDER, as_bytes["l"], as_bytes["h"])
    assert not apart.same
    assert apart.probability < 0.01
    assert "two speakers" in str(apart)


def _wav(samples: Array) -> bytes:
    import io

    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV")
    return buffer.getvalue()


def test_a_voice_needs_speech() -> None:
    with pytest.raises(AudioError, match="of speech"):
        EMBEDDER.voice(np.zeros(RATE, np.float32), RATE)


@pytest.mark.parametrize("name", ["", "a\tb", "Speaker 3", "<b>"])
def test_names_that_no_output_could_hold(name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        check_names([name])


def test_more_than_an_hour_in_bounded_memory() -> None:
    """The number of windows is what grows: half a kilobyte each."""
    import tracemalloc

    def long() -> Iterator[Array]:
        for number in range(60):
            yield conversation(*(300, 2000, 900)[number % 3 :], pause_s=0.3)

    tracemalloc.start()
    found = diarize(long(), EMBEDDER, DiarizationConfig(speakers=3))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.speakers) == 3
    assert peak < 60e6
