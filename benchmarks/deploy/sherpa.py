"""Greedy texts of a model here and in sherpa-onnx: how many are equal, how much differs.

asr export en --format sherpa -o sherpa/en
python benchmarks/deploy/sherpa.py en sherpa/en $(find LibriSpeech/dev-clean -name '*.flac')

sherpa-onnx subtracts the mean of a recording, so the model hears each one as it is and without it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np
from sherpa_onnx import OfflineRecognizer

import asr
from asr.audio.reading import load_audio
from asr.scoring import score_texts

RATE = 16000


def spelled(tokens: Iterable[str]) -> str:
    """Return tokens as sherpa-onnx writes them: one after the other, marks as spaces."""
    return " ".join("".join(tokens).replace("▁", " ").split())


def best_path(model: asr.Recognizer, samples: np.ndarray) -> str:
    """Return the best token of each frame, repeats merged and blanks dropped, as text."""
    path = model.log_probs([samples])[0].argmax(1)
    new = (path != 0) & (path != np.roll(path, 1))
    new[:1] = path[:1] != 0
    return spelled(model.tokens[token] for token in path[new])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("sherpa", help="folder of asr export --format sherpa")
    parser.add_argument("audio", nargs="+")
    options = parser.parse_args()
    model = asr.load_model(options.model, {"method": "greedy"}, backend="torch")
    recognizer = OfflineRecognizer.from_omnilingual_asr_ctc(
        model=f"{options.sherpa}/model.onnx", tokens=f"{options.sherpa}/tokens.txt", num_threads=1
    )
    texts: dict[str, dict[str, str]] = {"as it is": {}, "without its mean": {}, "sherpa-onnx": {}}
    for file in options.audio:
        samples = load_audio(file, RATE).samples
        texts["as it is"][file] = best_path(model, samples)
        texts["without its mean"][file] = best_path(model, samples - samples.mean())
        stream = recognizer.create_stream()
        stream.accept_waveform(RATE, samples)
        recognizer.decode_stream(stream)
        texts["sherpa-onnx"][file] = " ".join(stream.result.text.split())
    theirs = texts.pop("sherpa-onnx")
    for heard, ours in texts.items():
        equal = sum(ours[file] == theirs[file] for file in ours)
        differs = 100 * score_texts(ours, theirs, normalizer="none").cer
        print(f"{heard}: {equal} of {len(ours)} texts equal, {differs:.2f} % of characters differ")


if __name__ == "__main__":
    main()
