"""The whole workflow on synthetic speech: synthesise, prepare, train, decode, score, transcribe.

python recipes/demo/run.py [--output-dir demo] [key=value ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from asr.cli.guard import run_script
from asr.config import load_config
from asr.cores import usable_cores
from asr.lm import build_arpa
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from asr.speech.recognizer import load_model
from asr.speech.training.config import SpeechConfig
from data_prep.librispeech import read_librispeech
from data_prep.prepare import prepare
from data_prep.synthetic import SyntheticConfig, make_synthetic

CONFIG = Path(__file__).with_name("config.yaml")
SPEECH = SyntheticConfig(
    train_speakers=60,
    accents=("en-us", "en-gb", "en-us", "en-gb-x-rp"),
    speed_wpm=(120, 155),
    snr_db=(15.0, 35.0),
)


def main() -> None:
    """Run the steps; skip those that an earlier call completed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output-dir", type=Path, default=Path("demo"))
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    arguments = parser.parse_intermixed_args()
    corpus, data, run = (arguments.output_dir / name for name in ("corpus", "data", "run"))
    started = time.monotonic()

    say(
        "1/6",
        f"synthesise speech into {corpus}: voices and sentences of dev and test are not in train",
    )
    make_synthetic(corpus, SPEECH, jobs=0)
    say("2/6", f"prepare features into {data}")
    prepare(read_librispeech(corpus), data, speeds=(0.9, 1.0, 1.1), normalizer="librispeech")
    say("3/6", f"train CNN + five BiLSTM layers with CTC into {run}")
    settings = [f"data.{name}={data / name}" for name in ("train", "dev")]
    model = train([*settings, *two_processes(), *arguments.overrides], run)
    say("4/6", "estimate a 3-gram model; no sentence of dev or test is in its text")
    build_arpa(
        [data / "train" / "text.txt", corpus / "lm.txt"], arguments.output_dir / "lm.arpa", order=3
    )
    say("5/6", "decode and score, weights of the n-gram model tuned on dev")
    options = ModelOptions(model, lm=arguments.output_dir / "lm.arpa")
    splits = [data / "dev", data / "test"]
    table = evaluate(options, splits, run, tune_on=data / "dev", save_to_model=True)
    say("6/6", "transcribe one test recording, draw pictures")
    recording = min((corpus / "test").rglob("*.flac"))
    transcript = load_model(model).transcribe(recording)
    pictures = draw(model, recording, run / "pictures")

    print(f"\n{table}\n\n{recording}: {transcript.text}")
    print(f"pictures: {pictures}/  learning curves: tensorboard --logdir {run / 'log'}")
    print(
        f"try: asr transcribe {recording} --model {run}   ({(time.monotonic() - started) / 60:.1f} "
        "minutes)"
    )


def train(settings: list[str], run: Path) -> Path:
    """Run ``asr train`` in a process of its own, which may start others; return the model."""
    command = [sys.executable, "-m", "asr", "train", str(CONFIG), *settings, "-o", str(run)]
    if status := subprocess.run(command).returncode:
        raise SystemExit(status)
    return run / "model"


def two_processes() -> list[str]:
    """Return settings for data-parallel training on two cores; none with one core or a GPU."""
    import torch

    if usable_cores() < 2 or torch.cuda.is_available():
        return []
    data = load_config(SpeechConfig, CONFIG).data
    halves = {"max_batch_s": data.max_batch_s / 2, "max_batch_size": data.max_batch_size // 2}
    return [
        *(f"data.{name}={half}" for name, half in halves.items()),
        *("trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp"),
    ]


def say(step: str, what: str) -> None:
    """Print the next step to standard error."""
    print(f"[{step}] {what}", file=sys.stderr, flush=True)


def draw(model: Path, recording: Path, folder: Path) -> Path:
    """Draw the features of a recording with its CTC alignment."""
    from asr.audio.reading import load_audio
    from asr.files import atomic_path
    from asr.plots import ctc_alignment, to_png

    recognizer = load_model(model, backend="torch")
    samples = load_audio(recording, recognizer.sample_rate).samples
    features = recognizer.features([samples])[0]
    log_probs = recognizer.log_probs([samples])[0]
    figure = ctc_alignment(
        features,
        log_probs,
        recognizer.tokens,
        recognizer.feature_config.frame_shift_ms / 1000,
        recognizer.seconds_per_frame,
    )
    with atomic_path(folder / "ctc-alignment.png") as temporary:
        temporary.write_bytes(to_png(figure))
    return folder


if __name__ == "__main__":
    run_script(main)
