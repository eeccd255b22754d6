"""A grammar of commands: sentence accuracy beside the open recogniser, and rejection of the rest.

python benchmarks/words/commands.py SPEECH [--model en] [--commands 50] [--count 0] [--kept FOLDER]
    [--noise FOLDER,FOLDER] [--snr 20,10,5]

SPEECH is a folder in LibriSpeech's layout. The shortest utterances of three words or more are the
commands, and their texts the grammar; all other utterances are speech outside it. The equal-error
rate is where as many commands are rejected as other utterances are accepted.

With noise, one of its recordings, in turn, is added to each command and to as many of the shortest
other utterances, at each ratio of signal to noise in dB.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from heard import Heard, hear, speech_log_probs

from asr.audio.perturbation import add_noise, noise_files
from asr.audio.reading import load_audio
from asr.decoding.grammar import THRESHOLD
from asr.speech.decoders import Decoder
from asr.speech.recognizer import Recognizer, load_model


def equal_error(inside: list[float], outside: list[float]) -> tuple[float, float]:
    """Return the equal-error rate and its threshold."""
    best = (2.0, 0.0, 0.0)
    for threshold in sorted({*inside, *outside}):
        missed = float(np.mean(np.array(inside) < threshold))
        accepted = float(np.mean(np.array(outside) >= threshold))
        best = min(best, (abs(missed - accepted), (missed + accepted) / 2, threshold))
    return best[1], best[2]


def measure(
    model: Recognizer, grammar: Decoder, chosen: Sequence[Heard], others: Sequence[Heard]
) -> dict[str, float]:
    """Return sentence accuracy and equal-error rate: commands, and speech outside the grammar."""
    inside, right, open_right = [], 0, 0
    for one in chosen:
        command = grammar([one.log_probs])[0][0].command
        is_right = command is not None and command.sentence == one.text
        right += is_right
        inside.append(command.confidence if command is not None and is_right else 0.0)
        open_right += model.decoder([one.log_probs])[0][0].text == one.text
    outside = []
    for one in others:
        command = grammar([one.log_probs])[0][0].command
        outside.append(command.confidence if command is not None else 0.0)
    rate, threshold = equal_error(inside, outside)
    return {
        "commands": len(chosen),
        "words a command": sum(len(one.text.split()) for one in chosen) / len(chosen),
        "sentences right": right / len(chosen),
        "sentences right, open": open_right / len(chosen),
        "other utterances": len(others),
        "equal-error rate": rate,
        "its threshold": threshold,
        "commands rejected": float(np.mean(np.array(inside) < THRESHOLD)),
        "others accepted": float(np.mean(np.array(outside) >= THRESHOLD)),
        "threshold": THRESHOLD,
    }


def with_noise(
    model: Recognizer, heard: Sequence[Heard], noises: Sequence[Path], snr_db: float
) -> list[Heard]:
    """Return utterances with noise."""
    noisy = []
    for n, one in enumerate(heard):
        samples = load_audio(one.path, model.sample_rate).samples
        noise = load_audio(noises[n % len(noises)], model.sample_rate).samples
        log_probs = speech_log_probs(model, add_noise(samples, noise, snr_db))
        noisy.append(replace(one, log_probs=log_probs))
    return noisy


def noise_recordings(folders: Sequence[str]) -> list[Path]:
    """Return the recordings of folders, those of each in turn."""
    each = [sorted(noise_files(folder)) for folder in folders]
    return [Path(path) for together in zip(*each, strict=False) for path in together]


def main() -> None:
    """Print accuracies and rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--commands", type=int, default=50)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "asr-words")
    parser.add_argument("--noise", default="")
    parser.add_argument("--snr", default="20,10,5")
    args = parser.parse_args()
    model = load_model(args.model, threads=1)
    heard = hear(model, args.speech, args.count, args.kept)
    short = sorted((h for h in heard if len(h.text.split()) >= 3), key=lambda h: len(h.text))
    commands = {one.text: one for one in short}
    chosen = list(commands.values())[: args.commands]
    texts = {one.text for one in chosen}
    others = [one for one in heard if one.text not in texts]
    grammar = model.with_decoding({}, grammar="\n".join(texts)).decoder
    print(json.dumps(measure(model, grammar, chosen, others), indent=1), flush=True)
    if not args.noise:
        return
    noises = noise_recordings(args.noise.split(","))
    few = [one for one in short if one.text not in texts][: len(chosen)]
    for snr_db in map(float, args.snr.split(",")):
        noisy = [with_noise(model, each, noises, snr_db) for each in (chosen, few)]
        figures = measure(model, grammar, *noisy)
        print(json.dumps({"dB": snr_db, **figures}, indent=1), flush=True)


if __name__ == "__main__":
    main()
