"""Language models: text, a sentence a line -> a trained model folder, with the perplexity per word of the dev text."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.batches.speech import pad_sequences
from asr.batches.stream import StreamLoader
from asr.bundle import open_bundle, save_weights, write_bundle
from asr.config import build_config, check_choice, check_range, config_yaml
from asr.errors import ConfigError, DataError, ModelError
from asr.files import atomic_write_text
from asr.run_folder import Metric, update_metrics
from asr.tasks.base import Task, first_difference
from asr.tasks.language_model import CARRIED, LanguageModelConfig, LanguageModelTask
from asr.text.subwords import UNITS, Subwords
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit

__all__ = [
    "LmConfig",
    "LmDataConfig",
    "TextPerplexity",
    "fit_language_model",
    "rank_log_probs",
    "text_perplexity",
    "train_language_model",
]

PIECES_FROM_LINES = 200_000  # enough to learn pieces from; spread over the whole text
READ_ROWS = 16  # of a text whose perplexity is measured with carried state
MAX_PADDED = 20_000  # tokens of a batch of sentences


@dataclass(frozen=True)
class LmDataConfig:
    """Text files, a sentence a line, and how they are read.

    Attributes:
        train, dev: files. test: more files by name, evaluated after training. units: ``pieces`` of words, or ``words``,
            of which all but the most frequent are one ``<unk>``. vocab_size: number of units.
        batch_size: rows read side by side. chunk: steps that a gradient goes back.
    """

    train: str = ""
    dev: str = ""
    test: dict[str, str] = field(default_factory=dict)
    units: str = "pieces"
    vocab_size: int = 2000
    batch_size: int = 32
    chunk: int = 32

    def __post_init__(self) -> None:
        check_choice("data.units", self.units, list(UNITS))
        for name in ("vocab_size", "batch_size", "chunk"):
            check_range(f"data.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class LmConfig:
    """A whole training of a language model; one section a concern."""

    task: str = "language_model"
    seed: int = 1
    output_dir: str = ""
    data: LmDataConfig = field(default_factory=LmDataConfig)
    model: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=2e-3, weight_decay=0.0, clip_norm=1.0, second_momentum=0.999)
    )
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(max_epochs=5, pictures_every=0))


@dataclass(frozen=True)
class TextPerplexity:
    """How well a text is predicted.

    Attributes:
        per_word: perplexity of words and sentence ends, the log-probabilities of a word's pieces being added up.
        words, sentences, tokens: in the text; a sentence end is one token. unknown: tokens of characters (or words, of
            a model of words) that are not known, which are scored as ``<unk>``. log_prob: natural, of the whole text.
    """

    per_word: float
    words: int
    sentences: int
    tokens: int
    unknown: int
    log_prob: float


def train_language_model(config: LmConfig, resume: bool = True) -> Path:
    """Train on the files that ``config`` names, evaluate the test files, and return the model folder.

    Raises:
        ConfigError: no train or dev file is named. DataError: a file is missing or holds too little text.
    """
    for key in ("train", "dev"):
        if not getattr(config.data, key):
            raise ConfigError(f"data.{key} names no file.", f"Give data.{key}=FILE.txt.")
    run_dir = Path(config.output_dir)
    tests = {name: read_lines(path) for name, path in config.data.test.items()}
    task, pieces = fit_language_model(
        config, read_lines(config.data.train), read_lines(config.data.dev), run_dir, resume
    )
    for name, lines in tests.items():
        figures = perplexities(task, pieces, lines)
        update_metrics(run_dir, {f"{name}/{key}": Metric(value, name) for key, value in figures.items()})
        print(f"{name}: " + "  ".join(f"{key} {value:.2f}" for key, value in figures.items()), file=sys.stderr)
    return run_dir / "model"


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file that are not blank.

    Raises:
        DataError: the file is missing, empty or not UTF-8.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            lines = [line.strip() for line in file if line.strip()]
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.", "Give a text file, a sentence a line.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8.", "Convert the file to UTF-8.") from None
    if not lines:
        raise DataError(f"{path} holds no text.", "Give a text file, a sentence a line.")
    return lines


def fit_language_model(
    config: LmConfig, train: Sequence[str], dev: Sequence[str], run_dir: Path, resume: bool = True
) -> tuple[LanguageModelTask, Subwords]:
    """Train on lines in memory; return the network with the best weights, and its pieces."""
    pieces = _pieces(config, train, run_dir, resume)
    torch.manual_seed(config.seed)
    tokens = encode_stream(pieces, train)
    counts = torch.from_numpy(np.bincount(tokens, minlength=len(pieces)))
    task = LanguageModelTask(config.model, len(pieces), config.data.batch_size, counts)
    try:
        loader = StreamLoader(tokens, config.data.batch_size, config.data.chunk, config.seed)
    except ValueError as error:
        raise DataError(
            f"The training text is too short: {error}.", "Give more text or a lower data.batch_size."
        ) from None

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, LanguageModelTask)
        return {"perplexity": text_perplexity(trained, pieces, dev).per_word}

    def save_model(trained: Task, folder: Path) -> None:
        assert isinstance(trained, LanguageModelTask)
        save_language_model(trained, pieces, config, folder)

    experiment = Experiment(
        task, loader, evaluate, "perplexity", save_model, lambda batch: batch.tokens.numel(), "tokens/s"
    )
    fit(experiment, config.trainer, config.optimizer, run_dir, config.seed, resume)
    return load_language_model(run_dir / "model")[:2]


def _pieces(config: LmConfig, train: Sequence[str], run_dir: Path, resume: bool) -> Subwords:
    if resume and (run_dir / Subwords.FILE).is_file():
        return Subwords.load(run_dir)
    step = max(1, len(train) // PIECES_FROM_LINES) if config.data.units == "pieces" else 1
    pieces = Subwords.train(train[::step], config.data.vocab_size, units=config.data.units)
    pieces.save(run_dir)
    return pieces


def encode_stream(pieces: Subwords, lines: Iterable[str]) -> npt.NDArray[np.int32]:
    """Return the ids of all lines one after the other, each with its end, and an end in front."""
    parts = [np.array([Subwords.END], np.int32)]
    parts += [np.array([*pieces.encode(line), Subwords.END], np.int32) for line in lines]
    return np.concatenate(parts)


@torch.inference_mode()
def text_perplexity(
    task: LanguageModelTask, pieces: Subwords, lines: Sequence[str], carry: bool = True
) -> TextPerplexity:
    """Return the perplexity of lines, each read after the one before it (``carry``) or each on its own.

    Raises:
        DataError: there is no text.
    """
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise DataError("There is no text to measure.", "Give at least one line that is not blank.")
    tokens = encode_stream(pieces, lines)
    total = _stream_log_prob(task, tokens) if carry else sum(sentence_log_probs(task, pieces, lines))
    words = sum(len(line.split()) for line in lines)
    unknown = int((tokens == Subwords.UNK).sum())
    return TextPerplexity(
        math.exp(min(700.0, -total / (words + len(lines)))), words, len(lines), len(tokens) - 1, unknown, total
    )


def perplexities(task: LanguageModelTask, pieces: Subwords, lines: Sequence[str]) -> dict[str, float]:
    """Return the perplexity per word with carried state and of every sentence on its own."""
    return {
        "perplexity": text_perplexity(task, pieces, lines).per_word,
        "perplexity_alone": text_perplexity(task, pieces, lines, carry=False).per_word,
    }


def _stream_log_prob(task: LanguageModelTask, tokens: npt.NDArray[np.int32]) -> float:
    task.eval()
    device, total = next(task.parameters()).device, 0.0
    rows = max(1, min(READ_ROWS, (len(tokens) - 1) // 64))
    length = (len(tokens) - 1) // rows
    parts = [(np.stack([tokens[r * length : (r + 1) * length + 1] for r in range(rows)]), 256)]
    if rest := (len(tokens) - 1) % rows:  # what the rows leave over is read on its own
        parts.append((tokens[None, len(tokens) - rest - 1 :], 256))
    for table, chunk in parts:
        state = None
        for start in range(0, table.shape[1] - 1, chunk):
            piece = torch.from_numpy(table[:, start : start + chunk + 1].astype(np.int64)).to(device)
            log_probs, state = task.log_probs(piece, state)
            total += float(log_probs.double().sum())
    return total


def rank_log_probs(task: LanguageModelTask, pieces: Subwords, texts: Sequence[str]) -> list[float]:
    """Return the natural log-probability of each text, to compare texts by: what is unknown has a price.

    ``<unk>`` stands for many words, of which a text has one. It is taken to be one of as many as are known; else a
    text of unknown words would win over one of rare words.
    """
    return sentence_log_probs(task, pieces, texts, unknown_price=math.log(len(pieces)))


@torch.inference_mode()
def sentence_log_probs(
    task: LanguageModelTask, pieces: Subwords, texts: Sequence[str], unknown_price: float = 0.0
) -> list[float]:
    """Return the natural log-probability of each text, its end included, read on its own, less a price of ``<unk>``."""
    task.eval()
    ids = [np.array([Subwords.END, *pieces.encode(text), Subwords.END], np.int64) for text in texts]
    device, found = next(task.parameters()).device, [0.0] * len(texts)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    while order:
        size = max(1, MAX_PADDED // len(ids[order[-1]]))
        batch, order = order[-size:], order[:-size]
        padded, lens = pad_sequences([ids[i] for i in batch])
        log_probs = task.log_probs(padded.to(device))[0].cpu().double()
        inside = torch.arange(log_probs.size(1)) < (lens - 1).unsqueeze(1)
        for item, value in zip(batch, log_probs.masked_fill(~inside, 0).sum(1).tolist(), strict=True):
            found[item] = value - unknown_price * int((ids[item] == Subwords.UNK).sum())
    return found


@torch.inference_mode()
def generate(
    task: LanguageModelTask, pieces: Subwords, prompt: str, max_tokens: int, temperature: float, top_k: int, seed: int
) -> str:
    """Return ``prompt`` continued until a sentence end or ``max_tokens`` more tokens.

    Args:
        temperature: 0 takes the likeliest token, 1 draws as the model says. top_k: draw among so many (0: all).
    """
    task.eval()
    generator, device = torch.Generator().manual_seed(seed), next(task.parameters()).device
    ids = [Subwords.END, *pieces.encode(prompt)]
    logits, state = task(torch.tensor([ids], device=device))
    made: list[int] = []
    for _ in range(max_tokens):
        scores = logits[0, -1].float().cpu()
        scores[Subwords.UNK] = -math.inf
        chosen = _draw(scores, temperature, top_k, generator)
        if chosen == Subwords.END:
            break
        made.append(chosen)
        logits, state = task(torch.tensor([[chosen]], device=device), state)
    return pieces.decode([*ids, *made])


def _draw(scores: torch.Tensor, temperature: float, top_k: int, generator: torch.Generator) -> int:
    if temperature == 0:
        return int(scores.argmax())
    if top_k:
        scores = scores.masked_fill(scores < scores.topk(min(top_k, len(scores))).values[-1], -math.inf)
    return int(torch.multinomial((scores / temperature).softmax(-1), 1, generator=generator))


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder."""

    task: str = "language_model"
    network: LanguageModelConfig = field(default_factory=LanguageModelConfig)


