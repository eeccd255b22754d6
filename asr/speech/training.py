"""Training of a speech model: prepared splits in, a model folder out.

After every epoch the dev split is decoded greedily; the weights with the lowest error rate are
kept. Legend: T frames, F features, T' output frames, V vocabulary, L labels.
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
from asr.model_folder import Bundle, open_model, save_weights, write_bundle
from asr.sequence.sparsity import hold_zeros
from asr.speech.batches import SpeechLoader
from asr.speech.distillation import DistillationConfig, DistillTask
from asr.speech.frames import min_output_frames
from asr.speech.live import LiveConfig, LiveFeatures
from asr.speech.loss import CtcLossConfig
from asr.speech.network import CtcModelConfig, CtcTask, CtcTaskConfig
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
        train: split folder.
        dev: split folder.
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
    """Configuration of a speech training.

    Attributes:
        task: name of the task, ``ctc``.
        seed: of weights, batches and augmentation.
        output_dir: the run folder.
        init_from: model folder whose weights and tokenizer to start from (fine-tuning).
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
    seed = config.seed
    fit(experiment, config.trainer, config.optimizer, run_dir, seed=seed, resume=resume)
    return run_dir / "model"


def build_experiment(config: SpeechConfig, run_dir: Path) -> Experiment:
    """Return data, network and what belongs to them; utterances that are left out are reported.

    Raises:
        ConfigError: no train or dev folder is named, or settings contradict each other.
        DataError: see :func:`train_speech`.
        ModelError: a model to start or to learn from is missing, or of another shape.
    """
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
    # opened here once: opening a model folder hashes its files
    initial = open_model(config.init_from, task="ctc") if config.init_from else None
    teacher = config.distillation.teacher
    teacher_bundle = open_model(teacher, task="ctc") if teacher else None
    tokenizer = _tokenizer(config, initial or teacher_bundle, list(train.texts))
    task_config = CtcTaskConfig(
        train.feature_config, config.normalization, config.specaugment, config.model, config.loss
    )
    task = _task(config, task_config, tokenizer, teacher_bundle)
    task.normalizer.set_statistics(train.mean, train.std)
    if initial is not None:
        _start_from(task, initial)
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

    return Experiment(
        task=task,
        train=loader,
        evaluate=evaluate,
        monitor="per" if said else "wer",
        save_model=save_model,
        speed=lambda batch: batch.duration_s,
        speed_unit="x real time",
        pictures=pictures,
    )


def _task(
    config: SpeechConfig, task_config: CtcTaskConfig, tokenizer: Tokenizer, teacher: Bundle | None
) -> CtcTask:
    if config.keep_zeros and not config.init_from:
        raise ConfigError("keep_zeros needs a model that has zeros.", "Give it: init_from=FOLDER.")
    if teacher is None:
        torch.manual_seed(config.seed)
        return CtcTask(task_config, len(tokenizer))
    teacher_task = load_teacher(teacher, tokenizer.tokens)
    # seeded after the teacher is made, so that its student begins as it would without one
    torch.manual_seed(config.seed)
    return DistillTask(task_config, len(tokenizer), teacher_task, config.distillation)


def _tokenizer(config: SpeechConfig, source: Bundle | None, texts: Sequence[str]) -> Tokenizer:
    """Return the tokenizer of a model to start or to learn from; without one, train one."""
    if source is not None:
        tokenizer = load_tokenizer(source.path)
        if config.tokenizer.lexicon and isinstance(tokenizer, PhoneTokenizer):
            return tokenizer.with_words(Pronunciations.load(config.tokenizer.lexicon))
        return tokenizer
    return train_tokenizer(
        config.tokenizer.kind, texts, config.tokenizer.vocab_size, config.tokenizer.lexicon
    )


