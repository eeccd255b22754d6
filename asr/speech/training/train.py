"""Training of a speech model: prepared splits in, a model folder out.

After every epoch the dev split is decoded greedily; the weights with the lowest error rate are
kept. Legend: T frames, F features, T' output frames, V vocabulary, L labels.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from asr.config import config_yaml
from asr.cores import usable_cores
from asr.decoding import GreedyDecoder, Hypothesis
from asr.errors import ConfigError, DataError, ModelError
from asr.files import atomic_write_text
from asr.model_folder import Bundle, open_model, save_weights, write_bundle
from asr.sequence.sparsity import hold_zeros
from asr.speech.acoustics.network import CtcTask, CtcTaskConfig
from asr.speech.data.batches import SpeechLoader
from asr.speech.data.corrections import corrected, read_corrections
from asr.speech.data.store import FeatureStore
from asr.speech.losses.label_graph import LabelGraph
from asr.speech.losses.spellings import Speller
from asr.speech.training.config import TRAINING, SpeechConfig, SpeechDataConfig, trained_loss
from asr.speech.training.dev_search import DevSearch
from asr.speech.training.distillation import DistillTask
from asr.speech.training.label_model import label_graph
from asr.speech.training.split import encoded_texts, train_loader, with_new_words
from asr.speech.training.teacher import load_teacher
from asr.text.pronunciations import Pronounce, Pronunciations
from asr.text.tokenizers import PhoneTokenizer, Tokenizer, load_tokenizer, train_tokenizer
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, first_difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUTPUT_LAYERS = ("network.output.", "network.conditioning.")  # their shapes are the vocabulary's
PICTURED_S = 5.0  # length of the dev utterance that TensorBoard shows, as nearly as there is one

__all__ = ["build_experiment", "save_speech_model", "train_speech"]


def train_speech(
    config: SpeechConfig, resume: bool = True, pronounce: Pronounce | None = None
) -> Path:
    """Train, and return the model folder with the weights that were best on the dev split.

    Args:
        config: the whole training.
        resume: go on from the last checkpoint of the run folder, if there is one.
        pronounce: says words of the transcripts that the dictionary lacks; they are counted, and
            listed in ``pronounced.txt`` of the run folder. Without it, utterances with such words
            are left out.

    Raises:
        ConfigError: no train, dev or output folder is named.
        DataError: a split is missing, or none of its utterances can be used.
        TrainingError: losses stayed NaN or infinite.
    """
    run_dir = Path(config.output_dir)
    experiment = build_experiment(config, run_dir, resume, pronounce)
    seed = config.seed
    fit(experiment, config.trainer, config.optimizer, run_dir, seed=seed, resume=resume)
    return run_dir / "model"


def build_experiment(
    config: SpeechConfig,
    run_dir: Path,
    resume: bool = True,
    pronounce: Pronounce | None = None,
) -> Experiment:
    """Return data, network and what belongs to them; utterances that are left out are reported.

    With ``resume`` what depends on the training data is taken from a run folder that has a
    checkpoint.

    Raises:
        ConfigError: no train or dev folder is named, or settings contradict each other.
        DataError: see :func:`train_speech`.
        ModelError: a model to start or to learn from is missing, or of another shape.
    """
    train, dev = _open_splits(config.data)
    if config.data.corrections:
        train = corrected(train, read_corrections(config.data.corrections))
    # opened here once: opening a model folder hashes its files
    initial = open_model(config.init_from, task="ctc") if config.init_from else None
    if initial is not None:
        _tell_other_loss(initial, config.loss.kind)
    teacher = config.distillation.teacher
    teacher_bundle = open_model(teacher, task="ctc") if teacher else None
    source = (initial if config.keep_tokenizer else None) or teacher_bundle
    tokenizer = _tokenizer(config, source, list(train.texts))
    if pronounce and isinstance(tokenizer, PhoneTokenizer):
        tokenizer = with_new_words(tokenizer, [*train.texts, *dev.texts], pronounce, run_dir)
    task_config = CtcTaskConfig(
        train.feature_config, config.normalization, config.specaugment, config.model, config.loss
    )
    task = _task(config, task_config, tokenizer, teacher_bundle)
    task.normalizer.set_statistics(train.mean, train.std)
    if initial is not None:
        _start_from(task, initial, config.keep_tokenizer)
    if config.keep_zeros:
        hold_zeros(task.network)
    loader = train_loader(config, train, tokenizer, task, run_dir)
    task.label_graph = _label_graph(
        config, loader, dev=dev, tokenizer=tokenizer, run_dir=run_dir, resume=resume
    )
    if config.loss.pronunciations == "all":
        loader.speller = Speller(tokenizer, task.label_graph)
    decoder = GreedyDecoder(tokenizer.tokens, tokenizer.lexicon)
    said = _said(dev, tokenizer)
    search = _dev_search(config, dev, tokenizer)

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, CtcTask)
        return evaluate_dev(
            trained, dev, decoder=decoder, data=config.data, said=said, search=search
        )

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
        monitor="wer_lm" if search else "per" if said else "wer",
        save_model=save_model,
        speed=lambda batch: batch.duration_s,
        speed_unit="x real time",
        pictures=pictures,
    )


def _open_splits(data: SpeechDataConfig) -> tuple[FeatureStore, FeatureStore]:
    """Open the training and the dev split, which have to be prepared alike."""
    for key in ("train", "dev"):
        if not getattr(data, key):
            raise ConfigError(
                f"data.{key} names no split folder.",
                f"Prepare one with `asr prepare`, then data.{key}=FOLDER.",
            )
    train, dev = FeatureStore.open(data.train), FeatureStore.open(data.dev)
    if train.feature_config != dev.feature_config:
        raise DataError(
            f"{data.train} and {data.dev} have other feature settings.",
            "Prepare both alike.",
        )
    return train, dev


def _label_graph(
    config: SpeechConfig,
    loader: SpeechLoader,
    dev: FeatureStore,
    tokenizer: Tokenizer,
    run_dir: Path,
    resume: bool,
) -> LabelGraph | None:
    if config.loss.kind != "ctc_crf":
        return None
    encoded = [tokens for tokens in encoded_texts(dev, tokenizer, {}) if tokens]
    goes_on = resume and (run_dir / "checkpoints" / "last.ckpt").is_file()
    train = [loader.labels[i].tolist() for i in loader.first_copies]
    return label_graph(train, encoded, tokenizer.tokens, config.loss, run_dir, resume=goes_on)


def _dev_search(config: SpeechConfig, dev: FeatureStore, tokenizer: Tokenizer) -> DevSearch | None:
    data = config.data
    if not data.lm:
        return None
    threads = config.trainer.threads or usable_cores()
    return DevSearch(
        dev,
        tokenizer,
        lm=data.lm,
        lm_alpha=data.lm_alpha,
        lm_beta=data.lm_beta,
        num_utterances=data.dev_utterances,
        threads=threads,
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


def _tell_other_loss(initial: Bundle, kind: str) -> None:
    before = trained_loss(initial).get("kind", kind)
    if before != kind:
        print(
            f"note: {initial.name} was trained with loss.kind={before}, and goes on with {kind}: "
            "what the former brought may be lost.",
            file=sys.stderr,
        )


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


def _start_from(task: CtcTask, initial: Bundle, keep_outputs: bool) -> None:
    """Give the network the weights of another model; its outputs only if they mean the same."""
    fresh = task.state_dict()
    # A model without self-conditioning may go on with it: zeros add nothing at first.
    silent = {
        name: torch.zeros_like(weight)
        for name, weight in fresh.items()
        if name.startswith("network.conditioning.")
    }
    weights = silent | initial.weights()
    if not keep_outputs:
        weights |= {name: fresh[name] for name in fresh if name.startswith(OUTPUT_LAYERS)}
    if difference := first_difference(fresh, weights):
        raise ModelError(
            f"{initial.path} has another architecture: {difference}.",
            "Copy its model section into your config.",
        )
    task.load_state_dict(weights)


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
    search: DevSearch | None = None,
) -> dict[str, float]:
    """Return the error rates of greedy decoding on a split: ``wer``, ``cer``, ``per``.

    With ``search`` also ``wer_lm``, the word error rate of a search with a language model.

    Args:
        task: the network.
        store: the split.
        decoder: the greedy decoder.
        data: how the split is batched.
        search: decodes some utterances of the split with a language model.
        said: phones of utterances by id; without them there is no ``per``, the phone error rate.
    """
    from asr.scoring import score_texts

    references = dict(zip(store.ids, store.texts, strict=True))
    loader = SpeechLoader.plain(store, data.max_batch_s)
    hypotheses: dict[str, Hypothesis] = {}
    emissions: dict[str, npt.NDArray[np.float32]] = {}
    for position in range(loader.num_batches(0)):
        batch = loader.load(0, position).to(next(task.parameters()).device)
        log_probs = task.log_probs_by_id(batch)
        hypotheses |= {name: decoder(array)[0] for name, array in log_probs.items()}
        if search:
            emissions |= {name: log_probs[name] for name in search.ids & log_probs.keys()}
    texts = [best.text for best in hypotheses.values()]
    score = score_texts([references[name] for name in hypotheses], texts, samples=0)
    figures = {"wer": score.wer, "cer": score.cer}
    if said:
        tokens = decoder.vocabulary.tokens
        heard = [_joined(tokens, hypotheses[name].tokens) for name in said]
        figures["per"] = score_texts(list(said.values()), heard, samples=0).wer
    if search:
        figures["wer_lm"] = search.wer(emissions)
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
        atomic_write_text(target / TRAINING, config_yaml(config))
        tokenizer.save(target)
        save_weights(target, task.state_dict())

    write_bundle(folder, write)
