"""Training of translators: pairs of texts -> a model folder, chosen by BLEU of the dev pairs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from asr.config import check_files, config_yaml
from asr.errors import DataError
from asr.files import atomic_write_text
from asr.language.subwords import Subwords
from asr.language.translation.batches import PairLoader, Tokens
from asr.language.translation.config import TranslateConfig
from asr.language.translation.data import Pairs, read_pairs
from asr.language.translation.model import FittedTranslator, encode_text
from asr.language.translation.network import END, SearchConfig, TranslateTask
from asr.scoring.bleu import score_bleu
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["build_experiment", "fit_translator", "train_translate"]

# Texts up to so many pieces are translated whole, even if all training texts are shorter.
SHORTEST_PART = 24
GREEDY = SearchConfig(beam_size=1)


def train_translate(config: TranslateConfig, resume: bool = True) -> Path:
    """Train on the files that ``config.data`` names, and return the model folder.

    Raises:
        ConfigError: a file is not named.
        DataError: files do not pair, or nothing in them can be used.
        TrainingError: losses stayed NaN or infinite.
    """
    data = config.data
    sides = ("train_source", "train_target", "dev_source", "dev_target")
    check_files(data, sides, "FILE, one sentence a line")
    train = read_pairs(data.train_source, data.train_target)
    dev = read_pairs(data.dev_source, data.dev_target)
    run_dir = Path(config.output_dir)
    fit_translator(config, train, dev, run_dir, resume)
    return run_dir / "model"


def fit_translator(
    config: TranslateConfig, train: Pairs, dev: Pairs, run_dir: Path, resume: bool = True
) -> FittedTranslator:
    """Train on pairs in memory; return the translator with the weights that were best on dev.

    Raises:
        DataError: nothing in the pairs can be used.
        TrainingError: losses stayed NaN or infinite.
    """
    experiment = build_experiment(config, train, dev, run_dir)
    fit(experiment, config.trainer, config.optimizer, run_dir, seed=config.seed, resume=resume)
    return FittedTranslator.load(run_dir / "model")


def build_experiment(
    config: TranslateConfig, train: Pairs, dev: Pairs, run_dir: Path
) -> Experiment:
    """Learn the pieces; make network and batches; report the pairs that are left out."""
    subwords = Subwords.train(
        [*train.sources, *train.targets], config.tokenizer.vocab_size, config.tokenizer.lowercase
    )
    encoded = _encode(subwords, train, config.data.max_length, run_dir)
    targets = _TargetIds.of(encoded.targets, len(subwords))
    torch.manual_seed(config.seed)
    network = TranslateTask(config.model, len(subwords), targets.pieces.tolist())
    loader = PairLoader(
        encoded.sources,
        [targets.places[target] for target in encoded.targets],
        config.data.max_tokens,
        config.data.max_batch_size,
        seed=config.seed,
        ids=encoded.names,
    )
    dev_loader = _dev_loader(config, subwords, dev, targets)
    # What is longer than all that training has shown is translated in parts.
    longest = max(SHORTEST_PART, max(map(len, encoded.sources)))
    search = replace(config.search, max_source_len=min(config.search.max_source_len, longest))
    training = config_yaml(replace(config, search=search))

    def model_of(trained: Task) -> FittedTranslator:
        assert isinstance(trained, TranslateTask)
        return FittedTranslator(trained, subwords, search, training)

    def save_model(trained: Task, folder: Path) -> None:
        model_of(trained).save(folder)

    return Experiment(
        task=network,
        train=loader,
        evaluate=lambda trained: dev_figures(model_of(trained), dev, dev_loader),
        monitor="bleu_gap",
        save_model=save_model,
        speed=lambda batch: batch.num_tokens,
        speed_unit="target pieces/s",
    )


@dataclass(frozen=True)
class _EncodedPairs:
    """Pairs that can be trained on: piece ids with the end, and a name of each pair."""

    sources: list[Tokens]
    targets: list[Tokens]
    names: list[str]


@dataclass(frozen=True)
class _TargetIds:
    """The target's own vocabulary: what it never uses needs no output.

    Attributes:
        pieces: piece of each target id; the end is id 0.
        places: target id of each piece; 0 for pieces that the target never uses.
    """

    pieces: Tokens
    places: Tokens

    @classmethod
    def of(cls, targets: Sequence[Tokens], num_pieces: int) -> _TargetIds:
        used = sorted({int(i) for target in targets for i in target[:-1]})
        pieces = np.array([END, *used], np.int64)
        places = np.zeros(num_pieces, np.int64)
        places[pieces] = np.arange(len(pieces))
        return cls(pieces, places)


def _encode(subwords: Subwords, pairs: Pairs, max_length: int, run_dir: Path) -> _EncodedPairs:
    encoded = _EncodedPairs([], [], [])
    left_out: list[tuple[int, str]] = []
    for number, (source, target) in enumerate(zip(pairs.sources, pairs.targets, strict=True), 1):
        source_ids, target_ids = encode_text(subwords, source), encode_text(subwords, target)
        length = max(len(source_ids), len(target_ids))
        if len(source_ids) == 1:  # nothing but the end
            left_out.append((number, "empty source"))
        elif len(target_ids) == 1:
            left_out.append((number, "empty target"))
        elif length > max_length:
            reason = f"{length} pieces, more than data.max_length={max_length}"
            left_out.append((number, reason))
        else:
            encoded.sources.append(source_ids)
            encoded.targets.append(target_ids)
            encoded.names.append(f"pair {number}")
    _report_left_out(left_out, len(pairs), run_dir)
    if not encoded.sources:
        raise DataError(
            f"None of the {len(pairs)} training pairs can be used.", "See the list above."
        )
    return encoded


def _report_left_out(left_out: Sequence[tuple[int, str]], total: int, run_dir: Path) -> None:
    if not left_out:
        return
    rows = [f"{number}\t{reason}" for number, reason in left_out]
    path = run_dir / "left_out.tsv"
    atomic_write_text(path, "pair\treason\n" + "\n".join(rows) + "\n")
    print(f"{len(rows)} of {total} pairs are left out, listed in {path}:", file=sys.stderr)
    print(*(f"  {row}" for row in rows[:5]), sep="\n", file=sys.stderr)


def _dev_loader(
    config: TranslateConfig, subwords: Subwords, dev: Pairs, targets: _TargetIds
) -> PairLoader:
    if not dev.sources:
        raise DataError(
            "There are no dev pairs to judge the training by.", "Give some; 500 are plenty."
        )
    known = set(targets.pieces.tolist())
    # A piece that no training target holds cannot be written: the loss leaves it out, and BLEU sees
    # the text itself.
    dev_targets = [
        targets.places[[i for i in encode_text(subwords, text).tolist() if i in known]]
        for text in dev.targets
    ]
    return PairLoader(
        [encode_text(subwords, text) for text in dev.sources],
        dev_targets,
        config.data.max_tokens,
        config.data.max_batch_size,
        shuffle=False,
    )


def dev_figures(model: FittedTranslator, dev: Pairs, loader: PairLoader) -> dict[str, float]:
    """Return the loss per target piece, greedy BLEU (0 to 100), and ``bleu_gap``.

    ``bleu_gap``, 1 - BLEU / 100, decides which weights are kept.
    """
    total, count = 0.0, 0.0
    hypotheses = [""] * len(dev)
    device = model.network.target_pieces.device
    for position, items in enumerate(loader.item_numbers(0)):
        loss = model.network.loss(loader.load(0, position).to(device))
        total, count = total + float(loss.total), count + float(loss.count)
        outputs = model.network.search([loader.sources[i].tolist() for i in items], GREEDY)
        for item, nbest in zip(items, outputs, strict=True):
            hypotheses[item] = model.subwords.decode(nbest[0].tokens)
    bleu = score_bleu(dev.targets, hypotheses).bleu
    return {"loss": total / max(1.0, count), "bleu": bleu, "bleu_gap": max(0.0, 1 - bleu / 100)}
