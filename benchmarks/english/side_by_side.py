"""English recognisers on the same recordings: word error rate, speed on one core, memory, size.

python benchmarks/english/side_by_side.py SPLIT
    [--systems asr,whisper-tiny.en,whisper-base,pocketsphinx] [--limit 0] [--model en]
    [--language en] [--normalizer english]
    [--whisper-python VENV/bin/python] [--pocketsphinx-python VENV/bin/python]
    [--noise DIR ... --snr-db 10] [--t60-s 0.5] [-o FILE]

SPLIT is a folder that ``asr prepare`` wrote; its manifest names the recordings. With --noise or
--t60-s all systems get the same noisy or reverberant copies. Each system runs on one core in its
own process and environment and reads 16 kHz WAV files. Speed is processor time. README.md says how
to install the other recognisers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import soundfile

from asr.audio.perturbation import NoiseConfig, noisy_copy
from asr.audio.reading import load_audio, read_stretch
from asr.files import atomic_write_text
from asr.scoring import score_texts
from data_prep.manifests import read_manifest
from data_prep.store import Utterance

RATE = 16_000
WORKER = Path(__file__).with_name("worker.py")
SYSTEMS = ("asr", "whisper-tiny.en", "whisper-base", "pocketsphinx")


@dataclass(frozen=True)
class Figures:
    """What one system did.

    Attributes:
        system: its name.
        wer: word error rate, a fraction.
        low: of its 95 % interval by utterance.
        high: of the same.
        real_time: seconds of sound a second of one core, the first utterance and loading left out.
        first_words_s: from the start of the process to the text of the first recording.
        median_s: processor time of a recording.
        peak_mb: largest memory of the process.
        size_mb: of its model files.
    """

    system: str
    wer: float
    low: float
    high: float
    real_time: float
    first_words_s: float
    median_s: float
    peak_mb: float
    size_mb: float

    def row(self) -> str:
        """A line of the table."""
        return (
            f"| {self.system} | {100 * self.wer:.2f} ({100 * self.low:.2f} - "
            f"{100 * self.high:.2f}) "
            f"| {self.real_time:.1f} | {self.median_s:.2f} | {self.first_words_s:.1f} | "
            f"{self.peak_mb:.0f} "
            f"| {self.size_mb:.0f} |"
        )


@dataclass(frozen=True)
class Condition:
    """What is done to the recordings.

    Attributes:
        noise: folders of noise recordings; of them each utterance gets one.
        snr_db: ratio of speech to noise.
        t60_s: reverberation time of a simulated room, 0 for none.
    """

    noise: tuple[Path, ...] = ()
    snr_db: float = 10.0
    t60_s: float = 0.0

    def __str__(self) -> str:
        parts = [f"noise at {self.snr_db:g} dB"] if self.noise else []
        parts += [f"a room of {self.t60_s:g} s"] if self.t60_s else []
        return " and ".join(parts) or "as they are"

    def config(self) -> NoiseConfig | None:
        """Return the settings of the noisy copy, None for recordings as they are."""
        if not self.noise and not self.t60_s:
            return None
        t60_s = self.t60_s or 0.2  # not used where no copy has reverberation
        return NoiseConfig(
            os.pathsep.join(map(str, self.noise)),
            snr_db_low=self.snr_db,
            snr_db_high=self.snr_db,
            reverb_share=1.0 if self.t60_s else 0.0,
            t60_low_s=t60_s,
            t60_high_s=t60_s,
        )


def main() -> None:
    """Let every system transcribe, and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("split", type=Path)
    parser.add_argument(
        "--noise", type=Path, nargs="+", default=[], help="folders of noise recordings"
    )
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument(
        "--t60-s", type=float, default=0.0, help="reverberation time of a simulated room"
    )
    add_options(parser, systems=",".join(SYSTEMS))
    options = parser.parse_args()
    condition = Condition(tuple(options.noise), options.snr_db, options.t60_s)
    print(f"{options.split.name}, {condition}")
    print(
        "| system | WER % (95 % interval) | x real time | s a recording | s to the first words | "
        "memory MB | model MB |"
    )
    print("|---|---|---|---|---|---|---|")
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for figures, _ in compare(options, condition, Path(folder)):
            print(figures.row(), flush=True)
            done.append(asdict(figures))
    if options.output:
        record = {"split": options.split.name, "condition": str(condition), "systems": done}
        atomic_write_text(options.output, json.dumps(record, indent=1) + "\n")


