"""The n-gram of the training labels that CTC-CRF needs, kept in the run folder."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from asr.lm import estimate, prune_entropy, read_arpa, write_arpa
from asr.run_folder import Metric, update_metrics
from asr.speech.losses.ctc import CtcLossConfig
from asr.speech.losses.label_graph import LabelGraph
from asr.training.ranks import is_first_rank

__all__ = ["LABEL_MODEL", "label_graph"]

LABEL_MODEL = "labels.arpa"  # in the run folder
PERPLEXITY = "dev/label_perplexity"


def label_graph(
    train: Iterable[Sequence[int]],
    dev: Sequence[Sequence[int]],
    tokens: Sequence[str],
    loss: CtcLossConfig,
    run_dir: Path,
    resume: bool = False,
) -> LabelGraph:
    """Return the n-gram of label sequences as an automaton, and say how well it predicts others.

    Args:
        train: ids of the labels of each training utterance.
        dev: those of the dev split; its perplexity goes to ``metrics.json``.
        tokens: token of every id, the blank first.
        loss: order and size.
        run_dir: gets ``labels.arpa``.
        resume: take the model from there, if it is there.
    """
    path = run_dir / LABEL_MODEL
    if not (resume and path.is_file()):
        spelled = [" ".join(tokens[i] for i in ids) for ids in train]
        model = estimate([spelled], order=loss.label_order, notify=lambda _: None)
        if 0 < loss.label_ngrams < sum(model.counts):
            model = prune_entropy(model, max_ngrams=max(loss.label_ngrams, len(model.words)))
        write_arpa(model, path)  # every rank writes the same bytes
    model = read_arpa(path)  # never the estimate itself, whose numbers have more digits
    graph = LabelGraph.of(model, tokens)
    if is_first_rank():
        _report(graph, model.counts, dev, run_dir)
    return graph


def _report(
    graph: LabelGraph, counts: Sequence[int], dev: Sequence[Sequence[int]], run_dir: Path
) -> None:
    said = (
        f"label model: {' + '.join(f'{n:,}' for n in counts)} n-grams, {len(graph.label):,} states"
    )
    if dev:
        perplexity = graph.perplexity(dev)
        update_metrics(run_dir, {PERPLEXITY: Metric(perplexity, "dev")})
        said += f", perplexity {perplexity:.2f} on dev"
    print(said, file=sys.stderr)
