"""An English recogniser from several corpora: from preparing to the packed model folder.

python recipes/english/run.py --librispeech DIR --commonvoice DIR --ljspeech DIR --an4 DIR
    --table NAME=FILE [--repeat NAME=TIMES ...]
    (--lm MODEL | --lm-text FILE... [--lm-other FILE...] [--lm-held-out FILE...])
    [--dictionary FILE] [--dev-parts dev-clean] [--noise DIR ...] [--excluded FILE]
    [--output-dir runs/english] [key=value ...]

Only LibriSpeech is required; --table may be repeated. A dev part of each corpus is kept out of the
training and scored by itself. Parts named dev or test, and those of --dev-parts, are never trained
on, and neither is a sentence of theirs that occurs in another corpus. ngrams.py builds the language
model and also runs alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from ngrams import MAX_NGRAMS, Texts, make_language_model

from asr.audio.perturbation import NoiseConfig
from asr.catalogue import train
from asr.cli.guard import run_script
from asr.errors import DataError
from asr.features.config import FeatureConfig
from asr.model_folder import compact_bundle
from asr.speech.data.corrections import read_corrections
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from data_prep.an4 import read_an4
from data_prep.apart import check_speakers, without_sentences
from data_prep.commonvoice import read_commonvoice
from data_prep.librispeech import read_librispeech
from data_prep.ljspeech import read_ljspeech
from data_prep.prepare import prepare
from data_prep.pronounce import make_lexicon, own_dictionary
from data_prep.store import Utterance
from data_prep.tables import read_table

CONFIG = Path(__file__).with_name("config.yaml")
EXCLUDED = Path(__file__).with_name("excluded.tsv")  # transcripts that are not what is said
SPEEDS = (0.9, 1.0, 1.1)
NORMALIZER = "librispeech"  # a-z and the apostrophe, numbers spelled out


def main() -> None:
    """Run the steps; those that an earlier call finished are left alone."""
    arguments = parse_arguments()
    out, run = arguments.output_dir, arguments.output_dir / "run"
    splits = read_corpora(arguments)
    folders = os.pathsep.join(map(str, arguments.noise))
    noise = NoiseConfig(folders, copies=arguments.noisy_copies, speeds=SPEEDS) if folders else None
    data = {
        split.path.name: split.path
        for split in prepare(
            splits,
            out / "data",
            features=FeatureConfig(trim=True),
            speeds=SPEEDS,
            normalizer=NORMALIZER,
            noise=noise,
            train_splits=["train"],
        )
    }
    dev = next(path for name, path in data.items() if name.startswith("librispeech"))
    if arguments.lm:
        lm, lexicon = arguments.lm, out / "data" / "lexicon.txt.gz"
        dictionary = arguments.dictionary or own_dictionary()
        make_lexicon(lexicon, lm, [data["train"] / "text.txt"], dictionary)
    else:
        lm, lexicon = make_language_model(
            texts_of(data, arguments),
            out / "lm",
            arguments.dictionary,
            arguments.lm_ngrams,
            arguments.memory,
        )
    inputs = [
        f"data.train={data['train']}",
        f"data.dev={dev}",
        f"data.lm={lm}",
        f"tokenizer.lexicon={lexicon}",
        f"output_dir={run}",
    ]
    model = train(CONFIG, [*inputs, *arguments.overrides])
    scored = [path for name, path in data.items() if name != "train"]
    print(evaluate(ModelOptions(model, lm=lm), scored, run, tune_on=dev))
    compact_bundle(model, out / "model", {lm.name: lm}, run / "decoding.yaml")


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--librispeech", type=Path, required=True, help="folder with the parts")
    parser.add_argument(
        "--dev-parts", nargs="+", default=["dev-clean"], help="kept out of the training"
    )
    parser.add_argument(
        "--table",
        type=_named_table,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a further corpus: a table as `asr prepare table` reads it",
    )
    parser.add_argument(
        "--repeat",
        type=_repeat,
        action="append",
        default=[],
        metavar="NAME=TIMES",
        help="train on a corpus so many times in every epoch",
    )
    parser.add_argument(
        "--noise", type=Path, nargs="+", default=[], metavar="DIR", help="recordings of noise"
    )
    parser.add_argument(
        "--noisy-copies", type=int, default=2, help="of each utterance, beside three clean ones"
    )
    parser.add_argument(
        "--excluded",
        type=Path,
        default=EXCLUDED,
        help="utterances left out: a table whose first column is id",
    )
    for name in ("commonvoice", "ljspeech", "an4"):
        parser.add_argument(f"--{name}", type=Path)
    lm = parser.add_mutually_exclusive_group(required=True)
    lm.add_argument("--lm-text", type=Path, nargs="+", help="books, any spelling")
    lm.add_argument("--lm", type=Path, metavar="MODEL", help="n-gram model, instead of making one")
    parser.add_argument("--lm-other", type=Path, nargs="+", default=[], help="text of other kinds")
    parser.add_argument(
        "--lm-held-out", type=Path, nargs="+", default=[], help="transcripts of further test sets"
    )
    parser.add_argument(
        "--lm-ngrams", type=int, default=MAX_NGRAMS, help="n-grams of the language model at most"
    )
    parser.add_argument(
        "--memory", help="bound for counting the language model's text, such as 6GB"
    )
    parser.add_argument(
        "--dictionary", type=Path, help="such as CMUdict; that of the model en by default"
    )
    parser.add_argument("--output-dir", type=Path, default=Path("runs/english"))
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    return parser.parse_intermixed_args()


def texts_of(data: dict[str, Path], arguments: argparse.Namespace) -> Texts:
    """Return what the language model is made of."""
    held_out = {name: path / "text.txt" for name, path in data.items() if name != "train"}
    dev = [text for name, text in held_out.items() if "-dev" in name]
    others = [text for text in held_out.values() if text not in dev]
    return Texts(
        books=arguments.lm_text,
        other=arguments.lm_other,
        transcripts=[data["train"] / "text.txt"],
        dev=dev,
        held_out=[*others, *arguments.lm_held_out],
    )


def _named_table(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE")
    return name, Path(path)


def _repeat(text: str) -> tuple[str, int]:
    name, _, times = text.partition("=")
    if not times.isdecimal() or int(times) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TIMES, with at least 1")
    return name, int(times)


def read_corpora(arguments: argparse.Namespace) -> dict[str, list[Utterance]]:
    """Return ``train`` with the training parts of all corpora, and each corpus's dev and test part
    by its own name.

    What is held out, by speaker or by sentence, is not in ``train``; of AN4, whose speakers all say
    the same words, and whose published test part has other speakers, only speakers count.
    """
    train: list[Utterance] = []
    held_out: dict[str, list[Utterance]] = {}
    times: dict[str, int] = {}  # of each utterance in an epoch
    corpora, asked = find_corpora(arguments), dict(arguments.repeat)
    if unknown := sorted(asked.keys() - corpora.keys()):
        raise DataError(
            f"--repeat names no corpus: {', '.join(unknown)}.", f"Known: {', '.join(corpora)}."
        )
    for corpus, parts in corpora.items():
        for part, utterances in parts.items():
            if part in arguments.dev_parts or part.startswith(("dev", "test")):
                held_out[f"{corpus}-{part}"] = utterances
            else:
                named = [_named(corpus, utterance) for utterance in utterances]
                times |= dict.fromkeys((u.id for u in named), asked.get(corpus, 1))
                train += named
    check_speakers(
        train,
        {
            name: [_named(name.partition("-")[0], u) for u in parts]
            for name, parts in held_out.items()
        },
    )
    others = [
        u for name, utterances in held_out.items() if not name.startswith("an4") for u in utterances
    ]
    train, spoken = without_sentences(train, others, NORMALIZER)
    excluded = read_corrections(arguments.excluded) if arguments.excluded.is_file() else {}
    kept = [utterance for utterance in train if utterance.id not in excluded]
    print(
        f"left out: {len(spoken)} utterances of held-out sentences, {len(train) - len(kept)} of "
        f"{arguments.excluded}",
        file=sys.stderr,
    )
    return {"train": repeated(kept, times), **held_out}


def repeated(utterances: list[Utterance], times: dict[str, int]) -> list[Utterance]:
    """Return the utterances, and again those (by id) that an epoch hears more than once."""
    again = (
        replace(utterance, id=f"{utterance.id}-again{number}")
        for utterance in utterances
        for number in range(1, times[utterance.id])
    )
    return [*utterances, *again]


def find_corpora(arguments: argparse.Namespace) -> dict[str, dict[str, list[Utterance]]]:
    """Return the parts of every corpus that was named."""
    corpora = {"librispeech": read_librispeech(arguments.librispeech)}
    if arguments.commonvoice:
        corpora["commonvoice"] = read_commonvoice(arguments.commonvoice)
    if arguments.ljspeech:
        corpora["ljspeech"] = read_ljspeech(arguments.ljspeech)
    if arguments.an4:
        corpora["an4"] = read_an4(arguments.an4)
    for name, table in arguments.table:
        corpora[name] = read_table(table, dev_share=0)
    return corpora


def _named(corpus: str, utterance: Utterance) -> Utterance:
    """Ids and speakers of several corpora may be the same."""
    speaker = f"{corpus}-{utterance.speaker}" if utterance.speaker else ""
    return replace(utterance, id=f"{corpus}-{utterance.id}", speaker=speaker)


if __name__ == "__main__":
    run_script(main)
