"""How far the confidences of words can be trusted: expected calibration error.

python benchmarks/words/confidences.py SPEECH [--model en] [--count 0] [--kept FOLDER]

SPEECH is a folder in LibriSpeech's layout.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from heard import hear

from asr.decoding.tune import right_words
from asr.scoring.calibration import calibrate
from asr.speech.recognizer import load_model


def main() -> None:
    """Print the error, and each tenth of confidences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", default="en")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "asr-words")
    args = parser.parse_args()
    model = load_model(args.model, threads=1)
    confidences, right = list[float](), list[bool]()
    for one in hear(model, args.speech, args.count, args.kept):
        words = model.decoder([one.log_probs])[0][0].words
        confidences += [word.confidence for word in words]
        right += right_words(one.text.split(), [word.word for word in words])
    found = calibrate(confidences, right)
    print(f"{found.words} words, mean confidence {found.confidence:.3f}, right {found.right:.3f}")
    print(f"expected calibration error {100 * found.error:.2f} %")
    for b in found.bins:
        print(f"{b.low:.1f}-{b.high:.1f} {b.words:6d} {b.confidence:.3f} {b.right:.3f}")


if __name__ == "__main__":
    main()
