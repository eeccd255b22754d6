"""Equal error rates of speaker models on all pairs of recordings.

    python benchmarks/speakers/verification.py TABLE.tsv [--model speaker ...]
        [--seconds 3] [--per-speaker 20] [--calibrate]

TABLE.tsv has the columns audio and speaker; every recording is compared with every other one. With
--seconds only the middle of each recording is looked at. Intervals: 200 draws of the speakers. With
--calibrate, the logistic regression of the log-odds on the cosine is printed too.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.audio.reading import load_audio
from asr.scoring.verification import fit_log_odds, pair_scores, score_pairs
from asr.speakers.data import SpokenFile, read_recordings
from asr.speakers.embedder import SpeakerEmbedder
from asr.speakers.store import speech_span

Floats = npt.NDArray[np.float64]
DRAWS = 200


def samples_of(recording: SpokenFile, seconds: float) -> npt.NDArray[np.float32]:
    """Return the speech of a recording, or the middle of it."""
    samples = load_audio(str(recording.path), 16000).samples
    first, end = speech_span(samples, 16000)
    length = round(16000 * seconds)
    if seconds and end - first > length:
        first += (end - first - length) // 2
        end = first + length
    return samples[first:end]


def embeddings(embedder: SpeakerEmbedder, recordings: list[SpokenFile], seconds: float) -> Floats:
    """Return a row of length 1 for each recording: the mean of its windows."""
    rows = []
    for recording in recordings:
        frames = embedder.frames(samples_of(recording, seconds))
        mean = embedder.embed_stretches([frames], 1.6, 0.8)[0].embeddings.mean(0)
        rows.append(mean / np.linalg.norm(mean))
    return np.stack(rows).astype(np.float64)


def interval(rows: Floats, speakers: list[str]) -> tuple[float, float]:
    """Return the 95 % interval of the EER over draws of speakers."""
    rng = np.random.default_rng(0)
    names = sorted(set(speakers))
    places = {name: [n for n, s in enumerate(speakers) if s == name] for name in names}
    rates = []
    for _ in range(DRAWS):
        drawn = rng.choice(names, len(names))
        items = np.concatenate([places[name] for name in drawn])
        who = np.repeat(np.arange(len(drawn)), [len(places[name]) for name in drawn])
        items, who = items[:: max(1, len(items) // 800)], who[:: max(1, len(items) // 800)]
        real = np.array([names.index(speakers[i]) for i in items])
        first, second = np.triu_indices(len(items), 1)
        kept = (real[first] != real[second]) | (who[first] == who[second])
        cosines = (rows[items] @ rows[items].T)[first, second][kept]
        rates.append(score_pairs(cosines, (who[first] == who[second])[kept]).eer)
    low, high = np.percentile(rates, (2.5, 97.5))
    return float(low), float(high)


def main() -> None:
    """Print a row of the table for each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", nargs="+", default=["speaker"], help="model folders")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--per-speaker", type=int, default=0)
    parser.add_argument("--calibrate", action="store_true")
    args = parser.parse_args()
    own: dict[str, list[SpokenFile]] = defaultdict(list)
    for recording in read_recordings([args.table]):
        own[recording.speaker].append(recording)
    count = args.per_speaker
    recordings = [
        files[n]
        for files in own.values()
        for n in np.unique(np.linspace(0, len(files) - 1, count or len(files)).round().astype(int))
    ]
    speakers = [recording.speaker for recording in recordings]
    for model in map(SpeakerEmbedder.load, args.model):
        started = time.process_time()
        rows = embeddings(model, recordings, args.seconds)
        took = time.process_time() - started
        cosines, same = pair_scores(rows, speakers)
        low, high = interval(rows, speakers)
        print(
            f"{model.name}: {score_pairs(cosines, same)}; EER from {100 * low:.2f} to "
            f"{100 * high:.2f} %; {took:.0f} s of processor time",
            flush=True,
        )
        if args.calibrate:
            print("calibration: scale {:.3f}, shift {:.3f}".format(*fit_log_odds(cosines, same)))


if __name__ == "__main__":
    main()
