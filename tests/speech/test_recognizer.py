"""Recognition with a small random model: batches, formats, bad input, files in and out."""

from __future__ import annotations

import difflib
import io
import itertools
import shutil
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_models import noise, random_model

import asr
from asr.audio.level import levelled
from asr.audio.recording import Recording, Samples
from asr.audio.segmentation import speech_windows
from asr.errors import AudioError, ConfigError, DecodingError, ModelError
from asr.features.config import FeatureConfig

RATE = 16000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("models") / "tiny", FeatureConfig())


@pytest.fixture(scope="module")
def trimming_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("models") / "trimming", FeatureConfig(trim=True))


def test_batch_equals_one_by_one(model: Path) -> None:
    recognizer = asr.load_model(model)
    recordings = [noise(1.0, 1), noise(2.3, 2), noise(0.4, 3)]
    together = recognizer.transcribe_batch(recordings, RATE)
    assert together == [recognizer.transcribe(r, RATE) for r in recordings]
    assert len({t.text for t in together}) == 3
    for transcript, recording in zip(together, recordings, strict=True):
        assert transcript.duration_s == pytest.approx(len(recording) / RATE)
        times = [t for word in transcript.words for t in (word.start, word.end)]
        assert times == sorted(times)
        assert max(times, default=0.0) <= transcript.duration_s
        assert all(0 <= word.confidence <= 1 for word in transcript.words)


def test_any_source_gives_the_same(model: Path, tmp_path: Path) -> None:
    recognizer = asr.load_model(model)
    soundfile.write(tmp_path / "a.wav", noise(1.0), RATE, subtype="FLOAT")
    expected = recognizer.transcribe(noise(1.0), RATE)
    assert recognizer.transcribe(tmp_path / "a.wav") == expected
    assert recognizer.transcribe((tmp_path / "a.wav").read_bytes()) == expected
    with (tmp_path / "a.wav").open("rb") as file:
        assert recognizer.transcribe(file) == expected


def test_features_are_those_of_training(model: Path) -> None:
    from asr.features.extraction import LogMel

    recognizer = asr.load_model(model)
    np.testing.assert_allclose(
        recognizer.features([noise(1.0)])[0],
        LogMel(recognizer.feature_config).extract(noise(1.0)),
        atol=1e-5,
    )


def test_bad_recordings(model: Path) -> None:
    recognizer = asr.load_model(model)
    with pytest.raises(AudioError, match="no samples"):
        recognizer.transcribe(noise(0), RATE)
    with pytest.raises(AudioError, match="shorter than one frame"):
        recognizer.transcribe(noise(0.01), RATE)
    with pytest.raises(AudioError, match="without their sample rate"):
        recognizer.transcribe(noise(1.0))
    assert recognizer.transcribe(np.zeros(RATE, np.float32), RATE).duration_s == 1.0


