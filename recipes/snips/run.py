"""SNIPS with its standard split (13,084 / 700 / 700): intents, slots, and both at once.

python recipes/snips/run.py SNIPS_FOLDER {intent,slots,joint} [--output-dir runs/snips] [--seed 1]
[key=value ...]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from asr.catalogue import train
from asr.cli.guard import run_script
from asr.files import atomic_write_text

HERE = Path(__file__).parent
SPLITS = {"train": "train", "dev": "valid", "test": "test"}
WHAT = {
    "intent": ("intent.yaml", ()),
    "slots": ("slots.yaml", ()),
    "joint": ("slots.yaml", ("data.joint=true",)),
}


def read_split(folder: Path) -> list[dict[str, object]]:
    """Return the sentences of a folder with the files seq.in, seq.out and label, one a line."""
    columns = [
        (folder / name).read_text(encoding="utf-8").splitlines()
        for name in ("seq.in", "seq.out", "label")
    ]
    rows = []
    for words, tags, label in zip(*columns, strict=True):
        rows.append(
            {
                "text": words.strip(),
                "tokens": words.split(),
                "tags": tags.split(),
                "label": label.strip(),
            }
        )
    return rows


def main() -> None:
    """Write the splits as JSON lines, then train and evaluate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="folder with train/, valid/ and test/")
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("--output-dir", type=Path, default=Path("runs/snips"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    arguments = parser.parse_intermixed_args()
    data, (config, settings) = arguments.output_dir / "data", WHAT[arguments.what]
    for split, name in SPLITS.items():
        lines = [
            json.dumps(row, ensure_ascii=False) + "\n"
            for row in read_split(arguments.corpus / name)
        ]
        atomic_write_text(data / f"{split}.jsonl", "".join(lines))
    files = [
        f"data.train={data}/train.jsonl",
        f"data.dev={data}/dev.jsonl",
        f"data.test.test={data}/test.jsonl",
    ]
    run = arguments.output_dir / f"{arguments.what}{arguments.seed}"
    train(
        HERE / config,
        [*files, f"output_dir={run}", f"seed={arguments.seed}", *settings, *arguments.overrides],
    )


if __name__ == "__main__":
    run_script(main)
