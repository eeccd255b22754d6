"""Listening with a simulated sound device and a "network" that hears loud as words and quiet as
blanks.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from typer.testing import CliRunner

import asr
from asr.errors import AudioError, MissingDependencyError
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.microphone import GrowingWindow, Microphone, listen, microphones
from asr.speech.recognizer import Recognizer
from asr.speech.streaming import EndpointConfig
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

RATE = 16000
Samples = npt.NDArray[np.float32]


def spoken(*words: str, pause_s: float = 0.2) -> Samples:
    """Each letter is 80 ms of its own loudness, each followed by 40 ms of silence."""
    parts = [np.zeros(int(0.48 * RATE))]
    for word in words:
        for letter in word:
            level = 0.1 * (1 + "abcde".index(letter))
            parts += [np.full(int(0.08 * RATE), level), np.zeros(int(0.04 * RATE))]
        parts.append(np.zeros(int(pause_s * RATE)))
    return np.concatenate(parts).astype(np.float32)


def hears(recordings: Sequence[Samples]) -> list[Samples]:
    found = []
    for samples in recordings:
        frames = samples[: len(samples) // 640 * 640].reshape(-1, 640)
        tokens = np.where(frames.max(1) > 0.05, np.round(frames.max(1) * 10).astype(int) + 1, 0)
        quiet = (
            np.convolve(tokens == 0, np.ones(5), "full")[: len(tokens)] == 4
        )  # a short pause is the space
        probs = np.full((len(tokens), 7), 0.01)
        probs[np.arange(len(tokens)), np.where(quiet & (tokens == 0), 1, tokens)] = 0.94
        found.append(np.log(probs).astype(np.float32))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    tokenizer = CharTokenizer("abcde")
    task = CtcTask(
        CtcTaskConfig(model=CtcModelConfig(hidden_dim=8, num_layers=1, conv_channels=4)),
        len(tokenizer),
    )
    path = tmp_path_factory.mktemp("models") / "tiny"
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), path)
    return path


@pytest.fixture
def recognizer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Recognizer:
    monkeypatch.setattr(Recognizer, "log_probs", lambda self, recordings: hears(recordings))
    return asr.load_model(folder)


SPEECH = np.concatenate(
    [spoken("ab", "cad"), np.zeros(RATE * 2, np.float32), spoken("bad", "dad", "e")]
)
SAID = ["ab cad", "bad dad e"]


@pytest.mark.parametrize("block", [160, 1601, 8000, 10**6])
def test_utterances_end_at_pauses(recognizer: Recognizer, block: int) -> None:
    blocks = [SPEECH[i : i + block] for i in range(0, len(SPEECH), block)]
    results = list(listen(blocks, recognizer))
    finals = [r for r in results if r.final]
    assert [w for r in finals for w in r.text.split()] == " ".join(SAID).split()
    if block < 10**6:
        assert [r.text for r in finals] == SAID
        assert [r.utterance for r in finals] == [0, 1]
        assert any(not r.final and r.text.startswith("ab") for r in results)
    times = [t for r in finals for w in r.words for t in (w.start, w.end)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(0.48 - 0.055, abs=0.05)


def test_nobody_pauses(recognizer: Recognizer) -> None:
    words = ["abc", "dade", "bed", "ace"] * 12
    speech = spoken(*words)
    blocks = [speech[i : i + 3200] for i in range(0, len(speech), 3200)]
    finals = [r for r in listen(blocks, recognizer) if r.final]
    assert len(finals) > 1
    assert " ".join(r.text for r in finals).split() == words


def test_silence_is_forgotten(recognizer: Recognizer) -> None:
    window = GrowingWindow(recognizer)
    for _ in range(200):
        assert window.push(np.zeros(1600, np.float32)) == []
        assert len(window.samples) < 2 * RATE
    assert window.finish() == []
    assert GrowingWindow(recognizer).finish() == []


def test_a_long_silence_is_told(recognizer: Recognizer) -> None:
    endpoint = EndpointConfig(start_silence_s=1.5)
    sound = np.concatenate([np.zeros(2 * RATE, np.float32), spoken("ab"), np.zeros(3 * RATE)])
    blocks = [sound[i : i + 1600] for i in range(0, len(sound), 1600)]
    finals = [r.text for r in listen(blocks, recognizer, endpoint) if r.final]
    assert finals == ["", "ab", ""]


def test_interrupting_gives_what_was_said(recognizer: Recognizer) -> None:
    def interrupted() -> Any:
        yield spoken("ab")[: int(0.8 * RATE)]
        raise KeyboardInterrupt

    assert [r.text for r in listen(interrupted(), recognizer) if r.final] == ["ab"]


class SimulatedDevice(types.ModuleType):
    """What :mod:`asr.speech.microphone` uses of sounddevice; plays SPEECH into the callback from a
    thread of its own.
    """

    class PortAudioError(Exception):
        pass

    def __init__(self, fails: bool = False) -> None:
        super().__init__("sounddevice")
        device = self

        class InputStream:
            def __init__(
                self,
                samplerate: int,
                device: Any,
                channels: int,
                dtype: str,
                blocksize: int,
                callback: Any,
            ):
                if fails or device == "none":
                    raise SimulatedDevice.PortAudioError("no such device")
                assert (samplerate, channels, dtype) == (RATE, 1, "float32")
                self.active, self.callback, self.size = False, callback, blocksize
                self.thread = threading.Thread(target=self.play)

            def play(self) -> None:
                for i in range(0, len(SPEECH), self.size):
                    block = SPEECH[i : i + self.size, None]
                    self.callback(block, len(block), None, None)
                self.active = False

            def start(self) -> None:
                self.active = True
                self.thread.start()

            def stop(self) -> None:
                self.thread.join()

            def close(self) -> None:
                device.closed = True

        self.InputStream, self.closed = InputStream, False

    def query_devices(self) -> str:
        return "> 0 Simulated microphone"


def test_microphone(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    device = SimulatedDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", device)
    with Microphone(RATE) as microphone:
        heard = np.concatenate(list(microphone))
    np.testing.assert_array_equal(heard, SPEECH)
    assert device.closed
    assert "Simulated" in microphones()


def test_command_line(
    recognizer: Recognizer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asr.cli import app

    monkeypatch.setitem(sys.modules, "sounddevice", SimulatedDevice())
    done = CliRunner().invoke(app, ["listen", "--model", str(folder)])
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == " ".join(SAID).split()
    short = CliRunner().invoke(app, ["listen", "--model", str(folder), "--seconds", "1.3"])
    assert short.stdout.split() == ["ab", "cad"][: len(short.stdout.split())]
    assert "Simulated" in CliRunner().invoke(app, ["listen", "--list-devices"]).stdout


def test_no_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", SimulatedDevice(fails=True))
    with pytest.raises(AudioError, match="--list-devices"):
        Microphone(RATE)
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # as if it were not installed
    with pytest.raises(MissingDependencyError, match=r"asr\[mic\]"):
        Microphone(RATE)
