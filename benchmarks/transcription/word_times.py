"""Errors of word start times, measured against eSpeak NG and against PocketSphinx.

    python benchmarks/transcription/word_times.py MODEL TEXT [--sentences 20]
    pip install pocketsphinx
    python benchmarks/transcription/word_times.py MODEL SPLIT [--sentences 60]

TEXT has one sentence per line, in the characters of the model. Five voices of eSpeak NG speak each
sentence, and the library reports when a word begins. SPLIT is a folder that ``asr prepare`` wrote;
PocketSphinx's HMM aligns its transcripts, in steps of 10 ms. The model aligns the transcript and
also transcribes the recording; of the transcription only correct words count. Printed are the
median of the signed error, and median and 90th percentile of the absolute error, in milliseconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import asr
from asr.audio.reading import load_audio
from asr.errors import TokenError
from asr.scoring.align import align_words
from asr.speech.transcripts.transcript import Word
from data_prep.espeak import speak
from data_prep.manifests import read_manifest

VOICES = (
    ("en-us", 150, None),
    ("en-gb", 170, None),
    ("en-us", 130, "f2"),
    ("en-us", 165, "m3"),
    ("en-gb", 165, "f5"),
)


@dataclass(frozen=True)
class Spoken:
    """Samples (n,) of a text, their rate in Hz, and when its words begin in seconds: index among
    its words -> start.
    """

    text: str
    samples: npt.NDArray[np.float32]
    sample_rate: int
    starts_s: dict[int, float]


def synthesised(path: Path, sentences: int) -> Iterator[Spoken]:
    """Yield sentences of a text file, spoken by each voice."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for voice, speed, variant in VOICES:
        for line in lines[:: max(1, len(lines) // sentences)][:sentences]:
            speech = speak(line, voice=voice, speed_wpm=speed, variant=variant)
            starts = {word.index: word.start_s for word in speech.words}
            yield Spoken(line, speech.samples, speech.sample_rate, starts)


def recorded(split: Path, sentences: int) -> Iterator[Spoken]:
    """Yield utterances of a prepared split with the starts that PocketSphinx finds, where it can
    align them.
    """
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16000, loglevel="FATAL", lm=None)
    utterances = list(read_manifest(split))
    for utterance in utterances[:: max(1, len(utterances) // sentences)][:sentences]:
        samples = load_audio(utterance.audio, 16000).samples
        try:
            decoder.set_align_text(utterance.text)
        except RuntimeError:  # a word that its dictionary lacks
            continue
        decoder.start_utt()
        decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        found = [s.start_frame / 100 for s in decoder.seg() if s.word[0] not in "<["]
        if len(found) == len(utterance.text.split()):
            yield Spoken(utterance.text, samples, 16000, dict(enumerate(found)))


def right_words(text: str, heard: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Yield (index in the text, index in the transcript) of the words that were heard right."""
    said, found = text.split(), [word.word for word in heard]
    reference = hypothesis = 0
    for kind in align_words([said], [found])[0]:
        if kind == "=":
            yield reference, hypothesis
        reference, hypothesis = reference + (kind != "I"), hypothesis + (kind != "D")


def row(name: str, errors: list[float]) -> str:
    """Return the figures of the errors in seconds."""
    if not errors:
        return f"{name}: no words"
    e = 1000 * np.array(errors)
    signed, absolute, tail = np.median(e), np.median(np.abs(e)), np.percentile(np.abs(e), 90)
    return (
        f"{name}: {len(e)} words, signed {signed:+.0f} ms, absolute {absolute:.0f} ms, 90 % "
        f"within {tail:.0f} ms"
    )


def main() -> None:
    """Print one row for alignment and one for transcription."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("source", type=Path, help="a text file, or a prepared split")
    parser.add_argument("--sentences", type=int, default=20)
    given = parser.parse_args()
    model = asr.load_model(given.model)
    source = recorded if given.source.is_dir() else synthesised
    aligned: list[float] = []
    transcribed: list[float] = []
    for item in source(given.source, given.sentences):
        try:
            words = model.align(item.samples, item.text, item.sample_rate).words
        except TokenError:  # a word that the model's dictionary lacks
            continue
        aligned += [words[index].start - start for index, start in item.starts_s.items()]
        heard = model.transcribe(item.samples, item.sample_rate).words
        transcribed += [
            heard[h].start - item.starts_s[r]
            for r, h in right_words(item.text, heard)
            if r in item.starts_s
        ]
    print(row("aligned", aligned))
    print(row("transcribed", transcribed))


if __name__ == "__main__":
    main()
