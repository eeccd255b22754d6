"""Where two voices speak at once, and whose the second one is."""

from __future__ import annotations

import numpy as np
import pytest

from asr.speakers.diarization import Diarization, DiarizationConfig, diarize_parts
from asr.speakers.embedder import Calibration
from asr.speakers.overlap import overlapped_spans, second_turns
from asr.speakers.windows import SpeechPart
from asr.text.rttm import SpeakerTurn


def part(start: float, probabilities: list[float], voices: str = "") -> SpeechPart:
    """A stretch with a step a tenth of a second, and a window each second."""
    rows = np.eye(4, dtype=np.float32)[[ord(voice) - ord("a") for voice in voices]]
    end = start + len(probabilities) / 10
    middles = start + 0.5 + np.arange(len(rows), dtype=np.float32)
    return SpeechPart(start, end, middles, rows, np.array(probabilities, np.float32))


def test_spans_are_where_the_network_is_sure_for_long_enough() -> None:
    first = part(1.0, [0, 0.9, 0, 0.6, 0.9, 0.7, 0.2])
    spans = list(overlapped_spans([first, part(5.0, [1, 1, 1])], 0.5))
    assert np.allclose(spans, [(1.3, 1.6), (5.0, 5.3)])
    assert list(overlapped_spans([SpeechPart(0, 9, *2 * (np.zeros(0, np.float32),))], 0.5)) == []


def test_the_second_voice_is_of_whoever_else_speaks_nearest() -> None:
    turns = [SpeakerTurn(0, 4, "A"), SpeakerTurn(4, 6, "B"), SpeakerTurn(6.5, 20, "C")]
    found = list(second_turns(turns, [(3.5, 4.5), (5.8, 6.6), (15, 16)]))
    assert found[:2] == [SpeakerTurn(3.5, 4, "B"), SpeakerTurn(4, 4.5, "A")]
    assert found[2:] == [SpeakerTurn(5.8, 6, "C"), SpeakerTurn(6.5, 6.6, "B")]
    assert list(second_turns([SpeakerTurn(0, 9, "A")], [(1, 2)])) == []


def test_turns_of_a_speaker_do_not_touch() -> None:
    turns = (SpeakerTurn(0, 4, "A"), SpeakerTurn(4, 6, "B"))
    overlaps = (SpeakerTurn(3.5, 4, "B"), SpeakerTurn(4, 4.5, "A"))
    found = Diarization(turns, ("A", "B"), {}, overlaps=overlaps)
    assert found.every_turn == (SpeakerTurn(0, 4.5, "A"), SpeakerTurn(3.5, 6, "B"))
    later = found.later(2).renamed({"A": "x", "B": "y"})
    assert later.every_turn == (SpeakerTurn(2, 6.5, "x"), SpeakerTurn(5.5, 8, "y"))


@pytest.mark.parametrize(("threshold", "count"), [(0.5, 1), (0.95, 0)])
def test_diarization_has_the_overlap_that_its_model_believes(threshold: float, count: int) -> None:
    quiet = [0.0] * 40
    parts = [part(0, quiet, "aaaa"), part(4.1, [*quiet[:-5], *5 * [0.9]], "bbbb")]
    parts.append(part(8.3, quiet, "aaaa"))
    found = diarize_parts(parts, Calibration(overlap=threshold), DiarizationConfig(speakers=2))
    assert len(found.turns) == 3
    assert len(found.overlaps) == count
    if count:
        assert found.overlaps[0].speaker == found.turns[0].speaker
        assert found.overlaps[0].start == pytest.approx(7.6)
