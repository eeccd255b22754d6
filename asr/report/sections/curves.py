"""Learning curves of training and dev metrics."""

from __future__ import annotations

from asr.plots import curves
from asr.report.log import Curve
from asr.report.markup import gallery, picture
from asr.report.run import Absent, Run

TITLE = "Learning curves"
_RATES = ("wer", "wer_lm", "cer", "per", "ser")
_NAMES = {"lr": "learning rate", "grad_norm": "gradient norm"}


def content(run: Run) -> str:
    groups: dict[str, dict[str, Curve]] = {}
    for name, curve in run.curves.items():
        groups.setdefault(_group(name), {})[name] = curve.thinned()
    if not groups:
        raise Absent("log/ has no metrics")
    order = sorted(groups, key=lambda g: (g not in ("loss", "error rates"), g))
    return gallery([_picture(group, groups[group]) for group in order])


def _group(name: str) -> str:
    last = name.split("/")[-1]
    return "error rates" if last in _RATES else _NAMES.get(last, last.replace("_", " "))


def _picture(group: str, lines: dict[str, Curve]) -> str:
    data = {name: (curve.steps, curve.values) for name, curve in lines.items()}
    positive = all(value > 0 for curve in lines.values() for value in curve.values)
    drawing = curves(
        data,
        "optimizer step",
        group,
        percent=group == "error rates",
        smooth=group in ("loss", "gradient norm"),
        log=group in ("loss", "gradient norm") and positive,
    )
    last = ", ".join(f"{name} {_shown(group, curve.values[-1])}" for name, curve in lines.items())
    return picture(
        f"curve-{group.replace(' ', '-')}", drawing, f"{group.capitalize()}; at the end: {last}"
    )


def _shown(group: str, value: float) -> str:
    return f"{100 * value:.2f} %" if group == "error rates" else f"{value:.4g}"
