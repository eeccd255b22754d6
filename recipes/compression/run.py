"""Makes a speech model smaller in three ways; prints size, speed and word error rate of each.

    python recipes/compression/run.py MODEL DATA [--lm LM] [--output-dir runs/compression]
        [--only NAME ...] [key=value ...]

MODEL is a model or run folder, DATA a folder with prepared splits train, dev and test of its
features. With an n-gram model LM the table also has the error rate of the beam search, with weights
tuned on dev for each model.

* sparse: the smaller half of the weights is set to zero; fine-tuning keeps them zero
* units: half of the hidden units of every recurrent layer are removed, then fine-tuned
* student: half as wide (a quarter of the weights), trained from the start by distillation
* alone: the network of the student without a teacher, for comparison
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path

from asr.audio.synthetic import made_audio
from asr.catalogue import train
from asr.cli.guard import run_script
from asr.config import build_config
from asr.model_folder import open_bundle
from asr.scoring import score_texts
from asr.speech.acoustics.network import CtcModelConfig, CtcTaskConfig
from asr.speech.export.exporting import export_model
from asr.speech.export.pruning import prune_units, prune_weights
from asr.speech.jobs.bench_report import machine
from asr.speech.jobs.evaluate import emissions, tune_decoding
from asr.speech.recognizer import load_model

TUNING, STUDENT = (Path(__file__).with_name(name) for name in ("tuning.yaml", "student.yaml"))
NAMES = ("sparse", "units", "student", "alone")
CLIP_S, ROUNDS = 5.0, 20
DROPOUT = 0.1  # of a student: it has no units to spare


def main() -> None:
    """Run the steps; skip trainings that an earlier call completed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--lm", type=Path)
    parser.add_argument("--output-dir", type=Path, default=Path("runs/compression"))
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument(
        "overrides",
        nargs="*",
        help="configuration of all trainings, such as trainer.time_limit_s=300",
    )
    arguments = parser.parse_intermixed_args()
    output = arguments.output_dir
    models = {"as trained": open_bundle(arguments.model, task="ctc").path}
    for name in arguments.only:
        models[name] = compress(
            name, models["as trained"], arguments.data, output, arguments.overrides
        )
    print(f"{machine()}\n{table(models, arguments.data, output, arguments.lm)}")


def compress(name: str, model: Path, data: Path, output: Path, overrides: list[str]) -> Path:
    """Return the folder of the smaller model called ``name``, trained."""
    bundle = open_bundle(model)
    network = build_config(CtcTaskConfig, bundle.config["network"], where=str(model))
    half = network.model.hidden_dim // 2
    shape, options, config = network.model, [], TUNING
    if name == "sparse":
        start = prune_weights(model, output / "sparse-start", 0.5).folder
        options = [f"init_from={start}", "keep_zeros=true"]
    elif name == "units":
        start = prune_units(model, output / "units-start", half).folder
        shape = build_config(
            CtcModelConfig, open_bundle(start).config["network"]["model"], where=str(start)
        )
        options = [f"init_from={start}"]
    else:
        config = STUDENT
        shape = replace(
            shape,
            hidden_dim=half,
            projection_dim=shape.projection_dim // 2,
            conv_channels=shape.conv_channels // 2,
            dropout=min(shape.dropout, DROPOUT),
        )
        weight = [] if name == "student" else ["distillation.weight=0"]
        options = [f"distillation.teacher={model}", *weight]
    options += [f"model.{key}={value}" for key, value in asdict(shape).items()]
    options += [f"data.{split}={data / split}" for split in ("train", "dev")]
    options += [f"normalization={network.normalization}", f"output_dir={output / name}"]
    return train(config, [*options, *overrides])


def table(models: dict[str, Path], data: Path, output: Path, lm: Path | None = None) -> str:
    """Return parameters, size and speed of the ONNX network in one thread, and word error rate of
    each model.
    """
    exported = {name: export_model(model, output / "onnx" / name) for name, model in models.items()}
    loaded = {name: load_model(report.folder, threads=1) for name, report in exported.items()}
    sound = [made_audio(CLIP_S, loaded["as trained"].sample_rate)]
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(
        ROUNDS
    ):  # taking turns, so that a machine that slows down slows all of them down
        for name, recognizer in loaded.items():
            started = time.perf_counter()
            recognizer.log_probs(sound)
            seconds[name].append(time.perf_counter() - started)
    columns = ["model", "parameters", "of them not zero", "ONNX MB", "speed", "WER % greedy"]
    columns += [] if lm is None else ["WER % with n-gram"]
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    fastest = {name: sorted(times)[ROUNDS // 2] for name, times in seconds.items()}
    for name, model in models.items():
        weights = [w for n, w in open_bundle(model).weights().items() if n.startswith("network.")]
        total, nonzero = sum(w.numel() for w in weights), sum(int((w != 0).sum()) for w in weights)
        speed, size = fastest["as trained"] / fastest[name], exported[name].network_bytes / 1e6
        rates = " | ".join(f"{100 * rate:.2f}" for rate in wers(model, data, lm))
        rows.append(f"| {name} | {total} | {nonzero} | {size:.2f} | {speed:.2f} | {rates} |")
    return "\n".join(rows)


def wers(model: Path, data: Path, lm: Path | None) -> list[float]:
    """Return the word error rates of the greedy texts and, with a language model, of the beam
    search.
    """
    recognizer = load_model(model, backend="torch", lm=lm)
    test = emissions(recognizer, data / "test")
    settings = [replace(recognizer.decoding, method="greedy")]
    if lm is not None:
        beam = replace(recognizer.decoding, method="beam")
        dev = emissions(recognizer, data / "dev")
        settings.append(tune_decoding(recognizer.decoders, dev, beam))
    hypotheses = (
        [h[0].text for h in recognizer.decoders.make(how)(list(test.log_probs))] for how in settings
    )
    return [score_texts(list(test.texts), texts, samples=0).wer for texts in hypotheses]


if __name__ == "__main__":
    run_script(main)
