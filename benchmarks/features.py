"""Real-time factor of feature preparation on one core: FLAC decoding, features, storage.

    OMP_NUM_THREADS=1 python benchmarks/features.py [--minutes 10] [--rounds 3]

Writes FLAC files of speech-like noise, then prepares them in turn, round by round:

* asr: our preparation, 80-band log-Mel in 16 bits, in shards
* asr x3: the same with copies at 0.9 and 1.1 of the speed
* lhotse: Lhotse's Fbank extractor with its default storage (float32 arrays since Lhotse 1.33)
* lhotse x3: the same with cuts perturbed to 0.9 and 1.1
* lhotse lilcom: Lhotse with the storage that it recommends; skipped without lilcom
* kaldi-native: kaldi-native-fbank, one float32 .npy per utterance; skipped without the package

Prints seconds of features per second of processor time and of wall time (medians of the rounds).
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from data_prep.store import StoreConfig, Utterance, prepare_store
from data_prep.workers import Workers

RATE = 16000
SPEEDS = (1.0, 0.9, 1.1)


def make_corpus(folder: Path, minutes: float) -> list[Utterance]:
    """Write FLAC files of 5 to 16 s of noise with the spectrum and the syllables of speech,
    roughly.
    """
    rng, utterances, total = np.random.default_rng(0), list[Utterance](), 0.0
    while total < minutes * 60:
        count = int(rng.uniform(5, 16) * RATE)
        spectrum = np.fft.rfft(rng.standard_normal(count)) / (
            1 + np.fft.rfftfreq(count, 1 / RATE) / 400
        )
        syllables = np.clip(
            np.sin(np.arange(count) * 2 * np.pi * 4 / RATE + rng.uniform(0, 6)), 0.01, 1
        )
        samples = np.fft.irfft(spectrum, count) * syllables
        path = folder / f"u{len(utterances):04}.flac"
        soundfile.write(path, 0.5 * samples / np.abs(samples).max(), RATE, subtype="PCM_16")
        utterances.append(Utterance(path.stem, str(path), "text", "s"))
        total += count / RATE
    return utterances


def ours(utterances: list[Utterance], out: Path, speeds: tuple[float, ...]) -> None:
    """Prepare with this toolkit."""
    assert not prepare_store(out, utterances, StoreConfig(speeds=speeds), Workers(jobs=1))


def lhotse(utterances: list[Utterance], out: Path, speeds: tuple[float, ...]) -> None:
    """Prepare with Lhotse and its default storage."""
    _lhotse(utterances, out, speeds)


def lhotse_lilcom(utterances: list[Utterance], out: Path, speeds: tuple[float, ...]) -> None:
    """Prepare with Lhotse and compressed storage."""
    from lhotse import LilcomChunkyWriter

    _lhotse(utterances, out, speeds, storage_type=LilcomChunkyWriter)


def _lhotse(
    utterances: list[Utterance], out: Path, speeds: tuple[float, ...], **storage: Any
) -> None:
    from lhotse import CutSet, Fbank, MonoCut, Recording

    recordings = [Recording.from_file(u.audio) for u in utterances]
    plain = CutSet.from_cuts(MonoCut(r.id, 0, r.duration, 0, recording=r) for r in recordings)
    cuts = plain
    for speed in speeds[1:]:
        cuts = cuts + plain.perturb_speed(speed)
    cuts.compute_and_store_features(
        Fbank(), storage_path=out, num_jobs=1, progress_bar=False, **storage
    ).to_eager()


def kaldi_native(utterances: list[Utterance], out: Path, speeds: tuple[float, ...]) -> None:
    """Prepare with kaldi-native-fbank."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.FbankOptions()
    options.mel_opts.num_bins = 80
    options.frame_opts.dither = 0.0
    out.mkdir()
    for utterance in utterances:
        samples, rate = soundfile.read(utterance.audio, dtype="float32")
        extractor = kaldi_native_fbank.OnlineFbank(options)
        extractor.accept_waveform(rate, samples)
        extractor.input_finished()
        frames = [extractor.get_frame(i) for i in range(extractor.num_frames_ready)]
        np.save(out / f"{utterance.id}.npy", np.stack(frames))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    contenders: dict[
        str, tuple[Callable[[list[Utterance], Path, tuple[float, ...]], None], tuple[float, ...]]
    ] = {
        "asr": (ours, (1.0,)),
        "asr x3": (ours, SPEEDS),
        "lhotse": (lhotse, (1.0,)),
        "lhotse x3": (lhotse, SPEEDS),
    }
    if importlib.util.find_spec("lilcom"):
        contenders["lhotse lilcom"] = (lhotse_lilcom, (1.0,))
    if importlib.util.find_spec("kaldi_native_fbank"):
        contenders["kaldi-native"] = (kaldi_native, (1.0,))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        utterances = make_corpus(folder, arguments.minutes)
        seconds = sum(soundfile.info(u.audio).duration for u in utterances)
        for (
            run,
            speeds,
        ) in contenders.values():  # what is imported and built at the first call does not count
            run(utterances[:2], folder / f"warm-{run.__name__}-{len(speeds)}", speeds)
        rates: dict[str, list[tuple[float, float]]] = {key: [] for key in contenders}
        for number in range(arguments.rounds):
            for key, (run, speeds) in contenders.items():
                clock, processor = time.perf_counter(), time.process_time()
                run(utterances, folder / f"{run.__name__}-{len(speeds)}-{number}", speeds)
                spent = time.process_time() - processor, time.perf_counter() - clock
                features_s = seconds * sum(1 / s for s in speeds)
                rates[key].append((features_s / spent[0], features_s / spent[1]))
        print(
            f"{len(utterances)} files, {seconds / 60:.1f} minutes, one core, median of "
            f"{arguments.rounds} rounds"
        )
        reference = statistics.median(r[0] for r in rates["lhotse"])
        for key, pairs in rates.items():
            processor, clock = (statistics.median(p[i] for p in pairs) for i in (0, 1))
            made = [*folder.glob(f"{_folder(key)}-0.*"), *folder.glob(f"{_folder(key)}-0/**/*")]
            size = sum(p.stat().st_size for p in made if p.is_file()) / 1e6
            print(
                f"{key:13} {processor:6.0f}x real time of processor {clock:6.0f}x of clock "
                f"{processor / reference:5.1f} of lhotse  {size:6.1f} MB"
            )


def _folder(key: str) -> str:
    names = {
        "asr": "ours",
        "lhotse": "lhotse",
        "lhotse lilcom": "lhotse_lilcom",
        "kaldi-native": "kaldi_native",
    }
    return f"{names[key.removesuffix(' x3')]}-{3 if key.endswith('x3') else 1}"


if __name__ == "__main__":
    main()
