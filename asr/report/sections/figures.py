"""Every metric, with its interval if there is one."""

from __future__ import annotations

import re

from asr.plots import intervals
from asr.report.markup import fold, percent, picture, table
from asr.report.run import Absent, Run
from asr.run_folder import Metric
from asr.scoring import Score

TITLE = "Figures"
_CLASS_FIGURE = re.compile(r"(f1|recall|precision|auc)_(.+)")


def content(run: Run) -> str:
    scores = _scores(run)
    if not scores and not run.metrics:
        raise Absent("no metrics.json and no split that can be scored")
    return (_speech(scores) if scores else "") + _recorded(run, bool(scores))


def _scores(run: Run) -> list[tuple[str, Score]]:
    try:
        splits = run.scored_splits()
    except Absent:
        return []
    return [
        (
            f"{split}, {decoder.removeprefix('hypotheses.')}" if decoder != "hypotheses" else split,
            run.score(split, decoder),
        )
        for split in splits
        for decoder in run.decoders(split)
    ]


def _speech(scores: list[tuple[str, Score]]) -> str:
    rows, marks = [], []
    for name, s in scores:
        span = s.wer_interval
        between = "-" if span is None else f"{percent(span.low)} - {percent(span.high)}"
        rates = [percent(s.wer), between, percent(s.cer), percent(s.sentence_error_rate)]
        rows.append(
            [name, *rates, s.words, s.substitutions, s.deletions, s.insertions, s.sentences]
        )
        ends = (None, None) if span is None else (100 * span.low, 100 * span.high)
        marks.append((name, 100 * s.wer, *ends))
    columns = ["", "WER %", "95 %", "CER %", "SER %", "words", "sub", "del", "ins", "sentences"]
    span = scores[0][1].wer_interval
    how = (
        f"; 95 % intervals: {span.method} bootstrap over {span.units} {span.unit}s" if span else ""
    )
    caption = f"Word error rate; normalizer {scores[0][1].normalizer}{how}"
    return table(columns, rows) + picture("wer", intervals(marks, "WER %"), caption)


def _recorded(run: Run, scored: bool) -> str:
    if not run.metrics:
        return ""
    by_split: dict[str, dict[str, Metric]] = {}
    for name, metric in run.metrics.items():
        by_split.setdefault(metric.split, {})[name.removeprefix(f"{metric.split}/")] = metric
    written = _overall(by_split) + "".join(
        _by_class(split, metrics) for split, metrics in by_split.items()
    )
    if scored:
        return fold("As the run recorded them (fractions)", written)
    marks = [(name, m.value, m.low, m.high) for name, m in run.metrics.items() if m.low is not None]
    caption = "Figures with their 95 % intervals"
    return written + (picture("recorded-intervals", intervals(marks), caption) if marks else "")


def _overall(by_split: dict[str, dict[str, Metric]]) -> str:
    """One row per metric, one column per split."""
    names = dict.fromkeys(
        name for metrics in by_split.values() for name in metrics if not _CLASS_FIGURE.match(name)
    )
    rows = [[name, *(_shown(metrics.get(name)) for metrics in by_split.values())] for name in names]
    return table(["", *map(_heading, by_split.items())], rows) if rows else ""


def _heading(entry: tuple[str, dict[str, Metric]]) -> str:
    split, metrics = entry
    epochs = {m.epoch for m in metrics.values() if m.epoch is not None}
    return f"{split} (epoch {epochs.pop()})" if len(epochs) == 1 else split


def _shown(metric: Metric | None) -> str:
    if metric is None:
        return "-"
    between = (
        ""
        if metric.low is None or metric.high is None
        else f" ({metric.low:.4g} - {metric.high:.4g})"
    )
    return f"{metric.value:.4g}{between}"


def _by_class(split: str, metrics: dict[str, Metric]) -> str:
    """One row per class, one column per metric."""
    found = {name: match for name in metrics if (match := _CLASS_FIGURE.match(name))}
    kinds, classes = (dict.fromkeys(m[group] for m in found.values()) for group in (1, 2))
    rows = [[c, *(_shown(metrics.get(f"{kind}_{c}")) for kind in kinds)] for c in classes]
    return fold(f"{split}, by class", table(["class", *kinds], rows)) if rows else ""
