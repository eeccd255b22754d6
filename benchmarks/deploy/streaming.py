"""Processor time of a stream, chunk by chunk.

    python benchmarks/deploy/streaming.py --model STREAMING_MODEL [--seconds 60] [--chunk-ms 160]

Without ``--model`` the weights are random (five one-directional LSTM layers of 320 units), in torch
and exported to ONNX: the text means nothing, the cost is the same. Processor time is that of this
process (``time.process_time``), so other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from asr.audio.synthetic import made_audio
from asr.speech.export.exporting import export_model
from asr.speech.jobs.bench_report import machine
from asr.speech.streaming import StreamingRecognizer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--chunk-ms", type=float, default=160.0)
    arguments = parser.parse_args()
    print(machine())
    print(
        "| model | chunks | p50 ms | p95 ms | p99 ms | processor seconds for a second of audio |\n"
        + "|---" * 6
        + "|"
    )
    with tempfile.TemporaryDirectory() as folder:
        models = [arguments.model] if arguments.model else random_models(Path(folder))
        for model in models:
            times = measure(
                StreamingRecognizer(model), arguments.seconds, arguments.chunk_ms / 1000
            )
            p50, p95, p99 = np.percentile(times, [50, 95, 99])
            share = sum(times) / 1000 / arguments.seconds
            print(
                f"| {Path(model).name} | {len(times)} | {p50:.1f} | {p95:.1f} | {p99:.1f} | "
                f"{share:.3f} |",
                flush=True,
            )


def random_models(folder: Path) -> list[str]:
    """Return models with random weights: torch, ONNX fp32 and INT8."""
    import torch

    from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
    from asr.speech.training.config import SpeechConfig
    from asr.speech.training.train import save_speech_model
    from asr.text.tokenizers import CharTokenizer

    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = CharTokenizer("abcdefghijklmnopqrstuvwxyz'")
    config = CtcTaskConfig(model=CtcModelConfig(hidden_dim=320, causal=True, bidirectional=False))
    save_speech_model(
        CtcTask(config, len(tokenizer)).eval(), tokenizer, SpeechConfig(), folder / "torch"
    )
    exported = [
        str(export_model(folder / "torch", folder / name, name).folder)
        for name in ("onnx", "onnx-int8")
    ]
    return [str(folder / "torch"), *exported]


def measure(recognizer: StreamingRecognizer, seconds: float, chunk_s: float) -> list[float]:
    """Return milliseconds of processor time of each chunk."""
    samples = made_audio(seconds, recognizer.sample_rate)
    size = round(chunk_s * recognizer.sample_rate)
    recognizer.transcribe(samples[: 10 * size])  # compiles
    stream, times = recognizer.stream(), []
    for start in range(0, len(samples), size):
        before = time.process_time()
        stream.push(samples[start : start + size])
        times.append(1000 * (time.process_time() - before))
    return times


if __name__ == "__main__":
    main()
