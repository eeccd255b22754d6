"""Chinese marks on text and on speech: clips of single sentences, one speaker's after the other.

python recipes/punctuation/chinese_clips.py TABLE SPEAKERS TEXT_MODEL TEXT [--model zh]

TABLE is Common Voice's (recipes/mandarin), SPEAKERS says which speakers are dev and test. TEXT is
the folder that chinese_text.py wrote: a hidden-event n-gram of its training text is the baseline,
its test texts are scored. How probable pauses are after marks is measured on dev speakers and
written into TEXT_MODEL; the marks are scored on test speakers, on true and on recognised words,
beside the rule that every pause is a full stop.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from hidden_event import HiddenEvents
from spoken import Chapter, Labels, pause_table, score_clips, table_row

import asr
from asr.cli.guard import run_script
from asr.language.punctuation.chinese import characters_of, word_ends
from asr.language.punctuation.data import marked_text, read_marked
from asr.language.punctuation.restorer import Restorer
from asr.language.punctuation.scoring import FIGURES, mark_figures
from asr.model_folder import add_to_bundle
from asr.speech.recognizer import Recognizer
from asr.text.tables import read_table

ID_LENGTH = 16  # characters of a speaker's id that SPEAKERS lists
COLUMNS = FIGURES[:3]  # there are no capitals


def clips_by_speaker(table: Path, speakers: Path, part: str) -> list[list[tuple[Path, str]]]:
    """Return the recordings and sentences of each speaker of a split."""
    wanted = {r.values["speaker"] for r in read_table(speakers).rows if r.values["split"] == part}
    clips: defaultdict[str, list[tuple[Path, str]]] = defaultdict(list)
    for row in read_table(table).rows:
        if (speaker := row.values["speaker"][:ID_LENGTH]) in wanted:
            clips[speaker].append((table.parent / row.values["path"], row.values["text"]))
    return [clips[speaker] for speaker in sorted(clips)]


def heard(recognizer: Recognizer, clips: Sequence[tuple[Path, str]]) -> Chapter:
    """Return the clips of a speaker as one text, in characters."""
    written = (text if text.endswith(("。", "？", "！")) else f"{text}。" for _, text in clips)
    text = marked_text(["".join(written)], "zh")
    characters: list[str] = []
    pauses: list[float] = []
    for path, _ in clips:
        transcript = recognizer.transcribe(path)
        words = transcript.words
        if not words:
            continue
        if pauses:
            pauses[-1] += words[0].start
        said = [word.word for word in words]
        own = [0.0] * len(characters_of(said))
        after = [b.start - a.end for a, b in itertools.pairwise(words)]
        after.append(transcript.duration_s - words[-1].end)
        for place, pause in zip(word_ends(said), after, strict=True):
            own[place] = pause
        characters += characters_of(said)
        pauses += own
    return Chapter(text.spoken, text.marks, text.shapes, characters, pauses)


def joined(chapters: Iterator[Chapter]) -> Chapter:
    """Return chapters one after the other, as one."""
    parts = list(chapters)
    return Chapter(
        [word for part in parts for word in part.words],
        np.concatenate([part.marks for part in parts]),
        np.concatenate([part.shapes for part in parts]),
        [word for part in parts for word in part.heard],
        [pause for part in parts for pause in part.pauses],
    )


def text_rows(folder: Path, systems: dict[str, Labels]) -> Iterator[str]:
    """Yield the rows of each test text."""
    for path in sorted(folder.glob("test-*.txt")):
        text = read_marked(path, "zh")
        split = f"{path.stem.removeprefix('test-')}, {len(text)} characters"
        for name, labels in systems.items():
            figures = mark_figures(text.marks, text.shapes, *labels(text.spoken))
            yield table_row(split, name, [figures[key] for key in COLUMNS])


def main() -> None:
    """Measure pauses on dev, score on test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("speakers", type=Path)
    parser.add_argument("text_model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--model", default="zh", help="recogniser of the clips")
    args = parser.parse_args()
    network = Restorer.load(args.text_model)
    events = HiddenEvents.of(read_marked(args.text / "train.txt", "zh"))
    systems = {"hidden-event 4-gram": events.predict, "network, 8 bits": network.classes}
    print("| test | system | comma | full stop | question mark | mean |")
    print("|---|---|---|---|---|---|")
    print(*text_rows(args.text, systems), sep="\n", flush=True)
    recognizer = asr.load_model(args.model, threads=1)
    dev, test = (clips_by_speaker(args.table, args.speakers, part) for part in ("dev", "test"))
    network.pauses = pause_table(joined(heard(recognizer, clips) for clips in dev))
    add_to_bundle(args.text_model, {}, config={"pauses": network.pauses.content()})
    chapters = [heard(recognizer, clips) for clips in test]
    rows = score_clips(
        chapters,
        args.model,
        systems,
        network,
        corpus="Common Voice zh-CN",
        columns=len(COLUMNS),
    )
    print(*rows, sep="\n")


if __name__ == "__main__":
    run_script(main)
