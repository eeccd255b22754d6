"""Streams equal whole recordings, however they are cut, in torch and in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from asr import load_model
from asr.audio.synthetic import made_audio
from asr.decoding import BeamDecoder
from asr.errors import AudioError, ConfigError, ModelError
from asr.features.config import FeatureConfig
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.export.exporting import export_model
from asr.speech.streaming import EndpointConfig, StreamingRecognizer, StreamResult
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

RATE = 16000
NEVER = EndpointConfig(silence_s=0, max_utterance_s=1e6)


def save_tiny(folder: Path, blank: float = 0.0, trim: bool = False, **model: object) -> Path:
    torch.manual_seed(5)
    config = CtcModelConfig(
        **{"hidden_dim": 16, "num_layers": 2, "conv_channels": 4, "bidirectional": False, **model}
    )
    tokenizer = CharTokenizer("abcde")
    task = CtcTask(CtcTaskConfig(features=FeatureConfig(trim=trim), model=config), len(tokenizer))
    task.network.output.weight.data *= 30
    task.network.output.bias.data[0] += blank
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny", causal=True)


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    report = export_model(model, model.parent / "onnx")
    assert report.streams
    return report.folder


def cut(samples: np.ndarray, seed: int) -> list[np.ndarray]:
    rng, parts, at = np.random.default_rng(seed), [], 0
    while at < len(samples):
        size = int(rng.choice([0, 1, 17, 160, 399, 2560, 5000]))
        parts.append(samples[at : at + size])
        at += size
    return parts


def streamed_log_probs(recognizer: StreamingRecognizer, parts: list[np.ndarray]) -> np.ndarray:
    stream = recognizer.stream()
    for part in parts:
        stream.push(part)
    kept = []
    close = stream._close  # the log-probabilities are gone once the utterance is closed

    def closing() -> list[StreamResult]:
        kept.append(stream.log_probs)
        return close()

    stream._close = closing  # type: ignore[method-assign]
    stream.finish()
    return np.concatenate(kept)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("subsampling", [1, 2, 4, 8])
def test_any_chunks_equal_the_whole(causal: bool, subsampling: int, tmp_path: Path) -> None:
    cell, norm = ("gru", "layer") if subsampling == 2 else ("lstm", "batch")
    folder = save_tiny(
        tmp_path / "m", causal=causal, subsampling=subsampling, cell=cell, conv_norm=norm
    )
    offline = load_model(folder)
    recognizer = StreamingRecognizer(offline, NEVER)
    for seed, length in enumerate((400, 720, 1000, 1400, 16123)):
        samples = made_audio(length / RATE, RATE, seed)
        expected = offline.log_probs([samples])[0]
        given = streamed_log_probs(recognizer, cut(samples, seed))
        np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("causal", [True, False])
def test_onnx_streams_equal_torch(causal: bool, tmp_path: Path) -> None:
    folder = export_model(save_tiny(tmp_path / "m", causal=causal), tmp_path / "onnx").folder
    recognizer, offline = StreamingRecognizer(folder, NEVER), load_model(tmp_path / "m")
    for length in (400, 1400, 16123):
        samples = made_audio(length / RATE, RATE, 3)
        given = streamed_log_probs(recognizer, cut(samples, 4))
        np.testing.assert_allclose(given, offline.log_probs([samples])[0], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("method", ["greedy", "beam"])
def test_finals_do_not_depend_on_chunks(exported: Path, method: str) -> None:
    offline = load_model(exported)
    if method == "beam":
        offline.decoder = BeamDecoder(offline.tokens, beam_size=8)
    samples = np.concatenate(
        [made_audio(1.2, RATE, 1), np.zeros(RATE, np.float32), made_audio(0.8, RATE, 2)]
    )
    for endpoint in (
        NEVER,
        EndpointConfig(silence_s=0.2, blank_threshold=0.05, max_utterance_s=1.0),
    ):
        recognizer = StreamingRecognizer(offline, endpoint)
        whole = recognizer.transcribe(samples)
        for seed in range(3):
            stream, finals = recognizer.stream(), []
            for part in cut(samples, seed):
                finals += [result for result in stream.push(part) if result.final]
            assert [r.text for r in finals + stream.finish()] == [r.text for r in whole]
        if endpoint is NEVER:
            assert [r.text for r in whole] == [offline.transcribe(samples, RATE).text]
        else:
            assert len(whole) > 1
            assert [r.utterance for r in whole] == list(range(len(whole)))


def test_partials_grow_and_times_go_forward(exported: Path) -> None:
    recognizer = StreamingRecognizer(exported, EndpointConfig(silence_s=0, max_utterance_s=1.0))
    stream = recognizer.stream()
    samples, results = made_audio(3.0, RATE, 1), []
    for start in range(0, len(samples), 2560):
        results += stream.push(samples[start : start + 2560])
    results += stream.finish()
    assert any(not result.final for result in results)
    finals = [result for result in results if result.final]
    times = [time for result in finals for word in result.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert max(times) <= 3.0
    assert all(0 <= word.confidence <= 1 for result in finals for word in result.words)
    assert stream.seconds == pytest.approx(3.0)
    assert stream.finish() == []


def test_other_rates_are_resampled(exported: Path) -> None:
    recognizer = StreamingRecognizer(exported, NEVER)
    samples = made_audio(1.0, 48000, 1)
    whole = recognizer.transcribe(samples, 48000)
    stream = recognizer.stream(48000)
    for part in np.array_split(samples, 13):
        stream.push(part)
    assert [r.text for r in stream.finish()] == [r.text for r in whole]


def test_silence_gives_nothing(tmp_path: Path) -> None:
    recognizer = StreamingRecognizer(
        save_tiny(tmp_path / "m", blank=1e3, causal=True), EndpointConfig(0.2, 1.0)
    )
    assert recognizer.transcribe(np.zeros(5 * RATE, np.float32)) == []
    assert recognizer.transcribe(np.zeros(0, np.float32)) == []


@pytest.mark.parametrize("silence_s", [0.0, 0.4, 5.0])
def test_a_long_silence_is_told(tmp_path: Path, silence_s: float) -> None:
    endpoint = EndpointConfig(silence_s, start_silence_s=1.2)
    recognizer = StreamingRecognizer(save_tiny(tmp_path / "m", blank=1e3, causal=True), endpoint)
    stream, told = recognizer.stream(), []
    for tenth in range(40):
        told += [(tenth / 10, r.final, r.text) for r in stream.push(np.zeros(1600, np.float32))]
    assert [(final, text) for _, final, text in told] == [(True, "")] * 3
    assert [when for when, _, _ in told] == pytest.approx([1.2, 2.4, 3.6], abs=0.25)


def test_integers_are_scaled(exported: Path) -> None:
    recognizer = StreamingRecognizer(exported, NEVER)
    pcm = (made_audio(0.5, RATE, 1) * 32767).astype(np.int16)
    assert recognizer.transcribe(pcm) == recognizer.transcribe(pcm.astype(np.float32) / 32768)


def test_bad_input(exported: Path, tmp_path: Path) -> None:
    recognizer = StreamingRecognizer(exported)
    for wrong, reason in (
        (np.zeros((2, 5), np.float32), "shape"),
        (np.zeros(5, np.int64), "float or int16"),
        (np.full(5, np.nan, np.float32), "NaN"),
    ):
        with pytest.raises(AudioError, match=reason):
            recognizer.stream().push(wrong)
    stream = recognizer.stream()
    stream.finish()
    with pytest.raises(AudioError, match="finished"):
        stream.push(np.zeros(5, np.float32))
    with pytest.raises(ConfigError, match="max_utterance_s"):
        EndpointConfig(max_utterance_s=0)
    both = save_tiny(tmp_path / "both", bidirectional=True)
    trimming = save_tiny(tmp_path / "trimming", trim=True)
    for folder in (both, trimming):
        with pytest.raises(ModelError, match="cannot stream"):
            StreamingRecognizer(folder)
