"""A trained LSTM language model: probabilities of texts, perplexity, generation, the model folder.

:mod:`asr.language.modelling.training` trains it; :mod:`asr.lm` has the n-gram models.

Legend: B rows, T steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config
from asr.errors import DataError, ModelError
from asr.language.folders import training_of, write_text_model
from asr.language.modelling.data import encode_stream
from asr.language.modelling.network import CARRIED, LanguageModelConfig, LanguageModelTask
from asr.language.subwords import Subwords
from asr.model_folder import Bundle, open_model
from asr.training.batching.padding import pad_sequences
from asr.training.task import first_difference

__all__ = ["FittedLanguageModel", "TextPerplexity", "load_scorer", "perplexity_of"]

READ_ROWS = 16  # rows of a text that is read with carried state
READ_STEPS = 256  # steps of a row at a time
FEWEST_STEPS = 64  # of a row: a short text is read in fewer rows
MAX_PADDED = 20_000  # tokens of a batch of sentences


@dataclass(frozen=True)
class TextPerplexity:
    """How well a text is predicted.

    Attributes:
        per_word: perplexity per word, sentence ends counting as words; the log-probabilities of a
            word's pieces are summed.
        words: number of words.
        sentences: number of sentences.
        tokens: number of tokens, each sentence end being one.
        unknown: tokens that stand for unknown characters (or words, in a model of words); they are
            scored as ``<unk>``.
        log_prob: natural log-probability of the whole text.
    """

    per_word: float
    words: int
    sentences: int
    tokens: int
    unknown: int
    log_prob: float


def perplexity_of(log_prob: float, count: int) -> float:
    """Return the perplexity of ``count`` predictions with this natural log-probability in all.

    Held below infinity, so that it can be written as JSON.
    """
    return math.exp(min(700.0, -log_prob / count))


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder."""

    task: str = "language_model"
    network: LanguageModelConfig = field(default_factory=LanguageModelConfig)


