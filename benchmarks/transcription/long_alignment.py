"""Alignment of joined recordings: word starts, words left out, time and memory.

    python benchmarks/transcription/long_alignment.py LIBRISPEECH PART [--model en] [--hours 10]
        [--missing 0.05] [--foreign 0.05]

Utterances of a part of LibriSpeech are joined, and repeated until they last as many hours. A share
of their texts is left out, and as many texts are inserted that nobody says. Starts are compared
with those that torchaudio.functional.forced_align finds in each utterance by itself. The recording
is written once and read as users' recordings are. Printed are the median and the 95th percentile of
the difference of word starts, the shares of said words that are aligned and of unsaid words that
are left out, processor seconds an hour, and the peak of memory.
"""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

import asr
from asr.audio.reading import load_audio
from asr.speech.recognizer import Recognizer
from data_prep.librispeech import read_librispeech
from data_prep.store import Utterance

RATE = 16000
WORKER = Path(__file__).with_name("long_alignment_worker.py")


@dataclass(frozen=True)
class Joined:
    """A long recording: words of its text, and for each when it begins, NaN where nobody says it.

    Attributes:
        words: of the text.
        starts_s: (n,) in seconds.
        said: words that are said, in the text or not.
    """

    words: list[str]
    starts_s: npt.NDArray[np.float64]
    said: int


def word_starts(model: Recognizer, samples: npt.NDArray[np.float32], text: str) -> list[float]:
    """Return the seconds at which the tokens of words begin, by torchaudio."""
    import torch
    import torchaudio

    (log_probs,) = model.log_probs([samples])
    ids = model.decoders.tokenizer.encode(text)
    path, _ = torchaudio.functional.forced_align(
        torch.from_numpy(log_probs)[None], torch.tensor([ids], dtype=torch.int32), blank=0
    )
    labels = path[0].numpy()
    begins = np.flatnonzero((np.diff(labels, prepend=-1) != 0) & (labels != 0))
    groups = model.decoder.vocabulary.groups(ids)
    return [float(begins[positions[0]]) * model.seconds_per_frame for _, positions in groups]


def join(
    model: Recognizer, utterances: Sequence[Utterance], path: Path, arguments: argparse.Namespace
) -> Joined:
    """Write utterances as one recording; return its text."""
    rng, words, starts, said, seconds = np.random.default_rng(0), [], [], 0, 0.0
    known: dict[str, list[float]] = {}
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for utterance in endless(utterances):
            if seconds >= 3600 * arguments.hours:
                break
            samples = load_audio(utterance.audio, RATE).samples
            text = utterance.text.lower()
            if utterance.id not in known:
                known[utterance.id] = word_starts(model, samples, text)
            said += len(text.split())
            if rng.random() >= arguments.missing:
                words += text.split()
                starts += [seconds + start for start in known[utterance.id]]
            if rng.random() < arguments.foreign:
                other = utterances[rng.integers(len(utterances))].text.lower().split()
                words, starts = words + other, starts + [np.nan] * len(other)
            file.write(samples)
            seconds += len(samples) / RATE
    return Joined(words, np.array(starts), said)


def endless(utterances: Sequence[Utterance]) -> Iterator[Utterance]:
    """Yield utterances again and again."""
    while True:
        yield from utterances


def compare(joined: Joined, alignment: asr.ForcedAlignment) -> None:
    """Print how an alignment differs from the truth."""
    aligned: list[float] = []
    unsaid = dict.fromkeys(range(len(alignment.words) + 1), 0)
    for word in alignment.unsaid:
        unsaid[word.position] += 1
    for place, word in enumerate(alignment.words):
        aligned += [np.nan] * unsaid[place] + [word.tokens[0].start]
    aligned += [np.nan] * unsaid[len(alignment.words)]
    starts, truth = np.array(aligned), joined.starts_s
    both = ~np.isnan(starts) & ~np.isnan(truth)
    errors = 1000 * np.abs(starts - np.maximum(truth - 0.055, 0))[both]
    print(f"words {len(truth)}, said and in the text {int((~np.isnan(truth)).sum())}")
    print(f"start: median {np.median(errors):.0f} ms, 95 % {np.percentile(errors, 95):.0f} ms")
    print(f"within 100 ms: {(errors < 100).mean():.4f}")
    print(f"of the said words aligned: {both.sum() / (~np.isnan(truth)).sum():.4f}")
    foreign = np.isnan(truth)
    if foreign.any():
        print(f"of the unsaid words left out: {np.isnan(starts)[foreign].mean():.4f}")


def main() -> None:
    """Join, align and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("librispeech", type=Path)
    parser.add_argument("part")
    parser.add_argument("--model", default="en")
    parser.add_argument("--hours", type=float, default=0.5)
    parser.add_argument("--missing", type=float, default=0.05)
    parser.add_argument("--foreign", type=float, default=0.05)
    arguments = parser.parse_args()
    model = asr.load_model(arguments.model, {"method": "greedy"}, threads=1)
    (utterances,) = read_librispeech(arguments.librispeech, [arguments.part]).values()
    known = model.decoders.tokenizer.lexicon
    utterances = [u for u in utterances if all(w in known for w in u.text.lower().split())]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joined.flac"
        joined = join(model, utterances, path, arguments)
        partial = bool(arguments.missing or arguments.foreign)
        text, output, started = Path(folder) / "text", Path(folder) / "found", time.monotonic()
        text.write_text(" ".join(joined.words))
        arguments_apart = [arguments.model, path, text, str(partial), output]
        subprocess.run([sys.executable, WORKER, *arguments_apart], check=True)
        alignment, seconds, peak = pickle.loads(output.read_bytes())
    compare(joined, alignment)
    print(f"{alignment.duration_s / seconds:.0f} times real time (processor time), ", end="")
    print(f"{time.monotonic() - started:.0f} s elapsed")
    print(f"peak {peak:.2f} GB")


if __name__ == "__main__":
    main()
