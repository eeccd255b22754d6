"""The models that come along, as they lie in the repository, on speech of eSpeak NG.

Oracle: the sentences spoken.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.audio.reading import resample
from asr.errors import ConfigError
from asr.model_folder import CARD, open_bundle, pretrained_folders
from asr.scoring import score_texts
from asr.speech.microphone import listen
from asr.speech.recognizer import load_model
from asr.speech.streaming import EndpointConfig, StreamingRecognizer
from data_prep.espeak import Speech, speak

LIMITS_MB = {"an4": 25, "en": 40, "en-streaming": 15, "zh": 40, "zh-streaming": 20}
SENTENCES = (
    "the old man went to the river",
    "he was very glad to see his brother",
    "she opened the door and looked into the room",
)
MORE = (  # synthetic voices are not what it learned from: about every fourth word is wrong
    "the children ran down the hill to the sea",
    "there was no light in the house that night",
    "i have never seen such a beautiful garden",
    "the ship came into the harbour in the morning",
    "my father gave me a letter for the captain",
    "they sat by the fire and talked of the war",
    "the horse stood still under the great tree",
    "she took the child by the hand and went out",
    "it was late when we came back from the town",
    "the king had two sons and a daughter",
    "nothing was heard but the sound of the wind",
    "he put the book upon the table and smiled",
)


MANDARIN = (
    "他是中国历史上著名的政治家",
    "这个城市位于中国南部",
    "他是一名美国演员",
    "我们去学校",
    "二零零八年",
)


@pytest.fixture(scope="module")
def speeches() -> list[Speech]:
    return [speak(sentence, speed_wpm=140) for sentence in SENTENCES]


@pytest.mark.parametrize("name", LIMITS_MB)
def test_whole_small_and_described(name: str) -> None:
    folder = pretrained_folders()[name]
    bundle = open_bundle(folder, task="ctc")  # compares every sum
    assert CARD in {path.name for path in folder.iterdir()}
    own = sum((folder / file).lstat().st_size for file in bundle.files)
    assert own <= LIMITS_MB[name] * 1e6


def errors(texts: list[str]) -> float:
    return score_texts(list(SENTENCES), texts, samples=0).wer


def test_read_english(speeches: list[Speech]) -> None:
    model = load_model("en", backend="onnxruntime")
    spoken = [*speeches, *(speak(sentence, speed_wpm=140) for sentence in MORE)]
    texts = [model.transcribe(speech.samples, speech.sample_rate).text for speech in spoken]
    assert score_texts([*SENTENCES, *MORE], texts, samples=0).wer <= 0.3


def test_read_mandarin() -> None:
    model = load_model("zh", backend="onnxruntime")
    spoken = [speak(sentence, voice="cmn", speed_wpm=150) for sentence in MANDARIN]
    texts = [model.transcribe(speech.samples, speech.sample_rate).text for speech in spoken]
    assert not any(" " in text for text in texts)
    assert score_texts(list(MANDARIN), texts, normalizer="mandarin", samples=0).wer <= 0.3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("en", "one two three four five"),
        ("en", "enter eight two four"),
        ("an4", "one two three four five"),
    ],
)
def test_numbers_are_not_words_that_sound_alike(name: str, text: str) -> None:
    speech = speak(text, speed_wpm=140)
    assert (
        load_model(name, backend="onnxruntime").transcribe(speech.samples, speech.sample_rate).text
        == text
    )


@pytest.mark.parametrize("backend", ["onnxruntime", "torch"])
def test_english_as_it_arrives(speeches: list[Speech], backend: str) -> None:
    assert errors(as_they_arrive("en-streaming", speeches, backend)) <= 0.25


def test_mandarin_as_it_arrives() -> None:
    spoken = [speak(sentence, voice="cmn", speed_wpm=150) for sentence in MANDARIN]
    texts = as_they_arrive("zh-streaming", spoken, "onnxruntime")
    assert not any(" " in text for text in texts)
    assert score_texts(list(MANDARIN), texts, normalizer="mandarin", samples=0).wer <= 0.3


def as_they_arrive(name: str, speeches: list[Speech], backend: str) -> list[str]:
    """The final texts of a streaming model, which has shown some of each before."""
    recognizer = StreamingRecognizer(load_model(name, backend=backend))
    texts = []
    for speech in speeches:
        stream, results = recognizer.stream(speech.sample_rate), []
        for start in range(0, len(speech.samples), chunk := round(0.16 * speech.sample_rate)):
            results += stream.push(speech.samples[start : start + chunk])
        assert any(result.text and not result.final for result in results)
        results += stream.finish()
        texts.append(" ".join(result.text for result in results if result.final))
    return texts


def test_commands_of_a_grammar() -> None:
    grammar = "light = kitchen light | lamp\nturn (on | off) the {light}\n"
    said, other = (speak(text) for text in ("turn on the kitchen light", SENTENCES[0]))
    model = load_model("en", grammar=grammar)
    transcript = model.transcribe(said.samples, said.sample_rate)
    assert transcript.text == "turn on the kitchen light"
    assert transcript.segments[0].slots == {"light": "kitchen light"}
    assert model.transcribe(other.samples, other.sample_rate).text == ""
    joined = load_model("en", grammar=grammar, grammar_mode="join")
    command, free = (joined.transcribe(s.samples, s.sample_rate) for s in (said, other))
    assert command.segments[0] == transcript.segments[0]
    assert free.segments[0].slots is None
    assert free.text == load_model("en").transcribe(other.samples, other.sample_rate).text
    with pytest.raises(ConfigError, match="'join' has no grammar"):
        load_model("en", grammar_mode="join")
    with pytest.raises(ConfigError, match="Unknown grammar mode 'both'"):
        load_model("en", grammar=grammar, grammar_mode="both")


def test_a_quiet_stream_is_heard(speeches: list[Speech]) -> None:
    recognizer = StreamingRecognizer(load_model("en-streaming"))
    texts = []
    for speech in speeches:
        pause = np.zeros(speech.sample_rate, np.float32)
        samples = np.concatenate([speech.samples, pause, speech.samples, pause])
        quiet = np.round(samples / np.abs(samples).max() * 10 ** (-54 / 20) * 32768)
        results = recognizer.transcribe(quiet.astype(np.int16), speech.sample_rate)
        texts.append(results[-1].text)  # the first time teaches the level
    assert errors(texts) <= 0.25


def test_streaming_models_share_dictionary_and_language_model() -> None:
    folders = pretrained_folders()
    for language in ("en", "zh"):
        for name in ("lm.lmz", "lexicon.txt.gz"):
            assert same(folders[f"{language}-streaming"] / name, folders[language] / name)


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def test_a_sentence_after_a_long_silence_is_heard_whole(speeches: list[Speech]) -> None:
    recognizer = StreamingRecognizer(
        load_model("en-streaming"), EndpointConfig(max_utterance_s=6.0)
    )
    speech = speeches[0]
    noise = np.random.default_rng(0).normal(0, 1e-4, 6 * speech.sample_rate).astype(np.float32)
    texts = []
    for silence_s in (0.5, 5.0):  # the sentence lies across the sixth second
        silence = noise[: int(silence_s * speech.sample_rate)]
        results = recognizer.transcribe(
            np.concatenate([silence, speech.samples]), speech.sample_rate
        )
        texts.append([result.text for result in results])
    assert texts[0] == texts[1]


def test_silence_is_no_speech_to_who_listens(speeches: list[Speech]) -> None:
    recognizer, speech = load_model("en"), speeches[0]
    noise = np.random.default_rng(0).normal(0, 1e-5, 10 * recognizer.sample_rate).astype(np.float32)
    said = resample(speech.samples, speech.sample_rate, recognizer.sample_rate)
    samples = np.concatenate([noise, said, noise])
    results = list(listen(np.split(samples, range(1600, len(samples), 1600)), recognizer))
    assert [r.text for r in results if r.final] == [
        recognizer.transcribe(said, recognizer.sample_rate).text
    ]