@dataclass(frozen=True)
class FittedLanguageModel:
    """A network with the pieces that it reads: the content of a model folder.

    Attributes:
        network: the network.
        pieces: text to ids.
        training: the configuration of its training, as YAML.
    """

    network: LanguageModelTask
    pieces: Subwords
    training: str = ""

    @torch.inference_mode()
    def log_probs(self, texts: Sequence[str], unknown_price: float = 0.0) -> list[float]:
        """Return the natural log-probability of each text, its end included.

        Args:
            texts: each is scored on its own.
            unknown_price: subtracted for each ``<unk>``.
        """
        self.network.eval()
        end, encode = Subwords.END, self.pieces.encode
        ids = [np.array([end, *encode(text), end], np.int64) for text in texts]
        device, log_probs = self._device(), [0.0] * len(texts)
        # The longest texts first; each batch is as large as its padded size allows.
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        while order:
            size = max(1, MAX_PADDED // len(ids[order[-1]]))
            batch, order = order[-size:], order[:-size]
            padded, lens = pad_sequences([ids[i] for i in batch])
            values = self.network.log_probs(padded.to(device))[0].cpu().double()
            inside = torch.arange(values.size(1)) < (lens - 1).unsqueeze(1)
            sums = values.masked_fill(~inside, 0).sum(1).tolist()
            for item, value in zip(batch, sums, strict=True):
                unknown = int((ids[item] == Subwords.UNK).sum())
                log_probs[item] = value - unknown_price * unknown
        return log_probs

    def ranking_log_probs(self, texts: Sequence[str]) -> list[float]:
        """Return the natural log-probability of each text, to compare texts by.

        ``<unk>`` stands for many words, of which a text has one: it is taken to be one of as many
        as are known. Otherwise a text of unknown words would win over one of rare words.
        """
        return self.log_probs(texts, unknown_price=math.log(len(self.pieces)))

    def perplexity(self, lines: Sequence[str], carry: bool = True) -> TextPerplexity:
        """Return the perplexity of a text.

        Args:
            lines: its sentences; blank ones are left out.
            carry: read each sentence after the one before it, else each on its own.

        Raises:
            DataError: there is no text.
        """
        lines = [line for line in lines if line.strip()]
        if not lines:
            raise DataError(
                "There is no text to measure.", "Give at least one line that is not blank."
            )
        tokens = encode_stream(self.pieces, lines)
        log_prob = self._stream_log_prob(tokens) if carry else sum(self.log_probs(lines))
        words = sum(len(line.split()) for line in lines)
        return TextPerplexity(
            per_word=perplexity_of(log_prob, words + len(lines)),
            words=words,
            sentences=len(lines),
            tokens=len(tokens) - 1,
            unknown=int((tokens == Subwords.UNK).sum()),
            log_prob=log_prob,
        )

    @torch.inference_mode()
    def _stream_log_prob(self, tokens: npt.NDArray[np.int32]) -> float:
        """Log-probability of a text (N,) that is read in several rows, side by side."""
        self.network.eval()
        device, total = self._device(), 0.0
        count = len(tokens) - 1  # predictions: the first token is given
        rows = max(1, min(READ_ROWS, count // FEWEST_STEPS))
        length = count // rows
        # A row's last target is the next row's first input, so that every token is predicted once.
        tables = [np.stack([tokens[r * length : (r + 1) * length + 1] for r in range(rows)])]
        if rest := count % rows:  # what the rows leave over is read on its own
            tables.append(tokens[None, count - rest :])
        for table in tables:
            state = None
            for start in range(0, table.shape[1] - 1, READ_STEPS):
                chunk = table[:, start : start + READ_STEPS + 1].astype(np.int64)
                log_probs, state = self.network.log_probs(torch.from_numpy(chunk).to(device), state)
                total += float(log_probs.double().sum())
        return total

    @torch.inference_mode()
    def generate(
        self, prompt: str, max_tokens: int, *, temperature: float, top_k: int, seed: int
    ) -> str:
        """Return ``prompt`` continued until a sentence end.

        Args:
            prompt: beginning of the text; may be empty.
            max_tokens: tokens to add at most.
            temperature: 0 takes the likeliest token, 1 samples from the model's distribution.
            top_k: sample among so many (0: all).
            seed: of the sampling.
        """
        self.network.eval()
        generator, device = torch.Generator().manual_seed(seed), self._device()
        ids = [Subwords.END, *self.pieces.encode(prompt)]
        logits, state = self.network(torch.tensor([ids], device=device))
        added: list[int] = []
        for _ in range(max_tokens):
            scores = logits[0, -1].float().cpu()
            scores[Subwords.UNK] = -math.inf  # it has no spelling
            token = _sample(scores, temperature, top_k, generator)
            if token == Subwords.END:
                break
            added.append(token)
            logits, state = self.network(torch.tensor([[token]], device=device), state)
        return self.pieces.decode([*ids, *added])

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; return its path."""
        config = SavedConfig(network=self.network.config)
        weights = _weights(self.network)
        return write_text_model(folder, config, self.pieces, weights, training=self.training)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedLanguageModel:
        """Return the language model of a model folder.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        bundle = open_model(folder, task="language_model")
        saved = build_config(SavedConfig, bundle.config, where=str(bundle.path / "config.yaml"))
        pieces, weights = Subwords.load(bundle.path), bundle.weights()
        network = LanguageModelTask(saved.network, len(pieces))
        if difference := first_difference(_weights(network), weights):
            raise ModelError(
                f"The weights in {bundle.path} do not fit its configuration: {difference}.",
                "Copy it again.",
            )
        network.load_state_dict(weights, strict=False)  # without the carried state
        return cls(network.eval(), pieces, training_of(bundle))


def _sample(
    scores: torch.Tensor, temperature: float, top_k: int, generator: torch.Generator
) -> int:
    if temperature == 0:
        return int(scores.argmax())
    if top_k:
        lowest = scores.topk(min(top_k, len(scores))).values[-1]
        scores = scores.masked_fill(scores < lowest, -math.inf)
    return int(torch.multinomial((scores / temperature).softmax(-1), 1, generator=generator))


def _weights(network: LanguageModelTask) -> dict[str, torch.Tensor]:
    """Return the weights without the carried state, which belongs to a training."""
    return {name: tensor for name, tensor in network.state_dict().items() if name != CARRIED}


def load_scorer(
    folder: str | Path | Bundle, device: str = "cpu"
) -> Callable[[list[str]], list[float]]:
    """Return texts -> log-probabilities, as :func:`asr.decoding.rescoring.rescore` takes it.

    Args:
        folder: of a language model.
        device: of torch.

    Raises:
        ModelError: see :meth:`FittedLanguageModel.load`.
    """
    model = FittedLanguageModel.load(folder)
    model.network.to(device)
    return model.ranking_log_probs
