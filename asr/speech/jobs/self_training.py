"""Learning from speech without text: a teacher's transcripts of it, filtered, train a student.

Rounds of Noisy Student (Xie et al. 2020, arXiv:1911.04252; for speech Park et al. 2020,
arXiv:2005.09629): the teacher, a model that has learned from transcripts alone, transcribes the
speech with its n-gram model; what it is sure of, and hears alike in a copy at another speed, is
taken for the transcript. The student, augmented by masks, dropout and copies, learns from both, and
is the teacher of the next round. Each starts from the given model, so that it does not inherit the
errors that its teacher learned.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.config import check_range
from asr.decoding import BeamDecoder, Hypothesis
from asr.decoding.tune import fit_confidence
from asr.errors import DataError, DecodingError
from asr.files import atomic_write_text
from asr.model_folder import copy_files, open_model, write_bundle
from asr.progress import ProgressBar
from asr.scoring import pair, read_transcripts, score_pairs, score_texts
from asr.speech.data.joined_split import join_splits
from asr.speech.data.store import FeatureStore
from asr.speech.jobs.evaluate import check_features, emissions, evaluate
from asr.speech.options import ModelOptions
from asr.speech.recognizer import Recognizer, open_recognizer

__all__ = [
    "PseudoLabel",
    "SelfTrainingConfig",
    "calibrate",
    "pseudo_labels",
    "self_train",
    "write_labels",
]

BATCH_S = 160.0  # seconds, padding included, that the network gets at once
ROUNDS, LABELS = "rounds", "labels.tsv"
COLUMNS = ("id", "confidence", "disagreement", "reason", "text")

# (training split, run folder) -> model folder
Tune = Callable[[Path, Path], Path]


@dataclass(frozen=True)
class SelfTrainingConfig:
    """Which transcripts of a teacher are believed, and how often it is replaced by its student.

    Attributes:
        rounds: how often a student learns from the transcripts of a teacher.
        min_confidence: of a transcript, mean of its words, 0 to 1.
        max_disagreement: share of words that are heard otherwise in the copy at another speed.
    """

    rounds: int = 1
    min_confidence: float = 0.8
    max_disagreement: float = 0.1

    def __post_init__(self) -> None:
        check_range("rounds", self.rounds, 1, 20)
        check_range("min_confidence", self.min_confidence, 0, 1)
        check_range("max_disagreement", self.max_disagreement, 0)


@dataclass(frozen=True)
class PseudoLabel:
    """What a teacher makes of an utterance without text.

    Attributes:
        id: of the utterance.
        text: its transcript.
        confidence: mean of its words, 0 to 1.
        disagreement: share of words that are heard otherwise in the copy at another speed.
        reason: why it is not learned from; empty where it is.
    """

    id: str
    text: str = ""
    confidence: float = 0.0
    disagreement: float = 0.0
    reason: str = ""


def self_train(
    tune: Tune, data: Path, untranscribed: Path, output_dir: Path, config: SelfTrainingConfig
) -> Path:
    """Return the best model folder of a teacher and its students, by the part ``dev``.

    Args:
        tune: trains the given model on a split.
        data: folder of the prepared splits ``train`` and ``dev``.
        untranscribed: prepared split whose texts are not known, with copies at another speed.
        output_dir: gets ``rounds/N`` with the run folder of each training, from 0 for the teacher
            that learns from ``train`` alone, and the ``labels.tsv`` that it learned from.
        config: which transcripts are believed.

    Raises:
        DataError: no transcript of the first teacher is believed.
    """
    rounds = output_dir / ROUNDS
    models = [tune(data / "train", rounds / "0")]
    rates = [_dev_wer(models[0], data / "dev", rounds / "0")]
    for number in range(1, config.rounds + 1):
        folder = rounds / str(number)
        teacher = open_recognizer(ModelOptions(models[-1]))
        calibrate(teacher, data / "dev")
        labels = pseudo_labels(teacher, untranscribed, config)
        write_labels(labels, folder / LABELS)
        kept = {label.id: label.text for label in labels if not label.reason}
        _report(number, labels, folder / LABELS)
        if not kept:
            raise _nothing_kept(labels, folder / LABELS)
        join_splits(data / "train", untranscribed, kept, folder / "data")
        models.append(tune(folder / "data", folder))
        rates.append(_dev_wer(models[-1], data / "dev", folder))
    shown = ", ".join(f"round {number}: {100 * rate:.2f} %" for number, rate in enumerate(rates))
    best = int(np.argmin(rates))
    print(f"WER on dev, {shown}; round {best} is taken", file=sys.stderr)
    return _copied(models[best], output_dir / "run" / "model")


def calibrate(recognizer: Recognizer, dev: Path) -> None:
    """Make the confidences of a teacher those of a prepared split: of words with 0.8, 80 % are
    right.

    After a training they are another model's, or nobody's, and a limit would keep everything or
    nothing.
    """
    if not isinstance(recognizer.decoder, BeamDecoder):
        return
    heard = emissions(recognizer, dev)
    try:
        power = fit_confidence(recognizer.decoder, heard.log_probs, heard.texts)
    except DecodingError:  # it hears no word at all, which is said later
        return
    recognizer.decoder = recognizer.decoder.replace(confidence_power=power)


def pseudo_labels(
    recognizer: Recognizer, split: Path, config: SelfTrainingConfig
) -> list[PseudoLabel]:
    """Return what a teacher makes of each utterance of a prepared split, in order of their ids.

    Args:
        recognizer: the teacher, in torch.
        split: with a copy of each utterance at another speed.
        config: which transcripts are believed.

    Raises:
        DataError: the split is missing, or has other features than the model's, or no such copies.
    """
    from asr.speech.data.batches import SpeechLoader  # it needs torch

    store = FeatureStore.open(split)
    check_features(recognizer, store)
    twins = _copies_at_another_speed(store)
    batches = SpeechLoader.plain(store, BATCH_S).item_numbers(0)
    labels = []
    with ProgressBar("transcribing", sum(map(len, batches))) as bar:
        for items in batches:
            heard = _heard(recognizer, store, items)
            again = _heard(recognizer, store, [twins[int(store.sources[i])] for i in items])
            labels += [
                _judged(store.ids[int(item)], best, other, config)
                for item, best, other in zip(items, heard, again, strict=True)
            ]
            bar.advance(len(items))
    return sorted([*labels, *_skipped(split)], key=lambda label: label.id)


def write_labels(labels: Iterable[PseudoLabel], path: Path) -> None:
    """Write a table (TSV with a line of names) of kept and dropped utterances, with the reasons."""
    rows = [
        (x.id, f"{x.confidence:.4f}", f"{x.disagreement:.4f}", " ".join(x.reason.split()), x.text)
        for x in labels
    ]
    atomic_write_text(path, "".join("\t".join(row) + "\n" for row in [COLUMNS, *rows]))


def _copies_at_another_speed(store: FeatureStore) -> dict[int, int]:
    """Return the number of an utterance -> the item that is its fastest copy."""
    fastest = float(store.speeds.max(initial=1.0))
    if fastest <= 1.0:
        raise DataError(
            f"{store.path} has no copies at a higher speed.", "Prepare it with --speeds 1.0,1.1."
        )
    items = np.flatnonzero(store.speeds == np.float32(fastest))
    return {int(store.sources[item]): int(item) for item in items}


def _heard(
    recognizer: Recognizer, store: FeatureStore, items: Sequence[int] | np.ndarray
) -> list[Hypothesis]:
    """Return the best hypothesis of each item."""
    features = [store.features(int(item)) for item in items]
    log_probs = recognizer.acoustics.log_probs_of_features(features)
    return [hypotheses[0] for hypotheses in recognizer.decoder(log_probs)]


def _judged(
    name: str, best: Hypothesis, other: Hypothesis, config: SelfTrainingConfig
) -> PseudoLabel:
    if not best.words:
        return PseudoLabel(name, reason="nothing is heard")
    confidence = sum(word.confidence for word in best.words) / len(best.words)
    disagreement = score_texts([best.text], [other.text], samples=0).wer
    reason = ""
    if confidence < config.min_confidence:
        reason = f"confidence below {config.min_confidence:g}"
    elif disagreement > config.max_disagreement:
        reason = "heard otherwise at another speed"
    return PseudoLabel(name, best.text, confidence, disagreement, reason)


def _skipped(split: Path) -> list[PseudoLabel]:
    """Return the utterances that could not be prepared."""
    path = split / "skipped.tsv"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = (line.partition("\t") for line in lines)
    return [PseudoLabel(name, reason=f"not prepared: {reason}") for name, _, reason in rows]


def _report(number: int, labels: Sequence[PseudoLabel], path: Path) -> None:
    """Say on standard error how many transcripts are believed, and why the others are not."""
    counts = Counter(label.reason.partition(":")[0] for label in labels)
    kept = counts.pop("", 0)
    why = "".join(f", {count} {reason}" for reason, count in counts.most_common())
    print(
        f"round {number}: {kept} of {len(labels)} utterances without text are learned from, "
        f"listed in {path}; left out{why or ': none'}".replace("left out, ", "left out: "),
        file=sys.stderr,
    )


def _nothing_kept(labels: Sequence[PseudoLabel], path: Path) -> DataError:
    heard = [label for label in labels if label.text]
    if not heard:
        return DataError(
            f"Nothing is heard in any of the {len(labels)} utterances without text, see {path}.",
            "Check that the recordings hold speech in the language of the model.",
        )
    best = max(label.confidence for label in heard)
    return DataError(
        f"None of the {len(labels)} utterances without text is recognised surely enough (the best "
        f"confidence is {best:.2f}), see {path}.",
        "Transcribe some of them first, or lower --min-confidence or raise --max-disagreement.",
    )


def _dev_wer(model: Path, dev: Path, folder: Path) -> float:
    """Return the word error rate of a model's best decoder on a split."""
    evaluate(ModelOptions(model), [dev], folder)
    results = folder / dev.name
    references = read_transcripts(results / "references.tsv", None, "reference")
    hypotheses = read_transcripts(results / "hypotheses.tsv", None, "hypothesis")
    return score_pairs(pair(references, hypotheses), samples=0).wer


def _copied(model: Path, folder: Path) -> Path:
    """Copy a model folder."""
    source = open_model(model).path
    return write_bundle(folder, lambda target: copy_files(source, target))
