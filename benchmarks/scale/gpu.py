"""Everything that is to be known about training and transcribing on a GPU, in eight minutes.

    python benchmarks/scale/gpu.py -o gpu/ [--limit-s 480] [--steps 40] [--hidden 1024]
        [--batch-s 1200] [--model en]

The network of recipes/librispeech/960.yaml on random features with the lengths of read speech, the
project's own training loop. In this order, so that the most important figures are there first:

1. the loss and its gradient on the GPU and on the processor, CTC and CTC-CRF: do they agree?
2. training in bf16 with CTC: hours of speech per hour of the device, milliseconds a step, share of
   the time in which the device waits for batches, largest memory
3. the same in fp32, with CTC-CRF, and with gradient checkpointing
4. `asr transcribe --device cuda` of made recordings: seconds, and whether texts are those of the
   processor

What is found is written after every step: `gpu.md` (a table), `gpu.json`, and `figures.json`, which
plan.py takes with --figures. What fails is named in the table, and the rest goes on; what does not
fit into the time limit is left out and named too. Word error rates need real speech, see
recipes/librispeech/run.py.

    python benchmarks/scale/gpu.py -o try/ --device cpu --tiny

runs all of it with a tiny network on a processor, to find faults before a GPU is paid for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from asr.audio.synthetic import made_audio
from asr.config import load_config
from asr.features.config import FeatureConfig
from asr.files import atomic_write_text
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import build_experiment
from asr.training.experiment import Experiment
from asr.training.loop import Loop
from asr.training.prefetch import BatchMaker
from data_prep.store import write_store

RECIPE = Path(__file__).parents[2] / "recipes" / "librispeech" / "960.yaml"
RATE = 16_000
TINY = (
    "model.hidden_dim=16",
    "model.projection_dim=16",
    "model.conv_channels=4",
    "data.max_batch_s=15",
)
TOLERANCE = 1e-3  # relative, of a loss in fp32 on two devices
WAYS = (  # name, overrides; the most important first
    ("ctc bf16", ("trainer.precision=bf16",)),
    ("ctc fp32", ("trainer.precision=fp32",)),
    ("ctc-crf bf16", ("trainer.precision=bf16", "loss.kind=ctc_crf")),
    ("ctc-crf fp32", ("trainer.precision=fp32", "loss.kind=ctc_crf")),
    ("ctc bf16, checkpointed", ("trainer.precision=bf16", "trainer.gradient_checkpointing=true")),
    ("ctc fp32, checkpointed", ("trainer.precision=fp32", "trainer.gradient_checkpointing=true")),
)


@dataclass(frozen=True)
class Trained:
    """What one way to train gave; the loss is that of the last step."""

    name: str
    hours_per_hour: float
    step_ms: float
    waiting: float
    memory_gb: float
    loss: float


@dataclass
class Results:
    """All that was found so far, written after each step."""

    folder: Path
    device: str
    rows: list[tuple[str, str]] = field(default_factory=list)
    trained: list[Trained] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def step(self, name: str, work: Callable[[], str], deadline: float) -> None:
        """Do one step; note what it says, or why there is nothing to say."""
        if time.monotonic() > deadline:
            self.rows.append((name, "left out: no time was left"))
        else:
            try:
                self.rows.append((name, work()))
            except Exception as error:  # the other steps are still worth their time
                traceback.print_exc()
                self.failed.append(name)
                self.rows.append((name, f"FAILED: {type(error).__name__}: {error}"[:300]))
        print(f"{name}: {self.rows[-1][1]}", flush=True)
        self.write()

    def write(self) -> None:
        """Write table, JSON and the figure that plan.py takes."""
        lines = [f"{self.device}, torch {torch.__version__}", "", "| what | found |", "|---|---|"]
        lines += [f"| {name} | {' '.join(found.split())} |" for name, found in self.rows]
        atomic_write_text(self.folder / "gpu.md", "\n".join(lines) + "\n")
        content = {
            "device": self.device,
            "rows": self.rows,
            "trained": [asdict(t) for t in self.trained],
        }
        atomic_write_text(self.folder / "gpu.json", json.dumps(content, indent=1) + "\n")
        if self.trained:
            best = max(self.trained, key=lambda t: t.hours_per_hour)
            source = f"benchmarks/scale/gpu.py: {best.name} on {self.device}"
            figure = {"value": round(best.hours_per_hour, 1), "from": source}
            text = json.dumps({"train_hours_per_device_hour": figure}, indent=1) + "\n"
            atomic_write_text(self.folder / "figures.json", text)


def make_data(folder: Path, hours: float) -> None:
    """Store random features and texts with the lengths of read speech."""
    rng, items, total = np.random.default_rng(0), [], 0
    letters = np.array(list("etaoinshrdlucmfwypvbgk      "))
    noise = rng.standard_normal((40_000, 80), np.float32)
    while total < hours * 3600 * 100:
        frames = int(np.clip(rng.normal(1230, 380), 150, 2400))
        text = "a" + "".join(rng.choice(letters, frames // 7)) + "b"
        start = int(rng.integers(len(noise) - frames))
        items.append((f"u{len(items):06}", " ".join(text.split()), noise[start : start + frames]))
        total += frames
    write_store(folder / "train", FeatureConfig(), items)
    write_store(folder / "dev", FeatureConfig(), items[:2])


class Waited:
    """Batches as the loop gets them, with the time that it stood still for them."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.seconds = experiment, 0.0

    def batches(self) -> Iterator[Any]:
        """Yield batches for ever, epoch after epoch."""
        with BatchMaker(self.experiment.train) as maker:
            for epoch in range(10**6):
                source = maker.batches(epoch, 0, self.experiment.train.num_batches(epoch))
                while True:
                    start = time.perf_counter()
                    batch = next(source, None)
                    self.seconds += time.perf_counter() - start
                    if batch is None:
                        break
                    yield batch


