"""The synthetic corpus: what is promised about sentences, speakers, sound, layout, and a run that
was stopped.
"""

from __future__ import annotations

import hashlib
import random
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import AsrError, DataError, MissingDependencyError
from data_prep import espeak
from data_prep.sentences import GRAMMAR, Sentences, all_words, make_sentences
from data_prep.synthetic import SyntheticConfig, make_synthetic
from data_prep.synthetic_voices import MEN, WOMEN, add_noise, choose_speakers, make_noise

pytest.importorskip("espeakng_loader")
SMALL = SyntheticConfig(
    train=40,
    dev=4,
    test=4,
    train_speakers=4,
    dev_speakers=2,
    test_speakers=2,
    seed=3,
    lm_sentences=50,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    make_synthetic(out, SMALL)
    return out


def transcripts(folder: Path) -> dict[str, str]:
    lines = [
        line
        for path in folder.rglob("*.trans.txt")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return dict(line.split(" ", 1) for line in lines)


def digests(folder: Path) -> dict[str, str]:
    files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


# sentences


def test_sentences_of_the_splits_differ_and_test_words_are_trained() -> None:
    splits = make_sentences(2000, 80, 120, seed=5)
    everything = [*splits.train, *splits.dev, *splits.test]
    assert len(set(everything)) == 2200
    assert all_words([*splits.dev, *splits.test]) <= all_words(splits.train)
    assert len(all_words(splits.train)) >= 320
    assert all(
        3 <= len(s.split()) <= 9 and re.fullmatch(r"[a-z']+( [a-z']+)*", s) for s in everything
    )


def test_language_model_sentences_leave_dev_and_test_out() -> None:
    splits = make_sentences(500, 40, 60, seed=1)
    further = splits.lm_sentences(20_000)
    assert len(set(further)) == 20_000
    assert not set(further) & {*splits.dev, *splits.test}


def test_sentences_follow_the_seed() -> None:
    assert make_sentences(50, 5, 5, seed=1) == make_sentences(50, 5, 5, seed=1)
    assert make_sentences(50, 5, 5, seed=1).train != make_sentences(50, 5, 5, seed=2).train


def test_every_rule_of_the_grammar_is_used() -> None:
    used = {token for text in GRAMMAR.values() for token in text.replace("|", " ").split()}
    assert set(GRAMMAR) - {"SENTENCE"} == {token for token in used if token.isupper()}


def test_a_trigram_model_knows_more_than_words_alone() -> None:
    splits = make_sentences(2000, 80, 120)
    text = [*splits.train, *splits.lm_sentences(5000)]
    seen = {tuple(words[i : i + 3]) for words in map(framed, text) for i in range(len(words) - 2)}
    tested = [
        tuple(words[i : i + 3]) for words in map(framed, splits.test) for i in range(len(words) - 2)
    ]
    assert sum(gram in seen for gram in tested) / len(tested) > 0.7
    shuffled = [random.Random(0).sample(s.split(), len(s.split())) for s in splits.test]
    wrong = [
        tuple(w[i : i + 3]) for w in ([*"^^", *s, "$"] for s in shuffled) for i in range(len(w) - 2)
    ]
    assert sum(gram in seen for gram in wrong) / len(wrong) < 0.3


def framed(sentence: str) -> list[str]:
    return ["^", "^", *sentence.split(), "$"]


@pytest.mark.parametrize(("train", "dev", "test"), [(0, 1, 1), (10, -1, 1), (1, 5, 5)])
def test_impossible_numbers_of_sentences_are_refused(train: int, dev: int, test: int) -> None:
    with pytest.raises(DataError):
        make_sentences(train, dev, test)


def test_a_source_that_is_empty_says_so() -> None:
    with pytest.raises(DataError, match="fewer than"):
        Sentences(0).take(1, words=["the"])


# eSpeak NG


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


def test_all_chosen_variants_exist_and_do_not_clip() -> None:
    assert {*MEN, *WOMEN} <= set(espeak.list_variants())
    peaks = [
        np.abs(espeak.speak("where is my book", variant=v).samples).max() for v in (*MEN, *WOMEN)
    ]
    assert max(peaks) < 0.99
    assert min(peaks) > 0.05


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


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingDependencyError, match=r"asr\[train\]"):
        make_synthetic(tmp_path, SMALL)


def test_library_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_text("no library")
    with pytest.raises(AsrError, match="cannot be loaded"):
        espeak._load(str(tmp_path / "lib.so"))


# speakers and noise


def test_dev_and_test_speak_in_unheard_voices() -> None:
    speakers = choose_speakers({"train": 24, "dev": 4, "test": 6}, seed=0)
    variants = {
        split: {s.variant for s in speakers if s.split == split}
        for split in ("train", "dev", "test")
    }
    assert [len(v) for v in variants.values()] == [24, 4, 6]
    assert len(set.union(*variants.values())) == 34
    assert len({s.id for s in speakers}) == 34
    assert {s.sex for s in speakers if s.split == "test"} == {"M", "F"}


def test_training_may_have_more_speakers_than_variants() -> None:
    speakers = choose_speakers({"train": 100, "dev": 4, "test": 6}, seed=0)
    heard = {s.variant for s in speakers if s.split == "train"}
    assert not heard & {s.variant for s in speakers if s.split != "train"}
    assert len({(s.voice, s.variant, s.speed_wpm, s.pitch) for s in speakers}) == 110


def test_too_many_unseen_speakers_are_refused() -> None:
    with pytest.raises(DataError, match="fewer than 43"):
        choose_speakers({"train": 1, "dev": 20, "test": 23}, seed=0)


@pytest.mark.parametrize("kind", ["white", "pink", "babble"])
def test_noise_has_the_asked_power(kind: str) -> None:
    rng = np.random.default_rng(0)
    speech = rng.standard_normal(16000, np.float32)
    noise = make_noise(kind, 16000, rng, rng.standard_normal(5000, np.float32))
    added = add_noise(speech, noise, 20.0) - speech
    assert 10 * np.log10((speech**2).mean() / (added**2).mean()) == pytest.approx(20.0, abs=0.1)


def test_pink_noise_falls_with_frequency() -> None:
    noise = make_noise("pink", 1 << 15, np.random.default_rng(0), np.zeros(1, np.float32))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[100:200].mean() / power[1000:2000].mean() == pytest.approx(10, rel=0.4)


# the corpus


def test_layout_ids_and_transcripts(corpus: Path) -> None:
    for split, number in (("train", 40), ("dev", 4), ("test", 4)):
        texts = transcripts(corpus / split)
        files = {p.stem: p for p in (corpus / split).rglob("*.flac")}
        assert len(texts) == number
        assert set(texts) == set(files)
        for name, path in files.items():
            speaker, chapter, _ = name.split("-")
            assert path.parent == corpus / split / speaker / chapter
            assert re.fullmatch(r"\d+-\d+-\d{4}", name)
            assert texts[name] == texts[name].upper()
        assert (corpus / split / ".completed").is_file()
    assert not list(corpus.rglob(".*.flac"))


def test_sound_is_neither_silent_nor_clipped(corpus: Path) -> None:
    for path in corpus.rglob("*.flac"):
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == 16000
        assert samples.ndim == 1
        assert 0.7 < len(samples) / rate < 6
        assert 0.05 < np.abs(samples).max() < 0.999


def test_speakers_and_language_model_text_are_written(corpus: Path) -> None:
    lines = (corpus / "SPEAKERS.TXT").read_text(encoding="utf-8").splitlines()[1:]
    assert {line.split("|")[0].strip() for line in lines} == {
        p.name for p in corpus.glob("*/*") if p.is_dir()
    }
    further = set((corpus / "lm.txt").read_text(encoding="utf-8").splitlines())
    held_out = {
        t.lower() for split in ("dev", "test") for t in transcripts(corpus / split).values()
    }
    assert len(further) == 50
    assert not further & held_out


def test_two_processes_write_the_same_corpus(corpus: Path, tmp_path: Path) -> None:
    make_synthetic(tmp_path, SMALL, jobs=2)
    assert digests(tmp_path) == digests(corpus)


def test_a_stopped_run_goes_on(corpus: Path, tmp_path: Path) -> None:
    def stop(count: int, seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_synthetic(tmp_path, SMALL, progress=stop)
    assert not (tmp_path / "train" / ".completed").exists()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.trans.txt")}
    splits = make_synthetic(tmp_path, SMALL)
    assert len(written) == 1
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
    assert [split.utterances for split in splits] == [40, 4, 4]
    assert digests(tmp_path) == digests(corpus)


def test_a_folder_of_other_settings_is_kept(corpus: Path) -> None:
    before = digests(corpus)
    with pytest.raises(DataError, match="other files than this corpus"):
        make_synthetic(corpus, SyntheticConfig(train=40, dev=4, test=4, seed=4))
    assert digests(corpus) == before


def test_own_sentences_in_mandarin(tmp_path: Path) -> None:
    texts = ["你好世界", "我们今天去学校", "今天天气很好", "他是我的朋友", "我 喜欢 喝茶"]
    config = SyntheticConfig(dev=1, test=1, accents=("cmn",), train_speakers=2)
    splits = make_synthetic(tmp_path, config, texts)
    assert [split.utterances for split in splits] == [3, 1, 1]
    assert {
        text
        for split in ("train", "dev", "test")
        for text in transcripts(tmp_path / split).values()
    } == set(texts)
    assert not (tmp_path / "lm.txt").exists()


def test_own_sentences_for_each_split(tmp_path: Path) -> None:
    splits = make_synthetic(
        tmp_path, sentences={"train": ["good  morning"], "test": ["good evening"]}
    )
    assert [(split.name, split.utterances) for split in splits] == [("train", 1), ("test", 1)]
    assert list(transcripts(tmp_path / "train").values()) == ["GOOD MORNING"]


@pytest.mark.parametrize(
    ("sentences", "named"),
    [(["one sentence"], "1 different"), (["a", " "], "empty"), ({"dev2": ["a"]}, "dev2")],
)
def test_wrong_sentences_are_refused(tmp_path: Path, sentences: list[str], named: str) -> None:
    with pytest.raises(DataError, match=named):
        make_synthetic(tmp_path, SyntheticConfig(dev=1, test=1), sentences)
    assert not list(tmp_path.iterdir())


def test_an_error_in_another_process_arrives(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no voice 'tlh'"):
        make_synthetic(tmp_path, SyntheticConfig(train=40, dev=2, test=2, accents=("tlh",)), jobs=2)


@pytest.mark.parametrize(
    "settings",
    [
        {"train": 0},
        {"dev": -1},
        {"test_speakers": 0},
        {"snr_db": (30.0, 10.0)},
        {"speed_wpm": (10, 190)},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(DataError, match=next(iter(settings))):
        SyntheticConfig(**settings)  # type: ignore[arg-type]


def test_hours_become_sentences() -> None:
    assert SyntheticConfig.of_hours(1.2, dev=5).train == pytest.approx(2057, abs=5)
