"""LibriSpeech from the corpus to word error rates: prepare, train, n-gram model, evaluate; in three
sizes.

python recipes/librispeech/run.py CORPUS [--size mini|100|960] [--lm-text FILE | --lm MODEL]
    [--noise DIR ...] [--output-dir runs/librispeech]

CORPUS holds the parts as published (CORPUS/train-clean-5/... or CORPUS/LibriSpeech/...), of any
name: --train, --dev and --test name others than the size's own, with commas. To load them: asr
prepare librispeech CORPUS -o DATA --download train-clean-5,dev-clean-2,librispeech-lm-norm.txt.gz
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.audio.perturbation import NoiseConfig
from asr.catalogue import train
from asr.cli.guard import run_script
from asr.config import load_config
from asr.errors import DataError
from asr.features.config import FeatureConfig
from asr.lm import build_arpa
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from asr.speech.training.config import SpeechConfig
from asr.text.normalizers import normalize
from asr.text.pronunciations import Pronunciations
from data_prep.librispeech import LM_TEXT, find_parts, read_librispeech
from data_prep.prepare import prepare
from data_prep.pronounce import make_lexicon, own_dictionary

NORMAL = re.compile(
    r"[a-z' ]*"
)  # text that the normaliser leaves as it is: nearly all of the published one
LIVE_NOISE_SPEEDS = (0.9, 1.0, 1.1)
DEV_UTTERANCES = 120  # decoded with the n-gram model after every epoch, to choose the weights


@dataclass(frozen=True)
class Size:
    """Parts as published, and how much is kept of each recording: copies at several speeds, bits of
    a feature.

    Attributes:
        lm_prune: n-grams of each order seen at most so often are dropped.
        lm_memory: bound of the estimation.
        stored_copies: training reads stored copies; else it perturbs recordings anew every epoch,
            at the speeds of its configuration.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...] = ("dev-clean", "dev-other")
    test: tuple[str, ...] = ("test-clean", "test-other")
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    dtype: str = "int16"
    lm_prune: tuple[int, ...] = (0, 0, 1, 1)
    lm_memory: str | None = "16GB"
    stored_copies: bool = True


SIZES = {
    "mini": Size(
        ("train-clean-5",),
        ("dev-clean-2",),
        (),
        speeds=(1.0,),
        lm_memory=None,
        stored_copies=False,
    ),
    "100": Size(("train-clean-100",)),
    "960": Size(
        ("train-clean-100", "train-clean-360", "train-other-500"), speeds=(1.0,), dtype="int8"
    ),
}


