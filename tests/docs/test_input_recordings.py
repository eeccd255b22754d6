"""docs/reference/input.md says of recordings what happens."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from recordings import BROKEN, GOOD, RATE, encode

from asr.audio.level import QUIET_DB, levelled
from asr.audio.reading import AUDIO_SUFFIXES, load_audio, open_recording
from asr.errors import AudioError

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "input.md").read_text(encoding="utf-8")
VOICE = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32) * np.maximum(
    0.01, np.sin(np.arange(3 * RATE) * 25 / RATE)
).astype(np.float32)


def section(title: str) -> str:
    return re.split(r"^## ", PAGE, flags=re.MULTILINE)[
        [h.partition("\n")[0] for h in re.split(r"^## ", PAGE, flags=re.MULTILINE)].index(title)
    ]


def notes(source: object, rate: int | None = None) -> list[str]:
    from asr.audio.level import LevelledBlocks

    with open_recording(source, rate) as recording:
        blocks = LevelledBlocks(recording.resampled(RATE), RATE)
        list(blocks)
        return recording.notes + blocks.notes


@pytest.mark.parametrize(
    ("source", "rate"),
    [
        (GOOD["crashed.wav"](VOICE), None),
        (GOOD["sox.wav"](VOICE), None),
        (np.stack([VOICE, -VOICE], axis=1), RATE),
        (np.clip(np.sin(np.arange(3 * RATE) * 0.05) * 1.05, -1, 1).astype(np.float32), RATE),
    ],
)
def test_notes_are_on_the_page(source: object, rate: int | None) -> None:
    (note,) = notes(source, rate)
    words = re.sub(r"[0-9.]+ %", "2.3 %", note).partition(";")[0].partition(": turned")[0]
    assert words in section("Recordings")


def test_the_level_on_the_page() -> None:
    assert f"below {QUIET_DB:g} dB" in section("Recordings")
    quiet = VOICE / np.abs(VOICE).max() * 10 ** (-46 / 20)
    (note,) = notes(quiet.astype(np.float32), RATE)
    assert re.sub(r"by \d+ dB", "by 22 dB", note) in section("Recordings")
    assert levelled(VOICE, RATE) is VOICE


@pytest.mark.parametrize("name", BROKEN)
def test_refusals_are_on_the_page(name: str) -> None:
    said = re.findall(r"`([^`]+)`", section("Recordings").partition("Refused, by name")[2])
    if name in ("one sample.wav", "header.wav", "riff.wav"):
        pytest.skip("said by the recogniser, or in libsndfile's words")
    with pytest.raises(AudioError) as refused:
        load_audio(BROKEN[name](VOICE))
    known = [*said, "holds no bytes", "holds no readable sound"]
    assert any(words in str(refused.value) for words in known), str(refused.value)


def test_every_suffix_is_on_the_page() -> None:
    page = section("Recordings").lower()
    names = {".oga": "ogg", ".aif": "aiff", ".mkv": "matroska", ".mka": "matroska"}
    for suffix in AUDIO_SUFFIXES:
        assert names.get(suffix, suffix[1:]) in page, suffix


def test_a_name_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encode(VOICE, "a.m4a"))
    assert load_audio(tmp_path / "a.wav").duration_s == pytest.approx(3.0, abs=0.1)
