"""Diarization error rates on conversations, of any speaker model with the same clustering.

    python benchmarks/speakers/diarization.py FOLDER [--model speaker]
        [--cache FOLDER] [--tune THRESHOLD ... [--noise NOISE ...]] [--collar 0]

FOLDER is what benchmarks/speakers/conversations.py wrote; names begin with the number of speakers.
With --tune, the two numbers of the rule for how many there are (asr.speakers.embedder.Calibration)
are tried; an imported model has to have them in its config.yaml.
"""

from __future__ import annotations

import argparse
import itertools
import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr.audio.reading import open_recording
from asr.scoring.diarization import DiarizationScore, score_turns
from asr.speakers.diarization import DiarizationConfig, diarize_parts
from asr.speakers.embedder import SpeakerEmbedder
from asr.speakers.windows import SpeechPart, speech_embeddings
from asr.text.rttm import SpeakerTurn, read_rttm

NOTHING = DiarizationScore(0.0, 0.0, 0.0, 0.0)
Parts = Mapping[str, Sequence[SpeechPart]]
References = Mapping[str, Sequence[SpeakerTurn]]


def parts_of(folder: Path, names: Sequence[str], embedder: SpeakerEmbedder, cache: str) -> Parts:
    """Return the embeddings of each conversation, and say how long they took."""
    kept = Path(cache) / f"{folder.name}-{embedder.name}.pickle" if cache else None
    if kept is not None and kept.is_file():
        return pickle.loads(kept.read_bytes())
    started, seconds, parts = time.process_time(), 0.0, {}
    for name in names:
        with open_recording(str(folder / f"{name}.flac")) as recording:
            seconds += recording.duration_s or 0.0
            blocks = recording.resampled(embedder.sample_rate, "mix")
            parts[name] = list(speech_embeddings(blocks, embedder))
    took = time.process_time() - started
    print(f"{embedder.name}: {seconds:.0f} s of audio in {took:.1f} s of processor time")
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(parts))
    return parts


def scores(
    parts: Parts,
    references: References,
    embedder: SpeakerEmbedder,
    config: DiarizationConfig,
    collar_s: float,
) -> dict[str, tuple[DiarizationScore, float]]:
    """Return, by number of speakers, the errors and how often that number was found."""
    totals: dict[str, list[DiarizationScore]] = {}
    for name, own in parts.items():
        found = diarize_parts(own, embedder.calibration, config)
        score = score_turns(references[name], found.every_turn, collar_s)
        totals.setdefault(name.partition("-")[0], []).append(score)
    return {
        count: (sum(some, NOTHING), sum(s.found == s.speakers for s in some) / len(some))
        for count, some in totals.items()
    }


def show_overlap(parts: Parts, references: References, threshold: float) -> None:
    """Print precision and recall of overlapped speech, by the network's steps."""
    both, marked = [], []
    for name, own in parts.items():
        for part in own:
            count = len(part.overlap)
            times = part.start + (np.arange(count) + 0.5) * (part.end - part.start) / max(count, 1)
            speaking = [(t.start <= times) & (times < t.end) for t in references[name]]
            both.append(np.sum(speaking, 0) > 1)
            marked.append(part.overlap >= threshold)
    true, found = np.concatenate(both), np.concatenate(marked)
    if true.any() and found.any():
        right = (true & found).sum()
        figures = f"precision {right / found.sum():.3f} recall {right / true.sum():.3f}"
        print(f"overlapped speech, {100 * true.mean():.1f} % | {figures}")


def show(what: str, results: Mapping[str, tuple[DiarizationScore, float]]) -> None:
    """Print a row."""
    cells = [
        f"{count}: DER {100 * score.der:.1f} JER {100 * score.jer:.1f} right {100 * right:.0f} %"
        for count, (score, right) in results.items()
    ]
    print(f"{what} | " + " | ".join(cells), flush=True)


def main() -> None:
    """Print a row for each model, or for each threshold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="speaker")
    parser.add_argument("--threshold", type=float, default=0.0)
    parser.add_argument("--stay", type=float, default=DiarizationConfig().stay)
    parser.add_argument("--collar", type=float, default=0.0)
    parser.add_argument("--cache", default="")
    parser.add_argument("--tune", type=float, nargs="+", default=[], help="thresholds to try")
    parser.add_argument("--noise", type=float, nargs="+", help="to try with each of them")
    args = parser.parse_args()
    references = read_rttm(args.folder / "references.rttm")
    embedder = SpeakerEmbedder.load(args.model)
    parts = parts_of(args.folder, list(references), embedder, args.cache)
    config = DiarizationConfig(threshold=args.threshold, stay=args.stay)
    own_noise = embedder.calibration.noise
    for threshold, noise in itertools.product(args.tune, args.noise or [own_noise]):
        calibration = replace(embedder.calibration, threshold=threshold, noise=noise)
        tried = embedder.with_calibration(calibration)
        name = f"threshold {threshold:.3f} noise {noise:.3f}"
        show(name, scores(parts, references, tried, config, args.collar))
    if not args.tune:
        show("number found", scores(parts, references, embedder, config, args.collar))
    totals: dict[str, tuple[DiarizationScore, float]] = {}
    for count in sorted({name.partition("-")[0] for name in parts}):
        own = {name: part for name, part in parts.items() if name.startswith(f"{count}-")}
        given = replace(config, speakers=int(count))
        totals |= scores(own, references, embedder, given, args.collar)
    show("number given", totals)
    show_overlap(parts, references, embedder.calibration.overlap)


if __name__ == "__main__":
    main()
