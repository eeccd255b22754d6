"""An epoch of the same network on the same recordings, here and in SpeechBrain, in turns.

    python benchmarks/training/against_speechbrain.py CORPUS --python SPEECHBRAIN_ENV/bin/python
        [--seconds 600]

CORPUS is in LibriSpeech's layout. SpeechBrain has an environment of its own, with the same torch:

    python -m venv sb
    echo THIS_ENVIRONMENT/lib/python3.11/site-packages > sb/lib/python3.11/site-packages/borrow.pth
    sb/bin/python -m pip install --no-deps speechbrain hyperpyyaml ruamel.yaml

* ours: asr.training; features prepared once and stored, batches made ahead in a thread
* padded: SpeechBrain as its recipes run: a worker process reads audio, Fbank in the step, LSTM over
  the padding
* packed: the same with packed sequences, SpeechBrain's way to a result that does not depend on the
  padding (ours never does)
* padded-bf16: padded, with --precision=bf16 of SpeechBrain

Both sides: two strided convolutions, 5 bidirectional LSTM layers, layer normalisation, residuals,
CTC, SpecAugment, AdamW, gradient clipping; the same bounds of a batch and number of threads. Ours
runs in --precision; auto times both precisions first, as in training. Processor time is that of the
training process; SpeechBrain's worker that reads audio comes on top of it. Preparing our features
is timed too, once.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from asr.audio.reading import audio_info
from asr.features.extraction import SpecAugmentConfig
from asr.speech.acoustics.network import CtcModelConfig
from asr.speech.training.config import SpeechConfig, SpeechDataConfig
from asr.speech.training.train import build_experiment
from asr.text.tokenizers import load_tokenizer
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.loop import Loop
from asr.training.threads import torch_threads
from data_prep.librispeech import read_librispeech
from data_prep.prepare import prepare
from data_prep.store import Utterance

LIMITS = {"max_batch_s": 60.0, "max_batch_size": 16}
THEIRS = ("padded", "padded-bf16", "packed")


def choose(corpus: Path, seconds: float) -> list[Utterance]:
    """Return every n-th utterance of the largest part, until there are so many seconds."""
    part = max(read_librispeech(corpus).values(), key=len)
    chosen, total = [], 0.0
    for utterance in part[:: max(1, int(len(part) * 12 / seconds))]:
        if total >= seconds:
            break
        chosen.append(utterance)
        total += audio_info(utterance.audio).duration_s
    return chosen


class Ours:
    """Epochs by our loop; seconds by part."""

    def __init__(
        self, folder: Path, utterances: list[Utterance], hidden: int, threads: int, precision: str
    ) -> None:
        start = time.perf_counter()
        prepare({"train": utterances}, folder, normalizer="librispeech", jobs=1)
        self.prepared_in = time.perf_counter() - start
        split = str(folder / "train")
        config = SpeechConfig(
            data=SpeechDataConfig(split, split, **LIMITS),
            specaugment=SpecAugmentConfig(),
            model=CtcModelConfig(hidden_dim=hidden),
        )
        experiment = replace(build_experiment(config, folder), evaluate=lambda task: {"wer": 1.0})
        experiment.save_model(experiment.task, folder / "model")
        self.tokenizer = load_tokenizer(folder / "model")
        trainer = TrainerConfig(
            max_epochs=10**6, precision=precision, accelerator="cpu", threads=threads
        )
        self.loop = Loop(experiment, trainer, OptimizerConfig(), folder / "run", seed=1)
        self.parameters = sum(p.numel() for p in experiment.task.parameters())
        self.spent: dict[str, float] = {}
        step = self.loop.step
        self.loop.step = lambda group: self.timed("steps", step, group)  # type: ignore[method-assign]
        forward = self.loop.experiment.task.loss
        self.loop.experiment.task.loss = lambda *a: self.timed("forward", forward, *a)

    def timed(self, name: str, run: Any, *arguments: Any) -> Any:
        start = time.perf_counter()
        result = run(*arguments)
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - start
        self.spent["batches"] = self.spent.get("batches", 0) + (name == "steps")
        return result

    def epoch(self) -> dict[str, float]:
        self.spent = {}
        with self.loop.epochs(self.loop.run_dir / "checkpoints" / "last.ckpt") as train_epoch:
            start, cpu = time.perf_counter(), time.process_time()
            train_epoch()
            return {
                "total": time.perf_counter() - start,
                "cpu": time.process_time() - cpu,
                **self.spent,
            }


class SpeechBrain:
    """Epochs by the worker process."""

    def __init__(
        self,
        python: Path,
        folder: Path,
        utterances: list[Utterance],
        ours: Ours,
        settings: dict[str, Any],
    ) -> None:
        rows = {
            u.id: {
                "wav": u.audio,
                "duration": audio_info(u.audio).duration_s,
                "tokens": [int(t) for t in ours.tokenizer.encode(u.text.lower())],
            }
            for u in utterances
        }
        (folder / "manifest.json").write_text(json.dumps(rows))
        (folder / "settings.json").write_text(
            json.dumps(settings | {"vocab_size": len(ours.tokenizer)})
        )
        worker = Path(__file__).with_name("speechbrain_worker.py")
        self.process = subprocess.Popen(
            [python, worker, folder / "manifest.json", folder / "settings.json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def epoch(self, variant: str) -> dict[str, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(variant + "\n")
        self.process.stdin.flush()
        answer: dict[str, float] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def breakdown(seconds: dict[str, float]) -> str:
    features = seconds.get("features", 0.0)
    parts = {
        "waiting, logging, checkpoint": seconds["total"] - seconds["steps"],
        "features": features,
        "forward and loss": seconds["forward"],
        "backward and step": seconds["steps"] - seconds["forward"] - features,
    }
    return ", ".join(f"{name} {value:.2f}" for name, value in parts.items())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument(
        "--python", type=Path, required=True, help="of the environment with SpeechBrain"
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that read audio for SpeechBrain"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--against", default=",".join(THEIRS), help="ways of SpeechBrain, by commas"
    )
    parser.add_argument("--precision", default="auto", help="ours: auto, fp32 or bf16")
    arguments = parser.parse_args()
    against = arguments.against.split(",")
    utterances = choose(arguments.corpus, arguments.seconds)
    with tempfile.TemporaryDirectory() as name, torch_threads(arguments.threads):
        ours = Ours(
            Path(name), utterances, arguments.hidden, arguments.threads, arguments.precision
        )
        settings = {
            key: getattr(arguments, key) for key in ("hidden", "threads", "workers")
        } | LIMITS
        theirs = SpeechBrain(arguments.python, Path(name), utterances, ours, settings)
        runs = {"ours": ours.epoch} | {
            variant: partial(theirs.epoch, variant) for variant in against
        }
        rounds: dict[str, list[dict[str, float]]] = {variant: [] for variant in runs}
        for number in range(arguments.rounds + 1):  # the first warms up
            for variant, run in runs.items():
                seconds = run()
                if number:
                    rounds[variant].append(seconds)
                    spent = f"{seconds['total']:7.2f} s ({seconds['cpu']:.2f} of a processor)"
                    print(f"round {number} {variant:11s} {spent}: {breakdown(seconds)}", flush=True)
        theirs.close()
    duration = sum(audio_info(u.audio).duration_s for u in utterances)
    print(
        f"{len(utterances)} utterances, {duration:.0f} s, preparing our features "
        f"{ours.prepared_in:.1f} s, once"
    )
    print(f"ours in {ours.loop.precision}")
    print(
        f"parameters: ours {ours.parameters}, SpeechBrain {rounds[against[0]][0]['parameters']:.0f}"
    )
    for variant, kind in itertools.product(against, ("total", "cpu")):
        ratios = [o[kind] / t[kind] for o, t in zip(rounds["ours"], rounds[variant], strict=True)]
        print(
            f"ours / {variant}, {kind}: {statistics.median(ratios):.3f}   "
            f"({', '.join(f'{r:.3f}' for r in ratios)})"
        )


if __name__ == "__main__":
    main()