def main() -> None:
    """Run the steps; those that an earlier call finished are left alone."""
    arguments = parse()
    size = SIZES[arguments.size]
    parts = choose_parts(arguments, size)
    texts = [] if arguments.lm else lm_texts(arguments)
    config = Path(__file__).with_name(f"{arguments.size}.yaml")
    dictionary = find_dictionary(arguments, config)
    data = arguments.output_dir / f"data-{arguments.size}"
    run = arguments.output_dir / f"{arguments.size}-seed{arguments.seed}"
    found = read_librispeech(arguments.corpus, [name for names in parts.values() for name in names])
    spoken = {"train": [u for name in parts["train"] for u in found[name]]}
    evaluated = [*parts["dev"], *parts["test"]]
    splits = spoken | {name: found[name] for name in evaluated}
    folders = os.pathsep.join(map(str, arguments.noise))
    noise_speeds = size.speeds if size.stored_copies else LIVE_NOISE_SPEEDS
    noise = NoiseConfig(folders, arguments.noisy_copies, speeds=noise_speeds) if folders else None
    prepare(
        splits,
        data,
        features=FeatureConfig(trim=True),
        speeds=size.speeds,
        dtype=size.dtype,
        normalizer="librispeech",
        noise=noise if size.stored_copies else None,
        train_splits=["train"],
    )
    tuned_on = data / parts["dev"][0]
    inputs = [
        f"data.train={data / 'train'}",
        f"data.dev={tuned_on}",
        f"output_dir={run}",
        f"seed={arguments.seed}",
    ]
    texts = texts or [data / "train" / "text.txt"]
    lm = arguments.lm or build_lm(texts, data, arguments.lm_order, size)
    inputs += [f"data.lm={lm}", f"data.dev_utterances={DEV_UTTERANCES}"]
    if noise is not None and not size.stored_copies:
        live = {"folder": folders, "copies": noise.copies, "speeds": list(noise.speeds)}
        inputs += [f"data.on_the_fly.noise.{key}={value}" for key, value in live.items()]
    if dictionary is not None:
        lexicon = data / "lexicon.txt.gz"
        make_lexicon(lexicon, lm, [data / "train" / "text.txt"], dictionary)
        inputs.append(f"tokenizer.lexicon={lexicon}")
    model = train(config, [*inputs, *arguments.overrides])
    options, scored = ModelOptions(model, lm=lm), [data / name for name in evaluated]
    print(evaluate(options, scored, run, tune_on=tuned_on, save_to_model=True))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="folder with the parts, or with LibriSpeech/")
    parser.add_argument("--size", choices=list(SIZES), default="mini")
    for kind in ("train", "dev", "test"):
        parser.add_argument(
            f"--{kind}", type=names, metavar="PARTS", help="names with commas instead of the size's"
        )
    parser.add_argument(
        "--lm-text",
        type=Path,
        action="append",
        help=f"text of the n-gram model, a sentence a line, .gz too; by default CORPUS/{LM_TEXT}; "
        "`transcripts` for "
        "those of the training parts",
    )
    parser.add_argument(
        "--lm", type=Path, metavar="MODEL", help="n-gram model, instead of estimating one of text"
    )
    parser.add_argument(
        "--noise", type=Path, nargs="+", default=[], metavar="DIR", help="recordings of noise"
    )
    parser.add_argument(
        "--noisy-copies",
        type=int,
        default=2,
        help="of each utterance, beside those of other speeds",
    )
    parser.add_argument("--lm-order", type=int, default=4)
    parser.add_argument(
        "--dictionary", type=Path, help="how words are said; by default as the model en knows them"
    )
    parser.add_argument("--output-dir", type=Path, default=Path("runs/librispeech"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    return parser.parse_intermixed_args()


def names(text: str) -> tuple[str, ...]:
    """Return the names in a list with commas."""
    return tuple(name for name in text.split(",") if name)


def choose_parts(arguments: argparse.Namespace, size: Size) -> dict[str, tuple[str, ...]]:
    """Return the parts for train, dev and test; a part that is only evaluated, and was not asked
    for, may be absent.
    """
    there = find_parts(arguments.corpus)
    chosen: dict[str, tuple[str, ...]] = {}
    for kind in ("train", "dev", "test"):
        asked, usual = getattr(arguments, kind), getattr(size, kind)
        optional = (
            () if asked is not None or kind == "train" else usual[1:] if kind == "dev" else usual
        )
        absent = [name for name in optional if name not in there]
        if absent:
            print(
                f"not in {arguments.corpus}, therefore not evaluated: {', '.join(absent)}",
                file=sys.stderr,
            )
        chosen[kind] = tuple(
            name for name in (usual if asked is None else asked) if name not in absent
        )
    for kind in ("train", "dev"):
        if not chosen[kind]:
            raise DataError(
                f"--{kind} names no part.", f"{arguments.corpus} has {', '.join(there)}."
            )
    return chosen


def lm_texts(arguments: argparse.Namespace) -> list[Path]:
    """Return the files of the language model's text, empty for the transcripts; looked for before
    the long work.
    """
    if arguments.lm_text == [Path("transcripts")]:
        return []
    places = [folder / LM_TEXT for folder in (arguments.corpus, arguments.corpus / "LibriSpeech")]
    texts = arguments.lm_text or [path for path in places if path.is_file()][:1]
    if not texts:
        raise DataError(
            f"There is no text for the language model: no {places[0]}.",
            "Give --lm-text FILE (or `transcripts`), or load it: "
            f"asr prepare librispeech CORPUS -o DATA --download {LM_TEXT}",
        )
    for text in texts:
        if not text.is_file():
            raise DataError(f"There is no text {text}.", "Give --lm-text the path of a file.")
    return list(texts)


def find_dictionary(arguments: argparse.Namespace, config: Path) -> Path | None:
    """Return the pronouncing dictionary if the units are phones; one that is missing or damaged
    ends it here.
    """
    if load_config(SpeechConfig, config, arguments.overrides).tokenizer.kind != "phones":
        return None
    dictionary: Path = arguments.dictionary or own_dictionary()
    Pronunciations.load(dictionary)
    return dictionary


def build_lm(texts: Sequence[Path], folder: Path, order: int, size: Size) -> Path:
    """Estimate the n-gram model, unless it is there from the same files."""
    made_of = (
        "".join(f"{path.absolute()}\t{path.stat().st_size}\n" for path in texts)
        + f"{size.lm_prune[:order]}\n"
    )
    lm, record = folder / f"lm-{order}.arpa", folder / f"lm-{order}.txt"
    if not (lm.is_file() and record.is_file() and record.read_text(encoding="utf-8") == made_of):
        record.unlink(missing_ok=True)
        prune = size.lm_prune[:order]
        build_arpa(
            [sentences(path) for path in texts], lm, order, prune=prune, memory=size.lm_memory
        )
        record.write_text(made_of, encoding="utf-8")
    return lm


def sentences(path: Path) -> Iterator[str]:
    """Yield the sentences of a text as the transcripts are written."""
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8") as file
    ):
        for line in file:
            lower = line.strip().lower()
            yield lower if NORMAL.fullmatch(lower) else normalize(lower, "librispeech")


if __name__ == "__main__":
    run_script(main)
