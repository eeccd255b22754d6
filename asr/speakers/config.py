"""Configuration of a speaker embedding and its training. It needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_choice, check_range
from asr.errors import ConfigError
from asr.features.front_end import FrontEnd
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = [
    "EmbeddingConfig",
    "LossConfig",
    "SpeakerConfig",
    "SpeakerDataConfig",
    "VoiceAugmentConfig",
    "front_end",
]

CELLS = ("lstm", "gru")
FRONTS = ("time", "residual")


def front_end() -> FrontEnd:
    """Return the log-Mel features of a speaker embedding, by default."""
    return FrontEnd(
        n_mels=64,
        window="hann-periodic",
        remove_dc=False,
        preemphasis=0.0,
        mel_scale="htk",
        f_min=50.0,
        f_max=7000.0,  # below half of the lowest rate of the speed copies
        floor=1e-10,
    )


@dataclass(frozen=True)
class EmbeddingConfig:
    """Shape of the network.

    Attributes:
        conv_channels: of the last convolutions.
        conv_strides: of each convolution over time; their product is the subsampling.
        conv_kernel: width of the kernels, odd, over time.
        cell: ``lstm`` or ``gru``.
        hidden_dim: of each recurrent layer, per direction.
        num_layers: recurrent layers.
        bidirectional: read windows in both directions.
        attention_dim: hidden units of the attentive pooling.
        dim: E, of the embedding.
        dropout: on each recurrent layer's output in training.
        range_nepers: mel powers this far below the mean power of a window count as silence.
        front: convolutions over ``time``, whose channels see all bands at once, or ``residual``
            ones over time and frequency, each stage with half of the bands.
        first_channels: of the first convolutions, much of the work; 0: as many as the others over
            time, and half of those of the next stage in ``residual`` ones.
        overlap_dim: hidden units, per direction, of a recurrent layer that tells where two voices
            speak at once; 0: it is not told.
    """

    conv_channels: int = 192
    conv_strides: tuple[int, ...] = (2, 2, 2)
    conv_kernel: int = 5
    cell: str = "lstm"
    hidden_dim: int = 256
    num_layers: int = 1
    bidirectional: bool = False
    attention_dim: int = 64
    dim: int = 192
    dropout: float = 0.0
    range_nepers: float = 12.0
    first_channels: int = 0
    overlap_dim: int = 0
    front: str = "time"

    def __post_init__(self) -> None:
        check_choice("model.front", self.front, FRONTS)
        check_choice("model.cell", self.cell, CELLS)
        for name in ("conv_channels", "hidden_dim", "num_layers", "attention_dim", "dim"):
            check_range(f"model.{name}", getattr(self, name), 1)
        check_range("model.overlap_dim", self.overlap_dim, 0)
        check_range("model.first_channels", self.first_channels, 0)
        check_range("model.dropout", self.dropout, 0, 0.9)
        check_range("model.range_nepers", self.range_nepers, 1, 30)
        if not self.conv_strides or min(self.conv_strides) < 1 or self.conv_kernel % 2 == 0:
            raise ConfigError(
                f"model.conv_strides is {self.conv_strides} with kernels of {self.conv_kernel}.",
                "Give at least one stride from 1, and an odd kernel.",
            )

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each convolution over time, or of each residual stage."""
        others = len(self.conv_strides) - 1
        if self.front == "residual":
            halved = [max(1, self.conv_channels >> (others - n)) for n in range(others + 1)]
            return (self.first_channels or halved[0], *halved[1:])
        return (self.first_channels or self.conv_channels,) + (self.conv_channels,) * others


@dataclass(frozen=True)
class VoiceAugmentConfig:
    """Random changes of the crops in training; each share is a probability, from 0 to 1.

    Attributes:
        noise_share: of crops with background noise.
        babble_share: of crops with another speaker in a part of them.
        babble_db_low: lowest ratio of the two voices; it is drawn uniformly.
        babble_db_high: highest ratio of the two voices.
        snr_db_low: lowest signal-to-noise ratio; it is drawn uniformly.
        snr_db_high: highest signal-to-noise ratio.
        room_share: of crops with reverberation.
        t60_low_s: shortest reverberation time; it is drawn uniformly.
        t60_high_s: longest reverberation time.
        tilt_db: deviation of a random smooth curve over frequency: microphones differ.
        narrow_share: of crops without the bands that a telephone lacks.
        freq_width: widest masked stretch of bands.
        time_width: longest masked stretch of frames.
    """

    noise_share: float = 0.4
    babble_share: float = 0.3
    babble_db_low: float = 0.0
    babble_db_high: float = 15.0
    snr_db_low: float = 3.0
    snr_db_high: float = 20.0
    room_share: float = 0.35
    t60_low_s: float = 0.15
    t60_high_s: float = 0.8
    tilt_db: float = 3.0
    narrow_share: float = 0.05
    freq_width: int = 6
    time_width: int = 20

    def __post_init__(self) -> None:
        for name in ("noise_share", "babble_share", "room_share", "narrow_share"):
            check_range(f"augment.{name}", getattr(self, name), 0, 1)
        check_range("augment.snr_db_high", self.snr_db_high, self.snr_db_low)
        check_range("augment.babble_db_high", self.babble_db_high, self.babble_db_low)
        check_range("augment.t60_low_s", self.t60_low_s, 0.02)
        check_range("augment.t60_high_s", self.t60_high_s, self.t60_low_s, 5)
        for name in ("tilt_db", "freq_width", "time_width"):
            check_range(f"augment.{name}", getattr(self, name), 0)


