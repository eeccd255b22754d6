"""The synthetic corpus: layout, transcripts, sound, and a run that was stopped."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.errors import DataError, MissingDependencyError
from data_prep.synthetic import SyntheticConfig, make_synthetic

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


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingDependencyError, match=r"asr\[train\]"):
        make_synthetic(tmp_path, SMALL)


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
