"""An English recogniser from several corpora: prepare, language model, dictionary, train, tune,
score, pack.

python recipes/english/run.py --librispeech DIR --commonvoice DIR --ljspeech DIR --an4 DIR --lm-text
FILE
    [--dictionary FILE] [--dev-parts dev-clean] [--noise DIR] [--output-dir runs/english] [key=value
    ...]

Every corpus may be left out but LibriSpeech. A dev part of each is kept out of the training and
scored by itself.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from asr.audio.perturbation import NoiseConfig
from asr.catalogue import train
from asr.features.config import FeatureConfig
from asr.files import atomic_path
from asr.lm import estimate, prune_entropy, write_arpa
from asr.model_folder import compact_bundle
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from asr.text.normalizers import normalize
from data_prep.an4 import read_an4
from data_prep.commonvoice import read_commonvoice
from data_prep.dictation import dictated
from data_prep.librispeech import read_librispeech
from data_prep.ljspeech import read_ljspeech
from data_prep.prepare import prepare
from data_prep.pronounce import own_dictionary, pronounce, words_of, words_of_lm
from data_prep.store import Utterance

CONFIG = Path(__file__).with_name("config.yaml")
NORMALIZER = "librispeech"  # a-z and the apostrophe, numbers spelled out
MAX_NGRAMS = 1_390_000
REPEATS = 25  # of the transcripts in the text of the language model
DICTATED = 50_000  # sentences of numbers and letters in it
SPELLED = 20_000  # words in it, the most frequent ones, that may be spelled


def main() -> None:
    """Run the steps; those that an earlier call finished are left alone."""
    arguments = parse_arguments()
    out, run = arguments.output_dir, arguments.output_dir / "run"
    splits = read_corpora(arguments)
    noise = NoiseConfig(str(arguments.noise)) if arguments.noise else None
    data = {
        split.path.name: split.path
        for split in prepare(
            splits,
            out / "data",
            features=FeatureConfig(trim=True),
            speeds=(0.9, 1.0, 1.1),
            normalizer=NORMALIZER,
            noise=noise,
            train_splits=["train"],
        )
    }
    dev = next(path for name, path in data.items() if name.startswith("librispeech"))
    lm, lexicon = out / "lm.arpa.gz", out / "lexicon.txt.gz"
    if not lm.exists():
        make_language_model(arguments.lm_text, data["train"] / "text.txt", lm)
    if not lexicon.exists():
        pronounce(words_of_lm(lm), arguments.dictionary or own_dictionary()).save(lexicon)
    inputs = [
        f"data.train={data['train']}",
        f"data.dev={dev}",
        f"tokenizer.lexicon={lexicon}",
        f"output_dir={run}",
    ]
    model = train(CONFIG, [*inputs, *arguments.overrides])
    scored = [path for name, path in data.items() if name != "train"]
    print(evaluate(ModelOptions(model, lm=lm), scored, run, tune_on=dev))
    compact_bundle(model, out / "model", {"lm.arpa.gz": lm}, run / "decoding.yaml")


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--librispeech", type=Path, required=True, help="folder with the parts")
    parser.add_argument(
        "--dev-parts", nargs="+", default=["dev-clean"], help="kept out of the training"
    )
    for name in ("commonvoice", "ljspeech", "an4", "noise"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument(
        "--lm-text", type=Path, required=True, help="one sentence a line, any spelling"
    )
    parser.add_argument(
        "--dictionary", type=Path, help="such as CMUdict; that of the model en by default"
    )
    parser.add_argument("--output-dir", type=Path, default=Path("runs/english"))
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    return parser.parse_intermixed_args()


def read_corpora(arguments: argparse.Namespace) -> dict[str, list[Utterance]]:
    """Return ``train`` with the training parts of all corpora, and each corpus's dev and test part
    by its own name.
    """
    corpora = {"librispeech": read_librispeech(arguments.librispeech)}
    if arguments.commonvoice:
        corpora["commonvoice"] = read_commonvoice(arguments.commonvoice)
    if arguments.ljspeech:
        corpora["ljspeech"] = read_ljspeech(arguments.ljspeech)
    if arguments.an4:
        corpora["an4"] = read_an4(arguments.an4)
    train: list[Utterance] = []
    held_out: dict[str, list[Utterance]] = {}
    for corpus, parts in corpora.items():
        for part, utterances in parts.items():
            if part in arguments.dev_parts or part.startswith(("dev", "test")):
                held_out[f"{corpus}-{part}"] = utterances
            else:
                train += [
                    replace(u, id=f"{corpus}-{u.id}", speaker=f"{corpus}-{u.speaker}")
                    for u in utterances
                ]
    return {"train": train, **held_out}


def make_language_model(text: Path, transcripts: Path, output: Path) -> None:
    """Estimate a 4-gram of ``text``, of the training transcripts many times over, and of numbers
    and spelled words.

    Counted together, not mixed: where numbers are said and letters spelled, which no novel does,
    the others then count. It is pruned to a size.
    """
    normal = output.with_name("lm.txt")
    with (
        text.open(encoding="utf-8") as lines,
        atomic_path(normal) as temporary,
        temporary.open("w") as file,
    ):
        file.writelines(normalize(line, NORMALIZER) + "\n" for line in lines)
    spelled = [word for word in words_of([normal], SPELLED) if word.isalpha()]
    texts = [normal, *[transcripts] * REPEATS, dictated(spelled, DICTATED)]
    write_arpa(
        prune_entropy(estimate(texts, order=4, prune=(0, 0, 1, 2)), max_ngrams=MAX_NGRAMS),
        output,
        decimals=2,
    )


if __name__ == "__main__":
    main()
