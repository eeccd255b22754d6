"""Self-training: which transcripts of a teacher are believed, and what a student learns from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from asr.decoding import BeamDecoder, Hypothesis, WordSpan
from asr.errors import ConfigError, DataError
from asr.features.config import FeatureConfig
from asr.speech.data.store import FeatureStore
from asr.speech.jobs.evaluate import Emissions
from asr.speech.jobs.self_training import (
    SelfTrainingConfig,
    calibrate,
    pseudo_labels,
    self_train,
    write_labels,
)
from asr.text.tables import read_table
from data_prep.learning import prepare_recordings, prepare_untranscribed

RATE = 16000
FEATURES = FeatureConfig(n_mels=20)
LENGTHS_S = (1.0, 1.2, 1.4, 1.6)  # the stub below knows utterances by their lengths
FASTEST = 1.1


def write_noise(folder: Path, names_s: dict[str, float], texts: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, seconds in names_s.items():
        samples = rng.uniform(-0.3, 0.3, round(seconds * RATE))
        soundfile.write(folder / f"{name}.wav", samples, RATE)
        if name in texts:
            (folder / f"{name}.txt").write_text(texts[name])
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Prepared splits: noise with text, and four recordings and a silent one without."""
    names = {f"{n:02}": 1.5 for n in range(10)}
    mine = write_noise(tmp_path / "mine", names, dict.fromkeys(names, "a bad cab"))
    write_noise(tmp_path / "more", {f"u{n}": s for n, s in enumerate(LENGTHS_S)}, {})
    soundfile.write(tmp_path / "more" / "silent.wav", np.zeros(RATE), RATE)
    options = {"normalizer": "none", "dev_share": 0.2, "test_share": 0.2}
    prepare_recordings(mine, tmp_path / "data", FEATURES, **options)
    prepare_untranscribed(tmp_path / "more", tmp_path / "data", FEATURES)
    return tmp_path / "data"


def hypothesis(text: str, confidence: float) -> Hypothesis:
    words = tuple(WordSpan(word, n, n + 1, confidence) for n, word in enumerate(text.split()))
    return Hypothesis(text, 0.0, 0.0, 0.0, (), (), words)


def teacher(heard: dict[int, Hypothesis], again: dict[int, Hypothesis]) -> Any:
    """A recogniser that knows utterances, and their faster copies, by their numbers of frames."""
    answers = {FEATURES.num_frames(round(s * RATE)): heard[n] for n, s in enumerate(LENGTHS_S)}
    copies = {
        FEATURES.num_frames(round(s * RATE / FASTEST)): again[n] for n, s in enumerate(LENGTHS_S)
    }
    return SimpleNamespace(
        name="stub",
        feature_config=FEATURES,
        acoustics=SimpleNamespace(log_probs_of_features=lambda features: features),
        decoder=lambda arrays: [[(answers | copies)[len(array)]] for array in arrays],
    )


SURE = hypothesis("dab a cab", 0.9)
HEARD = {0: SURE, 1: hypothesis("dad", 0.5), 2: SURE, 3: hypothesis("", 0.0)}
AGAIN = {0: SURE, 1: hypothesis("dad", 0.5), 2: hypothesis("dab a bad", 0.9), 3: SURE}


def test_what_is_not_surely_heard_is_left_out_with_the_reason(data: Path, tmp_path: Path) -> None:
    config = SelfTrainingConfig(min_confidence=0.8, max_disagreement=0.1)
    labels = pseudo_labels(teacher(HEARD, AGAIN), data / "untranscribed", config)
    assert {label.id.rpartition("-")[2]: label.reason for label in labels} == {
        "silent": labels[0].reason,
        "u0": "",
        "u1": "confidence below 0.8",
        "u2": "heard otherwise at another speed",
        "u3": "nothing is heard",
    }
    assert labels[0].reason.startswith("not prepared: ")
    assert "is silent" in labels[0].reason
    write_labels(labels, tmp_path / "labels.tsv")
    table = read_table(tmp_path / "labels.tsv", ["id", "text"], "a table of transcripts")
    assert [row.values["text"] for row in table.rows] == ["", "dab a cab", "dad", "dab a cab", ""]
    assert [row.values["disagreement"] for row in table.rows][3] == "0.3333"
    lenient = SelfTrainingConfig(min_confidence=0.4, max_disagreement=0.5)
    labels = pseudo_labels(teacher(HEARD, AGAIN), data / "untranscribed", lenient)
    assert sum(not label.reason for label in labels) == 3


