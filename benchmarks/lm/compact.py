"""The compact form beside gzipped ARPA text: bytes an n-gram, processor time to read, perplexity.

python benchmarks/lm/compact.py MODEL TEXT [--steps 0.025 0.05 0.1]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from asr.lm import NgramModel, perplexity, read_model, write_arpa, write_compact


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--steps", type=float, nargs="+", default=[0.025, 0.05, 0.1])
    arguments = parser.parse_args()
    model = read_model(arguments.model)
    exact = perplexity(model, arguments.text).with_oov
    print(f"{sum(model.counts)} n-grams, {model.counts} by order; perplexity {exact:.3f}")
    print(
        "| form | bytes an n-gram | MB | read, s of one core | perplexity |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.arpa.gz"
        write_arpa(model, path, decimals=2)
        print(row("ARPA, gzipped, two decimals", path, model, arguments.text), flush=True)
        for step in arguments.steps:
            path = Path(folder) / f"{step}.lmz"
            write_compact(model, path, step)
            print(row(f"compact, step {step:g}", path, model, arguments.text), flush=True)


def row(name: str, path: Path, model: NgramModel, texts: list[Path]) -> str:
    """Return a row of the table; the file is read twice, so that the kernels are compiled."""
    read_model(path)
    start = time.process_time()  # of all threads: other work on the machine counts less
    read = read_model(path)
    seconds, size = time.process_time() - start, path.stat().st_size
    each = size / sum(model.counts)
    found = perplexity(read, texts).with_oov
    return f"| {name} | {each:.2f} | {size / 1e6:.1f} | {seconds:.1f} | {found:.2f} |"


if __name__ == "__main__":
    main()
