"""Widths of the beam side by side: word error rate, processor time, confidences.

python benchmarks/words/beam.py SPEECH [--model en] [--count 0] [--kept FOLDER]
    [--settings beam_size=1500,alike_threshold=inf ...]

SPEECH is a folder in LibriSpeech's layout. The settings take turns on the same log-probabilities,
on one thread, in ``--rounds`` passes; the fastest counts. Confidences: expected calibration error,
and the probability that a right word has a higher one than a wrong word (area under the ROC curve).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from heard import Heard, hear
from scipy.stats import rankdata

from asr.decoding import Hypothesis
from asr.decoding.tune import right_words
from asr.scoring import score_texts
from asr.scoring.calibration import calibrate
from asr.speech.recognizer import Recognizer, load_model

SETTINGS = [
    "alike_threshold=inf",
    "alike_threshold=2",
    "alike_threshold=1",
    "alike_threshold=0",
    "beam_size=3000,beam_threshold=16,alike_threshold=inf",
    "beam_size=3000,beam_threshold=16",
]


def main() -> None:
    """Print a line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--settings", nargs="+", default=SETTINGS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "asr-words")
    args = parser.parse_args()
    model = load_model(args.model, threads=1)
    heard = hear(model, args.speech, args.count, args.kept)
    print("| settings | WER % | processor s | times the first | calibration error % | AUC |")
    print("|---|---|---|---|---|---|")
    times: dict[str, float] = {}
    for number in range(args.rounds):
        for settings in args.settings:
            decoder = with_settings(model, settings)
            begin = time.process_time()
            best = [readings[0] for readings in decoder.decoder([h.log_probs for h in heard])]
            took = time.process_time() - begin
            times[settings] = min(took, times.get(settings, took))
            if number == args.rounds - 1:
                ratio = times[settings] / times[args.settings[0]]
                print(
                    f"| {settings} | {figures(heard, [h.text for h in best])} | "
                    f"{times[settings]:.1f} | {ratio:.2f} | {trust(heard, best)} |",
                    flush=True,
                )


def with_settings(model: Recognizer, settings: str) -> Recognizer:
    """Return the model with settings as ``name=number,name=number``."""
    pairs = (setting.split("=") for setting in settings.split(","))
    return model.with_decoding(
        {name: int(value) if name == "beam_size" else float(value) for name, value in pairs}
    )


def figures(heard: Sequence[Heard], texts: Sequence[str]) -> str:
    """Return the word error rate in percent."""
    score = score_texts([one.text for one in heard], texts)
    return f"{100 * score.wer:.2f}"


def trust(heard: Sequence[Heard], best: Sequence[Hypothesis]) -> str:
    """Return calibration error and area under the ROC curve of the words' confidences."""
    confidences, right = list[float](), list[bool]()
    for one, hypothesis in zip(heard, best, strict=True):
        words = hypothesis.words
        confidences += [word.confidence for word in words]
        right += right_words(one.text.split(), [word.word for word in words])
    ranks = rankdata(confidences)
    hits, misses = sum(right), len(right) - sum(right)
    above = sum(rank for rank, fine in zip(ranks, right, strict=True) if fine)
    auc = (above - hits * (hits + 1) / 2) / (hits * misses)
    return f"{100 * calibrate(confidences, right).error:.2f} | {auc:.3f}"


if __name__ == "__main__":
    main()
