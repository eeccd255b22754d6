"""A Mandarin recogniser from Common Voice zh-CN: from preparing to the packed model folder.

python recipes/mandarin/run.py --commonvoice PATH [--table NAME=FILE ...] [--noise DIR ...]
    [--lm-text FILE ...] [--init-from en] [--output-dir runs/mandarin] [key=value ...]

PATH is the folder zh-CN, or a table of its clips. Its speakers are split anew (``speakers.tsv``):
the published split has nine speakers to train on. Needs the extra ``mandarin``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from asr.audio.perturbation import NoiseConfig
from asr.features.config import FeatureConfig
from asr.text.normalizers import normalize
from asr.text.tables import read_table as read_rows
from data_prep.apart import check_speakers, without_sentences
from data_prep.chinese_text import is_readable
from data_prep.commonvoice import read_commonvoice
from data_prep.pinyin import character_lexicon
from data_prep.prepare import prepare
from data_prep.store import Utterance
from data_prep.tables import read_table

CONFIG = Path(__file__).with_name("config.yaml")
SPEAKERS = Path(__file__).with_name("speakers.tsv")
SPEEDS = (0.9, 1.0, 1.1)
NORMALIZER = "mandarin"
ID_LENGTH = 16  # characters of a speaker's id that speakers.tsv lists


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commonvoice", type=Path, required=True, help="folder, or a table")
    parser.add_argument(
        "--noise", type=Path, nargs="+", default=[], metavar="DIR", help="recordings of noise"
    )
    parser.add_argument("--noisy-copies", type=int, default=1, help="of each utterance")
    parser.add_argument("--output-dir", type=Path, default=Path("runs/mandarin"))
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    return parser.parse_intermixed_args()


def read_corpus(path: Path) -> dict[str, list[Utterance]]:
    """Return ``train``, ``dev`` and ``test`` of a folder or a table, split by ``speakers.tsv``.

    Sentences of dev and test are not in ``train``. Utterances with other scripts, whose reading
    nobody knows, and those that lack a character (□) are left out, counted and named.
    """
    parts = read_commonvoice(path, dev_share=0) if path.is_dir() else read_table(path, dev_share=0)
    part_of = {row.values["speaker"]: row.values["split"] for row in read_rows(SPEAKERS).rows}
    splits: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    unreadable: list[Utterance] = []
    for utterance in (utterance for part in parts.values() for utterance in part):
        if "□" in utterance.text or not is_readable(normalize(utterance.text, NORMALIZER)):
            unreadable.append(utterance)
            continue
        splits[part_of.get(utterance.speaker[:ID_LENGTH], "train")].append(utterance)
    held_out = [*splits["dev"], *splits["test"]]
    check_speakers(splits["train"], {"dev": splits["dev"], "test": splits["test"]})
    splits["train"], spoken = without_sentences(splits["train"], held_out, NORMALIZER)
    print(
        f"left out: {len(spoken)} utterances of held-out sentences, {len(unreadable)} with other "
        f"scripts: {' '.join(utterance.text for utterance in unreadable[:5])}",
        file=sys.stderr,
    )
    return splits


def prepare_splits(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the folders of the prepared splits."""
    folders = os.pathsep.join(map(str, arguments.noise))
    noise = NoiseConfig(folders, copies=arguments.noisy_copies, speeds=SPEEDS) if folders else None
    prepared = prepare(
        read_corpus(arguments.commonvoice),
        arguments.output_dir / "data",
        features=FeatureConfig(trim=True),
        speeds=SPEEDS,
        normalizer=NORMALIZER,
        noise=noise,
        max_skipped=20,
    )
    return {split.path.name: split.path for split in prepared}


def make_lexicon(transcripts: Path, texts: Sequence[Path], output: Path) -> Path:
    """Write the pronouncing dictionary: readings counted in the transcripts of the training."""
    output.parent.mkdir(parents=True, exist_ok=True)
    character_lexicon([transcripts], texts).save(output)
    return output


def main() -> None:
    """Run the steps."""
    arguments = parse_arguments()
    data = prepare_splits(arguments)
    lexicon = make_lexicon(data, arguments.output_dir / "lm" / "lexicon.txt.gz")
    print(data, lexicon)


if __name__ == "__main__":
    main()
