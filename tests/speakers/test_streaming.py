"""Speakers of a stream, with the embedder that knows tones."""

from __future__ import annotations

import numpy as np
import pytest
from tones import EMBEDDER, RATE, tone

from asr.speakers import streaming
from asr.speakers.diarization import DiarizationConfig
from asr.speakers.streaming import SpeakerStream


def said(stream: SpeakerStream, *tones: float) -> list[str]:
    return [stream.push(tone(hz, 2.0), 2.5 * n) for n, hz in enumerate(tones)]


def test_the_set_of_speakers_grows() -> None:
    stream = SpeakerStream(EMBEDDER)
    names = said(stream, 300, 2000, 300, 2000, 900, 300, 900)
    assert len(set(names)) == 3
    assert names[0] == "Speaker 1"
    by_tone = dict(zip((300, 2000, 300, 2000, 900, 300, 900), names, strict=True))
    assert [turn.speaker for turn in stream.diarization.turns] == [
        by_tone[hz] for hz in (300, 2000, 300, 2000, 900, 300, 900)
    ]


def test_names_stay_where_speech_is_only_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    tones = (300, 2000) * 6
    all_anew = said(SpeakerStream(EMBEDDER), *tones)
    monkeypatch.setattr(streaming, "ANEW_S", 8.0)
    monkeypatch.setattr(streaming, "GROWTH", 2.0)
    stream = SpeakerStream(EMBEDDER)
    assert said(stream, *tones) == all_anew
    assert len(stream.diarization.turns) == 12


def test_a_given_number_and_enrolled_names() -> None:
    voices = {"low": EMBEDDER.voice(np.concatenate([tone(300, 2.0)] * 2), RATE)}
    names = said(SpeakerStream(EMBEDDER, DiarizationConfig(speakers=2), voices), 2000, 300, 2000)
    assert names[1:] == ["low", "Speaker 1"]


def test_what_is_too_short_has_no_speaker() -> None:
    stream = SpeakerStream(EMBEDDER)
    assert stream.push(np.zeros(100, np.float32), 0.0) == ""
    assert stream.push(np.zeros(0, np.float32), 0.0) == ""
    assert stream.diarization.turns == ()