def save_language_model(task: LanguageModelTask, pieces: Subwords, config: LmConfig, folder: Path) -> None:
    """Write the model folder: what :class:`asr.LanguageModel` loads."""

    def write(target: Path) -> None:
        atomic_write_text(target / "config.yaml", config_yaml(SavedConfig("language_model", task.config)))
        atomic_write_text(target / "training.yaml", config_yaml(config))
        pieces.save(target)
        save_weights(target, _weights(task))

    write_bundle(folder, write)


def _weights(task: LanguageModelTask) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in task.state_dict().items() if name != CARRIED}


def load_language_model(folder: str | Path) -> tuple[LanguageModelTask, Subwords, LmConfig]:
    """Return network, pieces and configuration of a model folder.

    Raises:
        ModelError: no model there, a damaged one, or one of another task.
    """
    bundle = open_bundle(folder, task="language_model")
    saved = build_config(SavedConfig, bundle.config, where=str(bundle.path / "config.yaml"))
    pieces, weights = Subwords.load(bundle.path), bundle.weights()
    task = LanguageModelTask(saved.network, len(pieces))
    if difference := first_difference(_weights(task), weights):
        raise ModelError(f"The weights in {bundle.path} do not fit its configuration: {difference}.", "Copy it again.")
    task.load_state_dict(weights, strict=False)
    return task.eval(), pieces, LmConfig(model=saved.network)
