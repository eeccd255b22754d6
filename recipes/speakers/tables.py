"""Tables of recordings and speakers, of corpora as they are published.

python recipes/speakers/tables.py CORPORA -o FOLDER

CORPORA is a folder with any of: LibriSpeech and Common Voice in their own layouts, AN4, LJ Speech,
and folders with a manifest.tsv that has the columns path and speaker. Speakers of LibriSpeech's dev
and test sets, and those that recipes/mandarin/speakers.tsv keeps for dev and test, are kept out of
train.tsv.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

from asr.cli.guard import run_script
from asr.errors import DataError
from asr.files import atomic_write_text

MANDARIN = Path(__file__).parents[1] / "mandarin" / "speakers.tsv"
Rows = list[tuple[str, str]]


def librispeech(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield split, recording and speaker of every LibriSpeech folder below ``root``."""
    for part in sorted(root.glob("**/LibriSpeech/*/")):
        split = next((s for s in ("dev", "test") if part.name.startswith(s)), "train")
        for path in sorted(part.glob("*/*/*.*")):
            if path.suffix in (".flac", ".wav"):
                name = "dev4" if part.name.startswith("dev-clean-4") else split
                yield name, str(path), f"librispeech-{path.parts[-3]}"


def manifests(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield split, recording and speaker of every manifest.tsv below ``root``."""
    with MANDARIN.open(encoding="utf-8") as file:
        kept = {row["speaker"]: row["split"] for row in csv.DictReader(file, delimiter="\t")}
    for table in sorted(root.glob("**/manifest.tsv")):
        corpus = table.parent.name
        name = "librispeech" if corpus == "untranscribed" else corpus
        with table.open(encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                split = f"zh-{kept[row['speaker']]}" if row["speaker"] in kept else "train"
                yield split, str(table.parent / row["path"]), f"{name}-{row['speaker']}"


def others(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield split, recording and speaker of AN4's training part and of LJ Speech."""
    for path in sorted(root.glob("an4/wav/an4_clstk/*/*")):
        yield "train", str(path), f"an4-{path.parent.name}"
    for path in sorted(root.glob("LJSpeech-1.1/wavs/*.wav")):
        yield "train", str(path), "ljspeech"


def write_tables(corpora: Path, folder: Path) -> None:
    """Write a table a split.

    Raises:
        DataError: there are no recordings to train on.
    """
    splits: dict[str, Rows] = {}
    root = corpora.absolute()
    for read in (librispeech, manifests, others):
        for split, path, speaker in read(root):
            splits.setdefault(split, []).append((path, speaker))
    if "train" not in splits:
        raise DataError(f"No recordings with speakers in {root}.", "See the head of this script.")
    held_out = {speaker for s, rows in splits.items() if s != "train" for _, speaker in rows}
    splits["train"] = [row for row in splits["train"] if row[1] not in held_out]
    for split, rows in splits.items():
        lines = ["audio\tspeaker\n", *(f"{path}\t{speaker}\n" for path, speaker in rows)]
        atomic_write_text(folder / f"{split}.tsv", "".join(lines))
        print(f"{split}: {len(rows)} recordings, {len({s for _, s in rows})} speakers")


def main() -> None:
    """Write the tables of a folder of corpora."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpora", type=Path)
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("runs/speakers/tables"))
    args = parser.parse_args()
    write_tables(args.corpora, args.output_dir)


if __name__ == "__main__":
    run_script(main)
