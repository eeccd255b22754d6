"""A run folder of each kind, made in a moment: a tiny speech model with random weights, files of
the other tasks.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 16000
TEXTS = {"s1-1-0001": "a cab", "s1-1-0002": "bad <i>cab</i>", "s2-1-0001": "a bad cab"}
HEARD = {"s1-1-0001": "a cab", "s1-1-0002": "bad cub &", "s2-1-0001": "bad cab cab"}


def speech_run(folder: Path, model: bool = True) -> Path:
    """``folder/data/dev`` with recordings and a manifest, ``folder/run`` that was trained and
    evaluated on it.
    """
    run, split = folder / "run", folder / "data" / "dev"
    _write_recordings(split)
    (run / "dev").mkdir(parents=True)
    (run / "log").mkdir()
    (run / "config.yaml").write_text(
        f"task: ctc\nseed: 1\ndata: {{train: '', dev: {split}}}\n", encoding="utf-8"
    )
    (run / "left_out.tsv").write_text("id\treason\ns9\tempty transcript\n", encoding="utf-8")
    (run / "metrics.json").write_text(
        json.dumps({"dev/wer": {"value": 0.5, "split": "dev", "epoch": 3}})
    )
    rows = [
        {"step": s, "epoch": s // 10, "train/loss": 3 / s, "train/lr": 1e-3} for s in range(1, 31)
    ]
    rows += [
        {"step": s, "epoch": s // 10 - 1, "dev/wer": 10 / s, "dev/cer": 5 / s} for s in (10, 20, 30)
    ]
    (run / "log" / "metrics.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8"
    )
    for name, texts in (("references", TEXTS), ("hypotheses", HEARD), ("hypotheses.greedy", HEARD)):
        (run / "dev" / f"{name}.tsv").write_text(
            "".join(f"{k}\t{t}\n" for k, t in texts.items()), encoding="utf-8"
        )
    if model:
        tiny_model(run / "model")
    return run


def _write_recordings(split: Path) -> None:
    split.mkdir(parents=True)
    rng = np.random.default_rng(0)
    cuts = []
    for name, text in TEXTS.items():
        soundfile.write(split / f"{name}.wav", 0.1 * rng.standard_normal(RATE), RATE)
        source = {"type": "file", "channels": [0], "source": str(split / f"{name}.wav")}
        recording = {
            "id": name,
            "sources": [source],
            "sampling_rate": RATE,
            "num_samples": RATE,
            "duration": 1.0,
        }
        spoken = {
            "id": name,
            "start": 0.0,
            "duration": 1.0,
            "text": text,
            "speaker": name.split("-")[0],
        }
        cuts.append(
            {
                "id": name,
                "start": 0.0,
                "duration": 1.0,
                "supervisions": [spoken],
                "recording": recording,
            }
        )
    (split / "cuts.jsonl").write_text("".join(json.dumps(c) + "\n" for c in cuts), encoding="utf-8")
    (split / "cuts.jsonl.gz").write_bytes(gzip.compress((split / "cuts.jsonl").read_bytes()))


def tiny_model(folder: Path) -> Path:
    """A speech model with random weights over the letters a to d, as training would save it."""
    import torch

    from asr.features.config import FeatureConfig
    from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
    from asr.speech.training.config import SpeechConfig
    from asr.speech.training.train import save_speech_model
    from asr.text.tokenizers import CharTokenizer

    torch.manual_seed(0)
    shape = CtcModelConfig(num_layers=2, hidden_dim=8, conv_channels=4)
    tokenizer = CharTokenizer("abcd")
    task = CtcTask(CtcTaskConfig(features=FeatureConfig(n_mels=20), model=shape), len(tokenizer))
    save_speech_model(task.eval(), tokenizer, SpeechConfig(model=shape), folder)
    return folder


def series_run(folder: Path) -> Path:
    """A run folder of no speech task whose predictions hold what every other section shows."""
    run = folder / "series"
    (run / "test").mkdir(parents=True)
    (run / "config.yaml").write_text("task: forecast\nseed: 1\n", encoding="utf-8")
    (run / "metrics.json").write_text(
        json.dumps({"test/mae": {"value": 0.4, "split": "test", "low": 0.3, "high": 0.5}})
    )
    rng = np.random.default_rng(1)
    walk = rng.standard_normal(60).cumsum().round(3).tolist()
    future = {
        "truth": walk[40:50],
        "forecast": walk[41:51],
        "low": walk[40:50],
        "high": walk[42:52],
    }
    scored = {"values": walk, "anomaly_scores": np.abs(walk).tolist(), "threshold": 3.0}
    predictions: list[dict[str, Any]] = [
        {"id": "f1", "history": walk[:40], **future},
        {"id": "a1", **scored, "anomalies": [0] * 50 + [1] * 10},
        {"id": "c1", "label": "N", "prediction": "N"},
        {"id": "c2", "label": "S", "prediction": "N"},
        {"id": "t1", "label": ["O", "B-city"], "prediction": ["O", "O"]},
        {
            "id": "m1",
            "attention": {"source": ["ein", "<b>"], "target": ["a"], "weights": [[0.9, 0.1]]},
        },
        {
            "id": "g1",
            "gates": {
                "input": rng.random((9, 4)).tolist(),
                "cell": rng.standard_normal((9, 4)).tolist(),
            },
        },
    ]
    text = "".join(json.dumps(p) + "\n" for p in predictions)
    (run / "test" / "predictions.jsonl").write_text(text, encoding="utf-8")
    return run


# What the trainings of the other tasks leave: figures of metrics.json, predictions of the split
# `test`.
TASKS: dict[str, tuple[dict[str, float], list[dict[str, Any]]]] = {
    "classify": (
        {
            "test/accuracy": 0.5,
            "test/macro_f1": 0.4,
            "test/f1_N": 0.7,
            "test/recall_N": 1.0,
            "test/f1_S": 0.1,
        },
        [
            {"id": "0", "label": "N", "prediction": "N", "probability": 0.9},
            {"id": "1", "label": "S", "prediction": "N", "probability": 0.6},
        ],
    ),
    "classify_text": (
        {"dev/accuracy": 0.9, "test/accuracy": 0.5},
        [
            {
                "id": "1",
                "text": "play <b>jazz</b>",
                "label": "Play",
                "prediction": "Book",
                "probability": 0.75,
            },
            {
                "id": "2",
                "text": "a table",
                "label": "Book",
                "prediction": "Book",
                "probability": 0.8,
            },
            {
                "id": "3",
                "text": "play on",
                "label": "Play",
                "prediction": "Book",
                "probability": 0.95,
            },
        ],
    ),
    "tag": (
        {"test/f1": 0.5, "test/sentence_accuracy": 0.5},
        [
            {
                "id": "1",
                "text": "to new york",
                "label": ["O", "B-city", "I-city"],
                "prediction": ["O", "B-city", "O"],
            },
            {"id": "2", "text": "to rome", "label": ["O", "B-city"], "prediction": ["O", "B-city"]},
        ],
    ),
    "language_model": ({"dev/perplexity": 60.0, "test/perplexity": 61.5}, []),
    "translate": (
        {"test/bleu": 31.5, "test/bleu lowercase": 32.5},
        [
            {"text": "ein Hund", "reference": "a dog", "prediction": "a dog"},
            {"text": "eine Katze", "reference": "a cat", "prediction": "the mouse"},
        ],
    ),
    "forecast": (
        {"test/mae": 0.4},
        [{"id": "w", "history": [1.0, 2], "truth": [3.0, 4], "forecast": [3.0, 5]}],
    ),
    "anomaly": (
        {"test/f1": 0.6, "valve/f1": 0.5, "test/far": 0.1},
        [
            {
                "id": "v",
                "values": [1, 2, 9],
                "anomaly_scores": [0, 1, 8],
                "threshold": 3.0,
                "anomalies": [0, 0, 1],
            }
        ],
    ),
}


def task_run(folder: Path, task: str) -> Path:
    """``folder/TASK``: configuration, log, figures and predictions of a task other than speech."""
    figures, predictions = TASKS[task]
    run = folder / task
    (run / "test").mkdir(parents=True)
    (run / "log").mkdir()
    (run / "config.yaml").write_text(f"task: {task}\nseed: 1\n", encoding="utf-8")
    rows = [{"step": s, "epoch": 0, "train/loss": 1 / s, "train/lr": 1e-3} for s in range(1, 6)]
    rows.append(
        {"step": 5, "epoch": 0, **{name.replace("test/", "dev/"): v for name, v in figures.items()}}
    )
    (run / "log" / "metrics.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8"
    )
    metrics = {
        name: {"value": value, "split": name.split("/")[0]} for name, value in figures.items()
    }
    (run / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    if predictions:
        text = "".join(json.dumps(p) + "\n" for p in predictions)
        (run / "test" / "predictions.jsonl").write_text(text, encoding="utf-8")
    return run
