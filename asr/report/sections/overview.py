"""The main metrics and facts of the run."""

from __future__ import annotations

from asr.report.markup import escape, facts, percent
from asr.report.run import Absent, Run
from asr.report.weights import count_parameters, folder_size, megabytes
from asr.run_folder import Metric

TITLE = "Overview"
_HEADLINES = (
    "accuracy",
    "macro_f1",
    "macro_auc",
    "f1",
    "sentence_accuracy",
    "label_accuracy",
    "bleu",
    "bleu lowercase",
    "chrf",
    "perplexity",
    "mae",
    "mse",
    "r2",
    "mase",
    "smape",
    "far",
    "mar",
)


def content(run: Run) -> str:
    return _cards(run) + facts(_facts(run))


def _cards(run: Run) -> str:
    cards = []
    try:
        for split in run.scored_splits():
            score = run.score(split)
            span = score.wer_interval
            interval = "" if span is None else f" ({percent(span.low)} - {percent(span.high)})"
            cards.append((f"{percent(score.wer)} %", f"word error rate, {split}{interval}"))
    except Absent:
        cards = [(f"{metric.value:.4g}", name) for name, metric in _headline(run)]
    cells = "".join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(what)}</span></div>'
        for value, what in cards
    )
    return f'<div class="cards">{cells}</div>' if cells else ""


def _headline(run: Run) -> list[tuple[str, Metric]]:
    """Return up to six main metrics, of test splits if there are any."""
    known = [(name, m) for name, m in run.metrics.items() if name.split("/")[-1] in _HEADLINES]
    chosen = (
        [(name, m) for name, m in known if m.split != "dev"] or known or list(run.metrics.items())
    )
    order = {name: place for place, name in enumerate(_HEADLINES)}
    return sorted(
        chosen, key=lambda item: (item[1].split != "test", order.get(item[0].split("/")[-1], 99))
    )[:6]


def _facts(run: Run) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [("Task", run.task)]
    if (run.model / "model.safetensors").is_file():
        rows.append(("Parameters", f"{sum(count_parameters(run.model).values()):,}"))
        rows.append(("Model folder", megabytes(sum(size for _, size in folder_size(run.model)))))
    lengths = {
        name: len(curve.steps) for name, curve in run.curves.items() if name.startswith("dev/")
    }
    if lengths:
        rows.append(("Epochs", max(lengths.values())))
    steps = [curve.steps[-1] for curve in run.curves.values() if curve.steps]
    if steps:
        rows.append(("Optimizer steps", f"{max(steps):,}"))
    for name in ("dev/wer_lm", "dev/wer", "dev/loss"):
        if name in run.curves:
            values = run.curves[name].values
            best = min(values)
            shown = f"{percent(best)} %" if "wer" in name else f"{best:.4g}"
            rows.append((f"Best {name}", f"{shown} after epoch {values.index(best) + 1}"))
            break
    return rows
