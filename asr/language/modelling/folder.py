"""LSTM language models: model folders, the probability of texts, perplexity, more of a text.

Trained by :mod:`asr.language.modelling.training`; n-grams are :mod:`asr.lm`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config, config_yaml
from asr.errors import DataError, ModelError
from asr.files import atomic_write_text
from asr.language.modelling.network import CARRIED, LanguageModelConfig, LanguageModelTask
from asr.language.subwords import Subwords
from asr.model_folder import open_bundle, save_weights, write_bundle
from asr.training.batching.padding import pad_sequences
from asr.training.task import first_difference

__all__ = [
    "TextPerplexity",
    "encode_stream",
    "generate",
    "load_language_model",
    "load_scorer",
    "rank_log_probs",
    "save_language_model",
    "sentence_log_probs",
    "text_perplexity",
]

READ_ROWS = 16  # of a text whose perplexity is measured with carried state
MAX_PADDED = 20_000  # tokens of a batch of sentences


@dataclass(frozen=True)
class TextPerplexity:
    """How well a text is predicted.

    Attributes:
        per_word: perplexity of words and sentence ends, the log-probabilities of a word's pieces
            being added up.
        words: in the text; a sentence end is one token.
        sentences: in the text; a sentence end is one token.
        tokens: in the text; a sentence end is one token.
        unknown: tokens of characters (or words, of a model of words) that are not known, which are
            scored as ``<unk>``.
        log_prob: natural, of the whole text.
    """

    per_word: float
    words: int
    sentences: int
    tokens: int
    unknown: int
    log_prob: float


def encode_stream(pieces: Subwords, lines: Iterable[str]) -> npt.NDArray[np.int32]:
    """Return the ids of all lines one after the other, each with its end, and an end in front."""
    parts = [np.array([Subwords.END], np.int32)]
    parts += [np.array([*pieces.encode(line), Subwords.END], np.int32) for line in lines]
    return np.concatenate(parts)


@torch.inference_mode()
def text_perplexity(
    task: LanguageModelTask, pieces: Subwords, lines: Sequence[str], carry: bool = True
) -> TextPerplexity:
    """Return the perplexity of lines, each read after the one before it (``carry``) or each on its
    own.

    Raises:
        DataError: there is no text.
    """
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise DataError("There is no text to measure.", "Give at least one line that is not blank.")
    tokens = encode_stream(pieces, lines)
    total = (
        _stream_log_prob(task, tokens) if carry else sum(sentence_log_probs(task, pieces, lines))
    )
    words = sum(len(line.split()) for line in lines)
    unknown = int((tokens == Subwords.UNK).sum())
    return TextPerplexity(
        math.exp(min(700.0, -total / (words + len(lines)))),
        words,
        len(lines),
        len(tokens) - 1,
        unknown,
        total,
    )


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
            piece = torch.from_numpy(table[:, start : start + chunk + 1].astype(np.int64)).to(
                device
            )
            log_probs, state = task.log_probs(piece, state)
            total += float(log_probs.double().sum())
    return total


def rank_log_probs(task: LanguageModelTask, pieces: Subwords, texts: Sequence[str]) -> list[float]:
    """Return the natural log-probability of each text, to compare texts by: what is unknown has a
    price.

    ``<unk>`` stands for many words, of which a text has one. It is taken to be one of as many as
    are known; else a text of unknown words would win over one of rare words.
    """
    return sentence_log_probs(task, pieces, texts, unknown_price=math.log(len(pieces)))


@torch.inference_mode()
def sentence_log_probs(
    task: LanguageModelTask, pieces: Subwords, texts: Sequence[str], unknown_price: float = 0.0
) -> list[float]:
    """Return the natural log-probability of each text, its end included, read on its own, less a
    price of ``<unk>``.
    """
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
        for item, value in zip(
            batch, log_probs.masked_fill(~inside, 0).sum(1).tolist(), strict=True
        ):
            found[item] = value - unknown_price * int((ids[item] == Subwords.UNK).sum())
    return found


@torch.inference_mode()
def generate(
    task: LanguageModelTask,
    pieces: Subwords,
    prompt: str,
    max_tokens: int,
    temperature: float,
    top_k: int,
    seed: int,
) -> str:
    """Return ``prompt`` continued until a sentence end or ``max_tokens`` more tokens.

    Args:
        temperature: 0 takes the likeliest token, 1 draws as the model says.
        top_k: draw among so many (0: all).
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
        scores = scores.masked_fill(
            scores < scores.topk(min(top_k, len(scores))).values[-1], -math.inf
        )
    return int(torch.multinomial((scores / temperature).softmax(-1), 1, generator=generator))


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder."""

    task: str = "language_model"
    network: LanguageModelConfig = field(default_factory=LanguageModelConfig)


def save_language_model(
    task: LanguageModelTask, pieces: Subwords, training: object, folder: Path
) -> None:
    """Write the model folder, what :class:`asr.LanguageModel` loads, with the configuration of its
    training.
    """

    def write(target: Path) -> None:
        atomic_write_text(
            target / "config.yaml", config_yaml(SavedConfig("language_model", task.config))
        )
        atomic_write_text(target / "training.yaml", config_yaml(training))
        pieces.save(target)
        save_weights(target, _weights(task))

    write_bundle(folder, write)


def _weights(task: LanguageModelTask) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in task.state_dict().items() if name != CARRIED}


def load_language_model(folder: str | Path) -> tuple[LanguageModelTask, Subwords]:
    """Return network and pieces of a model folder.

    Raises:
        ModelError: no model there, a damaged one, or one of another task.
    """
    bundle = open_bundle(folder, task="language_model")
    saved = build_config(SavedConfig, bundle.config, where=str(bundle.path / "config.yaml"))
    pieces, weights = Subwords.load(bundle.path), bundle.weights()
    task = LanguageModelTask(saved.network, len(pieces))
    if difference := first_difference(_weights(task), weights):
        raise ModelError(
            f"The weights in {bundle.path} do not fit its configuration: {difference}.",
            "Copy it again.",
        )
    task.load_state_dict(weights, strict=False)
    return task.eval(), pieces


def load_scorer(folder: str | Path, device: str = "cpu") -> Callable[[list[str]], list[float]]:
    """Return :func:`rank_log_probs` of the model in a folder, as
    :func:`asr.decoding.rescoring.rescore` takes it.

    Raises:
        ModelError: see :func:`load_language_model`.
    """
    task, pieces = load_language_model(folder)
    return partial(rank_log_probs, task.to(device), pieces)
