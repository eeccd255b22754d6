"""Word starts against the word events that eSpeak NG reports for its own speech.

    python benchmarks/transcription/word_times.py MODEL TEXT [--sentences 20]

TEXT has a sentence a line, in the characters of the model. Each is spoken by five voices; its known text is aligned,
and it is transcribed, where only words of sentences with the right number of words are counted. Printed are the median
of the signed and of the absolute error and the 90th percentile of the latter, in milliseconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import asr
from asr.audio import resample
from data_prep.espeak import speak

VOICES = (("en-us", 150, None), ("en-gb", 170, None), ("en-us", 130, "f2"), ("en-us", 165, "m3"), ("en-gb", 165, "f5"))


def row(name: str, errors: list[float]) -> str:
    if not errors:
        return f"{name}: no words"
    e = 1000 * np.array(errors)
    signed, absolute, tail = np.median(e), np.median(np.abs(e)), np.percentile(np.abs(e), 90)
    return f"{name}: {len(e)} words, signed {signed:+.0f} ms, absolute {absolute:.0f} ms, 90 % within {tail:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text", type=Path)
    parser.add_argument("--sentences", type=int, default=20)
    given = parser.parse_args()
    model = asr.load_model(given.model)
    lines = [line.strip() for line in given.text.read_text(encoding="utf-8").splitlines() if line.strip()]
    lines = lines[:: max(1, len(lines) // given.sentences)][: given.sentences]
    aligned: list[float] = []
    transcribed: list[float] = []
    for voice, speed, variant in VOICES:
        for line in lines:
            speech = speak(line, voice=voice, speed_wpm=speed, variant=variant)
            samples = resample(speech.samples, speech.sample_rate, model.sample_rate)
            alignment = model.align(samples, line, model.sample_rate)
            aligned += [alignment.words[w.index].start - w.start_s for w in speech.words]
            words = model.transcribe(samples, model.sample_rate).words
            if len(words) == len(line.split()):
                transcribed += [words[w.index].start - w.start_s for w in speech.words]
    print(row("aligned", aligned))
    print(row("transcribed", transcribed))


if __name__ == "__main__":
    main()
