"""One page about a search: the best, the course, which keys matter, how each key's values did."""

from __future__ import annotations

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
    """Return the share of each key in how good a trial is; nothing where too few trials finished to
    tell.

    PED-ANOVA (Watanabe et al. 2023): how unlike the values of the better trials are to those of
    all.
    """
    from optuna.importance import get_param_importances

    if sum(t.state.name == "COMPLETE" for t in study.get_trials(deepcopy=False)) < RANDOM_TRIALS:
        return {}  # shares of so few say nothing
    try:
        found = get_param_importances(study)
    except (ValueError, RuntimeError):  # all trials are alike
        return {}
    return {key: value for key, value in found.items() if value == value}


def write_study_report(study: Study, title: str, keys: Sequence[str], output: Path) -> None:
    """Write the page."""
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
    atomic_write_text(
        output, re.sub(r"%(TITLE|NAV|BODY|FOOTER)%", lambda match: values[match[1]], template)
    )


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
    trials = [t for t in study.get_trials(deepcopy=False) if t.intermediate_values]
    trials.sort(
        key=lambda t: (
            t.value if t.value is not None and t.state.name == "COMPLETE" else float("inf")
        )
    )
    if study.direction.name == "MAXIMIZE":
        trials.sort(
            key=lambda t: (
                -(t.value if t.value is not None and t.state.name == "COMPLETE" else -float("inf"))
            )
        )
    lines = {}
    for t in trials[:MOST_CURVES]:
        steps = sorted(t.intermediate_values)
        lines[str(t.number)] = (
            [float(s) for s in steps],
            [t.intermediate_values[s] for s in steps],
        )
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
        means = {
            value: {"mean": sum(found) / len(found)} for value, found in sorted(groups.items())
        }
        return picture(
            name,
            bars(means, "mean dev figure"),
            f"{key}: mean of the finished trials with each choice.",
        )
    pairs.sort()
    line = ([float(value) for value, _ in pairs], [figure for _, figure in pairs])
    return picture(
        name, curves({key: line}, key, "dev figure"), f"{key}: figure of every finished trial."
    )


def _trials(study: Study, keys: Sequence[str]) -> str:
    rows = []
    for t in study.get_trials(deepcopy=False):
        value = f"{t.value:.4f}" if t.value is not None else "-"
        note = t.user_attrs.get("error", "") or (
            "as configured" if t.user_attrs.get("as configured") else ""
        )
        rows.append(
            (
                t.number,
                t.state.name.lower(),
                value,
                *(_short(t.params.get(key, "")) for key in keys),
                note,
            )
        )
    return table(("trial", "state", "figure", *keys, ""), rows)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
