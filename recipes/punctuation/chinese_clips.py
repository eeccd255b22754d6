"""Chinese marks on speech: clips of single sentences, one speaker's after the other.

python recipes/punctuation/chinese_clips.py TABLE SPEAKERS TEXT_MODEL [--model zh]

TABLE is Common Voice's (recipes/mandarin), SPEAKERS says which speakers are dev and test. How
probable pauses are after marks is measured on dev speakers and written into TEXT_MODEL; the marks
are scored on test speakers, on true and on recognised words, beside the rule that every pause is a
full stop. There are no capitals: that column is 0.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from spoken import Chapter, pause_table, score_clips

import asr
from asr.language.punctuation.chinese import characters_of, word_ends
from asr.language.punctuation.data import marked_text
from asr.language.punctuation.restorer import Restorer
from asr.model_folder import add_to_bundle
from asr.speech.recognizer import Recognizer
from asr.text.tables import read_table

ID_LENGTH = 16  # characters of a speaker's id that SPEAKERS lists


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


def main() -> None:
    """Measure pauses on dev, score on test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("speakers", type=Path)
    parser.add_argument("text_model", type=Path)
    parser.add_argument("--model", default="zh", help="recogniser of the clips")
    args = parser.parse_args()
    recognizer = asr.load_model(args.model, threads=1)
    dev, test = (clips_by_speaker(args.table, args.speakers, part) for part in ("dev", "test"))
    network = Restorer.load(args.text_model)
    network.pauses = pause_table(joined(heard(recognizer, clips) for clips in dev))
    add_to_bundle(args.text_model, {}, config={"pauses": network.pauses.content()})
    chapters = [heard(recognizer, clips) for clips in test]
    print("| test | system | comma | full stop | question mark | capitals | mean |")
    print("|---|---|---|---|---|---|---|")
    rows = score_clips(
        chapters, args.model, {"network": network.classes}, network, "Common Voice zh-CN"
    )
    print(*rows, sep="\n")


if __name__ == "__main__":
    main()
