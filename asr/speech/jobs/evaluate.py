"""A model on prepared splits: hypotheses and word error rates, greedy and with the language model."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.config import as_dict, save_config
from asr.decoding import compile_lm
from asr.decoding.language_models import is_kenlm_binary
from asr.decoding.rescoring import N_BEST, tune_rescoring
from asr.errors import ConfigError, DataError, LanguageModelError, ModelError
from asr.features.config import FeatureConfig
from asr.files import MANIFEST, atomic_write_text
from asr.model_folder import add_to_bundle
from asr.run_folder import Metric, update_metrics
from asr.scoring import Score, score_texts
from asr.speech.batches import SpeechLoader
from asr.speech.recognizer import LM_FILES, Decoder, DecodingConfig, Recognizer, load_model
from asr.speech.store import FeatureStore

__all__ = ["Emissions", "emissions", "evaluate", "tune_decoding", "tune_second_pass"]

BATCH_S = 400.0


@dataclass(frozen=True)
class Emissions:
    """What the network says of a split.

    Attributes:
        ids: utterance names.
        texts: references.
        speakers: of each utterance.
        log_probs: (T', V) each.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    speakers: tuple[str, ...]
    log_probs: tuple[npt.NDArray[np.float32], ...]


def _differing(wanted: FeatureConfig, found: FeatureConfig) -> str:
    """The settings of ``wanted`` that ``found`` has not, as `asr prepare` takes them."""
    other = as_dict(found)
    return " ".join(
        f"--feature {k}={json.dumps(v)}" for k, v in as_dict(wanted).items() if v != other[k]
    )


def emissions(recognizer: Recognizer, split: str | Path) -> Emissions:
    """Return log-probabilities and references of a prepared split (its unperturbed utterances).

    Raises:
        DataError: the split is missing or was prepared with other feature settings than the
        model's. ModelError: the model runs in ONNX Runtime, whose graph takes sound and not stored
        features.
    """
    import torch

    if recognizer.onnx is not None:
        raise ModelError(
            f"The network of {recognizer.name} takes sound, not stored features.",
            "Load it with backend='torch'.",
        )
    store = FeatureStore.open(split)
    if store.feature_config != recognizer.feature_config:
        settings = _differing(recognizer.feature_config, store.feature_config)
        raise DataError(
            f"{split} was prepared with other features than the model {recognizer.name} was trained on.",
            f"Prepare it again with the model's: {settings}",
        )
    loader = SpeechLoader.plain(store, BATCH_S)
    item = {name: number for number, name in enumerate(store.ids)}
    found: dict[str, npt.NDArray[np.float32]] = {}
    with torch.inference_mode():
        for position in range(loader.num_batches(0)):
            batch = loader.load(0, position).to(recognizer.device)
            found |= recognizer.task.log_probs_by_id(batch)
    ids = tuple(sorted(found))
    texts, speakers = (
        tuple(table[item[i]] for i in ids) for table in (store.texts, store.speakers)
    )
    return Emissions(ids, texts, speakers, tuple(found[i] for i in ids))


def tune_decoding(
    recognizer: Recognizer, dev: Emissions, decoding: DecodingConfig
) -> DecodingConfig:
    """Return ``decoding`` with the weights of the lowest word error rate on ``dev``; fit
    confidences.
    """
    from asr.decoding.tune import fit_confidence, tune

    best = tune(recognizer.make_beam_decoder(decoding), list(dev.log_probs), list(dev.texts))
    tuned = replace(
        decoding, lm_alpha=best.lm_alpha, lm_beta=best.lm_beta, blank_penalty=best.blank_penalty
    )
    power = fit_confidence(
        recognizer.make_beam_decoder(tuned), list(dev.log_probs), list(dev.texts)
    )
    return replace(tuned, confidence_power=round(power, 4))


def tune_second_pass(
    recognizer: Recognizer,
    dev: Emissions | None,
    decoding: DecodingConfig,
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
    search = recognizer.make_beam_decoder(replace(decoding, n_best=N_BEST))
    tuned = tune_rescoring(
        search(list(dev.log_probs)), list(dev.texts), recognizer.load_scorer(rescorer)
    )
    print(
        f"second pass: weight {tuned.weight:g}, bonus a word {tuned.word_bonus:g}; on dev WER {100 * tuned.wer:.2f} % "
        f"instead of {100 * tuned.wer_before:.2f} % (best of {N_BEST}: {100 * tuned.oracle:.2f} %)",
        file=sys.stderr,
    )
    return replace(decoding, rescore_weight=tuned.weight, rescore_word_bonus=tuned.word_bonus)


def evaluate(
    model: str | Path,
    splits: Sequence[str | Path],
    output_dir: str | Path,
    lm: str | Path | None = None,
    tune_on: str | Path | None = None,
    normalizer: str = "none",
    device: str = "cpu",
    threads: int = 0,
    decoding: Mapping[str, Any] | None = None,
    save_to_model: bool = False,
    rescorer: str | Path | None = None,
    rescore_weight: float | None = None,
) -> str:
    """Decode splits, write hypotheses and figures under ``output_dir``, and return the table to
    print.

    Args:
        model: folder with trained weights.
        splits: prepared split folders, or the ``cuts.jsonl.gz`` in them.
        device: torch's name.
        threads: of the processor, 0 for all.
        output_dir: gets ``metrics.json``, ``decoding.yaml`` and, for each split, ``references.tsv``
            and ``hypotheses.tsv`` (with the language model where there is one;
            ``hypotheses.greedy.tsv`` beside it).
        lm: n-gram model instead of the folder's own.
        tune_on: split on which lm_alpha, lm_beta and blank_penalty are tuned first.
        normalizer: see :mod:`asr.text.normalizers`.
        decoding: fields of :class:`asr.speech.recognizer.DecodingConfig` to change.
        save_to_model: keep language model (compiled) and decoding settings in the model folder, for
            transcription.
        rescorer: model folder of an LSTM language model that re-ranks the hypotheses.
        rescore_weight: its weight, where it is not to be tuned on ``tune_on``.

    Raises:
        ConfigError: two splits have folders of the same name. LanguageModelError: ``lm`` cannot be
        read, or is a KenLM
            binary and ``save_to_model`` is asked for.
    """
    if save_to_model and lm and is_kenlm_binary(lm):  # said before the hours of decoding
        raise LanguageModelError(
            f"{lm} is a KenLM binary, which a model folder does not keep: it carries no checksum.",
            "Give the ARPA file that it was built from.",
        )
    splits, tune_on = [_folder(split) for split in splits], _folder(tune_on) if tune_on else None
    names = [Path(split).name for split in splits]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"{names.count(twice[0])} splits are called {twice[0]!r}, which names their results.",
            "Rename a folder, or evaluate them one by one.",
        )
    if threads:
        import torch

        torch.set_num_threads(threads)
    recognizer = load_model(
        model, decoding, device, backend="torch"
    )  # stored features are no sound
    recognizer.lm = Path(lm) if lm else recognizer.lm
    settings = recognizer.decoding
    dev = (
        emissions(recognizer, tune_on)
        if tune_on and (recognizer.lm is not None or rescorer)
        else None
    )
    if dev is not None and recognizer.lm is not None:
        settings = tune_decoding(recognizer, dev, settings)
        found = {name: getattr(settings, name) for name in ("lm_alpha", "lm_beta", "blank_penalty")}
        print(
            f"tuned on {tune_on}: {', '.join(f'{k} {v:g}' for k, v in found.items())}",
            file=sys.stderr,
        )
    first = replace(settings, rescorer="")
    decoders: dict[str, Decoder] = {
        "greedy": recognizer.make_decoder(replace(first, method="greedy"))
    }
    if recognizer.lm is not None:
        decoders["beam+lm"] = recognizer.make_decoder(replace(first, method="beam"))
    if rescorer:
        settings = tune_second_pass(recognizer, dev, first, rescorer, rescore_weight)
    if settings.rescorer:
        name = "beam+lm+lstm" if recognizer.lm is not None else "beam+lstm"
        decoders[name] = recognizer.make_decoder(replace(settings, method="beam"))
    results = {
        Path(s).name: _evaluate_split(recognizer, s, decoders, Path(output_dir), normalizer)
        for s in splits
    }
    if save_to_model:
        _save_to_model(recognizer, first)  # a second pass lies in a folder of its own
    update_metrics(output_dir, _metrics(results))
    save_config(settings, Path(output_dir) / "decoding.yaml")
    return _table(results)


def _folder(split: str | Path) -> Path:
    path = Path(split)
    return path.parent if path.name == MANIFEST else path


def _save_to_model(recognizer: Recognizer, decoding: DecodingConfig) -> None:
    if (
        recognizer.lm is None or recognizer.lm.resolve().parent == recognizer.bundle.path.resolve()
    ):  # it is there
        add_to_bundle(recognizer.bundle.path, {}, {"decoding": as_dict(decoding)})
        return
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / LM_FILES[0]
        compile_lm(recognizer.lm, compiled)
        add_to_bundle(
            recognizer.bundle.path,
            {compiled.name: compiled},
            {"decoding": as_dict(decoding)},
            drop=LM_FILES[1:],
        )


def _evaluate_split(
    recognizer: Recognizer,
    split: str | Path,
    decoders: Mapping[str, Decoder],
    output_dir: Path,
    normalizer: str,
) -> dict[str, Score]:
    data, folder, scores = emissions(recognizer, split), output_dir / Path(split).name, {}
    references = dict(zip(data.ids, data.texts, strict=True))
    _write_tsv(folder / "references.tsv", references)
    for name, decoder in decoders.items():
        texts = [hypotheses[0].text for hypotheses in decoder(list(data.log_probs))]
        hypotheses = dict(zip(data.ids, texts, strict=True))
        speakers = dict(zip(data.ids, data.speakers, strict=True))
        scores[name] = score_texts(references, hypotheses, normalizer=normalizer, speakers=speakers)
        is_last = (
            name == list(decoders)[-1]
        )  # the best decoder's are the hypotheses; the others carry their name
        _write_tsv(folder / ("hypotheses.tsv" if is_last else f"hypotheses.{name}.tsv"), hypotheses)
    return scores


def _write_tsv(path: Path, texts: Mapping[str, str]) -> None:
    atomic_write_text(path, "".join(f"{name}\t{text}\n" for name, text in texts.items()))


def _metrics(results: Mapping[str, Mapping[str, Score]]) -> dict[str, Metric]:
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


def _table(results: Mapping[str, Mapping[str, Score]]) -> str:
    columns = f"{'WER %':>7} {'95 % interval':>15} {'CER %':>7} {'words':>6} {'sub':>5} {'del':>5} {'ins':>5}"
    rows = [
        _row(split, name, score)
        for split, scores in results.items()
        for name, score in scores.items()
    ]
    return "\n".join([f"{'split':<16} {'decoder':<12} {columns}", *rows])


def _row(split: str, decoder: str, score: Score) -> str:
    interval = score.wer_interval
    between = f"{100 * interval.low:.2f} - {100 * interval.high:.2f}" if interval else "-"
    return (
        f"{split:<16} {decoder:<12} {100 * score.wer:7.2f} {between:>15} {100 * score.cer:7.2f} {score.words:6d} "
        f"{score.substitutions:5d} {score.deletions:5d} {score.insertions:5d}"
    )
