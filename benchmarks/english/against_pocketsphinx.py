"""Word error rate and speed beside PocketSphinx 5 with its English model, on equal recordings.

pip install pocketsphinx
python benchmarks/english/against_pocketsphinx.py data/dev-clean [--model en] [--limit 0]

The split is a folder that ``asr prepare`` wrote: its manifest names the recordings. Both read them
from disk, one thread each; the normaliser is ``librispeech`` for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from asr.audio.reading import load_audio
from asr.scoring import score_texts
from asr.speech.recognizer import load_model
from data_prep.manifests import read_manifest
from data_prep.store import Utterance

SAMPLE_RATE = 16_000


def main() -> None:
    """Transcribe with both and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("split", type=Path)
    parser.add_argument("--model", default="en", help="name or model folder")
    parser.add_argument("--only", choices=["asr", "pocketsphinx"], help="leave the other out")
    parser.add_argument("--limit", type=int, default=0, help="first utterances only (0: all)")
    options = parser.parse_args()
    utterances = list(read_manifest(options.split))[: options.limit or None]
    seconds = sum(len(load_audio(u.audio, SAMPLE_RATE).samples) for u in utterances) / SAMPLE_RATE
    systems: dict[str, Callable[[], Callable[[str], str]]] = {
        "pocketsphinx": pocketsphinx,
        "asr": lambda: ours(options),
    }
    print(
        f"| {options.split.name}, {len(utterances)} utterances | WER % (95 % interval) | x real "
        "time, one core |"
    )
    print("|---|---|---|")
    for name, make in systems.items():
        if options.only in (None, name):
            print(f"| {name} | {measure(make(), utterances, seconds)} |", flush=True)


def measure(recognise: Callable[[str], str], utterances: list[Utterance], seconds: float) -> str:
    """Return the figures of one system as two table cells."""
    recognise(utterances[0].audio)  # compiled and loaded before the clock starts
    begin = time.process_time()
    texts = [recognise(u.audio) for u in utterances]
    spent = time.process_time() - begin
    score = score_texts([u.text for u in utterances], texts, normalizer="librispeech")
    interval = score.wer_interval
    spread = f" ({100 * interval.low:.2f} - {100 * interval.high:.2f})" if interval else ""
    return f"{100 * score.wer:.2f}{spread} | {seconds / spent:.1f}"


def ours(options: argparse.Namespace) -> Callable[[str], str]:
    """Return the model folder's recogniser in one thread."""
    model = load_model(options.model, threads=1)
    return lambda path: model.transcribe(path).text


def pocketsphinx() -> Callable[[str], str]:
    """Return PocketSphinx with its packaged acoustic model, dictionary and language model."""
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")

    def recognise(path: str) -> str:
        samples = load_audio(path, SAMPLE_RATE).samples
        decoder.start_utt()
        decoder.process_raw(
            (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True
        )
        decoder.end_utt()
        found = decoder.hyp()
        return found.hypstr if found else ""

    return recognise


if __name__ == "__main__":
    main()
