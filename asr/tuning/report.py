"""HTML report of a search: best trial, learning curves, importance of each key, all trials."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from asr.files import atomic_write_text
from asr.plots import bars, curves
from asr.report.markup import escape, facts, gallery, paragraph, picture, preformatted, table
from asr.tuning.config import RANDOM_TRIALS

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["importances", "write_study_report"]

MOST_CURVES = 8


def importances(study: Study) -> dict[str, float]:
    """Return the importance of each key, which add up to 1; empty where too few trials finished.

    PED-ANOVA (Watanabe et al. 2023): how much the values of the better trials differ from those of
    all trials.
    """
    from optuna.importance import get_param_importances

    if sum(t.state.name == "COMPLETE" for t in study.get_trials(deepcopy=False)) < RANDOM_TRIALS:
        return {}  # importances of so few say nothing
    try:
        shares = get_param_importances(study)
    except (ValueError, RuntimeError):  # all trials have the same figure
        return {}
    return {key: share for key, share in shares.items() if not math.isnan(share)}


def write_study_report(study: Study, title: str, keys: Sequence[str], output: Path) -> None:
    """Write the HTML page about a study to ``output``."""
    done = [t for t in study.get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
    blocks = {"Best": _best(study, done)}
    if len(done) > 1:
        blocks["Course"] = gallery([_course(study, done), _learning_curves(study)])
        blocks["What matters"] = _importance(importances(study)) + gallery(
            [_slice(key, done) for key in keys]
        )
    blocks["Trials"] = _trials(study, keys)
    links = "".join(f'<a href="#{name.split()[0]}">{name}</a>' for name in blocks)
    body = "".join(
        f'<section id="{k.split()[0]}"><h2>{k}</h2>{v}</section>' for k, v in blocks.items()
    )
    values = {"TITLE": escape(f"Search: {title}"), "NAV": links, "BODY": body, "FOOTER": ""}
    template = files("asr.report").joinpath("page.html").read_text(encoding="utf-8")
    page = re.sub(r"%(TITLE|NAV|BODY|FOOTER)%", lambda match: values[match[1]], template)
    atomic_write_text(output, page)


def _best(study: Study, done: Sequence[FrozenTrial]) -> str:
    best = study.best_trial
    states = [t.state.name for t in study.get_trials(deepcopy=False)]
    first = next((t.value for t in done if t.user_attrs.get("as configured")), None)
    rows: list[tuple[str, object]] = [("best figure", f"{best.value:.4f}"), ("trial", best.number)]
    if first is not None:
        rows.append(("the configuration as it is", f"{first:.4f}"))
    rows += [
        ("finished", len(done)),
        ("pruned", states.count("PRUNED")),
        ("failed", states.count("FAIL")),
    ]
    return facts(rows) + preformatted(
        "\n".join(f"{key}={value}" for key, value in best.params.items())
    )


def _better(study: Study, a: float, b: float) -> float:
    return max(a, b) if study.direction.name == "MAXIMIZE" else min(a, b)


def _course(study: Study, done: Sequence[FrozenTrial]) -> str:
    values = [float(t.value or 0.0) for t in done]
    best = [values[0]]
    for value in values[1:]:
        best.append(_better(study, best[-1], value))
    numbers = [float(t.number) for t in done]
    figure = curves(
        {"each trial": (numbers, values), "best so far": (numbers, best)}, "trial", "dev figure"
    )
    return picture("course", figure, "Figure of every finished trial, and the best so far.")


def _learning_curves(study: Study) -> str:
    sign = -1 if study.direction.name == "MAXIMIZE" else 1

    def rank(trial: FrozenTrial) -> float:
        """Lower is better; trials that did not finish come last."""
        finished = trial.value is not None and trial.state.name == "COMPLETE"
        return sign * (trial.value or 0.0) if finished else float("inf")

    trials = [t for t in study.get_trials(deepcopy=False) if t.intermediate_values]
    lines = {}
    for t in sorted(trials, key=rank)[:MOST_CURVES]:
        points = sorted(t.intermediate_values.items())
        lines[str(t.number)] = ([float(step) for step, _ in points], [y for _, y in points])
    figure = curves(lines, "epoch", "dev figure")
    return picture(
        "epochs", figure, f"Dev figure by epoch: the best {len(lines)} trials, by number."
    )


def _importance(shares: dict[str, float]) -> str:
    if not shares:
        return paragraph("Too few trials finished to say which keys matter.")
    rows = [
        (key, f"{100 * share:.0f} %")
        for key, share in sorted(shares.items(), key=lambda item: -item[1])
    ]
    short = {key.rpartition(".")[2]: {"share": share} for key, share in shares.items()}
    drawing = picture(
        "importance", bars(short, "share"), "Share of each key in how good a trial is (PED-ANOVA)."
    )
    return table(("key", "importance"), rows) + gallery([drawing])


def _slice(key: str, done: Sequence[FrozenTrial]) -> str:
    name = "slice-" + re.sub(r"[^a-z0-9]+", "-", key.lower())
    pairs = [(t.params[key], float(t.value or 0.0)) for t in done if key in t.params]
    if any(isinstance(value, str) for value, _ in pairs):
        groups: dict[str, list[float]] = {}
        for value, figure in pairs:
            groups.setdefault(str(value), []).append(figure)
        means = {value: {"mean": sum(ys) / len(ys)} for value, ys in sorted(groups.items())}
        caption = f"{key}: mean of the finished trials with each choice."
        return picture(name, bars(means, "mean dev figure"), caption)
    pairs.sort()
    line = ([float(value) for value, _ in pairs], [figure for _, figure in pairs])
    caption = f"{key}: figure of every finished trial."
    return picture(name, curves({key: line}, key, "dev figure"), caption)


def _trials(study: Study, keys: Sequence[str]) -> str:
    rows = []
    for t in study.get_trials(deepcopy=False):
        value = f"{t.value:.4f}" if t.value is not None else "-"
        kind = "as configured" if t.user_attrs.get("as configured") else ""
        note = t.user_attrs.get("error", "") or kind
        params = [_short(t.params.get(key, "")) for key in keys]
        rows.append((t.number, t.state.name.lower(), value, *params, note))
    return table(("trial", "state", "figure", *keys, ""), rows)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
