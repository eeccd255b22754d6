"""A model on prepared splits: hypotheses and word error rates, greedy and with the language model."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.batches.speech import SpeechLoader
from asr.batches.store import FeatureStore
from asr.decoding import BeamDecoder, GreedyDecoder
from asr.errors import DataError
from asr.files import atomic_write_text
from asr.recognizer import DecodingConfig, Recognizer, load_model
from asr.scoring import Score, score_texts

__all__ = ["Emissions", "emissions", "evaluate", "tune_decoding"]

BATCH_S = 400.0


@dataclass(frozen=True)
class Emissions:
    """What the network says of a split.

    Attributes:
        ids: utterance names. texts: references. log_probs: (T', V) each.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    log_probs: tuple[npt.NDArray[np.float32], ...]


def emissions(recognizer: Recognizer, split: str | Path) -> Emissions:
    """Return log-probabilities and references of a prepared split (its unperturbed utterances).

    Raises:
        DataError: the split is missing or was prepared with other feature settings than the model's.
    """
    import torch

    store = FeatureStore.open(split)
    if store.feature_config != recognizer.feature_config:
        raise DataError(
            f"{split} was prepared with other features than the model {recognizer.name} was trained on.",
            "Prepare it again with the model's feature settings.",
        )
    loader = SpeechLoader.plain(store, BATCH_S)
    references = dict(zip(store.ids, store.texts, strict=True))
    found: dict[str, npt.NDArray[np.float32]] = {}
    with torch.inference_mode():
        for position in range(loader.num_batches(0)):
            batch = loader.load(0, position).to(recognizer.device)
            found |= recognizer.task.log_probs_by_id(batch)
    ids = tuple(sorted(found))
    return Emissions(ids, tuple(references[i] for i in ids), tuple(found[i] for i in ids))


def tune_decoding(recognizer: Recognizer, dev: Emissions, decoding: DecodingConfig) -> DecodingConfig:
    """Return ``decoding`` with the lm_alpha and lm_beta that give the lowest word error rate on ``dev``."""
    from asr.decoding.tune import tune

    best = tune(recognizer.make_decoder(decoding), list(dev.log_probs), list(dev.texts))
    return replace(decoding, lm_alpha=best.lm_alpha, lm_beta=best.lm_beta)


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
) -> str:
    """Decode splits, write ``SPLIT/hypotheses.tsv`` and ``metrics.json`` under ``output_dir``; return the table to print.

    Args:
        model: model folder. splits: prepared split folders. output_dir: gets the files. lm: n-gram model instead of the
            folder's own. tune_on: split on which lm_alpha and lm_beta are tuned first. normalizer: see
            :mod:`asr.text.normalizers`. decoding: fields of :class:`asr.recognizer.DecodingConfig` to change.
    """
    if threads:
        import torch

        torch.set_num_threads(threads)
    recognizer = load_model(model, device=device)
    recognizer.lm = Path(lm) if lm else recognizer.lm
    settings = replace(recognizer.decoding, **(decoding or {}))
    if tune_on and recognizer.lm is not None:
        settings = tune_decoding(recognizer, emissions(recognizer, tune_on), settings)
        print(f"tuned on {tune_on}: lm_alpha {settings.lm_alpha:g}, lm_beta {settings.lm_beta:g}", file=sys.stderr)
    decoders = {"greedy": recognizer.make_decoder(replace(settings, method="greedy"))}
    if recognizer.lm is not None:
        decoders["beam+lm"] = recognizer.make_decoder(replace(settings, method="beam"))
    results = {Path(s).name: _evaluate_split(recognizer, s, decoders, Path(output_dir), normalizer) for s in splits}
    _write_metrics(Path(output_dir), results, settings)
    return _table(results)


def _evaluate_split(
    recognizer: Recognizer,
    split: str | Path,
    decoders: Mapping[str, BeamDecoder | GreedyDecoder],
    output_dir: Path,
    normalizer: str,
) -> dict[str, Score]:
    data = emissions(recognizer, split)
    scores = {}
    for name, decoder in decoders.items():
        texts = [hypotheses[0].text for hypotheses in decoder(list(data.log_probs))]
        scores[name] = score_texts(list(data.texts), texts, normalizer=normalizer)
        file = "hypotheses.tsv" if name == list(decoders)[-1] else f"hypotheses.{name}.tsv"
        rows = "".join(f"{i}\t{text}\n" for i, text in zip(data.ids, texts, strict=True))
        atomic_write_text(output_dir / Path(split).name / file, rows)
    return scores


def _write_metrics(output_dir: Path, results: Mapping[str, Mapping[str, Score]], decoding: DecodingConfig) -> None:
    figures = [
        {"name": f"{metric} {decoder}", "value": getattr(score, metric), "split": split}
        for split, scores in results.items()
        for decoder, score in scores.items()
        for metric in ("wer", "cer")
    ]
    content = {"metrics": figures, "decoding": vars(decoding)}
    atomic_write_text(output_dir / "metrics.json", json.dumps(content, indent=1) + "\n")


def _table(results: Mapping[str, Mapping[str, Score]]) -> str:
    rows = [f"{'split':<16} {'decoder':<8} {'WER %':>7} {'CER %':>7} {'words':>6} {'sub':>5} {'del':>5} {'ins':>5}"]
    rows += [
        f"{split:<16} {decoder:<8} {100 * s.wer:7.2f} {100 * s.cer:7.2f} {s.words:6d} "
        f"{s.substitutions:5d} {s.deletions:5d} {s.insertions:5d}"
        for split, scores in results.items()
        for decoder, s in scores.items()
    ]
    return "\n".join(rows)
