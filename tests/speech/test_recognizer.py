"""Recognition with a small random model: batches, formats, bad input, files in and out."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_models import noise, random_model

import asr
from asr.audio.reading import load_audio
from asr.audio.segmentation import speech_windows
from asr.errors import AudioError, ConfigError, ModelError
from asr.features.config import FeatureConfig

RATE = 16000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("models") / "tiny", FeatureConfig())


@pytest.fixture(scope="module")
def trimming_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("models") / "trimming", FeatureConfig(trim=True))


def bursts(count: int, pause_s: float = 1.0) -> list[np.ndarray[tuple[int], np.dtype[np.float32]]]:
    """Stretches of wavering noise, each with silence around it."""
    found = []
    for number in range(count):
        seconds = 1.5 + 0.7 * (number % 5)
        t = np.arange(int(seconds * RATE)) / RATE
        sound = noise(seconds, number)[: len(t)] * (0.6 + 0.4 * np.sin(25 * t))
        found.append(np.pad(sound, int(pause_s / 2 * RATE)).astype(np.float32))
    return found


def test_a_long_recording_equals_its_parts(model: Path, tmp_path: Path) -> None:
    recognizer = asr.load_model(model)
    parts = bursts(20)
    long = np.concatenate(parts)
    whole = recognizer.transcribe(long, RATE)
    assert len(whole.segments) == len(parts)
    windows = list(speech_windows([long], RATE))
    assert not any(w.goes_on for w in windows)
    apart = [recognizer.transcribe(w.samples, RATE).text for w in windows]
    assert [s.text for s in whole.segments] == apart
    assert whole.text == " ".join(apart)
    times = [t for word in whole.words for t in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= whole.duration_s == pytest.approx(len(long) / RATE, abs=1e-3)
    soundfile.write(tmp_path / "a.wav", long, RATE, subtype="FLOAT")
    assert recognizer.transcribe(tmp_path / "a.wav") == whole  # read in blocks
    heard: list[float] = []
    assert recognizer.transcribe((tmp_path / "a.wav").read_bytes(), progress=heard.append) == whole
    assert heard == sorted(heard)
    assert heard[-1] > 50


def test_no_pause_in_sight(model: Path) -> None:
    """Windows that overlap give what the recording gives at once; a network of random weights hears
    a little more of their borders than a trained one does. That seams lose and double nothing is
    tested in test_stitching.py.
    """
    recognizer = asr.load_model(model)
    t = np.arange(70 * RATE) / RATE
    restless = (noise(70.0) * (0.6 + 0.4 * np.sin(25 * t))).astype(np.float32)
    transcript = recognizer.transcribe(restless, RATE)
    expected = recognizer.decoder(recognizer.log_probs([restless])[0])[0]
    assert len(transcript.segments) == 3
    assert (
        difflib.SequenceMatcher(None, transcript.text, expected.text, autojunk=False).ratio() > 0.9
    )


def test_nothing_said_for_long(model: Path) -> None:
    transcript = asr.load_model(model).transcribe(np.zeros(40 * RATE, np.float32), RATE)
    assert (transcript.text, transcript.segments, transcript.duration_s) == ("", (), 40.0)


def test_channels(model: Path, tmp_path: Path) -> None:
    recognizer = asr.load_model(model)
    left, right = noise(1.0, 1), noise(1.0, 2)
    stereo = np.stack([left, right], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="FLOAT")
    texts = [recognizer.transcribe(side, RATE).text for side in (left, right)]
    for source, rate in (
        (stereo, RATE),
        (tmp_path / "a.wav", None),
        ((tmp_path / "a.wav").read_bytes(), None),
    ):
        assert recognizer.transcribe(source, rate, channel=1).text == texts[1]
        both = recognizer.transcribe(source, rate, channel="all")
        assert {s.channel: s.text for s in both.segments} == dict(enumerate(texts))
    with pytest.raises(AudioError, match="channels 0 to 1"):
        recognizer.transcribe(tmp_path / "a.wav", channel=2)


def test_n_best_and_hotwords(model: Path, tmp_path: Path) -> None:
    recognizer = asr.load_model(model, {"n_best": 3, "beam_size": 20})
    (segment,) = recognizer.transcribe(noise(1.0), RATE).segments
    assert len(segment.alternatives) == 3
    assert segment.alternatives[0].text == segment.text
    scores = [a.score for a in segment.alternatives]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= w.confidence <= 1 for a in segment.alternatives for w in a.words)
    other = segment.alternatives[1].text
    hot = asr.load_model(model, {"hotwords": {other.upper(): 20.0}})
    assert hot.transcribe(noise(1.0), RATE).text == other != segment.text
    with pytest.raises(ConfigError, match="Greedy"):
        asr.load_model(model, {"method": "greedy", "n_best": 2})
    with pytest.raises(ConfigError, match="hotwords"):
        asr.load_model(model, {"hotwords": {"ab": 1e6}})
    with pytest.raises(ConfigError, match="beam_sise"):
        asr.load_model(model, {"beam_sise": 2})


def test_one_bad_recording_does_not_harm_the_others(model: Path) -> None:
    recognizer = asr.load_model(model)
    found = list(
        recognizer.transcribe_many([noise(1.0), noise(0.01), b"no audio", noise(2.0)], RATE)
    )
    assert [getattr(f, "text", None) is None for f in found] == [False, True, True, False]
    assert isinstance(found[1], AudioError)
    assert isinstance(found[2], AudioError)
    assert [found[0], found[3]] == recognizer.transcribe_batch([noise(1.0), noise(2.0)], RATE)
    assert recognizer.transcribe_batch([]) == []


def test_names_of_models(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asr import model_folder

    with pytest.raises(ModelError, match="no model 'none'"):
        asr.load_model("none")
    (tmp_path / "asr").mkdir()
    shutil.copytree(model, tmp_path / "pretrained" / "small")
    monkeypatch.setattr(model_folder, "__file__", str(tmp_path / "asr" / "model_folder.py"))
    assert asr.load_model("small").name == "small"
    with pytest.raises(ModelError, match="come with asr: small"):
        asr.load_model("none")
    (tmp_path / "pretrained").rename(tmp_path / "asr" / "_pretrained")  # as a wheel brings it
    assert asr.load_model("small").name == "small"


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.mp4"])
def test_media_containers(model: Path, tmp_path: Path, name: str) -> None:
    av = pytest.importorskip("av")
    from asr.audio.reading import audio_info, open_recording

    path, rate = tmp_path / name, 48000
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus" if name == "a.webm" else "aac", rate=rate)
        stream.layout = "stereo"
        samples = np.sin(np.arange(rate * 3) * 0.1).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(
            np.stack([samples, 0 * samples]), format="fltp", layout="stereo"
        )
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = audio_info(path)
    assert (info.sample_rate, info.channels) == (rate, 2)
    whole = load_audio(path)
    assert whole.duration_s == pytest.approx(3.0, abs=0.1)
    with open_recording(path) as recording:
        blocks = np.concatenate(list(recording.resampled(16000, block_s=0.5)))
    assert np.abs(blocks - whole.samples).max() < 1e-3
    recognizer = asr.load_model(model)
    expected = recognizer.transcribe(path)
    assert recognizer.transcribe(path.read_bytes()) == expected
    with path.open("rb") as file:
        assert recognizer.transcribe(file) == expected
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AudioError, match="no readable sound"):
        recognizer.transcribe(path)
