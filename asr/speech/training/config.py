"""Configuration of a speech training."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from asr.config import check_range, read_yaml
from asr.features.extraction import SpecAugmentConfig
from asr.model_folder import Bundle
from asr.speech.acoustics.network import CtcModelConfig
from asr.speech.data.on_the_fly import LiveConfig
from asr.speech.losses.ctc import CtcLossConfig
from asr.speech.training.distillation import DistillationConfig
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = ["TRAINING", "SpeechConfig", "SpeechDataConfig", "TokenizerConfig", "trained_loss"]

TRAINING = "training.yaml"  # in a model folder: the configuration of its training


@dataclass(frozen=True)
class SpeechDataConfig:
    """Prepared splits (folders that ``asr prepare`` wrote) and how they are batched.

    Attributes:
        train: split folder.
        dev: split folder.
        test: more splits by name, evaluated after training.
        corrections: table of training transcripts that are corrected, or left out where they are
            empty, see :func:`asr.speech.data.corrections.read_corrections`.
        max_batch_s: padded seconds of speech in a batch.
        max_batch_size: utterances in a batch.
        speed_copies: use the speed-perturbed copies too.
        lm: n-gram of words with which dev is decoded after every epoch too; its word error rate,
            ``wer_lm``, then decides which weights are kept.
        lm_alpha: its weight, and the bonus a word.
        lm_beta: its weight, and the bonus a word.
        dev_utterances: so many of dev are decoded so, evenly spread over it (0: all).
        on_the_fly: instead of the stored features, compute them from the recordings, changed anew
            in every epoch (``trainer.workers`` says in how many processes).
    """

    train: str = ""
    dev: str = ""
    test: dict[str, str] = field(default_factory=dict)
    corrections: str = ""
    max_batch_s: float = 200.0
    max_batch_size: int = 16
    speed_copies: bool = True
    lm: str = ""
    lm_alpha: float = 1.0
    lm_beta: float = 0.5
    dev_utterances: int = 0
    on_the_fly: LiveConfig = field(default_factory=LiveConfig)

    def __post_init__(self) -> None:
        check_range("data.max_batch_s", self.max_batch_s, 1)
        check_range("data.max_batch_size", self.max_batch_size, 1)
        check_range("data.dev_utterances", self.dev_utterances, 0)


@dataclass(frozen=True)
class TokenizerConfig:
    """Units of the output.

    Attributes:
        kind: ``characters``, ``unigram`` or ``bpe`` (pieces of words), or ``phones``.
        vocab_size: number of pieces, blank included.
        lexicon: pronouncing dictionary that phones need, see
            :meth:`asr.text.pronunciations.Pronunciations.load`; with ``init_from``, further words
            for that model's own.
    """

    kind: str = "characters"
    vocab_size: int = 256
    lexicon: str = ""


@dataclass(frozen=True)
class SpeechConfig:
    """Configuration of a speech training.

    Attributes:
        task: name of the task, ``ctc``.
        seed: of weights, batches and augmentation.
        output_dir: the run folder.
        init_from: model folder whose weights to start from (fine-tuning).
        keep_tokenizer: take its tokenizer and its output layer too. If not, both are made anew, as
            another language needs them; the layers below start from its weights.
        keep_zeros: weights of ``init_from`` that are zero stay so, as
            :func:`asr.speech.export.pruning.prune_weights` left them.
        data: prepared splits and batches.
        tokenizer: units of the output.
        normalization: of the features: ``global``, ``utterance`` or ``none``.
        specaugment: masks on the features.
        model: shape of the network.
        loss: what is added to the CTC loss.
        distillation: a teacher, whose tokenizer the model takes, and from whose outputs it learns.
        optimizer: see :class:`asr.training.config.OptimizerConfig`.
        trainer: see :class:`asr.training.config.TrainerConfig`.
    """

    task: str = "ctc"
    seed: int = 1
    output_dir: str = ""
    init_from: str | None = None
    keep_tokenizer: bool = True
    keep_zeros: bool = False
    data: SpeechDataConfig = field(default_factory=SpeechDataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    normalization: str = "global"
    specaugment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    model: CtcModelConfig = field(default_factory=CtcModelConfig)
    loss: CtcLossConfig = field(default_factory=CtcLossConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


def trained_loss(bundle: Bundle) -> dict[str, Any]:
    """Return the settings of the loss that a model was trained with; none if it does not tell.

    Trained further with another one, it loses what that one brought.
    """
    if TRAINING not in bundle.files:
        return {}
    loss = read_yaml(bundle.file(TRAINING)).get("loss") or {}
    known = {field.name for field in fields(CtcLossConfig)}
    return {name: value for name, value in loss.items() if name in known}
