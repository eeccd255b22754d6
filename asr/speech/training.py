"""Speech: prepared splits -> a trained model folder, with the word error rate of the dev split
after every epoch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from asr.config import check_range, config_yaml
from asr.decoding import GreedyDecoder, Hypothesis
from asr.errors import ConfigError, DataError, ModelError, TokenError
from asr.features.extraction import SpecAugmentConfig
from asr.files import atomic_write_text
from asr.model_folder import find_model, open_bundle, save_weights, write_bundle
from asr.sequence.sparsity import hold_zeros
from asr.speech.batches import SpeechLoader
from asr.speech.distillation import DistillationConfig, DistillTask
from asr.speech.live import LiveConfig, LiveFeatures
from asr.speech.loss import CtcLossConfig
from asr.speech.network import CtcModelConfig, CtcTask, CtcTaskConfig, min_output_frames
from asr.speech.store import FeatureStore, LabelTable
from asr.speech.teacher import load_teacher
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import PhoneTokenizer, Tokenizer, load_tokenizer, train_tokenizer
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, first_difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURED_S = 5.0  # length of the dev utterance that TensorBoard shows, as nearly as there is one

__all__ = ["SpeechConfig", "SpeechDataConfig", "TokenizerConfig", "train_speech"]


@dataclass(frozen=True)
class SpeechDataConfig:
    """Prepared splits (folders that ``asr prepare`` wrote) and how they are batched.

    Attributes:
        train: split folders.
        dev: split folders.
        test: more splits by name, evaluated after training.
        max_batch_s: padded seconds of speech in a batch.
        max_batch_size: utterances in a batch.
        speed_copies: use the speed-perturbed copies too.
        on_the_fly: instead of the stored features, compute them from the recordings, changed anew
            in every epoch (``trainer.workers`` says in how many processes).
    """

    train: str = ""
    dev: str = ""
    test: dict[str, str] = field(default_factory=dict)
    max_batch_s: float = 200.0
    max_batch_size: int = 16
    speed_copies: bool = True
    on_the_fly: LiveConfig = field(default_factory=LiveConfig)

    def __post_init__(self) -> None:
        check_range("data.max_batch_s", self.max_batch_s, 1)
        check_range("data.max_batch_size", self.max_batch_size, 1)


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
    """A whole speech training; one section a concern.

    Attributes:
        init_from: model folder whose weights and tokenizer to start from (fine-tuning).
        keep_zeros: weights of ``init_from`` that are zero stay so, as
            :func:`asr.speech.export.pruning.prune_weights` made it.
        distillation: a teacher whose tokenizer, and opinion of every batch, the model takes.
    """

    task: str = "ctc"
    seed: int = 1
    output_dir: str = ""
    init_from: str | None = None
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


def train_speech(config: SpeechConfig, resume: bool = True) -> Path:
    """Train, and return the model folder with the weights that were best on the dev split.

    Raises:
        ConfigError: no train, dev or output folder is named.
        DataError: a split is missing, or none of its utterances can be used.
        TrainingError: losses stayed NaN or infinite.
    """
    run_dir = Path(config.output_dir)
    experiment = build_experiment(config, run_dir)
    fit(experiment, config.trainer, config.optimizer, run_dir, config.seed, resume)
    return run_dir / "model"


def build_experiment(config: SpeechConfig, run_dir: Path) -> Experiment:
    """Open the data, make tokenizer and network, and say what is left out and why."""
    for key in ("train", "dev"):
        if not getattr(config.data, key):
            raise ConfigError(
                f"data.{key} names no split folder.",
                f"Prepare one with `asr prepare`, then data.{key}=FOLDER.",
            )
    train, dev = FeatureStore.open(config.data.train), FeatureStore.open(config.data.dev)
    if train.feature_config != dev.feature_config:
        raise DataError(
            f"{config.data.train} and {config.data.dev} have other feature settings.",
            "Prepare both alike.",
        )
    tokenizer = _tokenizer(config, list(train.texts))
    task_config = CtcTaskConfig(
        train.feature_config, config.normalization, config.specaugment, config.model, config.loss
    )
    task = _task(config, task_config, tokenizer)
    task.normalizer.set_statistics(train.mean, train.std)
    if config.init_from:
        _start_from(task, config.init_from)
    if config.keep_zeros:
        hold_zeros(task.network)
    loader = _train_loader(config, train, tokenizer, task, run_dir)
    decoder = GreedyDecoder(tokenizer.tokens, tokenizer.lexicon)

    said = _said(dev, tokenizer)

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, CtcTask)
        return evaluate_dev(trained, dev, decoder, config.data, said)

    def save_model(trained: Task, folder: Path) -> None:
        assert isinstance(trained, CtcTask)
        save_speech_model(trained, tokenizer, config, folder)

    def pictures(trained: Task) -> dict[str, Figure]:
        assert isinstance(trained, CtcTask)
        return {"dev utterance": draw_alignment(trained, dev, tokenizer)}

    monitor = "per" if said else "wer"
    return Experiment(
        task,
        loader,
        evaluate,
        monitor,
        save_model,
        lambda batch: batch.duration_s,
        "x real time",
        pictures,
    )


def _task(config: SpeechConfig, task_config: CtcTaskConfig, tokenizer: Tokenizer) -> CtcTask:
    if config.keep_zeros and not config.init_from:
        raise ConfigError("keep_zeros needs a model that has zeros.", "Give it: init_from=FOLDER.")
    if not config.distillation.teacher:
        torch.manual_seed(config.seed)
        return CtcTask(task_config, len(tokenizer))
    teacher = load_teacher(config.distillation.teacher, tokenizer.tokens)
    torch.manual_seed(
        config.seed
    )  # after the teacher is made, so that its student begins as it would without one
    return DistillTask(task_config, len(tokenizer), teacher, config.distillation)


def _tokenizer(config: SpeechConfig, texts: Sequence[str]) -> Tokenizer:
    if folder := config.init_from or config.distillation.teacher:
        tokenizer = load_tokenizer(open_bundle(find_model(folder), task="ctc").path)
        if config.tokenizer.lexicon and isinstance(tokenizer, PhoneTokenizer):
            return tokenizer.with_words(Pronunciations.load(config.tokenizer.lexicon))
        return tokenizer
    return train_tokenizer(
        config.tokenizer.kind, texts, config.tokenizer.vocab_size, config.tokenizer.lexicon
    )


def _start_from(task: CtcTask, folder: str) -> None:
    fresh = task.state_dict()
    silent = {
        name: torch.zeros_like(w)
        for name, w in fresh.items()
        if name.startswith("network.conditioning.")
    }
    learned = open_bundle(find_model(folder), task="ctc").weights()
    weights = silent | learned  # one without self-conditioning can go on with it
    if difference := first_difference(fresh, weights):
        raise ModelError(
            f"{folder} has another architecture: {difference}.",
            "Copy its model section into your config.",
        )
    task.load_state_dict(weights)


def _train_loader(
    config: SpeechConfig, store: FeatureStore, tokenizer: Tokenizer, task: CtcTask, run_dir: Path
) -> SpeechLoader:
    left_out: dict[int, str] = {}
    labels = LabelTable(_encoded(store, tokenizer, left_out), len(tokenizer))
    num_frames = np.floor(store.num_frames * config.data.on_the_fly.shortest).astype(np.int64)
    left_out |= _unfit(num_frames, labels, task, left_out)
    keep = np.setdiff1d(
        np.arange(len(store.num_frames)), np.fromiter(left_out, np.int64, len(left_out))
    )
    _report_left_out(store, left_out, run_dir)
    if not len(keep):
        raise DataError(
            f"None of the {len(labels)} utterances of {config.data.train} can be used.",
            "See the list above.",
        )
    live = (
        LiveFeatures(store, config.data.on_the_fly, config.seed)
        if config.data.on_the_fly.enabled
        else None
    )
    return SpeechLoader(
        store,
        labels,
        keep,
        config.data.max_batch_s,
        config.data.max_batch_size,
        config.seed,
        augmented=config.data.speed_copies,
        live=live,
    )


def _encoded(
    store: FeatureStore, tokenizer: Tokenizer, left_out: dict[int, str]
) -> Iterator[Sequence[int]]:
    """Yield the token ids of every item; what cannot be spelled goes to ``left_out`` and yields
    none.
    """
    known: str | None = None
    tokens: Sequence[int] = ()
    for number, text in enumerate(store.texts):
        if text != known:  # copies of an utterance follow each other
            try:
                tokens, known = tokenizer.encode(text), text
            except TokenError as error:
                tokens, known = (), None
                left_out[number] = error.message
        yield tokens


def _unfit(
    num_frames: npt.NDArray[np.int64],
    labels: Sequence[npt.NDArray[np.int64]],
    task: CtcTask,
    known: dict[int, str],
) -> dict[int, str]:
    frames = task.output_lengths(torch.from_numpy(num_frames)).tolist()
    unfit = {}
    for number, (available, label) in enumerate(zip(frames, labels, strict=True)):
        if number in known:
            continue
        needed = min_output_frames(label)
        if not len(label):
            unfit[number] = "empty transcript"
        elif available < needed:
            unfit[number] = f"{available} output frames, its {len(label)} labels need {needed}"
    return unfit


def _report_left_out(store: FeatureStore, left_out: dict[int, str], run_dir: Path) -> None:
    if not left_out:
        return
    rows = [f"{store.ids[number]}\t{reason}" for number, reason in sorted(left_out.items())]
    atomic_write_text(run_dir / "left_out.tsv", "id\treason\n" + "\n".join(rows) + "\n")
    print(
        f"{len(rows)} of {len(store)} stored utterances are left out, listed in {run_dir / 'left_out.tsv'}:",
        file=sys.stderr,
    )
    print(*(f"  {row}" for row in rows[:5]), sep="\n", file=sys.stderr)


def _said(store: FeatureStore, tokenizer: Tokenizer) -> dict[str, str]:
    """Return the phones of each utterance, copies aside, whose words the dictionary has, by id;
    nothing without one.
    """
    lexicon = tokenizer.lexicon
    if lexicon is None:
        return {}
    known = {
        name: text
        for name, text, speed in zip(store.ids, store.texts, store.speeds, strict=True)
        if speed == 1.0 and all(word in lexicon for word in text.split())
    }
    if not known:
        raise DataError(
            "The dictionary lacks words of every dev transcript.", "Add them to tokenizer.lexicon."
        )
    return {name: _joined(tokenizer.tokens, tokenizer.encode(text)) for name, text in known.items()}


def _joined(tokens: Sequence[str], ids: Sequence[int]) -> str:
    return " ".join(tokens[i] for i in ids)


def evaluate_dev(
    task: CtcTask,
    store: FeatureStore,
    decoder: GreedyDecoder,
    data: SpeechDataConfig,
    said: Mapping[str, str],
) -> dict[str, float]:
    """Return greedy word and character error rates of a split; ``per``, that of the phones, where
    they are ``said``.
    """
    from asr.scoring import score_texts

    references = dict(zip(store.ids, store.texts, strict=True))
    loader = SpeechLoader.plain(store, data.max_batch_s)
    found: dict[str, Hypothesis] = {}
    for position in range(loader.num_batches(0)):
        batch = loader.load(0, position).to(next(task.parameters()).device)
        found |= {name: decoder(array)[0] for name, array in task.log_probs_by_id(batch).items()}
    score = score_texts(
        [references[name] for name in found], [best.text for best in found.values()], samples=0
    )
    figures = {"wer": score.wer, "cer": score.cer}
    if said:
        tokens = decoder.vocabulary.tokens
        heard = [_joined(tokens, found[name].tokens) for name in said]
        figures["per"] = score_texts(list(said.values()), heard, samples=0).wer
    return figures


def draw_alignment(task: CtcTask, store: FeatureStore, tokenizer: Tokenizer) -> Figure:
    """Return the spectrogram and the CTC alignment of one utterance of a split, always the same."""
    from asr.plots import ctc_alignment

    item = int(np.argmin(np.abs(store.durations_s - PICTURED_S) + 1e9 * (store.speeds != 1.0)))
    features = store.features(item)
    device = next(task.parameters()).device
    log_probs, _ = task(
        torch.from_numpy(features)[None].to(device), torch.tensor([len(features)], device=device)
    )
    shift_s = store.frame_shift_s
    return ctc_alignment(
        features,
        log_probs[0].cpu().numpy(),
        tokenizer.tokens,
        shift_s,
        shift_s * task.config.model.subsampling,
    )


def save_speech_model(
    task: CtcTask, tokenizer: Tokenizer, config: SpeechConfig, folder: Path
) -> None:
    """Write the model folder: what :func:`asr.speech.recognizer.load_model` needs."""

    @dataclass(frozen=True)
    class SavedConfig:
        task: str
        network: CtcTaskConfig

    def write(target: Path) -> None:
        atomic_write_text(target / "config.yaml", config_yaml(SavedConfig("ctc", task.config)))
        atomic_write_text(target / "training.yaml", config_yaml(config))
        tokenizer.save(target)
        save_weights(target, task.state_dict())

    write_bundle(folder, write)
