"""Speech by eSpeak NG: words in time, voices, and texts that it cannot speak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.errors import AsrError, DataError
from data_prep import espeak

pytest.importorskip("espeakng_loader")


def test_speech_has_words_in_time() -> None:
    text = "my old friend went home"
    speech = espeak.speak(text, "en-us", "f1")
    assert speech.samples.dtype == np.float32
    assert 0.05 < np.abs(speech.samples).max() < 1
    assert [word.index for word in speech.words] == [0, 1, 2, 3, 4]
    assert [text[word.position :].split()[0] for word in speech.words] == text.split()
    starts = [word.start_s for word in speech.words]
    assert starts == sorted(starts)
    assert starts[-1] < speech.duration_s


def test_faster_is_shorter_and_higher_is_higher() -> None:
    slow, fast = (
        espeak.speak("good morning to you", speed_wpm=speed).duration_s for speed in (120, 220)
    )
    assert fast < 0.75 * slow
    low, high = (espeak.speak("oh", variant="m3", pitch=pitch) for pitch in (20, 80))
    assert fundamental(high) > 1.2 * fundamental(low)


def fundamental(speech: espeak.Speech) -> float:
    peak = int(np.abs(speech.samples).argmax())
    piece = speech.samples[max(0, peak - 1000) : peak + 1000]
    correlation = np.correlate(piece, piece, "full")[len(piece) - 1 :]
    return speech.sample_rate / (60 + int(correlation[60:400].argmax()))


def test_restart_makes_speech_independent_of_what_came_before() -> None:
    espeak.restart()
    first = espeak.speak("the red house", variant="f1")
    espeak.speak("something else in between", "en-gb", "m5", 200)
    espeak.restart()
    assert np.array_equal(first.samples, espeak.speak("the red house", variant="f1").samples)


def test_voices_are_listed() -> None:
    assert {"en-us", "en-gb", "en-gb-scotland"} <= {
        voice.language for voice in espeak.list_voices("en")
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"text": " "}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"text": "hello", "voice": "xx"}, "'xx'"),
        ({"text": "hello", "variant": "nobody"}, "'nobody'"),
        ({"text": "hello", "speed_wpm": 10}, "speed_wpm"),
        ({"text": "hello", "pitch": 101}, "pitch"),
        ({"text": "..."}, "audible"),
    ],
)
def test_what_cannot_be_spoken_is_refused(arguments: dict[str, str], named: str) -> None:
    with pytest.raises(DataError, match=named):
        espeak.speak(**arguments)  # type: ignore[arg-type]


def test_library_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_text("no library")
    with pytest.raises(AsrError, match="cannot be loaded"):
        espeak._load(str(tmp_path / "lib.so"))
