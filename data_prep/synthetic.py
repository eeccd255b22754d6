"""A corpus of synthetic speech in LibriSpeech's layout, written as FLAC files without a download.

::

    OUT/train/1011/5001/1011-5001-0000.flac     16 kHz, one channel, 16 bit
    OUT/train/1011/5001/1011-5001.trans.txt     1011-5001-0000 WHERE IS MY BOOK
    OUT/SPEAKERS.TXT                            speakers, their splits and minutes
    OUT/lm.txt                                  sentences for a language model, none of dev or test

A chapter is complete when its transcript exists, a split when it has ``.completed``; an interrupted
run is resumed. Equal configurations give equal samples for any number of processes.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from asr.errors import DataError, require
from asr.files import atomic_path, atomic_write_text
from data_prep.espeak import SPEEDS, restart
from data_prep.sentences import make_sentences
from data_prep.synthetic_voices import (
    ENGLISH,
    SAMPLE_RATE,
    Speaker,
    babble,
    choose_speakers,
    render,
)
from data_prep.workers import Workers

__all__ = ["SyntheticConfig", "SyntheticSplit", "make_synthetic"]

VERSION = 1  # of the samples that a configuration gives
SPLITS = ("train", "dev", "test")
CHAPTER_SIZE = 100
SECONDS_PER_SENTENCE = 2.1


@dataclass(frozen=True)
class SyntheticConfig:
    """Size, speakers and sound of a synthetic corpus.

    Attributes:
        train: number of training sentences.
        dev: number of dev sentences.
        test: number of test sentences.
        train_speakers: largest number of training speakers.
        dev_speakers: largest number of dev speakers.
        test_speakers: largest number of test speakers.
        seed: of sentences, speakers and noise.
        accents: voices of eSpeak NG, taken in turn; ``("cmn",)`` speaks Mandarin.
        speed_wpm: words per minute of the slowest and the fastest speaker.
        snr_db: range of the signal-to-noise ratio.
        lm_sentences: lines of ``lm.txt``, for sentences of the grammar only.
    """

    train: int = 2000
    dev: int = 80
    test: int = 120
    train_speakers: int = 24
    dev_speakers: int = 4
    test_speakers: int = 6
    seed: int = 0
    accents: tuple[str, ...] = ENGLISH
    speed_wpm: tuple[int, int] = (140, 190)
    snr_db: tuple[float, float] = (10.0, 30.0)
    lm_sentences: int = 20_000

    def __post_init__(self) -> None:
        for name in ("train", "train_speakers"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} is {getattr(self, name)}.", "Give at least 1.")
        for name in ("dev", "test", "dev_speakers", "test_speakers", "lm_sentences"):
            if getattr(self, name) < 0:
                raise DataError(f"{name} is {getattr(self, name)}.", "Give 0 or more.")
        for split in ("dev", "test"):
            if getattr(self, split) and not getattr(self, f"{split}_speakers"):
                raise DataError(
                    f"{split} has sentences, but {split}_speakers is 0.", f"Give {split}_speakers."
                )
        for name in ("speed_wpm", "snr_db"):
            low, high = getattr(self, name)
            if low > high:
                raise DataError(f"{name} is {low} to {high}.", "Give the lower number first.")
        if self.speed_wpm[0] < SPEEDS[0] or self.speed_wpm[1] > SPEEDS[1]:
            raise DataError(
                f"speed_wpm is {self.speed_wpm}.",
                f"Give {SPEEDS[0]} to {SPEEDS[1]} words a minute.",
            )

    @classmethod
    def of_hours(cls, hours: float, **settings: Any) -> SyntheticConfig:
        """Return a configuration for about ``hours`` of training speech."""
        return cls(train=max(1, round(hours * 3600 / SECONDS_PER_SENTENCE)), **settings)


@dataclass(frozen=True)
class SyntheticSplit:
    """Name and size of a split."""

    name: str
    utterances: int
    speakers: int
    hours: float


@dataclass(frozen=True)
class _Chapter:
    id: int
    speaker: Speaker
    sentences: tuple[str, ...]

    def folder(self, out: Path) -> Path:
        return out / self.speaker.split / str(self.speaker.id) / str(self.id)

    @property
    def name(self) -> str:
        return f"{self.speaker.id}-{self.id}"

    def transcript(self, out: Path) -> Path:
        return self.folder(out) / f"{self.name}.trans.txt"


def make_synthetic(
    out: str | Path,
    config: SyntheticConfig | None = None,
    sentences: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    jobs: int = 1,
    progress: Callable[[int, float], None] | None = None,
) -> list[SyntheticSplit]:
    """Write a corpus to ``out`` and return its splits; complete chapters are kept.

    Args:
        out: folder of the corpus.
        config: see :class:`SyntheticConfig`.
        sentences: sentences to speak instead of the grammar's: by split, or a list that is shuffled
            and divided.
        jobs: processes, 0 for all cores; more than 1 need a script with ``if __name__ ==
            "__main__":``.
        progress: called with (utterances, seconds of speech) after each chapter.

    Raises:
        MissingDependencyError: espeakng_loader is not installed.
        DataError: ``out`` has a corpus of other settings, there are too few sentences, there is no
            such voice, or a sentence has nothing to speak.

    Example:
        >>> make_synthetic("speech", SyntheticConfig(train=100, dev=5, test=5))  # doctest: +SKIP
    """
    require("espeakng_loader", "train")
    out, config = Path(out), config or SyntheticConfig()
    if sentences is None:
        texts = make_sentences(config.train, config.dev, config.test, config.seed)
        by_split: dict[str, Sequence[str]] = {name: getattr(texts, name) for name in SPLITS}
    else:
        by_split = _divide(sentences, config)
    chapters = _plan(by_split, config)
    digests = {
        split: _claim(out / split, split, chapters, config) for split in by_split if by_split[split]
    }
    if sentences is None and config.lm_sentences:
        atomic_write_text(out / "lm.txt", "\n".join(texts.lm_sentences(config.lm_sentences)) + "\n")
    seconds = _speak_all(out, chapters, config, jobs, progress)
    for split, digest in digests.items():
        atomic_write_text(out / split / ".completed", digest)
    _write_speakers(out, chapters, seconds)
    return [_summary(split, chapters, seconds) for split in digests]


def _divide(
    sentences: Sequence[str] | Mapping[str, Sequence[str]], config: SyntheticConfig
) -> dict[str, Sequence[str]]:
    if isinstance(sentences, Mapping):
        if unknown := set(sentences) - set(SPLITS):
            raise DataError(
                f"Sentences were given for the split {sorted(unknown)[0]!r}.",
                f"Known: {', '.join(SPLITS)}.",
            )
        return {split: [_checked(text) for text in sentences.get(split, ())] for split in SPLITS}
    texts = list(dict.fromkeys(_checked(text) for text in sentences))
    held_out = config.dev + config.test
    if len(texts) <= held_out:
        raise DataError(
            f"{len(texts)} different sentences were given; dev and test take {held_out} of them.",
            "Give more sentences, or ask for fewer with dev= and test=.",
        )
    random.Random(f"divide {config.seed}").shuffle(texts)
    train = texts[held_out : held_out + config.train]
    return {"train": train, "dev": texts[: config.dev], "test": texts[config.dev : held_out]}


def _checked(text: str) -> str:
    if not text.strip():
        raise DataError("One of the sentences is empty.", "Leave it out.")
    return " ".join(text.split())


def _plan(by_split: Mapping[str, Sequence[str]], config: SyntheticConfig) -> list[_Chapter]:
    counts = {
        split: min(getattr(config, f"{split}_speakers"), len(by_split[split])) for split in SPLITS
    }
    chapters: list[_Chapter] = []
    for split in SPLITS:
        own = [
            s
            for s in choose_speakers(counts, config.seed, config.accents, config.speed_wpm)
            if s.split == split
        ]
        for index, speaker in enumerate(own):
            said = by_split[split][index :: len(own)]
            for start in range(0, len(said), CHAPTER_SIZE):
                part = tuple(said[start : start + CHAPTER_SIZE])
                chapters.append(_Chapter(5001 + len(chapters), speaker, part))
    return chapters


def _claim(folder: Path, split: str, chapters: Sequence[_Chapter], config: SyntheticConfig) -> str:
    """Record the settings of a split; refuse a folder that was made with others."""
    made_of = [
        VERSION,
        config.seed,
        config.snr_db,
        [asdict(c) for c in chapters if c.speaker.split == split],
    ]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    marker = folder / ".settings"
    if marker.is_file() and marker.read_text(encoding="utf-8") == digest:
        return digest
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(
            f"{folder} has other files than this corpus.", "Remove it, or give another folder."
        )
    atomic_write_text(marker, digest)
    return digest


def _speak_all(
    out: Path,
    chapters: Sequence[_Chapter],
    config: SyntheticConfig,
    jobs: int,
    progress: Callable[[int, float], None] | None,
) -> dict[int, float]:
    """Synthesise all chapters; return the seconds of each."""
    companions = {
        split: [c.speaker for c in chapters if c.speaker.split == split] for split in SPLITS
    }
    work = partial(
        _speak_chapter, out=out, seed=config.seed, snr_db=config.snr_db, companions=companions
    )
    seconds: dict[int, float] = {}
    with Workers(jobs) as workers:
        for chapter, duration in zip(chapters, workers.map(work, chapters), strict=True):
            seconds[chapter.id] = duration
            if progress:
                progress(len(chapter.sentences), duration)
    return seconds


def _speak_chapter(
    chapter: _Chapter,
    out: Path,
    seed: int,
    snr_db: tuple[float, float],
    companions: Mapping[str, Sequence[Speaker]],
) -> float:
    folder = chapter.folder(out)
    names = [f"{chapter.name}-{i:04}" for i in range(len(chapter.sentences))]
    if chapter.transcript(out).is_file():
        return float(sum(soundfile.info(str(folder / f"{name}.flac")).duration for name in names))
    restart()
    rng = np.random.default_rng([seed, chapter.id])
    background = babble(chapter.sentences, companions[chapter.speaker.split], rng)
    total = 0
    for name, text in zip(names, chapter.sentences, strict=True):
        samples = render(text, chapter.speaker, rng, snr_db, background)
        with atomic_path(folder / f"{name}.flac") as temporary:
            soundfile.write(temporary, samples, SAMPLE_RATE, subtype="PCM_16")
        total += len(samples)
    lines = (
        f"{name} {text.upper()}\n" for name, text in zip(names, chapter.sentences, strict=True)
    )
    atomic_write_text(chapter.transcript(out), "".join(lines))
    return total / SAMPLE_RATE


def _write_speakers(out: Path, chapters: Sequence[_Chapter], seconds: Mapping[int, float]) -> None:
    minutes: dict[Speaker, float] = {}
    for chapter in chapters:
        minutes[chapter.speaker] = minutes.get(chapter.speaker, 0.0) + seconds[chapter.id] / 60
    lines = [";ID  |SEX| SUBSET           |MINUTES| NAME\n"]
    for speaker, spoken in sorted(minutes.items(), key=lambda item: item[0].id):
        name = f"eSpeak NG {speaker.voice}+{speaker.variant}, {speaker.speed_wpm} words a minute"
        lines.append(
            f"{speaker.id:<5}| {speaker.sex} | {speaker.split:<17}| {spoken:5.2f} | {name}\n"
        )
    atomic_write_text(out / "SPEAKERS.TXT", "".join(lines))


def _summary(
    split: str, chapters: Sequence[_Chapter], seconds: Mapping[int, float]
) -> SyntheticSplit:
    own = [chapter for chapter in chapters if chapter.speaker.split == split]
    hours = sum(seconds[chapter.id] for chapter in own) / 3600
    return SyntheticSplit(
        split, sum(len(c.sentences) for c in own), len({c.speaker.id for c in own}), hours
    )
