"""A Mandarin recogniser from Common Voice zh-CN or AISHELL-1: from preparing to the packed model.

python recipes/mandarin/run.py [--commonvoice PATH] [--aishell DIR] --lm-text FILE...
    [--noise DIR ...] [--output-dir runs/mandarin] [key=value ...]

Common Voice is the folder zh-CN, or a table of its clips. Its speakers are split anew
(``speakers.tsv``): the published split has nine speakers to train on. Dev and test of each corpus
are kept out of the training and scored by themselves; weights are tuned on the first dev. The first
text of the language model should be like the transcripts, such as Common Voice's own lists of
sentences. Needs the extra ``mandarin``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixtures import Part, mix
from words import with_words

from asr.audio.perturbation import NoiseConfig
from asr.catalogue import train
from asr.cli.guard import run_script
from asr.features.config import FeatureConfig
from asr.model_folder import compact_bundle
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from asr.text.normalizers import normalize
from asr.text.pronunciations import Pronunciations
from asr.text.tables import read_table as read_rows
from data_prep.aishell import read_aishell
from data_prep.apart import check_speakers, without_sentences
from data_prep.chinese_text import clean_chinese, is_readable
from data_prep.commonvoice import read_commonvoice
from data_prep.pinyin import UNITS, character_lexicon, in_units, word_lexicon
from data_prep.prepare import prepare
from data_prep.pronounce import words_of
from data_prep.segmentation import segmented, write_dictionary
from data_prep.store import Utterance
from data_prep.tables import read_table

CONFIG = Path(__file__).with_name("config.yaml")
SPEAKERS = Path(__file__).with_name("speakers.tsv")
SPEEDS = (0.9, 1.0, 1.1)
NORMALIZER = "mandarin"
MAX_NGRAMS = 8_000_000  # two bytes each
ID_LENGTH = 16  # characters of a speaker's id that speakers.tsv lists


def main() -> None:
    """Run the steps; those that an earlier call finished are left alone."""
    arguments = parse_arguments()
    out, run = arguments.output_dir, arguments.output_dir / "run"
    data = prepare_splits(arguments)
    held_out = [path for name, path in data.items() if name != "train"]
    dev = next(path for path in held_out if path.name.endswith("-dev"))
    texts = clean(data, arguments.lm_text, out / "text")
    lm, sounds = make_character_model(texts, out / "characters")
    spoken = set(texts.train.read_text(encoding="utf-8"))
    known = spoken if arguments.units == "characters" else None
    lexicon = write_units(sounds, arguments.units, known)
    inputs = [
        f"data.train={data['train']}",
        f"data.dev={dev}",
        f"data.lm={lm}",
        f"tokenizer.lexicon={lexicon}",
        f"output_dir={run}",
    ]
    model = train(CONFIG, [*inputs, *arguments.overrides])
    lm, words = make_word_model(texts, Pronunciations.load(sounds), out / "words")
    words = write_units(words, arguments.units, Pronunciations.load(lexicon).phones)
    model = with_words(model, Pronunciations.load(words), run / "words")
    options = ModelOptions(model, lm=lm)
    print(evaluate(options, held_out, run, tune_on=dev, normalizer=NORMALIZER))
    compact_bundle(model, out / "model", {lm.name: lm}, run / "decoding.yaml")


def parse_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commonvoice", type=Path, help="folder zh-CN, or a table")
    parser.add_argument("--aishell", type=Path, help="folder data_aishell")
    parser.add_argument(
        "--speakers", type=Path, default=SPEAKERS, help="of Common Voice's dev and test: a table"
    )
    parser.add_argument(
        "--lm-text", type=Path, nargs="+", required=True, help="Chinese, a paragraph a line"
    )
    parser.add_argument(
        "--noise", type=Path, nargs="+", default=[], metavar="DIR", help="recordings of noise"
    )
    parser.add_argument("--noisy-copies", type=int, default=1, help="of each utterance")
    parser.add_argument(
        "--untrimmed", action="store_true", help="keep silence around speech, as a stream has it"
    )
    parser.add_argument(
        "--units", choices=UNITS, default=UNITS[0], help="of the network: initials and finals, ..."
    )
    parser.add_argument("--output-dir", type=Path, default=Path("runs/mandarin"))
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    arguments = parser.parse_intermixed_args()
    if not (arguments.commonvoice or arguments.aishell):
        parser.error("Name a corpus: --commonvoice PATH or --aishell DIR.")
    return arguments


def prepare_splits(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the folders of the prepared splits."""
    folders = os.pathsep.join(map(str, arguments.noise))
    noise = NoiseConfig(folders, copies=arguments.noisy_copies, speeds=SPEEDS) if folders else None
    prepared = prepare(
        read_corpora(arguments),
        arguments.output_dir / "data",
        features=FeatureConfig(trim=not arguments.untrimmed),
        speeds=SPEEDS,
        normalizer=NORMALIZER,
        noise=noise,
    )
    return {split.path.name: split.path for split in prepared}


