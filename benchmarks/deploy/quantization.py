"""Size, speed and word error rate of a model as trained, as ONNX in fp32, and as ONNX in INT8.

    python benchmarks/deploy/quantization.py --model RUN --data PREPARED_SPLIT [--exported FOLDER]

The back ends take turns on every recording, one at a time (batch 1, one thread), in rotating order.
Word error rates are greedy and with the model folder's language model, over the whole split.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from asr.audio.reading import load_audio
from asr.decoding import GreedyDecoder
from asr.scoring import read_transcripts, score_texts
from asr.speech.export.exporting import export_model
from asr.speech.jobs.bench_report import machine
from asr.speech.recognizer import load_model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="prepared split, with its cuts.jsonl.gz")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--exported", help="folder to keep the exported models in, or to take them from"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(arguments.exported or folder)
        rows = measure(arguments.model, arguments.data, kept, arguments.threads)
    print(json.dumps(rows, indent=1) if arguments.json else f"{machine()}\n{table(rows)}")


def measure(model: str, data: str, folder: Path, threads: int) -> list[dict[str, object]]:
    """Return one row a back end."""
    for name in ("onnx", "onnx-int8"):
        if not (folder / name).is_dir():
            export_model(model, folder / name, name)
    models = {"torch": load_model(model, threads=threads)}
    models |= {name: load_model(folder / name, threads=threads) for name in ("onnx", "onnx-int8")}
    sizes = {"torch": models["torch"].bundle.file("model.safetensors").stat().st_size}
    sizes |= {name: (folder / name / "model.onnx").stat().st_size for name in ("onnx", "onnx-int8")}
    samples, texts = read_split(data, models["torch"].sample_rate)
    names, seconds = list(models), dict.fromkeys(models, 0.0)
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in models}
    for name in names:
        models[name].log_probs(samples[:1])
    for number, recording in enumerate(samples):
        for shift in range(len(names)):
            name = names[(number + shift) % len(names)]
            started = time.perf_counter()
            outputs[name] += models[name].log_probs([recording])
            seconds[name] += time.perf_counter() - started
    audio_s = sum(map(len, samples)) / models["torch"].sample_rate
    greedy = GreedyDecoder(models["torch"].tokens)
    expected = [h[0].text for h in greedy(outputs["torch"])]
    rows = []
    for name in names:
        decoded = [h[0].text for h in greedy(outputs[name])]
        same = sum(a == b for a, b in zip(expected, decoded, strict=True))
        beam = [h[0].text for h in models[name].decoder(outputs[name])]
        rows.append(
            {
                "back end": name,
                "size_mb": round(sizes[name] / 1e6, 2),
                "smaller_percent": round(100 * (1 - sizes[name] / sizes["torch"]), 1),
                "network_s": round(seconds[name], 2),
                "times_real_time": round(audio_s / seconds[name], 1),
                "speed_to_onnx": round(seconds["onnx"] / seconds[name], 2),
                "wer_greedy": round(100 * score_texts(texts, decoded, samples=0).wer, 2),
                "wer_lm": round(100 * score_texts(texts, beam, samples=0).wer, 2),
                "same_greedy_text": f"{same} of {len(texts)}",
            }
        )
    return rows


def read_split(data: str, sample_rate: int) -> tuple[list[np.ndarray], list[str]]:
    """Return recordings (n,) and texts of a split."""
    found = read_transcripts(data).utterances.values()
    samples = []
    for utterance in found:
        whole = load_audio(utterance.audio, sample_rate).samples
        start, end = utterance.start or 0, utterance.end
        samples.append(
            whole[round(start * sample_rate) : None if end is None else round(end * sample_rate)]
        )
    return samples, [utterance.text for utterance in found]


def table(rows: list[dict[str, object]]) -> str:
    """Return rows as a Markdown table."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(row[name]) for name in head] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
