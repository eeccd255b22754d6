"""The translator's network: source pieces -> BiLSTM -> attention decoder -> target pieces.

Bahdanau et al. 2015; Luong et al. 2015.

Legend: B batch, K beams, S source pieces, L target pieces, E embedding width, D memory width,
V target vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from asr.config import check_choice, check_range
from asr.language.translation.batches import PairBatch
from asr.sequence.attention import SCORES, RecurrentAttentionBlock
from asr.sequence.dropout import Dropout
from asr.sequence.recurrent import RecurrentStack
from asr.sequence.seq2seq import (
    AttentionDecoder,
    DecoderState,
    Hypothesis,
    beam_search,
    smoothed_cross_entropy,
    teacher_inputs,
    valid_steps,
)
from asr.training.batching.padding import pad_sequences
from asr.training.task import LossSum, Task

__all__ = ["SearchConfig", "TranslateModelConfig", "TranslateTask"]

UNK, END = 0, 1  # ids of the pieces, see asr.language.subwords
TARGET_END = 0  # in the target's own vocabulary, where it stands for the beginning too


@dataclass(frozen=True)
class TranslateModelConfig:
    """Shape of the network and its regularization.

    Attributes:
        embedding_dim: E, shared by source, target and output.
        encoder_dim: of the BiLSTM, per direction.
        encoder_layers: of the BiLSTM.
        norm: normalization of the BiLSTM.
        decoder_dim: of the decoder's LSTM.
        decoder_layers: of the decoder's LSTM.
        attention: additive, dot or general.
        self_attention: add a layer of it after the BiLSTM.
        num_heads: of the self-attention.
        dropout: on embeddings, between layers, on outputs.
        word_dropout: share of source pieces made unknown.
        label_smoothing: share of a target spread over the vocabulary.
        scheduled_sampling: greatest share of training steps that read the network's own last
            output in place of the target (0: teacher forcing throughout).
        sampling_epochs: the share rises linearly over so many epochs.
    """

    embedding_dim: int = 256
    encoder_dim: int = 256
    encoder_layers: int = 1
    norm: str = "layer"
    decoder_dim: int = 256
    decoder_layers: int = 1
    attention: str = "general"
    self_attention: bool = False
    num_heads: int = 4
    dropout: float = 0.3
    word_dropout: float = 0.0
    label_smoothing: float = 0.1
    scheduled_sampling: float = 0.0
    sampling_epochs: int = 10

    def __post_init__(self) -> None:
        check_choice("model.attention", self.attention, SCORES)
        names = (
            "embedding_dim",
            "encoder_dim",
            "encoder_layers",
            "decoder_dim",
            "decoder_layers",
            "num_heads",
            "sampling_epochs",
        )
        for name in names:
            check_range(f"model.{name}", getattr(self, name), 1)
        for name in ("dropout", "word_dropout", "label_smoothing"):
            check_range(f"model.{name}", getattr(self, name), 0, 0.95)
        check_range("model.scheduled_sampling", self.scheduled_sampling, 0, 1)


@dataclass(frozen=True)
class SearchConfig:
    """Beam search.

    Attributes:
        beam_size: outputs kept at each step.
        alpha: exponent of the length that scores are divided by.
        max_ratio: an output has at most ``max_ratio`` * source pieces + 10 pieces.
        max_source_len: longer sources are translated in parts, cut at ends of sentences where there
            are any.
    """

    beam_size: int = 5
    alpha: float = 1.0
    max_ratio: float = 2.0
    max_source_len: int = 200

    def __post_init__(self) -> None:
        check_range("search.beam_size", self.beam_size, 1)
        check_range("search.alpha", self.alpha, 0)
        check_range("search.max_ratio", self.max_ratio, 0.1)
        check_range("search.max_source_len", self.max_source_len, 2)


class TranslateTask(Task):
    """Encoder, decoder and cross-entropy.

    Args:
        config: shape.
        vocab_size: pieces of both languages together.
        target_pieces: the pieces that the target uses, :data:`END` first; a target id is a place in
            this list. Pieces that the target never uses, about half of a joint vocabulary, need no
            output.
    """

    target_pieces: Tensor

    def __init__(
        self, config: TranslateModelConfig, vocab_size: int, target_pieces: Sequence[int]
    ) -> None:
        super().__init__()
        assert target_pieces[0] == END
        self.config = config
        self.register_buffer("target_pieces", torch.tensor(list(target_pieces)))
        self.embedding = nn.Embedding(vocab_size, config.embedding_dim)
        nn.init.normal_(self.embedding.weight, std=config.embedding_dim**-0.5)
        stack = RecurrentStack(
            config.embedding_dim,
            config.encoder_dim,
            config.encoder_layers,
            norm=config.norm,
            dropout=config.dropout,
        )
        self.encoder: nn.Module = stack
        if config.self_attention:
            self.encoder = RecurrentAttentionBlock(stack, config.num_heads, config.dropout)
        self.dropout = Dropout(config.dropout)
        self.decoder = AttentionDecoder(
            vocab_size=len(target_pieces),
            embedding_dim=config.embedding_dim,
            memory_dim=stack.output_dim,
            hidden_dim=config.decoder_dim,
            num_layers=config.decoder_layers,
            score=config.attention,
            dropout=config.dropout,
        )

    def encode(self, source: Tensor, source_lens: Tensor) -> Tensor:
        """(B, S), (B,) -> memory (B, S, D)."""
        embedded = self.embedding(source) * math.sqrt(self.config.embedding_dim)
        memory: Tensor = self.encoder(self.dropout(embedded), source_lens)[0]
        # The recurrent stack applies dropout to its own output; the attention block does not.
        return self.dropout(memory) if self.config.self_attention else memory

    def start(self, source: Tensor, source_lens: Tensor, num_beams: int = 1) -> DecoderState:
        """(B, S), (B,) -> the decoder's state before the first target piece."""
        weight = self.embedding.weight[self.target_pieces]
        return self.decoder.start(self.encode(source, source_lens), source_lens, weight, num_beams)

    def loss(self, batch: PairBatch, generator: torch.Generator | None = None) -> LossSum:
        """Summed cross-entropy and the number of target pieces; see
        :class:`asr.training.task.Task`.
        """
        source = batch.source if generator is None else self._drop_words(batch.source, generator)
        state = self.start(source, batch.source_lens)
        sampling = self._sampling(batch.epoch) if generator is not None else 0.0
        outputs, _ = self.decoder(
            teacher_inputs(batch.target, TARGET_END), state, sampling, generator
        )
        logits = self.decoder.logits(valid_steps(outputs, batch.target_lens), state.weight)
        smoothing = self.config.label_smoothing if self.training else 0.0
        targets = valid_steps(batch.target, batch.target_lens)
        return LossSum(smoothed_cross_entropy(logits, targets, smoothing), batch.target_lens.sum())

    def _drop_words(self, source: Tensor, generator: torch.Generator) -> Tensor:
        if not self.config.word_dropout:
            return source
        draws = torch.rand(source.shape, generator=generator).to(source.device)
        dropped = (draws < self.config.word_dropout) & (source != END)
        return source.masked_fill(dropped, UNK)

    def _sampling(self, epoch: int) -> float:
        return self.config.scheduled_sampling * min(1.0, epoch / self.config.sampling_epochs)

    def search(
        self, sources: Sequence[Sequence[int]], search: SearchConfig
    ) -> list[list[Hypothesis]]:
        """Return the outputs of each source, best first.

        Args:
            sources: piece ids with the end, one list a source.
            search: settings.

        Returns:
            Hypotheses whose tokens are ids of pieces, not of the target's own vocabulary.
        """
        device = self.target_pieces.device
        source, source_lens = (tensor.to(device) for tensor in pad_sequences(sources, np.int64))
        max_lens = (source_lens * search.max_ratio).long() + 10
        state = self.start(source, source_lens, search.beam_size)
        nbests = beam_search(
            self.decoder.step,
            state,
            num_sequences=len(sources),
            beam_size=search.beam_size,
            max_lens=max_lens,
            bos_id=TARGET_END,
            eos_id=TARGET_END,
            alpha=search.alpha,
        )
        pieces = self.target_pieces.tolist()
        return [
            [Hypothesis([pieces[t] for t in h.tokens], h.score, h.finished) for h in nbest]
            for nbest in nbests
        ]

    def attention(self, source: Sequence[int], target: Sequence[int]) -> Tensor:
        """Return attention weights (L + 1, S) while the target's pieces and the end are written."""
        places = {piece: place for place, piece in enumerate(self.target_pieces.tolist())}
        device = self.target_pieces.device
        ids = torch.tensor([[*(places[piece] for piece in target), TARGET_END]], device=device)
        padded, lens = pad_sequences([source], np.int64)
        state = self.start(padded.to(device), lens.to(device))
        weights: Tensor = self.decoder(teacher_inputs(ids, TARGET_END), state)[1]
        return weights[0]
