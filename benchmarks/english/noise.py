"""Word error rates in noise and in simulated rooms: a table of conditions by systems.

python benchmarks/english/noise.py SPLIT --noise DIR [DIR ...] [--systems asr] [--limit 0]
    [further options of side_by_side.py]

Every recording gets its own noise from the folders, at 20, 10 and 5 dB below the speech, or a room
with a reverberation time of 0.3 and 0.6 s. The folders must hold other kinds of noise than those of
the training.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from side_by_side import Condition, add_options, compare

from asr.files import atomic_write_text

SNRS_DB = (20.0, 10.0, 5.0)
T60_S = (0.3, 0.6)


def main() -> None:
    """Print a line a condition."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("split", type=Path)
    parser.add_argument(
        "--noise", type=Path, nargs="+", required=True, help="folders of noise recordings"
    )
    add_options(parser, systems="asr")
    options = parser.parse_args()
    clean = Condition()
    conditions = [
        clean,
        *(replace(clean, noise=tuple(options.noise), snr_db=snr_db) for snr_db in SNRS_DB),
        *(replace(clean, t60_s=t60_s) for t60_s in T60_S),
    ]
    names = options.systems.split(",")
    print(f"| {options.split.name}, WER % | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    record = {}
    for condition in conditions:
        with tempfile.TemporaryDirectory() as folder:
            figures = [f for f, _ in compare(options, condition, Path(folder))]
        print(f"| {condition} | {' | '.join(f'{100 * f.wer:.2f}' for f in figures)} |", flush=True)
        record[str(condition)] = [asdict(f) for f in figures]
    if options.output:
        atomic_write_text(options.output, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
