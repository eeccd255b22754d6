"""Words of a transcript and turns of speakers."""

from __future__ import annotations

import json

import pytest

from asr.speakers.diarization import Diarization
from asr.speech.transcripts.speakers import with_speakers
from asr.speech.transcripts.transcript import (
    Segment,
    Transcript,
    Word,
    Written,
    WrittenToken,
    read_transcript,
)
from asr.text.rttm import SpeakerTurn


def transcript(*words: tuple[str, float, float], written: bool = False) -> Transcript:
    said = tuple(Word(word.strip(".?").lower(), start, end, 0.9) for word, start, end in words)
    tokens = tuple(
        WrittenToken(word, start, end, 0.9, n, n + 1, word[-1] if word[-1] in ".?" else "")
        for n, (word, start, end) in enumerate(words)
    )
    text = " ".join(word.word for word in said)
    whole = Written(" ".join(token.text for token in tokens), tokens) if written else None
    segment = Segment(said[0].start, said[-1].end, text, 0.9, said, written=whole)
    return Transcript(text, 10.0, (segment,), "m")


def turns(*given: tuple[float, float, str]) -> Diarization:
    found = tuple(SpeakerTurn(*turn) for turn in given)
    return Diarization(found, tuple(dict.fromkeys(t.speaker for t in found)), {})


TWO = turns((0.0, 1.0, "anna"), (1.0, 3.0, "Speaker 1"))
WORDS = (("How", 0.0, 0.3), ("old?", 0.3, 0.9), ("Five", 1.1, 1.5), ("years.", 1.5, 2.0))


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    labelled = with_speakers(transcript(*WORDS, written=True), TWO)
    assert [(s.speaker, s.text, s.readable) for s in labelled.segments] == [
        ("anna", "how old", "How old?"),
        ("Speaker 1", "five years", "Five years."),
    ]
    second = labelled.segments[1]
    assert (second.start, second.end) == (1.1, 2.0)
    assert second.written is not None
    assert [(t.first_word, t.stop_word) for t in second.written.tokens] == [(0, 1), (1, 2)]
    assert labelled.text == "how old five years"


def test_a_change_moves_to_the_pause_or_the_end_of_a_sentence() -> None:
    # found 0.3 s too early and too late: by a pause of 0.2 s, by the mark
    for found_s in (0.6, 1.3):
        late = turns((0.0, found_s, "anna"), (found_s, 3.0, "ben"))
        parts = with_speakers(transcript(*WORDS, written=True), late).segments
        assert [s.text for s in parts] == ["how old", "five years"]


def test_a_change_far_from_any_pause_stays() -> None:
    words = [(f"w{n}", n / 2, n / 2 + 0.5) for n in range(8)]
    found = turns((0.0, 2.0, "anna"), (2.0, 4.0, "ben"))
    parts = with_speakers(transcript(*words), found).segments
    assert [len(s.words) for s in parts] == [4, 4]


def test_words_outside_of_all_turns_go_to_the_nearest() -> None:
    words = transcript(("a", 0.0, 0.2), ("b", 5.0, 5.2), ("c", 9.0, 9.2))
    found = turns((1.0, 2.0, "anna"), (7.0, 8.0, "ben"))
    assert [s.speaker for s in with_speakers(words, found).segments] == ["anna", "ben"]


def test_without_turns_nothing_is_split() -> None:
    labelled = with_speakers(transcript(*WORDS), Diarization((), (), {}, ("no speech",)))
    assert labelled.segments[0].speaker is None
    assert labelled.turns == ()
    assert labelled.notes == ("no speech",)


def test_every_format_names_the_speakers() -> None:
    labelled = with_speakers(transcript(*WORDS), TWO)
    assert labelled.to_txt() == "anna: how old\nSpeaker 1: five years\n"
    assert "anna: how old" in labelled.to_srt()
    assert "<v anna>how old" in labelled.to_vtt()
    assert labelled.to_tsv().splitlines()[1].split("\t")[3:] == ["anna", "how old"]
    assert labelled.to_ctm("r").splitlines()[2].split()[:2] == ["r", "Speaker_1"]
    assert labelled.to_rttm("a talk").splitlines() == [
        "SPEAKER a_talk 1 0.000 1.000 <NA> <NA> anna <NA> <NA>",
        "SPEAKER a_talk 1 1.000 2.000 <NA> <NA> Speaker_1 <NA> <NA>",
    ]
    content = json.loads(labelled.to_json())
    assert [s["speaker"] for s in content["segments"]] == ["anna", "Speaker 1"]
    assert content["turns"][0] == {"start": 0.0, "end": 1.0, "speaker": "anna"}
    assert read_transcript(content) == labelled


def test_without_speakers_json_is_as_before() -> None:
    content = transcript(*WORDS).to_dict()
    assert "turns" not in content
    assert "speaker" not in content["segments"][0]


def test_times_move_with_the_clock_of_the_file() -> None:
    labelled = with_speakers(transcript(*WORDS), TWO).from_file(10.0, [])
    assert labelled.turns is not None
    assert labelled.turns[1].start == 11.0
    assert labelled.segments[1].words[0].start == pytest.approx(11.1)


def test_subtitles_end_where_the_speaker_changes() -> None:
    words = [("yes", n * 0.5, n * 0.5 + 0.4) for n in range(4)]
    found = turns((0.0, 0.5, "a"), (0.5, 1.0, "b"), (1.0, 1.5, "a"), (1.5, 2.0, "b"))
    cues = with_speakers(transcript(*words), found).to_srt().strip().split("\n\n")
    assert [cue.splitlines()[2] for cue in cues] == ["a: yes", "b: yes", "a: yes", "b: yes"]