class Bench:
    """The steps, on data in a folder and with the settings of the command line."""

    def __init__(self, options: argparse.Namespace, data: Path, results: Results) -> None:
        self.options, self.data, self.results = options, data, results
        self.cuda = options.device == "cuda"

    def config(self, overrides: tuple[str, ...]) -> SpeechConfig:
        """Return the recipe's configuration with changes."""
        changes = list(TINY) if self.options.tiny else []
        changes += [f"model.hidden_dim={self.options.hidden}"] if self.options.hidden else []
        changes += [f"data.max_batch_s={self.options.batch_s}"] if self.options.batch_s else []
        changes += [
            f"data.train={self.data / 'train'}",
            f"data.dev={self.data / 'dev'}",
            "tokenizer.kind=characters",
            "trainer.pictures_every=0",
            f"trainer.accelerator={self.options.device}",
        ]
        changes += overrides
        if not self.cuda:  # a trial: many processors have no bf16
            changes += ["trainer.precision=fp32"]
        return load_config(SpeechConfig, RECIPE, changes)

    def agree(self, kind: str) -> str:
        """Return loss and gradient norm of one batch on both devices, without dropout, in fp32."""
        changes = ("trainer.precision=fp32", "data.max_batch_s=30", "model.dropout=0")
        config = self.config((f"loss.kind={kind}", *changes))
        torch.manual_seed(config.seed)
        experiment = build_experiment(config, self.data / f"agree-{kind}")
        # cuDNN's LSTM has a backward pass in training only, so dropout is off instead
        batch, task = experiment.train.load(0, 0), experiment.task.train()
        found = []
        for device in ("cpu", self.options.device):
            task.to(device).zero_grad(set_to_none=True)
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                loss = task.loss(batch.to(torch.device(device)))
                loss.total.backward()
            grads = [p.grad.double().cpu() for p in task.parameters() if p.grad is not None]
            found.append((float(loss.total.detach()) / float(loss.count), grads))
        (cpu, cpu_grads), (gpu, gpu_grads) = found
        pairs = zip(cpu_grads, gpu_grads, strict=True)
        apart = sum(float((a - b).square().sum()) for a, b in pairs)
        size = sum(float(a.square().sum()) for a in cpu_grads)
        loss_apart = abs(cpu - gpu) / abs(cpu)
        verdict = "agree" if loss_apart < TOLERANCE else "DIFFER"
        return (
            f"{verdict}: loss {cpu:.6f} on the processor, {gpu:.6f} on {self.options.device} "
            f"({loss_apart:.1e} apart), gradients {(apart / size) ** 0.5:.1e} apart"
        )

    def train(self, name: str, overrides: tuple[str, ...]) -> str:
        """Return the figures of so many steps after a few to warm up."""
        config = self.config(overrides)
        folder = self.data / name.replace(" ", "-").replace(",", "")
        experiment = replace(build_experiment(config, folder), evaluate=lambda task: {"wer": 1.0})
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        loop = Loop(experiment, config.trainer, config.optimizer, folder, seed=config.seed)
        loop.model.train()
        trained = self._steps(name, loop, Waited(experiment))
        self.results.trained.append(trained)
        return (
            f"{trained.hours_per_hour:.0f} hours of speech an hour, "
            f"{trained.step_ms:.0f} ms a step, {100 * trained.waiting:.1f} % waiting, "
            f"{trained.memory_gb:.1f} GB, loss {trained.loss:.3f}"
        )

    def _steps(self, name: str, loop: Loop, waited: Waited) -> Trained:
        speech_s, loss, start, done = 0.0, 0.0, 0.0, 0
        until = time.monotonic() + self.options.way_s
        for step, batch in enumerate(waited.batches()):
            if step == self.options.warm_up:
                self._wait()
                waited.seconds, speech_s, start = 0.0, 0.0, time.perf_counter()
            late = step > self.options.warm_up and time.monotonic() > until
            if late or step >= self.options.warm_up + self.options.steps:
                break
            loss, _ = loop.step([batch])
            loop.position.step += 1
            loop.position.batch += 1
            speech_s += batch.duration_s
            done = step + 1 - self.options.warm_up
        self._wait()
        seconds = time.perf_counter() - start
        return Trained(
            name=name,
            hours_per_hour=speech_s / seconds,
            step_ms=1000 * seconds / max(done, 1),
            waiting=waited.seconds / seconds,
            memory_gb=torch.cuda.max_memory_allocated() / 1e9 if self.cuda else 0.0,
            loss=loss,
        )

    def _wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()

    def transcribe(self) -> str:
        """Return what `asr transcribe` takes on both devices, and how many texts are equal."""
        count, clip_s = (2, 3.0) if self.options.tiny else (60, 20.0)
        sounds = self.data / "sounds"
        sounds.mkdir()
        line = made_audio(clip_s * 4, RATE)
        for n in range(count):
            clip = np.roll(line, -n * len(line) // count)[: round(clip_s * RATE)]
            soundfile.write(sounds / f"{n:03}.wav", clip, RATE)
        texts, seconds = {}, {}
        for device in ("cpu", self.options.device):
            output = self.data / f"texts-{device}"
            seconds[device] = self._transcribe(sounds, output, device)
            texts[device] = [p.read_text() for p in sorted(output.glob("*.txt"))]
        cpu, gpu = texts["cpu"], texts[self.options.device]
        equal = sum(a == b for a, b in zip(cpu, gpu, strict=True))
        return (
            f"{count} clips of {clip_s:g} s with {self.options.model}, torch, start included: "
            f"{seconds['cpu']:.1f} s on the processor, {seconds[self.options.device]:.1f} s with "
            f"--device {self.options.device}; {equal} texts equal"
        )

    def _transcribe(self, sounds: Path, output: Path, device: str) -> float:
        command = [sys.executable, "-m", "asr", "transcribe", str(sounds), "--backend", "torch"]
        command += ["--model", self.options.model, "--device", device, "-o", str(output)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"asr transcribe: {done.stderr.strip()[-200:]}")
        return time.perf_counter() - start


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--limit-s", type=float, default=480.0, help="no step begins later")
    parser.add_argument("--way-s", type=float, default=40.0, help="seconds for one way to train")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm-up", type=int, default=5, help="steps before them")
    parser.add_argument("--hours", type=float, default=4.0, help="of made-up speech")
    parser.add_argument("--hidden", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--batch-s", type=float, default=0.0, help="instead of the recipe's")
    parser.add_argument("--model", default="en", help="that transcribes")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a tiny network, to try the script")
    return parser.parse_args()


def main() -> None:
    """Measure, write, and exit with status 1 where something failed."""
    options = parse()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("torch finds no GPU here, so there is nothing to measure. To try the script itself:")
        print("python benchmarks/scale/gpu.py -o try/ --device cpu --tiny")
        sys.exit(0)
    if options.tiny:
        options.steps, options.warm_up, options.hours, options.limit_s = 1, 1, 0.02, 3600.0
    name = torch.cuda.get_device_name() if options.device == "cuda" else "processor"
    options.output.mkdir(parents=True, exist_ok=True)
    results = Results(options.output, name)
    # the last step to begin may take as long as one way to train
    deadline = time.monotonic() + options.limit_s - options.way_s - 20
    with tempfile.TemporaryDirectory() as folder:
        make_data(Path(folder), options.hours)
        bench = Bench(options, Path(folder), results)
        for kind in ("ctc", "ctc_crf"):
            results.step(f"loss {kind}, both devices", lambda k=kind: bench.agree(k), deadline)
        for way, overrides in WAYS:
            work = lambda w=way, o=overrides: bench.train(w, o)  # noqa: E731
            results.step(f"training, {way}", work, deadline)
        results.step("transcription", bench.transcribe, deadline)
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