def spoken(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A second of noise between moments of silence, softer in its middle."""
    return np.pad(noise(1.0, seed), 3000) * np.float32(1 + seed / 10)


def test_a_model_of_trimmed_speech_says_the_same_of_a_sentence_anywhere(
    trimming_model: Path,
) -> None:
    recognizer = asr.load_model(trimming_model)
    alone = [recognizer.transcribe(spoken(seed), RATE) for seed in range(4)]
    assert all(t.text for t in alone)
    pause = np.zeros(RATE, np.float32)
    short = np.concatenate([part for seed in range(4) for part in (pause, spoken(seed))])
    long = np.concatenate([short] * 6)
    assert len(short) < 30 * RATE < len(long)
    for recording, times in ((short, 1), (long, 6)):
        found = recognizer.transcribe(recording, RATE)
        assert [segment.text for segment in found.segments] == [t.text for t in alone] * times
        begin = 1.0
        for segment, own in zip(found.segments, alone * times, strict=True):
            assert segment.start == pytest.approx(own.words[0].start + begin, abs=0.002)
            begin += own.duration_s + 1
    assert recognizer.transcribe(np.zeros(RATE, np.float32), RATE).segments == ()
    with pytest.raises(AudioError, match="shorter than one frame"):
        recognizer.transcribe(noise(0.01), RATE)


def test_a_model_whose_weights_do_not_fit_is_refused(model: Path, tmp_path: Path) -> None:
    from asr.model_folder import add_to_bundle, open_bundle, write_bundle

    def copy(target: Path) -> None:
        for path in model.iterdir():
            (target / path.name).write_bytes(path.read_bytes())

    other = write_bundle(tmp_path / "other", copy)
    network = open_bundle(other).config["network"]
    network["model"]["hidden_dim"] = 8
    add_to_bundle(other, {}, {"network": network})
    with pytest.raises(ModelError, match="do not fit"):
        asr.load_model(other)


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


@pytest.mark.parametrize("threads", [1, 2])
def test_long_and_short_ones_come_in_order(model: Path, threads: int) -> None:
    recognizer = asr.load_model(model, threads=threads)
    short, long = noise(1.0), np.concatenate(bursts(20))
    alone = [recognizer.transcribe(source, RATE) for source in (short, long)]
    sources = [short, b"no audio", long, noise(0.01), short, long, long]
    found = list(recognizer.transcribe_many(sources, RATE))
    assert [isinstance(result, AudioError) for result in (found[1], found[3])] == [True, True]
    del found[3], found[1]
    assert found == [alone[0], alone[1], alone[0], alone[1], alone[1]]


@pytest.mark.parametrize("threads", [1, 2])
def test_what_the_search_refuses_ends_one_recording(
    model: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = asr.load_model(model, threads=threads)
    short, long = noise(1.0), np.concatenate(bursts(20))
    expected = list(recognizer.transcribe_many([short, long, long, short], RATE))
    search, calls = type(recognizer.decoder).__call__, itertools.count()

    def refuse_one(self: object, log_probs: list[Samples]) -> object:
        if next(calls) == 1:  # the first sections of the first long one
            raise DecodingError("Bad.", "Try another.")
        return search(self, log_probs)

    monkeypatch.setattr(type(recognizer.decoder), "__call__", refuse_one)
    found = list(recognizer.transcribe_many([short, long, long, short], RATE))
    assert isinstance(found[1], DecodingError)
    assert [found[0], *found[2:]] == [expected[0], *expected[2:]]


def test_nothing_goes_on_once_nobody_listens(model: Path) -> None:
    recognizer = asr.load_model(model, threads=2)
    asked: list[int] = []

    def sources() -> Iterator[Samples]:
        for number in range(200):
            asked.append(number)
            yield np.concatenate(bursts(20))

    results = recognizer.transcribe_many(sources(), RATE)
    next(results)
    results.close()  # type: ignore[attr-defined]
    threads = {thread.name for thread in threading.enumerate()}
    assert len(asked) < 4
    assert not any(name.startswith("ThreadPoolExecutor") for name in threads)


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


def test_channels_of_a_long_recording_go_through_together(model: Path, tmp_path: Path) -> None:
    recognizer = asr.load_model(model)
    left = np.concatenate(bursts(14))
    right = np.roll(left, 7 * RATE)
    stereo = np.stack([left, right], axis=1)
    assert len(stereo) > 35 * RATE
    apart = [recognizer.transcribe(stereo, RATE, channel=channel) for channel in range(2)]
    soundfile.write(tmp_path / "a.wav", stereo, RATE, subtype="FLOAT")

    class Stream(io.RawIOBase):
        """What a pipe is: it can be read once, and in no other order."""

        rest = (tmp_path / "a.wav").read_bytes()

        def read(self, size: int = -1) -> bytes:
            block, self.rest = self.rest[:size], self.rest[size:]
            return block

    for source in (stereo, tmp_path / "a.wav", Stream()):
        seconds: list[float] = []
        both = recognizer.transcribe(source, RATE, channel="all", progress=seconds.append)
        for channel in range(2):
            segments = [replace(s, channel=None) for s in both.segments if s.channel == channel]
            assert [s.text for s in segments] == [s.text for s in apart[channel].segments]
            assert [s.start for s in segments] == [s.start for s in apart[channel].segments]
        assert len(seconds) > 0
        assert both.duration_s == apart[0].duration_s


def test_a_silent_channel_does_not_hold_the_other_in_memory(model: Path) -> None:
    seconds = 900

    class Long(Recording):
        """Bursts of noise in one channel, silence in the other, made as they are read."""

        def decode(self, block_s: float) -> Iterator[Samples]:
            for number in range(seconds // 30):
                block = np.zeros((30 * RATE, 2), np.float32)
                block[:RATE, 0] = noise(1.0, number)
                yield block

    recording = Long("long", sample_rate=RATE, channels=2, num_samples=None)
    recognizer = asr.load_model(model)
    recognizer.transcribe(noise(1.0), RATE)  # compiles
    tracemalloc.start()
    transcript = recognizer.transcribe(recording, channel="all")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert transcript.duration_s == seconds
    assert {s.channel for s in transcript.segments} == {0}
    assert peak < 0.4 * seconds * RATE * 2 * 4  # bytes of the whole


def quiet_speech(seconds: float, peak_db: float) -> Samples:
    syllables = np.maximum(0.01, np.sin(np.arange(round(seconds * RATE)) * 25 / RATE))
    samples = noise(seconds) * syllables
    return (samples / np.abs(samples).max() * 10 ** (peak_db / 20)).astype(np.float32)


@pytest.mark.parametrize("seconds", [2.0, 40.0])
def test_quiet_speech_is_raised_before_the_network(model: Path, seconds: float) -> None:
    recognizer = asr.load_model(model)
    samples = quiet_speech(seconds, -46)
    quiet, loud = (recognizer.transcribe(x, RATE) for x in (samples, levelled(samples, RATE)))
    alike = difflib.SequenceMatcher(None, loud.text.split(), quiet.text.split()).ratio()
    assert alike > 0.95
    assert loud.notes == ()
    assert quiet.notes[0].startswith("quiet (its peak is at -46 dB)")
    assert '"notes"' in quiet.to_json()
    assert '"notes"' not in loud.to_json()


def test_quiet_features_are_those_of_training(model: Path, tmp_path: Path) -> None:
    """What `asr prepare` stores of a quiet recording is what the recogniser hears."""
    from asr.audio.level import levelled
    from asr.features.extraction import LogMel
    from data_prep.store import StoreConfig, Utterance, _copies

    soundfile.write(tmp_path / "a.wav", quiet_speech(2.0, -46), RATE, subtype="FLOAT")
    config = StoreConfig()
    stored = _copies(
        Utterance("a", str(tmp_path / "a.wav"), "", ""), LogMel(config.features), config
    )
    heard = asr.load_model(model).features([levelled(quiet_speech(2.0, -46), RATE)])
    np.testing.assert_allclose(stored[0][3], heard[0], atol=1e-4)


def test_silence_says_that_there_is_no_speech(trimming_model: Path) -> None:
    transcript = asr.load_model(trimming_model).transcribe(np.zeros(3 * RATE, np.float32), RATE)
    assert (transcript.text, transcript.notes) == ("", ("no speech was recognised",))


class Late(Recording):
    """A recording whose sound begins at 5 s of its clock."""

    def __init__(self, samples: Samples) -> None:
        super().__init__("late", sample_rate=RATE, channels=1, num_samples=len(samples))
        self.samples, self.start_s = samples, 5.0

    def decode(self, block_s: float) -> Iterator[Samples]:
        for first in range(0, len(self.samples), 8 * RATE):
            yield self.samples[first : first + 8 * RATE, None]


@pytest.mark.parametrize("seconds", [3.0, 40.0])
def test_times_are_those_of_the_files_clock(model: Path, seconds: float) -> None:
    recognizer = asr.load_model(model, {"n_best": 2})
    samples = noise(seconds)
    early, late = recognizer.transcribe(samples, RATE), recognizer.transcribe(Late(samples))
    assert late.text == early.text
    assert late.duration_s == early.duration_s + 5
    for one, other in zip(early.segments, late.segments, strict=True):
        assert (other.start, other.end) == pytest.approx((one.start + 5, one.end + 5))
        for reading, later in zip(one.alternatives, other.alternatives, strict=True):
            for word, shifted in zip(reading.words, later.words, strict=True):
                assert (shifted.start, shifted.end) == pytest.approx((word.start + 5, word.end + 5))


def test_alignment_by_the_files_clock_and_none_with_silence(model: Path) -> None:
    recognizer = asr.load_model(model)
    samples = noise(2.0)
    early = recognizer.align(samples, "a cab", RATE)
    late = recognizer.align(Late(samples), "a cab")
    assert late.duration_s == early.duration_s + 5
    for word, shifted in zip(early.words, late.words, strict=True):
        assert shifted.start == pytest.approx(word.start + 5)
        assert shifted.tokens[0].start == pytest.approx(word.tokens[0].start + 5)
    with pytest.raises(AudioError, match="is silent: no text"):
        recognizer.align(0 * samples, "a cab", RATE)


def test_channels_that_cancel_are_heard(model: Path) -> None:
    recognizer = asr.load_model(model)
    expected = recognizer.transcribe(noise(2.0), RATE)
    both = np.stack([noise(2.0), -noise(2.0)], axis=1)
    heard = recognizer.transcribe(both, RATE)
    assert heard.text == expected.text != ""
    assert heard.notes[0].startswith("channel 1 is the inverse")
