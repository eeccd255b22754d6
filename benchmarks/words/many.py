"""What many new words cost: start, decoding, and errors where none of them is said.

python benchmarks/words/many.py SPEECH [--model en] [--words 100,20000] [--count 150]
    [--kept FOLDER]

SPEECH is a folder in LibriSpeech's layout. The words are made of beginnings and ends of words of
the dictionary, and are not in it. Seconds are of processor time; the second start counts, and the
median of three decodings in turns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median

from heard import Heard, hear

from asr.scoring import score_texts
from asr.speech.recognizer import Recognizer, load_model


def made_up(model: Recognizer, count: int) -> list[str]:
    """Return words that look like names and are not in the dictionary."""
    random, known = Random(0), model.decoders.tokenizer.lexicon
    assert known is not None
    usual = [word for word in known if word.isalpha() and 4 <= len(word) <= 9]
    made: dict[str, None] = {}
    while len(made) < count:
        first, last = random.choice(usual), random.choice(usual)
        word = first[: random.randint(2, 4)] + last[-random.randint(2, 5) :]
        if word not in known:
            made[word] = None
    return list(made)


def start(model: str, words: Sequence[str]) -> tuple[Recognizer, float]:
    """Return a model with words, and the seconds of its second start."""
    seconds = 0.0
    for _ in range(2):
        started = time.process_time()
        loaded = load_model(model, threads=1, new_words=words)
        seconds = time.process_time() - started
    return loaded, seconds


def decode(model: Recognizer, heard: Sequence[Heard]) -> tuple[float, float]:
    """Return seconds of decoding and the word error rate in percent."""
    model.decoder([heard[0].log_probs])
    started = time.process_time()
    said = {one.name: model.decoder([one.log_probs])[0][0].text for one in heard}
    seconds = time.process_time() - started
    return seconds, 100 * score_texts({one.name: one.text for one in heard}, said).wer


def main() -> None:
    """Print start, decoding and errors for each number of words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--words", default="100,20000")
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "asr-words")
    args = parser.parse_args()
    plain, plain_s = start(args.model, [])
    heard = hear(plain, args.speech, args.count, args.kept)
    counts = [0, *map(int, args.words.split(","))]
    models, starts = {0: plain}, {0: plain_s}
    for count in counts[1:]:
        models[count], starts[count] = start(args.model, made_up(plain, count))
    turns = [{count: decode(models[count], heard) for count in counts} for _ in range(3)]
    seconds = {count: median(turn[count][0] for turn in turns) for count in counts}
    for count in counts:
        figures = {
            "words": count,
            "start_s": starts[count],
            "more start_s": starts[count] - plain_s,
            "decoding_s": seconds[count],
            "times as long": seconds[count] / seconds[0],
            "wer": turns[0][count][1],
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
