"""A grammar of commands: sentence accuracy beside the open recogniser, and rejection of the rest.

python benchmarks/words/commands.py SPEECH [--model en] [--commands 50] [--count 0] [--kept FOLDER]

SPEECH is a folder in LibriSpeech's layout. The shortest utterances of three words or more are the
commands, and their texts the grammar; all other utterances are speech outside it. The equal-error
rate is where as many commands are rejected as other utterances are accepted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from heard import hear

from asr.decoding.grammar import THRESHOLD
from asr.speech.recognizer import load_model


def equal_error(inside: list[float], outside: list[float]) -> tuple[float, float]:
    """Return the equal-error rate and its threshold."""
    best = (2.0, 0.0, 0.0)
    for threshold in sorted({*inside, *outside}):
        missed = float(np.mean(np.array(inside) < threshold))
        accepted = float(np.mean(np.array(outside) >= threshold))
        best = min(best, (abs(missed - accepted), (missed + accepted) / 2, threshold))
    return best[1], best[2]


def main() -> None:
    """Print accuracies and rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--commands", type=int, default=50)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "asr-words")
    args = parser.parse_args()
    model = load_model(args.model, threads=1)
    heard = hear(model, args.speech, args.count, args.kept)
    short = sorted((h for h in heard if len(h.text.split()) >= 3), key=lambda h: len(h.text))
    commands = {one.text: one for one in short}
    chosen = list(commands.values())[: args.commands]
    texts = {one.text for one in chosen}
    others = [one for one in heard if one.text not in texts]
    grammar = model.with_decoding({}, grammar="\n".join(texts)).decoder
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
    figures = {
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
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