def test_a_student_learns_from_both_and_the_best_round_is_taken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What trains and what measures is replaced: round 1 is the best of 0, 1 and 2."""
    trained: list[tuple[int, set[str]]] = []

    def tune(split: Path, run: Path) -> Path:
        store = FeatureStore.open(split)
        trained.append((len(store), set(store.texts)))
        return run / "model"

    rates = iter((0.3, 0.2, 0.25))
    where = "asr.speech.jobs.self_training"
    monkeypatch.setattr(f"{where}.open_recognizer", lambda options: teacher(HEARD, AGAIN))
    monkeypatch.setattr(f"{where}._dev_wer", lambda *given: next(rates))
    monkeypatch.setattr(f"{where}._copied", lambda model, folder: model)
    config = SelfTrainingConfig(rounds=2)
    out = tmp_path / "out"
    model = self_train(tune, data, data / "untranscribed", out, config)
    assert model == out / "rounds" / "1" / "model"
    assert trained == [(18, {"a bad cab"}), *[(21, {"a bad cab", "dab a cab"})] * 2]
    printed = capsys.readouterr().err
    assert "round 1: 1 of 5 utterances without text are learned from" in printed
    assert "round 0: 30.00 %, round 1: 20.00 %, round 2: 25.00 %; round 1 is taken" in printed


def test_confidences_are_calibrated_before_they_are_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of twenty frames at 0.6 all are right: so sure may the teacher be."""
    probs = np.tile(np.array([0.3, 0.1, 0.6], np.float32), (20, 1, 1))
    heard = Emissions(tuple(map(str, range(20))), ("a",) * 20, ("s",) * 20, tuple(np.log(probs)))
    monkeypatch.setattr("asr.speech.jobs.self_training.emissions", lambda *given: heard)
    recognizer: Any = SimpleNamespace(decoder=BeamDecoder(["<blank>", "▁", "a"], beam_size=8))
    (before,) = recognizer.decoder(heard.log_probs[0])[0].words
    calibrate(recognizer, Path("dev"))
    (after,) = recognizer.decoder(heard.log_probs[0])[0].words
    assert before.confidence < 0.97 < after.confidence


@pytest.mark.parametrize(
    ("heard", "message"),
    [
        ("", "Nothing is heard in any of the 5"),
        ("dad", r"surely enough \(the best confidence is 0"),
    ],
)
def test_nothing_to_learn_from_is_said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: str, message: str
) -> None:
    unsure = dict.fromkeys(range(4), hypothesis(heard, 0.3))
    where = "asr.speech.jobs.self_training"
    monkeypatch.setattr(f"{where}.open_recognizer", lambda options: teacher(unsure, unsure))
    monkeypatch.setattr(f"{where}._dev_wer", lambda *given: 0.3)
    out = tmp_path / "out"
    config = SelfTrainingConfig()
    with pytest.raises(DataError, match=message):
        self_train(lambda split, run: run, data, data / "untranscribed", out, config)
    assert (out / "rounds" / "1" / "labels.tsv").is_file()


def test_a_split_without_copies_and_wrong_settings_are_refused(data: Path) -> None:
    with pytest.raises(DataError, match="has no copies at a higher speed"):
        pseudo_labels(teacher(HEARD, AGAIN), data / "dev", SelfTrainingConfig())
    with pytest.raises(ConfigError, match="rounds"):
        SelfTrainingConfig(rounds=0)


def test_recordings_with_text_are_not_learned_from_twice(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match="are among those with text"):
        prepare_untranscribed(tmp_path / "mine", data, FEATURES)
    with pytest.raises(DataError, match="There is no folder"):
        prepare_untranscribed(tmp_path / "nowhere", data, FEATURES)
    for path in (tmp_path / "more").glob("u*.wav"):
        path.unlink()
    with pytest.raises(DataError, match="is silent"):
        prepare_untranscribed(tmp_path / "more", data, FEATURES)


def test_long_recordings_are_cut_at_pauses(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pieces = []
    for _ in range(4):  # ten seconds of noise that grows and falls like speech, one of silence
        envelope = np.abs(np.sin(np.arange(10 * RATE) / RATE * 9))
        pieces += [rng.uniform(-0.3, 0.3, 10 * RATE) * envelope, rng.normal(0, 1e-4, RATE)]
    (tmp_path / "long").mkdir()
    soundfile.write(tmp_path / "long" / "talk.wav", np.concatenate(pieces), RATE)
    split = prepare_untranscribed(tmp_path / "long", tmp_path / "data", FEATURES)
    store = FeatureStore.open(split)
    lengths = store.durations_s[store.speeds == 1.0]
    assert len(lengths) == 4
    assert np.allclose(lengths, 10.4, atol=0.5)
