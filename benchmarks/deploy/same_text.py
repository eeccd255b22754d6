"""A model in 8 bits beside its own weights in torch, on this processor.

    python benchmarks/deploy/same_text.py LIBRISPEECH PART [--model en] [--count 200]
    python benchmarks/deploy/same_text.py AN4 test --model runs/an4/seed1 --exported FOLDER

A shipped model has both; of another one, FOLDER is what `asr export` made. Counted are recordings
with the same text, frames with the same best token, and word errors of both.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from asr.audio.reading import load_audio
from asr.onnx.sessions import products_saturate
from asr.scoring import score_texts
from asr.speech.recognizer import load_model
from data_prep.an4 import read_an4
from data_prep.librispeech import read_librispeech


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="LibriSpeech, or AN4")
    parser.add_argument("part")
    parser.add_argument("--model", default="en")
    parser.add_argument("--exported", help="the model in 8 bits; else it is in the same folder")
    parser.add_argument("--count", type=int, default=200, help="evenly spread over the part")
    given = parser.parse_args()
    if (given.corpus / "etc").is_dir():
        utterances = read_an4(given.corpus)[given.part]
    else:
        utterances = read_librispeech(given.corpus, parts=[given.part])[given.part]
    utterances = utterances[:: max(1, len(utterances) // given.count)][: given.count]
    models = [
        load_model(given.exported or given.model, backend="onnxruntime", threads=1),
        load_model(given.model, backend="torch", threads=1),
    ]
    texts: list[list[str]] = [[], []]
    same_frames = frames = 0
    for utterance in utterances:
        samples = load_audio(utterance.audio, models[0].sample_rate).samples
        eight, whole = (model.log_probs([samples])[0].argmax(axis=1) for model in models)
        same_frames, frames = same_frames + int(np.sum(eight == whole)), frames + len(eight)
        for model, said in zip(models, texts, strict=True):
            said.append(model.transcribe(samples, model.sample_rate).text)
    references = [utterance.text for utterance in utterances]
    same = sum(a == b for a, b in zip(*texts, strict=True))
    print(f"8-bit products saturate here: {'yes' if products_saturate() else 'no'}")
    print(f"same text: {same} of {len(utterances)} recordings")
    print(f"same best token: {same_frames} of {frames} frames ({same_frames / frames:.2%})")
    for name, said in zip(("8 bits", "torch"), texts, strict=True):
        score = score_texts(references, said, normalizer="librispeech", samples=0)
        print(f"{name}: word error rate {100 * score.wer:.2f} %")


if __name__ == "__main__":
    main()