def _start_from(task: CtcTask, initial: Bundle) -> None:
    """Give the network the weights of another model."""
    fresh = task.state_dict()
    # A model without self-conditioning may go on with it: zeros add nothing at first.
    silent = {
        name: torch.zeros_like(weight)
        for name, weight in fresh.items()
        if name.startswith("network.conditioning.")
    }
    weights = silent | initial.weights()
    if difference := first_difference(fresh, weights):
        raise ModelError(
            f"{initial.path} has another architecture: {difference}.",
            "Copy its model section into your config.",
        )
    task.load_state_dict(weights)


def _train_loader(
    config: SpeechConfig, store: FeatureStore, tokenizer: Tokenizer, task: CtcTask, run_dir: Path
) -> SpeechLoader:
    left_out: dict[int, str] = {}  # number of an item -> why it cannot be used
    labels = LabelTable(_encoded(store, tokenizer, left_out), len(tokenizer))
    # speed perturbation shortens utterances, so that fewer frames are left for the labels
    num_frames = np.floor(store.num_frames * config.data.on_the_fly.shortest).astype(np.int64)
    left_out |= _unfit(num_frames, labels, task, left_out)
    unused = np.fromiter(left_out, np.int64, len(left_out))
    keep = np.setdiff1d(np.arange(len(store.num_frames)), unused)
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
        seed=config.seed,
        augmented=config.data.speed_copies,
        live=live,
    )


def _encoded(
    store: FeatureStore, tokenizer: Tokenizer, left_out: dict[int, str]
) -> Iterator[Sequence[int]]:
    """Yield the token ids of every item, none of one that cannot be spelled; that one is added to
    ``left_out``.
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
    """Return the items whose labels do not fit into their output frames, each with the reason."""
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
    where = run_dir / "left_out.tsv"
    print(
        f"{len(rows)} of {len(store)} stored utterances are left out, listed in {where}:",
        file=sys.stderr,
    )
    print(*(f"  {row}" for row in rows[:5]), sep="\n", file=sys.stderr)


def _said(store: FeatureStore, tokenizer: Tokenizer) -> dict[str, str]:
    """Return the phones of each utterance by id, where the tokenizer has a dictionary.

    Perturbed copies are left out, and utterances with words that the dictionary lacks.
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
    """Return the error rates of greedy decoding on a split: ``wer``, ``cer``, ``per``.

    Args:
        task: the network.
        store: the split.
        decoder: the greedy decoder.
        data: how the split is batched.
        said: phones of utterances by id; without them there is no ``per``, the phone error rate.
    """
    from asr.scoring import score_texts

    references = dict(zip(store.ids, store.texts, strict=True))
    loader = SpeechLoader.plain(store, data.max_batch_s)
    hypotheses: dict[str, Hypothesis] = {}
    for position in range(loader.num_batches(0)):
        batch = loader.load(0, position).to(next(task.parameters()).device)
        log_probs = task.log_probs_by_id(batch)
        hypotheses |= {name: decoder(array)[0] for name, array in log_probs.items()}
    texts = [best.text for best in hypotheses.values()]
    score = score_texts([references[name] for name in hypotheses], texts, samples=0)
    figures = {"wer": score.wer, "cer": score.cer}
    if said:
        tokens = decoder.vocabulary.tokens
        heard = [_joined(tokens, hypotheses[name].tokens) for name in said]
        figures["per"] = score_texts(list(said.values()), heard, samples=0).wer
    return figures


def draw_alignment(task: CtcTask, store: FeatureStore, tokenizer: Tokenizer) -> Figure:
    """Return a picture of one utterance of a split, always the same: its spectrogram and its CTC
    alignment.
    """
    from asr.plots import ctc_alignment

    item = int(np.argmin(np.abs(store.durations_s - PICTURED_S) + 1e9 * (store.speeds != 1.0)))
    features = store.features(item)
    device = next(task.parameters()).device
    x, x_lens = torch.from_numpy(features)[None], torch.tensor([len(features)])
    log_probs, _ = task(x.to(device), x_lens.to(device))
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