def read_corpora(arguments: argparse.Namespace) -> dict[str, list[Utterance]]:
    """Return ``train`` with the training parts of all corpora, and the others by corpus and part.

    Sentences that are held out are not in ``train``. Utterances with other scripts, whose reading
    nobody knows, and those that lack a character (□) are left out, counted and named.
    """
    corpora = {}
    if arguments.commonvoice:
        corpora["commonvoice"] = read_commonvoice_anew(arguments.commonvoice, arguments.speakers)
    if arguments.aishell:
        corpora["aishell"] = read_aishell(arguments.aishell)
    train: list[Utterance] = []
    held_out: dict[str, list[Utterance]] = {}
    for corpus, parts in corpora.items():
        for part, utterances in parts.items():
            if part == "train":
                train += utterances
            else:
                held_out[f"{corpus}-{part}"] = readable(utterances)
    check_speakers(train, held_out)
    spoken = [utterance for utterances in held_out.values() for utterance in utterances]
    kept, left_out = without_sentences(readable(train), spoken, NORMALIZER)
    print(f"left out: {len(left_out)} utterances of held-out sentences", file=sys.stderr)
    return {"train": kept, **held_out}


def read_commonvoice_anew(path: Path, speakers: Path = SPEAKERS) -> dict[str, list[Utterance]]:
    """Return ``train``, ``dev`` and ``test`` of a folder or a table of Common Voice, by speaker."""
    parts = read_commonvoice(path, dev_share=0) if path.is_dir() else read_table(path, dev_share=0)
    part_of = {row.values["speaker"]: row.values["split"] for row in read_rows(speakers).rows}
    splits: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for utterance in (utterance for part in parts.values() for utterance in part):
        splits[part_of.get(utterance.speaker[:ID_LENGTH], "train")].append(utterance)
    return splits


def readable(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Return the utterances whose transcripts can be read; the others are counted and named."""
    kept, others = [], []
    for utterance in utterances:
        whole = "□" not in utterance.text and is_readable(normalize(utterance.text, NORMALIZER))
        (kept if whole else others).append(utterance)
    if others:
        shown = " ".join(utterance.text for utterance in others[:5])
        print(f"left out: {len(others)} utterances with other scripts: {shown}", file=sys.stderr)
    return kept


@dataclass(frozen=True)
class Texts:
    """What the language models are made of: sentences, characters apart.

    Attributes:
        train: transcripts of the training speech.
        dev: transcripts on which the mixtures are tuned.
        cleaned: other texts, without sentences that are held out; the first is like transcripts.
    """

    train: Path
    dev: Path
    cleaned: Sequence[Path]


def clean(data: dict[str, Path], texts: Sequence[Path], folder: Path) -> Texts:
    """Return the texts of the language models."""
    spoken = {name: path / "text.txt" for name, path in data.items()}
    held_out = [
        line
        for name, text in spoken.items()
        if name != "train"
        for line in text.read_text(encoding="utf-8").splitlines()
    ]
    dev = next(text for name, text in spoken.items() if name.endswith("-dev"))
    return Texts(spoken["train"], dev, clean_chinese(texts, held_out, folder))


def make_character_model(texts: Texts, folder: Path) -> tuple[Path, Path]:
    """Return language model and dictionary of characters: they decode dev after every epoch."""
    lm, lexicon = folder / "lm.lmz", folder / "lexicon.txt.gz"
    if not (lm.exists() and lexicon.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        characters = character_lexicon([texts.train], texts.cleaned)
        characters.save(lexicon)
        parts = _parts(texts.train, texts.cleaned, order=5)
        mix(parts, list(characters), texts.dev, output=lm, max_ngrams=MAX_NGRAMS)
    return lm, lexicon


def make_word_model(texts: Texts, characters: Pronunciations, folder: Path) -> tuple[Path, Path]:
    """Return language model and dictionary of words, which the finished model has."""
    lm, lexicon = folder / "lm.lmz", folder / "lexicon.txt.gz"
    if not (lm.exists() and lexicon.exists()):
        train, dev, *cleaned = segmented([texts.train, texts.dev, *texts.cleaned], folder / "text")
        dictionary = write_dictionary(folder / "text" / "dictionary.txt")
        words = word_lexicon(words_of([train, *cleaned, dictionary]), characters)
        words.save(lexicon)
        parts = [*_parts(train, cleaned, order=3), Part([dictionary], 1)]
        mix(parts, list(words), dev, output=lm, max_ngrams=MAX_NGRAMS)
    return lm, lexicon


def write_units(sounds: Path, units: str, known: Collection[str] | None) -> Path:
    """Write a dictionary of initials and finals in other units beside it; return its path."""
    if units == UNITS[0]:
        return sounds
    path = sounds.with_name(f"{units}.txt.gz")
    in_units(Pronunciations.load(sounds), units, known).save(path)
    return path


def _parts(train: Path, cleaned: Sequence[Path], order: int) -> list[Part]:
    first, *others = cleaned
    return [Part([train, first], order), *(Part([text], order) for text in others)]


if __name__ == "__main__":
    run_script(main)
