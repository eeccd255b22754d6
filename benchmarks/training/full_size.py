"""All of LibriSpeech in simulation: preparing, bucketing and streaming 281,241 utterances (960 h).

    python benchmarks/training/full_size.py [--utterances 281241] [--corpus FOLDER] [--batches 1500]

A few hundred recordings (of FOLDER in LibriSpeech's layout, or generated) are really prepared.
Their shard of features then stands, by hard links, for every shard of a split of the full size,
whose utterances have ids of their own. Each stage runs in its own process. Two figures of memory
are given: what belongs to the process alone (``anonymous``), and the peak, which includes mapped
files that the system can take back at any time.

* prepare: reads the records of all shards, joins them, writes text, index and manifest, and checks
  every cut
* start: opens the store, makes the tokenizer, encodes all transcripts, checks them against their
  frames, builds the first batch, then the batches of the second epoch
* stream: reads batches of a shuffled epoch in order; memory is noted at every tenth part
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from data_prep.librispeech import read_librispeech
from data_prep.prepare import _usable, prepare
from data_prep.store import SHARD_SIZE, StoreConfig, Utterance, settings_digest

WORDS = (
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "was",
    "he",
    "that",
    "his",
    "it",
    "had",
    "with",
    "as",
    "for",
    "her",
    "you",
)


def recordings(folder: Path, corpus: Path | None) -> list[Utterance]:
    """Return a shard of utterances: of a corpus, or of noise in the lengths of read speech."""
    if corpus:
        part = max(read_librispeech(corpus).values(), key=len)
        return part[:: max(1, len(part) // SHARD_SIZE)][:SHARD_SIZE]
    rng = np.random.default_rng(0)
    made = []
    for number in range(SHARD_SIZE):
        seconds = float(np.clip(rng.normal(12.3, 3.8), 1.5, 24.0))
        path = folder / f"{number}.flac"
        soundfile.write(path, (0.1 * rng.normal(size=int(16000 * seconds))).clip(-1, 1), 16000)
        text = " ".join(rng.choice(WORDS, max(1, int(seconds * 2.7))))
        made.append(Utterance(str(number), str(path), text, str(number % 40)))
    return made


def lay_out(folder: Path, utterances: int, corpus: Path | None) -> None:
    """Prepare one shard, and lay it out as all shards of a split of the full size."""
    base = recordings(folder, corpus)
    prepare({"base": base}, folder, normalizer="librispeech", jobs=1)
    source, target = folder / "base" / "features", folder / "train" / "features"
    record = json.loads((source / "shard-00000.json").read_text())
    target.mkdir(parents=True)
    everything = all_utterances(base, utterances)
    usable, _ = _usable(everything, "librispeech")
    (target / "settings").write_text(settings_digest(usable, StoreConfig()))
    for shard, start in enumerate(range(0, utterances, SHARD_SIZE)):
        names = [u.id for u in everything[start : start + SHARD_SIZE]]
        part = record | {"ids": names, "sources": names}
        for key in ("texts", "speakers", "speeds", "frames"):
            part[key] = record[key][: len(names)]
        part["seconds"] = sum(part["frames"]) / 100
        (target / f"shard-{shard:05}.json").write_text(json.dumps(part))
        os.link(source / "shard-00000.npy", target / f"shard-{shard:05}.npy")
    (folder / "base.json").write_text(
        json.dumps([[getattr(u, k) for k in Utterance.__slots__] for u in base])
    )


def all_utterances(base: list[Utterance], count: int) -> list[Utterance]:
    return [replace(base[n % len(base)], id=f"{n % 2484}-{n // 2484}-{n:06}") for n in range(count)]


def run_prepare(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    base = [Utterance(*row) for row in json.loads((folder / "base.json").read_text())]
    (done,) = prepare(
        {"train": all_utterances(base, arguments.utterances)},
        folder,
        normalizer="librispeech",
        jobs=1,
    )
    return {"utterances": done.utterances, "hours": round(done.hours, 1)}


def run_start(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    from asr.speech.training.config import SpeechConfig, SpeechDataConfig, TokenizerConfig
    from asr.speech.training.train import build_experiment

    split = str(folder / "train")
    config = SpeechConfig(
        data=SpeechDataConfig(split, str(folder / "base"), max_batch_s=1200, max_batch_size=128),
        tokenizer=TokenizerConfig(arguments.tokenizer, 64),
    )
    since = time.perf_counter()
    experiment = build_experiment(config, folder)
    seconds = {"experiment_s": time.perf_counter() - since}
    for name, run in {
        "first_batch_s": lambda: experiment.train.load(0, 0),
        "second_epoch_s": lambda: experiment.train.num_batches(1),
    }.items():
        since = time.perf_counter()
        run()
        seconds[name] = time.perf_counter() - since
    rounded: dict[str, Any] = {name: round(value, 2) for name, value in seconds.items()}
    return rounded | {"batches": experiment.train.num_batches(1)}


def run_stream(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    from asr.speech.data.batches import SpeechLoader
    from asr.speech.data.store import FeatureStore, LabelTable

    store = FeatureStore.open(folder / "train")
    labels = LabelTable(([1] * (len(text) // 2) for text in store.texts), 64)
    loader = SpeechLoader(store, labels, np.arange(len(store)), 1200, 128)
    count = min(arguments.batches, loader.num_batches(0))
    memory, speech = [], 0.0
    since = time.perf_counter()
    for position in range(count):
        speech += loader.load(0, position).duration_s
        if position % max(1, count // 10) == 0:
            memory.append(round(own_memory("RssAnon")))
    seconds = time.perf_counter() - since
    return {
        "batches": count,
        "hours": round(speech / 3600, 1),
        "x_real_time": round(speech / seconds),
        "mb": memory,
    }


def own_memory(key: str) -> float:
    """Return a figure of /proc/self/status in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(key)


STAGES: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {
    "prepare": run_prepare,
    "start": run_start,
    "stream": run_stream,
}


def run_stage(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    idle = own_memory("VmRSS")
    since, cpu = time.perf_counter(), time.process_time()
    result = STAGES[name](folder, arguments)
    spent = {
        "seconds": round(time.perf_counter() - since, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
    }
    memory = {
        "idle_mb": round(idle),
        "anonymous_mb": round(own_memory("RssAnon")),
        "peak_mb": round(own_memory("VmHWM")),
    }
    return spent | memory | result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=281_241)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--batches", type=int, default=1500)
    parser.add_argument("--tokenizer", default="characters")
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(run_stage(arguments.stage[0], Path(arguments.stage[1]), arguments)))
        return
    with tempfile.TemporaryDirectory() as name:
        lay_out(Path(name), arguments.utterances, arguments.corpus)
        for stage in STAGES:
            command = [sys.executable, __file__, *sys.argv[1:], "--stage", stage, name]
            print(
                stage,
                subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout,
                end="",
                flush=True,
            )


if __name__ == "__main__":
    main()