def add_options(parser: argparse.ArgumentParser, systems: str) -> None:
    """Add what both scripts take."""
    parser.add_argument(
        "--systems", default=systems, help=f"names with commas: {', '.join(SYSTEMS)}"
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=0,
        help="so many utterances, evenly spread over the split (0: all)",
    )
    parser.add_argument("--model", default="en", help="ours: name or folder")
    parser.add_argument("--language", default="en", help="that Whisper is told, such as zh")
    parser.add_argument("--whisper-python", default=sys.executable)
    parser.add_argument("--pocketsphinx-python", default=sys.executable)
    parser.add_argument(
        "--normalizer", default="english", help="of references and hypotheses alike"
    )
    parser.add_argument("-o", "--output", type=Path, help="figures as JSON")


def compare(
    options: argparse.Namespace, condition: Condition, folder: Path
) -> Iterator[tuple[Figures, list[str]]]:
    """Yield the figures and the texts of every system."""
    utterances = list(read_manifest(options.split))
    if 0 < options.limit < len(utterances):
        utterances = [
            utterances[len(utterances) * i // options.limit] for i in range(options.limit)
        ]
    paths = [write_copy(utterance, folder, condition.config()) for utterance in utterances]
    seconds = [soundfile.info(path).duration for path in paths]
    for system in options.systems.split(","):
        result = run(system, paths, options)
        yield measure(system, utterances, seconds, result, options.normalizer), result["texts"]


def write_copy(utterance: Utterance, folder: Path, noise: NoiseConfig | None) -> Path:
    """Write the recording that all systems hear, the same in every run."""
    end_s = None if utterance.duration_s is None else utterance.start_s + utterance.duration_s
    found, rate = read_stretch(utterance.audio, utterance.start_s, end_s)
    samples = load_audio(found, RATE, source_rate=rate).samples
    if noise:
        samples = noisy_copy(samples, RATE, noise, utterance.id, 0)
        samples = samples / max(1.0, float(abs(samples).max()))
    path = folder / f"{utterance.id.replace('/', '_')}.wav"
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path


def run(system: str, paths: list[Path], options: argparse.Namespace) -> dict[str, Any]:
    """Start the worker of a system on one core and return what it printed."""
    python = sys.executable
    if system.startswith("whisper"):
        python = options.whisper_python
    elif system == "pocketsphinx":
        python = options.pocketsphinx_python
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [python, str(WORKER), system, options.model, options.language],
        input="\n".join(map(str, paths)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | one_thread,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(
    system: str,
    utterances: list[Utterance],
    seconds: list[float],
    result: dict[str, Any],
    normalizer: str,
) -> Figures:
    """Return the figures of a worker's texts and times."""
    score = score_texts([u.text for u in utterances], result["texts"], normalizer=normalizer)
    interval, times = score.wer_interval, result["cpu_s"]
    return Figures(
        system=system,
        wer=score.wer,
        low=interval.low if interval else score.wer,
        high=interval.high if interval else score.wer,
        real_time=sum(seconds[1:]) / max(sum(times[1:]), 1e-9),
        first_words_s=result["first_words_s"],
        median_s=sorted(times)[len(times) // 2],
        peak_mb=result["peak_mb"],
        size_mb=result["size_mb"],
    )


if __name__ == "__main__":
    main()
