"""Translation: pairs of texts -> a trained model folder, with BLEU on the dev pairs after every
epoch.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from asr.config import build_config, check_range, config_yaml
from asr.errors import ConfigError, DataError
from asr.files import atomic_write_text
from asr.language.subwords import Subwords
from asr.language.translation.batches import PairLoader, Tokens
from asr.language.translation.network import (
    END,
    SearchConfig,
    TranslateModelConfig,
    TranslateTask,
    TranslateTaskConfig,
)
from asr.model_folder import open_bundle, save_weights, write_bundle
from asr.scoring.bleu import score_bleu
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, load_weights

__all__ = [
    "Pairs",
    "TranslateConfig",
    "build_experiment",
    "fit_translator",
    "load_translator",
    "read_pairs",
    "train_translate",
]

SHORTEST_PART = 24


@dataclass(frozen=True)
class PairDataConfig:
    """Text files, one sentence a line, plain or .gz; line n of the source belongs to line n of the
    target.

    Attributes:
        train_source: paths.
        train_target: paths.
        dev_source: paths.
        dev_target: paths.
        max_tokens: of a batch, see :class:`asr.language.translation.batches.PairLoader`.
        max_batch_size: of a batch, see :class:`asr.language.translation.batches.PairLoader`.
        max_length: pieces of a side; longer training pairs are left out.
    """

    train_source: str = ""
    train_target: str = ""
    dev_source: str = ""
    dev_target: str = ""
    max_tokens: int = 4096
    max_batch_size: int = 64
    max_length: int = 200

    def __post_init__(self) -> None:
        for name in ("max_tokens", "max_batch_size", "max_length"):
            check_range(f"data.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class SubwordConfig:
    """Pieces of both languages together: at most ``vocab_size``; ``lowercase`` folds the case of
    all text.
    """

    vocab_size: int = 4000
    lowercase: bool = False

    def __post_init__(self) -> None:
        check_range("tokenizer.vocab_size", self.vocab_size, 8)


@dataclass(frozen=True)
class TranslateConfig:
    """A whole training; one section a concern."""

    task: str = "translate"
    seed: int = 1
    output_dir: str = ""
    data: PairDataConfig = field(default_factory=PairDataConfig)
    tokenizer: SubwordConfig = field(default_factory=SubwordConfig)
    model: TranslateModelConfig = field(default_factory=TranslateModelConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


@dataclass(frozen=True)
class Pairs:
    """Texts and their translations, in the same order."""

    sources: Sequence[str]
    targets: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.targets):
            raise DataError(
                f"{len(self.sources)} source texts cannot be paired with {len(self.targets)} target texts.",
                "Give one target for each source, in the same order.",
            )


def read_pairs(source: str | Path, target: str | Path) -> Pairs:
    """Return the lines of two text files as pairs.

    Raises:
        DataError: a file is missing or is not UTF-8 text, or they have different numbers of lines.
    """
    sources, targets = _lines(Path(source)), _lines(Path(target))
    if len(sources) != len(targets):
        raise DataError(
            f"{source} has {len(sources)} lines, {target} has {len(targets)}.",
            "Line n must translate line n.",
        )
    return Pairs(sources, targets)


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except FileNotFoundError:
        raise DataError(
            f"There is no file {path}.", "Give a text file with one sentence a line."
        ) from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as UTF-8 text: {error}.", "Convert it to UTF-8."
        ) from error
    return (
        text.removesuffix("\n").split("\n") if text else []
    )  # other line separators may stand inside a sentence


def train_translate(config: TranslateConfig, resume: bool = True) -> Path:
    """Train on the files that ``config.data`` names; return the model folder with the weights best
    on the dev pairs.

    Raises:
        ConfigError: a file is not named. DataError: files do not pair, or nothing in them can be
        used. TrainingError: losses stayed NaN or infinite.
    """
    data = config.data
    for key in ("train_source", "train_target", "dev_source", "dev_target"):
        if not getattr(data, key):
            raise ConfigError(
                f"data.{key} names no file.", f"Give data.{key}=FILE, one sentence a line."
            )
    train, dev = (
        read_pairs(data.train_source, data.train_target),
        read_pairs(data.dev_source, data.dev_target),
    )
    return fit_translator(config, train, dev, Path(config.output_dir), resume)


def fit_translator(
    config: TranslateConfig, train: Pairs, dev: Pairs, run_dir: Path, resume: bool = True
) -> Path:
    """Train on pairs in memory; otherwise as :func:`train_translate`."""
    experiment = build_experiment(config, train, dev, run_dir)
    fit(experiment, config.trainer, config.optimizer, run_dir, config.seed, resume)
    return run_dir / "model"


def build_experiment(
    config: TranslateConfig, train: Pairs, dev: Pairs, run_dir: Path
) -> Experiment:
    """Learn the pieces, make network and batches, and say what is left out and why."""
    subwords = Subwords.train(
        [*train.sources, *train.targets], config.tokenizer.vocab_size, config.tokenizer.lowercase
    )
    sources, targets, names = _encode(subwords, train, config.data.max_length, run_dir)
    target_pieces = np.array([END, *sorted({int(i) for t in targets for i in t[:-1]})], np.int64)
    places = np.zeros(len(subwords), np.int64)
    places[target_pieces] = np.arange(len(target_pieces))
    torch.manual_seed(config.seed)
    task = TranslateTask(config.model, len(subwords), target_pieces.tolist())
    loader = PairLoader(
        sources,
        [places[t] for t in targets],
        config.data.max_tokens,
        config.data.max_batch_size,
        config.seed,
        ids=names,
    )
    longest = max(
        map(len, sources)
    )  # what is longer than all training has shown is translated in parts
    search = replace(
        config.search, max_source_len=min(config.search.max_source_len, max(longest, SHORTEST_PART))
    )
    dev_loader = _dev_loader(subwords, dev, places, target_pieces, config)

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, TranslateTask)
        return evaluate_dev(trained, subwords, dev, dev_loader)

    def save_model(trained: Task, folder: Path) -> None:
        assert isinstance(trained, TranslateTask)
        save_translator(trained, subwords, replace(config, search=search), folder)

    return Experiment(
        task,
        loader,
        evaluate,
        "bleu_gap",
        save_model,
        lambda batch: batch.num_tokens,
        "target pieces/s",
    )


def _encode(
    subwords: Subwords, pairs: Pairs, max_length: int, run_dir: Path
) -> tuple[list[Tokens], list[Tokens], list[str]]:
    sources, targets, names = [], [], []
    left_out: list[tuple[int, str]] = []
    for number, (source, target) in enumerate(zip(pairs.sources, pairs.targets, strict=True)):
        one, other = encode_text(subwords, source), encode_text(subwords, target)
        if len(one) == 1 or len(other) == 1:
            left_out.append((number, "empty source" if len(one) == 1 else "empty target"))
        elif max(len(one), len(other)) > max_length:
            left_out.append(
                (
                    number,
                    f"{max(len(one), len(other))} pieces, more than data.max_length={max_length}",
                )
            )
        else:
            sources.append(one)
            targets.append(other)
            names.append(f"pair {number + 1}")
    _report_left_out(left_out, len(pairs.sources), run_dir)
    if not sources:
        raise DataError(
            f"None of the {len(pairs.sources)} training pairs can be used.", "See the list above."
        )
    return sources, targets, names


def encode_text(subwords: Subwords, text: str) -> Tokens:
    """Return the piece ids of a text with the sign of its end."""
    return np.array([*subwords.encode(text), END], np.int64)


def _report_left_out(left_out: Sequence[tuple[int, str]], total: int, run_dir: Path) -> None:
    if not left_out:
        return
    rows = [f"{number + 1}\t{reason}" for number, reason in left_out]
    atomic_write_text(run_dir / "left_out.tsv", "pair\treason\n" + "\n".join(rows) + "\n")
    print(
        f"{len(rows)} of {total} pairs are left out, listed in {run_dir / 'left_out.tsv'}:",
        file=sys.stderr,
    )
    print(*(f"  {row}" for row in rows[:5]), sep="\n", file=sys.stderr)


def _dev_loader(
    subwords: Subwords, dev: Pairs, places: Tokens, target_pieces: Tokens, config: TranslateConfig
) -> PairLoader:
    if not dev.sources:
        raise DataError(
            "There are no dev pairs to judge the training by.", "Give some; 500 are plenty."
        )
    known = set(target_pieces.tolist())
    # a piece that no training target holds cannot be written: it is left out of the loss, and BLEU
    # sees the text itself
    targets = [
        places[[i for i in encode_text(subwords, text).tolist() if i in known]]
        for text in dev.targets
    ]
    sources = [encode_text(subwords, text) for text in dev.sources]
    return PairLoader(
        sources, targets, config.data.max_tokens, config.data.max_batch_size, shuffle=False
    )


GREEDY = SearchConfig(beam_size=1)


def evaluate_dev(
    task: TranslateTask, subwords: Subwords, dev: Pairs, loader: PairLoader
) -> dict[str, float]:
    """Return loss per target piece, greedy BLEU (0 to 100), and ``bleu_gap``, the share of BLEU
    that is missing.
    """
    total, count = 0.0, 0.0
    hypotheses = [""] * len(dev.sources)
    device = task.target_pieces.device
    for position, items in enumerate(loader.items(0)):
        loss = task.loss(loader.load(0, position).to(device))
        total, count = total + float(loss.total), count + float(loss.count)
        found = task.search([loader.sources[i].tolist() for i in items], GREEDY)
        for item, hypothesis in zip(items, found, strict=True):
            hypotheses[item] = subwords.decode(hypothesis[0].tokens)
    bleu = score_bleu(dev.targets, hypotheses).bleu
    return {"loss": total / max(1.0, count), "bleu": bleu, "bleu_gap": max(0.0, 1 - bleu / 100)}


def save_translator(
    task: TranslateTask, subwords: Subwords, config: TranslateConfig, folder: Path
) -> None:
    """Write the model folder: what :class:`asr.translator.Translator` loads."""

    @dataclass(frozen=True)
    class SavedConfig:
        task: str
        network: TranslateTaskConfig

    def write(target: Path) -> None:
        saved = SavedConfig("translate", TranslateTaskConfig(task.config, config.search))
        atomic_write_text(target / "config.yaml", config_yaml(saved))
        atomic_write_text(target / "training.yaml", config_yaml(config))
        subwords.save(target)
        save_weights(target, task.state_dict())

    write_bundle(folder, write)


def load_translator(folder: str | Path) -> tuple[TranslateTask, Subwords, SearchConfig]:
    """Return network, pieces and search settings of a model folder or of a run folder that holds
    one.

    Raises:
        ModelError: it is missing, damaged, or of another task.
    """
    bundle = open_bundle(folder, task="translate")
    config = build_config(
        TranslateTaskConfig, bundle.config["network"], where=str(bundle.path / "config.yaml")
    )
    subwords, weights = Subwords.load(bundle.path), bundle.weights()
    task = TranslateTask(config.model, len(subwords), weights["target_pieces"].tolist())
    load_weights(task, weights, folder)
    return task.eval(), subwords, config.search
