"""The acoustic model: log-Mel features -> CNN -> recurrent layers -> CTC log-probabilities.

CTC: Graves et al. 2006, "Connectionist Temporal Classification".

Legend: B batch, T feature frames, F features, T' output frames, V vocabulary, L labels, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from asr.config import check_choice, check_range
from asr.errors import ConfigError
from asr.features.config import FeatureConfig
from asr.features.extraction import Normalizer, SpecAugment, SpecAugmentConfig
from asr.sequence import ConvSubsampling, Dropout, RecurrentStack
from asr.sequence.conv import TIME_STRIDES, subsampled_lengths
from asr.sequence.initialization import INITIALIZATIONS, initialize
from asr.sequence.normalization import NORMS
from asr.sequence.recurrent import CELLS, Feedback
from asr.speech.data.batches import SpeechBatch
from asr.speech.losses.ctc import CtcLossConfig, consistency, ctc_loss, smoothing
from asr.speech.losses.ctc_crf import ctc_crf_loss
from asr.speech.losses.label_graph import LabelGraph
from asr.speech.losses.spelling_loss import spelling_loss
from asr.speech.losses.spellings import Spellings
from asr.training.task import LossSum, Task

__all__ = [
    "CtcModelConfig",
    "CtcNetwork",
    "CtcTask",
    "CtcTaskConfig",
    "SelfConditioning",
    "label_feedback",
]


@dataclass(frozen=True)
class CtcModelConfig:
    """Shape of the acoustic model.

    Attributes:
        subsampling: feature frames an output frame: 1, 2, 4 or 8.
        conv_channels: channels of each convolution.
        conv_norm: normalisation after each convolution: ``batch``, ``layer`` or ``none``.
        causal: convolutions without right context, for streaming.
        num_layers: recurrent layers.
        hidden_dim: units of a recurrent layer, per direction.
        cell: of the recurrent layers, such as ``lstm`` or ``gru``.
        bidirectional: recurrent layers run in both directions.
        norm: normalisation before each recurrent layer: ``layer``, ``batch`` or ``none``.
        residual: each recurrent layer's input is added to its output.
        projection_dim: width that each layer's output is projected to (0: no projection).
        dropout: after each recurrent layer and before the first.
        intermediate_layer: recurrent layer, counted from 1, whose output must spell the transcript
            too (0: none; Lee & Watanabe 2021, "Intermediate Loss Regularization for CTC-based
            Speech Recognition").
        intermediate_weight: share of the intermediate layer in the loss.
        self_conditioned: the layers above the intermediate one see what it spells: its label
            probabilities are mapped to its width and added to its output (Nozaki & Komatsu 2021,
            "Relaxing the Conditional Independence Assumption of CTC-based ASR by Conditioning on
            Intermediate Predictions").
        initialization: of the recurrent layers, see :func:`asr.sequence.initialization.initialize`.
    """

    subsampling: int = 4
    conv_channels: int = 32
    conv_norm: str = "batch"
    causal: bool = False
    num_layers: int = 5
    hidden_dim: int = 256
    cell: str = "lstm"
    bidirectional: bool = True
    norm: str = "layer"
    residual: bool = True
    projection_dim: int = 0
    dropout: float = 0.2
    intermediate_layer: int = 0
    intermediate_weight: float = 0.3
    self_conditioned: bool = False
    initialization: str = "default"

    def __post_init__(self) -> None:
        check_choice("model.subsampling", str(self.subsampling), [str(s) for s in TIME_STRIDES])
        check_choice("model.conv_norm", self.conv_norm, NORMS)
        check_choice("model.norm", self.norm, NORMS)
        check_choice("model.cell", self.cell, CELLS)
        check_choice("model.initialization", self.initialization, INITIALIZATIONS)
        check_range("model.dropout", self.dropout, 0, 0.95)
        check_range(
            "model.intermediate_layer", self.intermediate_layer, 0, max(0, self.num_layers - 1)
        )
        check_range("model.intermediate_weight", self.intermediate_weight, 0, 1)
        if self.self_conditioned and not self.intermediate_layer:
            raise ConfigError(
                "model.self_conditioned needs a layer whose labels it conditions on.",
                "Set model.intermediate_layer, such as 3.",
            )
        for name in ("conv_channels", "num_layers", "hidden_dim"):
            check_range(f"model.{name}", getattr(self, name), 1)


class SelfConditioning(nn.Module):
    """Maps the label probabilities after a layer to the width of the network (Nozaki & Komatsu
    2021, section 3).

    Args:
        layer: number of the layer, counted from 1.
        vocab_size: V.
        dim: width D.
    """

    def __init__(self, layer: int, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.layer = layer
        self.projection = nn.Linear(vocab_size, dim)

    def forward(self, logits: Tensor) -> Tensor:
        """Logits (..., V) -> what is added to the layer's output (..., D)."""
        added: Tensor = self.projection(logits.float().softmax(-1).to(logits.dtype))
        return added


def label_feedback(conditioning: SelfConditioning | None, output: nn.Module) -> Feedback:
    """Return what a recurrent stack adds to the output of its layers, by number of the layer.

    Args:
        conditioning: of the network, None for none.
        output: the network's output layer, D -> V.
    """
    return {} if conditioning is None else {conditioning.layer: lambda x: conditioning(output(x))}


class CtcNetwork(nn.Module):
    """CNN, recurrent stack and output layer.

    Args:
        config: its shape.
        num_features: F.
        vocab_size: V, the blank included.
    """

    def __init__(self, config: CtcModelConfig, num_features: int, vocab_size: int) -> None:
        super().__init__()
        self.conv = ConvSubsampling(
            num_features, config.conv_channels, config.subsampling, config.conv_norm, config.causal
        )
        width = config.projection_dim or config.hidden_dim * (2 if config.bidirectional else 1)
        # to the width of the recurrent layers, so that the first of them has a residual too
        self.input_projection = nn.Linear(self.conv.output_dim, width)
        self.dropout = Dropout(config.dropout)
        self.encoder = RecurrentStack(
            width,
            config.hidden_dim,
            config.num_layers,
            cell=config.cell,
            bidirectional=config.bidirectional,
            norm=config.norm,
            residual=config.residual,
            dropout=config.dropout,
            projection_dim=config.projection_dim,
        )
        if config.initialization != "default":
            initialize(self.encoder, config.initialization)
        self.output = nn.Linear(self.encoder.output_dim, vocab_size)
        self.conditioning = (
            SelfConditioning(config.intermediate_layer, vocab_size, self.encoder.output_dim)
            if config.self_conditioned
            else None
        )

    def forward(
        self, x: Tensor, x_lens: Tensor, taps: dict[int, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T, F), (B,) -> log_probs (B, T', V) float32, (B,).

        Args:
            x: normalised features.
            x_lens: valid frames of each utterance.
            taps: number of a recurrent layer -> anything; filled with the log_probs after it.
        """
        x, x_lens = self.conv(x, x_lens)
        x = self.dropout(self.input_projection(x))
        x, x_lens, _ = self.encoder(
            x, x_lens, taps=taps, feedback=label_feedback(self.conditioning, self.output)
        )
        if taps:  # the stack has put the layers' outputs there
            taps.update({number: self._log_probs(tapped) for number, tapped in taps.items()})
        return self._log_probs(x), x_lens

    def _log_probs(self, x: Tensor) -> Tensor:
        logits: Tensor = self.output(x)
        return logits.float().log_softmax(-1)


@dataclass(frozen=True)
class CtcTaskConfig:
    """Features and network of a speech model, and how it is trained.

    Attributes:
        features: settings of the features.
        normalization: of the features: ``global``, ``utterance`` or ``none``.
        specaugment: masks on the features, in training.
        model: shape of the network.
        loss: what is added to the CTC loss.
    """

    features: FeatureConfig = field(default_factory=FeatureConfig)
    normalization: str = "global"
    specaugment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    model: CtcModelConfig = field(default_factory=CtcModelConfig)
    loss: CtcLossConfig = field(default_factory=CtcLossConfig)


class CtcTask(Task):
    """Normalisation, SpecAugment (in training), network and CTC loss.

    Args:
        config: see :class:`CtcTaskConfig`.
        vocab_size: V.

    Attributes:
        label_graph: n-gram of the labels that the loss ``ctc_crf`` needs; the CTC loss without.
    """

    label_graph: LabelGraph | None = None

    def __init__(self, config: CtcTaskConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.intermediate_weight = config.model.intermediate_weight
        self.normalizer = Normalizer(config.features.num_features, config.normalization)
        self.specaugment = SpecAugment(config.specaugment)
        self.network = CtcNetwork(config.model, config.features.num_features, vocab_size)

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T, F), (B,) -> log_probs (B, T', V), (B,)."""
        log_probs, lens = self.network(self.normalizer(x, x_lens), x_lens)
        return log_probs, lens

    def log_probs_by_id(self, batch: SpeechBatch) -> dict[str, npt.NDArray[np.float32]]:
        """Return log_probs (T', V) of each utterance of a batch by its id."""
        log_probs, lens = self(batch.features, batch.feature_lens)
        arrays = log_probs.cpu().numpy()
        return {
            name: array[:n] for name, array, n in zip(batch.ids, arrays, lens.tolist(), strict=True)
        }

    def output_lengths(self, x_lens: Tensor) -> Tensor:
        """Return T' for lengths T."""
        return subsampled_lengths(x_lens, self.config.model.subsampling)

    def loss(self, batch: SpeechBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return the summed CTC loss and the number of labels; see :class:`asr.training.task.Task`.

        With a generator the batch is masked by SpecAugment, and the terms of
        :class:`asr.speech.losses.ctc.CtcLossConfig` are added. Where they need two views of a
        batch, differently masked, each counts half, so that the loss is of the size of one view's.
        """
        x = self.normalizer(batch.features, batch.feature_lens)
        views = 1
        if generator is not None:
            views = 2 if self.config.loss.consistency else 1
            x = self.specaugment(x, batch.feature_lens, generator, views)
        x_lens, labels, label_lens = (
            _repeated(t, views) for t in (batch.feature_lens, batch.labels, batch.label_lens)
        )
        layer = self.config.model.intermediate_layer
        # the network replaces the value by the log_probs after that layer
        taps = {layer: x} if self.training and layer else {}
        log_probs, lens = self.network(x, x_lens, taps)
        loss = self._objective(
            log_probs,
            lens,
            labels=labels,
            label_lens=label_lens,
            spellings=batch.spellings,
            views=views,
        )
        for tapped in taps.values():
            loss = torch.lerp(
                loss, ctc_loss(tapped, lens, labels, label_lens), self.intermediate_weight
            )
        if generator is not None:
            loss = self._regularized(loss / views, batch, log_probs, lens, views)
        return LossSum(loss, batch.label_lens.sum())

    def _objective(
        self,
        log_probs: Tensor,
        lens: Tensor,
        labels: Tensor,
        label_lens: Tensor,
        spellings: Spellings | None,
        views: int,
    ) -> Tensor:
        if spellings is not None and views > 1:
            spellings = spellings.take([*range(len(spellings))] * views)
        if self.label_graph is not None:
            share = self.config.loss.ctc_share
            return ctc_crf_loss(
                log_probs,
                lens,
                labels=labels,
                label_lens=label_lens,
                graph=self.label_graph,
                spellings=spellings,
                ctc_share=share,
            )
        if spellings is not None:
            return spelling_loss(log_probs, lens, spellings)
        return ctc_loss(log_probs, lens, labels, label_lens)

    def _regularized(
        self, loss: Tensor, batch: SpeechBatch, log_probs: Tensor, lens: Tensor, views: int
    ) -> Tensor:
        """Return the loss with its regularisation terms; distillation overrides it to add its own.

        Args:
            loss: of one view.
            batch: what the loss is of.
            log_probs: of all views, (views * B, T', V).
            lens: of all views, (views * B,).
            views: 1 or 2.
        """
        config = self.config.loss
        if config.smoothing_weight:
            loss = torch.lerp(
                loss, smoothing(config.smoothing, log_probs, lens) / views, config.smoothing_weight
            )
        return loss + config.consistency * consistency(log_probs, lens) if views == 2 else loss


def _repeated(tensor: Tensor, times: int) -> Tensor:
    return tensor if times == 1 else torch.cat([tensor] * times)
