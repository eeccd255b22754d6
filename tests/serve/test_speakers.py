"""Speakers by request option."""

from __future__ import annotations

from pathlib import Path

import pytest
from talks import RATE, talk, write

from asr.serve.errors import BadOption
from asr.serve.options import RECORDING, STREAM, read_options
from asr.serve.speakers import StreamSpeakers, check_speakers, labelled
from asr.speech.streaming import StreamResult
from asr.speech.transcripts.transcript import Segment, Transcript, Word


def test_what_does_not_go_together_is_refused() -> None:
    for given, name in (
        ([("speakers", "true"), ("n_best", "2")], "n_best"),
        ([("output_format", "rttm")], "output_format"),
    ):
        with pytest.raises(BadOption) as refused:
            check_speakers(read_options(given, RECORDING))
        assert refused.value.name == name
    check_speakers(read_options([("num_speakers", "2"), ("output_format", "rttm")], RECORDING))
    assert read_options([("speakers", "true")], STREAM).wants_speakers


def test_a_request_gets_speakers_by_the_clock_of_its_file(tmp_path: Path) -> None:
    samples, turns = talk(["man", "woman"])
    words = tuple(Word(who, 10 + start, 10 + end, 0.9) for start, end, who in turns)
    segment = Segment(words[0].start, words[-1].end, "man woman", 0.9, words)
    plain = Transcript("man woman", 20.0, (segment,), "m")
    asked = read_options([("num_speakers", "2")], RECORDING)
    assert labelled(plain, samples, read_options([], RECORDING), RATE) is plain
    parts = labelled(plain, samples, asked, sample_rate=RATE, start_s=10.0).segments
    assert [(part.text, part.speaker) for part in parts] == [
        ("man", "Speaker 1"),
        ("woman", "Speaker 2"),
    ]
    assert labelled(plain, write(tmp_path / "a.wav", samples), asked).turns


@pytest.mark.parametrize("rate", [RATE, 8000])
def test_final_results_of_a_stream_have_a_speaker(rate: int) -> None:
    samples, turns = talk(["man", "woman", "man", "woman"])
    pcm = (samples[:: RATE // rate] * 32767).astype("<i2")
    who = StreamSpeakers(read_options([("num_speakers", "2")], STREAM), rate)
    for first in range(0, len(pcm), 4000):
        who.push(pcm[first : first + 4000])
    results = [
        StreamResult(True, "x", start, end, (), n) for n, (start, end, _) in enumerate(turns)
    ]
    named = who.named([*results, StreamResult(False, "y", 0.0, 0.1, (), 9)])
    assert named[-1].speaker is None
    assert {result.speaker for result in named[:-1]} <= {"Speaker 1", "Speaker 2"}
    assert len(who.turns()["turns"]) >= len(turns)