@dataclass(frozen=True)
class LossConfig:
    """What the embedding learns from.

    Attributes:
        scale: of the cosines before the softmax over speakers.
        margin: taken from the cosine of the right speaker (AM-softmax, Wang et al. 2018).
        ge2e: weight of the loss between the crops of a batch (GE2E, Wan et al. 2018).
        overlap: weight of telling where two voices speak at once, with ``model.overlap_dim``.
    """

    scale: float = 30.0
    margin: float = 0.2
    ge2e: float = 0.0
    overlap: float = 0.5

    def __post_init__(self) -> None:
        check_range("loss.scale", self.scale, 1, 100)
        check_range("loss.margin", self.margin, 0, 0.9)
        check_range("loss.ge2e", self.ge2e, 0)
        check_range("loss.overlap", self.overlap, 0)


@dataclass(frozen=True)
class SpeakerDataConfig:
    """Recordings and how crops are drawn from them.

    Attributes:
        train: tables with columns of recordings and their speakers, see
            :func:`asr.speakers.data.read_recordings`.
        dev: tables of other speakers, on whose pairs the epochs are judged.
        test: more tables by name, scored after training.
        noise: folders of noise recordings; empty: none is added.
        features: folder that keeps the features, which other runs then share; by default they are
            in the run folder.
        speeds: of the copies; a copy at another speed is another speaker.
        speakers: different speakers in a batch.
        crops: of each speaker in a batch.
        shortest_s: shortest crop; a batch has crops of one length.
        longest_s: longest crop.
        batches_per_epoch: an epoch is so many batches.
        balance: 0 draws speakers as often as they have speech, 1 all equally often.
        judged_s: length of the stretches of dev recordings that are compared.
        judged_recordings: of each dev speaker, at most.
    """

    train: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()
    test: dict[str, str] = field(default_factory=dict)
    noise: tuple[str, ...] = ()
    features: str = ""
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    speakers: int = 64
    crops: int = 2
    shortest_s: float = 1.2
    longest_s: float = 2.6
    batches_per_epoch: int = 300
    balance: float = 0.5
    judged_s: float = 3.0
    judged_recordings: int = 20

    def __post_init__(self) -> None:
        check_range("data.speakers", self.speakers, 2)
        check_range("data.crops", self.crops, 1)
        check_range("data.shortest_s", self.shortest_s, 0.3)
        check_range("data.longest_s", self.longest_s, self.shortest_s)
        check_range("data.batches_per_epoch", self.batches_per_epoch, 1)
        check_range("data.balance", self.balance, 0, 1)
        check_range("data.judged_s", self.judged_s, 0.3)
        check_range("data.judged_recordings", self.judged_recordings, 2)
        if not self.speeds:
            raise ConfigError("data.speeds names no speed.", "Give at least one, such as 1.0.")
        for speed in self.speeds:
            check_range("data.speeds", speed, 0.88, 2.0)


@dataclass(frozen=True)
class SpeakerConfig:
    """A whole training of a speaker embedding; one section a concern.

    Attributes:
        task: ``speaker``.
        seed: of weights, batches and augmentation.
        output_dir: the run folder.
        init_from: model folder with trained weights of the same shape to start from; empty: none.
        features: how samples become frames.
        data: recordings and batches.
        model: shape of the network.
        loss: what it learns from.
        augment: changes of the crops.
        optimizer: what moves the weights.
        trainer: how long, how fast, in what precision.
    """

    task: str = "speaker"
    seed: int = 1
    output_dir: str = ""
    init_from: str = ""
    features: FrontEnd = field(default_factory=front_end)
    data: SpeakerDataConfig = field(default_factory=SpeakerDataConfig)
    model: EmbeddingConfig = field(default_factory=EmbeddingConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    augment: VoiceAugmentConfig = field(default_factory=VoiceAugmentConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=3e-3, second_momentum=0.99, average_decay=0.995)
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=20, precision="fp32")
    )
