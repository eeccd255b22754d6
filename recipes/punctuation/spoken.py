"""Figures on speech: LJ Speech, whose clips one after the other are chapters read aloud.

The marks of the text are compared with those of true and of recognised words. Recognised words are
aligned with the true ones; a mark counts where the aligned word has the same one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import asr
from asr.language.punctuation.data import marked_text
from asr.language.punctuation.marks import MARKS
from asr.language.punctuation.pauses import PauseTable
from asr.language.punctuation.restorer import Ints, Restorer
from asr.language.punctuation.scoring import FIGURES, mark_figures
from asr.scoring.align import align_words

Labels = Callable[[list[str]], tuple[Ints, Ints]]
PAUSES_S = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
STOP = MARKS.index(".")
EDGES_S = (0.04, 0.1, 0.2, 0.35, 0.6)  # of ranges of pauses
WEIGHT = 0.75  # of a reader's pauses: who speaks freely pauses elsewhere too


@dataclass(frozen=True)
class Chapter:
    """Clips of a chapter.

    Attributes:
        words: as they are written.
        marks: of each word.
        shapes: of each word.
        heard: recognised words.
        pauses: seconds of silence after each of them.
    """

    words: list[str]
    marks: Ints
    shapes: Ints
    heard: list[str]
    pauses: list[float]


def read_chapters(folder: Path, model: str) -> Iterator[Chapter]:
    """Yield the chapters, recognised clip by clip."""
    recognizer = asr.load_model(model)
    lines = (folder / "metadata.csv").read_text(encoding="utf-8").splitlines()
    clips = [(line.split("|")[0], line.split("|")[2]) for line in lines]
    clips = [clip for clip in clips if (folder / "wavs" / f"{clip[0]}.wav").is_file()]
    for _, group in itertools.groupby(clips, key=lambda clip: clip[0].split("-")[0]):
        chapter = list(group)
        text = marked_text([" ".join(written for _, written in chapter)])
        heard: list[str] = []
        pauses: list[float] = []
        for name, _ in chapter:
            transcript = recognizer.transcribe(folder / "wavs" / f"{name}.wav")
            words = transcript.words
            if not words:
                continue
            if pauses:
                pauses[-1] += words[0].start
            heard += [word.word for word in words]
            pauses += [b.start - a.end for a, b in itertools.pairwise(words)]
            pauses.append(transcript.duration_s - words[-1].end)
        yield Chapter(text.spoken, text.marks, text.shapes, heard, pauses)


def pause_table(chapter: Chapter) -> PauseTable:
    """Return how probable pauses are after marks, from a chapter read aloud."""
    pauses_s, marks, place, other = [], [], 0, 0
    for step in align_words([chapter.words], [chapter.heard])[0]:
        if step in "=S":
            pauses_s.append(chapter.pauses[other])
            marks.append(int(chapter.marks[place]))
        place, other = place + (step != "I"), other + (step != "D")
    table = PauseTable.of(pauses_s, np.array(marks), EDGES_S)
    return PauseTable(
        table.edges, tuple(tuple(round(WEIGHT * p, 3) for p in row) for row in table.log_probs)
    )


def _figures(chapters: list[Chapter], labels: list[tuple[Ints, Ints]]) -> list[float]:
    """F1 of recognised words with these labels, in the order of FIGURES."""
    hits, said, written = (np.zeros(len(FIGURES)) for _ in range(3))
    for chapter, predicted in zip(chapters, labels, strict=True):
        ours = _classes(*predicted)
        truth = _classes(chapter.marks, chapter.shapes)
        said, written = said + ours.sum(0), written + truth.sum(0)
        place = other = 0
        for step in align_words([chapter.words], [chapter.heard])[0]:
            if step in "=S":
                hits += truth[place] & ours[other]
            place, other = place + (step != "I"), other + (step != "D")
    return [float(f1) for f1 in 2 * hits / np.maximum(said + written, 1)]


def _classes(marks: Ints, shapes: Ints) -> np.ndarray:
    """(N, 4): comma, full stop, question mark, capital."""
    return np.stack([*(marks == number for number in range(1, len(MARKS))), shapes != 0], 1)


def _after_pauses(chapter: Chapter, pause_s: float) -> tuple[Ints, Ints]:
    """A full stop at every pause, a capital after it."""
    ends = np.array(chapter.pauses) >= pause_s
    marks = np.where(ends, STOP, 0)
    begins = np.concatenate([[True], ends[:-1]])
    return marks, (begins | (np.array(chapter.heard) == "i")).astype(np.int64)


def score_clips(
    chapters: list[Chapter],
    model: str,
    systems: dict[str, Labels],
    network: Restorer,
    corpus: str = "LJ Speech",
    columns: int = len(FIGURES),
) -> list[str]:
    """Return rows of the table: each system on true and on recognised words, the network with
    pauses, and a full stop at every pause from several lengths on.

    ``columns`` of the figures are shown: three where there are no capitals.
    """
    heard_by, rows = f"{corpus}, heard by {model}", []
    truth = _joined([(chapter.marks, chapter.shapes) for chapter in chapters])
    for name, labels in systems.items():
        figures = mark_figures(*truth, *_joined([labels(c.words) for c in chapters]))
        true_words = [figures[key] for key in FIGURES]
        rows.append(table_row(f"{corpus}, true words", name, true_words[:columns]))
        heard = _figures(chapters, [labels(c.heard) for c in chapters])
        rows.append(table_row(heard_by, name, heard[:columns]))
    with_pauses = [network.classes(c.heard, c.pauses) for c in chapters]
    heard = _figures(chapters, with_pauses)
    rows.append(table_row(heard_by, "network, pauses too", heard[:columns]))
    for pause_s in PAUSES_S:
        stops = _figures(chapters, [_after_pauses(c, pause_s) for c in chapters])
        rows.append(table_row(heard_by, f"full stop at pauses of {pause_s} s", stops[:columns]))
    return rows


def _joined(parts: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def table_row(split: str, system: str, figures: list[float]) -> str:
    """Return a row of the table: figures from 0 to 1, and their mean."""
    shown = " | ".join(f"{100 * value:.1f}" for value in (*figures, float(np.mean(figures))))
    return f"| {split} | {system} | {shown} |"
