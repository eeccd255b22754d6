"""Hypotheses and word error rates of a model on prepared splits: what `asr evaluate` does."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.audio.trimming import trim
from asr.config import as_dict, save_config
from asr.decoding import Hypothesis
from asr.decoding.language_models import file_for_folder, is_kenlm_binary
from asr.decoding.rescoring import N_BEST, tune_rescoring
from asr.decoding.tune import right_words
from asr.errors import ConfigError, DataError, LanguageModelError
from asr.features.config import FeatureConfig
from asr.files import MANIFEST, atomic_write_text
from asr.model_folder import WEIGHTS, Bundle, add_to_bundle, open_model
from asr.run_folder import Metric, update_metrics
from asr.scoring import Score, score_texts
from asr.scoring.calibration import Calibration, calibrate
from asr.speech.data.recordings import SplitRecordings
from asr.speech.data.store import FeatureStore
from asr.speech.decoders import LM_FILES, Decoder, DecoderFactory, DecodingConfig
from asr.speech.options import ModelOptions
from asr.speech.recognizer import Recognizer, open_recognizer

__all__ = [
    "Emissions",
    "check_features",
    "emissions",
    "evaluate",
    "tune_decoding",
    "tune_second_pass",
]

BATCH_S = 400.0  # seconds, padding included, that the network gets at once
TUNED = ("lm_alpha", "lm_beta", "blank_penalty")
Array = npt.NDArray[np.float32]
Results = Mapping[str, Mapping[str, Score]]  # split -> decoder -> score


@dataclass(frozen=True)
class Emissions:
    """Log-probabilities of a split, and its references.

    Attributes:
        ids: utterance names, sorted.
        texts: references.
        speakers: of each utterance.
        log_probs: (T', V) each.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    speakers: tuple[str, ...]
    log_probs: tuple[npt.NDArray[np.float32], ...]


@dataclass(frozen=True)
class Evaluated:
    """Scores of a split by decoder, and how far the confidences of the last one can be trusted."""

    scores: dict[str, Score]
    calibration: Calibration


def _differing(wanted: FeatureConfig, stored: FeatureConfig) -> str:
    """The settings of ``wanted`` that ``stored`` has not, as `asr prepare` takes them."""
    other = as_dict(stored)
    return " ".join(
        f"--feature {name}={json.dumps(value)}"
        for name, value in as_dict(wanted).items()
        if value != other[name]
    )


def check_features(recognizer: Recognizer, store: FeatureStore) -> None:
    """Refuse a prepared split with other features than the model's.

    Raises:
        DataError: it has other ones.
    """
    wanted = recognizer.feature_config
    if store.feature_config != wanted:
        raise DataError(
            f"{store.path} was prepared with other features than the model {recognizer.name} was "
            "trained on.",
            f"Prepare it again with the model's: {_differing(wanted, store.feature_config)}",
        )


def emissions(recognizer: Recognizer, split: str | Path) -> Emissions:
    """Return log-probabilities and references of a prepared split (its unperturbed utterances).

    In torch they are computed from the stored features; in ONNX Runtime, whose graphs begin with
    samples or have features of their own, from the recordings.

    Raises:
        DataError: the split is missing or was prepared with other feature settings than the
            model's, or its manifest lacks an utterance.
        AudioError: a recording is no longer there.
    """
    store = FeatureStore.open(split)
    of_items = _from_features if recognizer.backend == "torch" else _from_recordings
    log_probs = of_items(recognizer, store)
    order = sorted(log_probs, key=lambda item: store.ids[item])
    ids, texts, speakers = (
        tuple(table[item] for item in order) for table in (store.ids, store.texts, store.speakers)
    )
    return Emissions(ids, texts, speakers, tuple(log_probs[item] for item in order))


def _from_features(recognizer: Recognizer, store: FeatureStore) -> dict[int, Array]:
    """Log-probabilities (T', V) by item, from stored features."""
    from asr.speech.data.batches import SpeechLoader  # it needs torch

    check_features(recognizer, store)
    log_probs: dict[int, Array] = {}
    for items in SpeechLoader.plain(store, BATCH_S).item_numbers(0):
        features = [store.features(item) for item in items]
        arrays = recognizer.acoustics.log_probs_of_features(features)
        log_probs.update(zip(items, arrays, strict=True))
    return log_probs


def _from_recordings(recognizer: Recognizer, store: FeatureStore) -> dict[int, Array]:
    """Log-probabilities (T', V) by item, from recordings."""
    recordings, frames = SplitRecordings(store), recognizer.frames
    items = np.flatnonzero(store.speeds == 1.0)
    longest_first = items[np.argsort(-store.num_frames[items], kind="stable")].tolist()
    log_probs: dict[int, Array] = {}
    while longest_first:
        count = max(1, int(BATCH_S // store.durations_s[longest_first[0]]))
        batch, longest_first = longest_first[:count], longest_first[count:]
        heard = [recordings.samples(item, frames.sample_rate) for item in batch]
        if frames.features.trim:
            heard = [trim(samples, frames.sample_rate) for samples in heard]
        heard = [np.pad(s, (0, max(0, frames.frame_length - len(s)))) for s in heard]
        log_probs.update(zip(batch, recognizer.log_probs(heard), strict=True))
    return log_probs


def tune_decoding(
    decoders: DecoderFactory, dev: Emissions, decoding: DecodingConfig
) -> DecodingConfig:
    """Return ``decoding`` with the weights of the lowest word error rate on ``dev``; fit
    confidences.
    """
    from asr.decoding.tune import fit_confidence, tune

    log_probs, texts = list(dev.log_probs), list(dev.texts)
    best = tune(decoders.beam(decoding), log_probs, texts)
    tuned = replace(decoding, **{name: getattr(best, name) for name in TUNED})
    power = fit_confidence(decoders.beam(tuned), log_probs, texts)
    return replace(tuned, confidence_power=round(power, 4))


def tune_second_pass(
    decoders: DecoderFactory,
    dev: Emissions | None,
    decoding: DecodingConfig,
    *,
    rescorer: str | Path,
    weight: float | None,
) -> DecodingConfig:
    """Return ``decoding`` with a second pass by an LSTM language model, its weight tuned on ``dev``
    if not given.

    Raises:
        ConfigError: there is neither a split to tune on nor a weight.
        ModelError: ``rescorer`` holds no language model.
    """
    decoding = replace(decoding, rescorer=str(rescorer))
    if weight is not None:
        return replace(decoding, rescore_weight=weight)
    if dev is None:
        raise ConfigError(
            "The weight of the second pass is not known.",
            "Give --tune-on SPLIT or --rescore-weight.",
        )
    search = decoders.beam(replace(decoding, n_best=N_BEST))
    hypotheses = search(list(dev.log_probs))
    scorer = decoders.scorer(rescorer)
    tuned = tune_rescoring(hypotheses, list(dev.texts), scorer)
    print(
        f"second pass: weight {tuned.weight:g}, bonus a word {tuned.word_bonus:g}; "
        f"on dev WER {100 * tuned.wer:.2f} % instead of {100 * tuned.wer_before:.2f} % "
        f"(best of {N_BEST}: {100 * tuned.oracle:.2f} %)",
        file=sys.stderr,
    )
    return replace(decoding, rescore_weight=tuned.weight, rescore_word_bonus=tuned.word_bonus)


def evaluate(
    options: ModelOptions,
    splits: Sequence[str | Path],
    output_dir: str | Path,
    *,
    tune_on: str | Path | None = None,
    normalizer: str = "none",
    save_to_model: bool = False,
    rescorer: str | Path | None = None,
    rescore_weight: float | None = None,
) -> str:
    """Decode splits, write hypotheses and figures under ``output_dir``, and return the table to
    print.

    Args:
        options: the model and how it runs: in torch where the folder holds trained weights, on the
            stored features, else on the recordings.
        splits: prepared split folders, or the ``cuts.jsonl.gz`` in them.
        output_dir: gets ``metrics.json``, ``decoding.yaml`` and, for each split, ``references.tsv``
            and ``hypotheses.tsv`` (with the language model where there is one;
            ``hypotheses.greedy.tsv`` beside it), and ``confidences.tsv``: each of its words with
            its confidence and whether it is right.
        tune_on: split on which lm_alpha, lm_beta and blank_penalty are tuned first.
        normalizer: see :mod:`asr.text.normalizers`.
        save_to_model: keep language model (compiled, or compact as it is) and decoding settings in
            the model folder, for transcription.
        rescorer: model folder of an LSTM language model that re-ranks the hypotheses.
        rescore_weight: its weight, where it is not to be tuned on ``tune_on``.

    Raises:
        ConfigError: two splits have folders of the same name.
        DataError: see :func:`emissions`.
        LanguageModelError: the n-gram model cannot be read, or is a KenLM binary and
            ``save_to_model`` is asked for.
        ModelError: the model folder holds no network.
    """
    # What cannot be is refused before the hours of decoding.
    if save_to_model and options.lm and is_kenlm_binary(options.lm):
        raise LanguageModelError(
            f"{options.lm} is a KenLM binary, which a model folder does not keep: it carries no "
            "checksum.",
            "Give the ARPA file that it was built from.",
        )
    folders = _folders(splits)
    recognizer = open_recognizer(_for_splits(options))
    decoders = recognizer.decoders
    has_lm, first, dev = decoders.lm is not None, recognizer.decoding, None
    if tune_on and (has_lm or rescorer):
        dev = emissions(recognizer, _folder(tune_on))
        if has_lm:
            first = tune_decoding(decoders, dev, first)
            weights = ", ".join(f"{name} {getattr(first, name):g}" for name in TUNED)
            print(f"tuned on {_folder(tune_on)}: {weights}", file=sys.stderr)
    final = first  # with the second pass, where there is one
    if rescorer:
        final = tune_second_pass(
            decoders, dev, replace(first, rescorer=""), rescorer=rescorer, weight=rescore_weight
        )
    compared = _compared_decoders(decoders, final)
    results = {
        folder.name: _evaluate_split(
            emissions(recognizer, folder), compared, Path(output_dir) / folder.name, normalizer
        )
        for folder in folders
    }
    if save_to_model:  # without the second pass, which lies in a folder of its own
        _save_to_model(recognizer.bundle, decoders.lm, replace(first, rescorer=""))
    scores = {split: evaluated.scores for split, evaluated in results.items()}
    errors = {
        f"{split}/confidence error": Metric(evaluated.calibration.error, split)
        for split, evaluated in results.items()
        if evaluated.calibration.words
    }
    update_metrics(output_dir, {**_metrics(scores), **errors})
    save_config(final, Path(output_dir) / "decoding.yaml")
    _show_calibration(results)
    return _table(scores)


def _for_splits(options: ModelOptions) -> ModelOptions:
    """Return the options with the back end torch where there are weights; an n-gram model that is
    given is also used where the stored settings are of greedy decoding.
    """
    bundle = open_model(options.model, task="ctc")
    backend = "torch" if WEIGHTS in bundle.files else "onnxruntime"
    options = replace(options, model=bundle, backend=backend)
    stored = bundle.config.get("decoding") or {}
    if options.lm is None or stored.get("method") != "greedy":
        return options
    return replace(options, decoding={"method": "auto", **options.decoding_fields})


def _compared_decoders(factory: DecoderFactory, decoding: DecodingConfig) -> dict[str, Decoder]:
    """Return the decoders to compare, by name, the best one last: greedy, the beam where there is a
    language model, and the second pass where ``decoding`` has one.
    """
    first = replace(decoding, rescorer="")
    decoders: dict[str, Decoder] = {"greedy": factory.make(replace(first, method="greedy"))}
    if factory.lm is not None:
        decoders["beam+lm"] = factory.make(replace(first, method="beam"))
    if decoding.rescorer:
        name = "beam+lstm" if factory.lm is None else "beam+lm+lstm"
        decoders[name] = factory.make(replace(decoding, method="beam"))
    return decoders


def _folders(splits: Sequence[str | Path]) -> list[Path]:
    folders = [_folder(split) for split in splits]
    names = [folder.name for folder in folders]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"{names.count(twice[0])} splits are called {twice[0]!r}, which names their results.",
            "Rename a folder, or evaluate them one by one.",
        )
    return folders


def _folder(split: str | Path) -> Path:
    path = Path(split)
    return path.parent if path.name == MANIFEST else path


def _save_to_model(bundle: Bundle, lm: Path | None, decoding: DecodingConfig) -> None:
    entry = {"decoding": as_dict(decoding)}
    if lm is None or lm.resolve().parent == bundle.path.resolve():
        # The folder already holds this language model, or needs none.
        add_to_bundle(bundle, {}, entry)
        return
    with tempfile.TemporaryDirectory() as temporary:
        kept = file_for_folder(lm, Path(temporary))
        others = [name for name in LM_FILES if name not in kept]
        add_to_bundle(bundle, kept, entry, drop=others)


def _evaluate_split(
    data: Emissions, decoders: Mapping[str, Decoder], folder: Path, normalizer: str
) -> Evaluated:
    """Write what each decoder says of a split into ``folder``, and return the scores."""
    references = dict(zip(data.ids, data.texts, strict=True))
    speakers = dict(zip(data.ids, data.speakers, strict=True))
    _write_tsv(folder / "references.tsv", references)
    scores, best, calibration = {}, list(decoders)[-1], None
    for name, decoder in decoders.items():
        said = [hypotheses[0] for hypotheses in decoder(list(data.log_probs))]
        hypotheses = dict(zip(data.ids, (one.text for one in said), strict=True))
        scores[name] = score_texts(references, hypotheses, normalizer=normalizer, speakers=speakers)
        # The best decoder's are the hypotheses; those of the others carry its name.
        file = "hypotheses.tsv" if name == best else f"hypotheses.{name}.tsv"
        _write_tsv(folder / file, hypotheses)
        if name == best:
            calibration = _write_confidences(folder / "confidences.tsv", data, said)
    assert calibration is not None
    return Evaluated(scores, calibration)


def _write_confidences(path: Path, data: Emissions, said: Sequence[Hypothesis]) -> Calibration:
    """Write each recognised word with its confidence and whether it is right."""
    rows, confidences, right = ["utterance\tword\tconfidence\tright"], list[float](), list[bool]()
    for name, reference, hypothesis in zip(data.ids, data.texts, said, strict=True):
        spans = hypothesis.words
        hits = right_words(reference.split(), [span.word for span in spans])
        confidences += [span.confidence for span in spans]
        right += hits
        rows += [
            f"{name}\t{span.word}\t{span.confidence:.4f}\t{hit:d}"
            for span, hit in zip(spans, hits, strict=True)
        ]
    atomic_write_text(path, "\n".join(rows) + "\n")
    return calibrate(confidences, right)


def _show_calibration(results: Mapping[str, Evaluated]) -> None:
    """Say on standard error how far confidences can be trusted."""
    for split, evaluated in results.items():
        c = evaluated.calibration
        if c.words:
            print(
                f"confidences of {split}: {100 * c.confidence:.1f} % on average, "
                f"{100 * c.right:.1f} % of {c.words} words right, "
                f"expected calibration error {100 * c.error:.1f} %",
                file=sys.stderr,
            )


def _write_tsv(path: Path, texts: Mapping[str, str]) -> None:
    atomic_write_text(path, "".join(f"{name}\t{text}\n" for name, text in texts.items()))


def _metrics(results: Results) -> dict[str, Metric]:
    metrics = {}
    for split, scores in results.items():
        for decoder, score in scores.items():
            for name, value, interval in (
                ("wer", score.wer, score.wer_interval),
                ("cer", score.cer, score.cer_interval),
            ):
                low, high = (interval.low, interval.high) if interval else (None, None)
                metrics[f"{split}/{name} {decoder}"] = Metric(value, split, low=low, high=high)
    return metrics


def _table(results: Results) -> str:
    counts = f"{'words':>6} {'sub':>5} {'del':>5} {'ins':>5}"
    header = (
        f"{'split':<16} {'decoder':<12} {'WER %':>7} {'95 % interval':>15} {'CER %':>7} {counts}"
    )
    rows = [
        _row(split, decoder, score)
        for split, scores in results.items()
        for decoder, score in scores.items()
    ]
    return "\n".join([header, *rows])


def _row(split: str, decoder: str, score: Score) -> str:
    interval = score.wer_interval
    between = f"{100 * interval.low:.2f} - {100 * interval.high:.2f}" if interval else "-"
    rates = f"{100 * score.wer:7.2f} {between:>15} {100 * score.cer:7.2f}"
    counts = f"{score.words:6d} {score.substitutions:5d} {score.deletions:5d} {score.insertions:5d}"
    return f"{split:<16} {decoder:<12} {rates} {counts}"
