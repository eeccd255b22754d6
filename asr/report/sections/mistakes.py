"""Texts with the worst labels, tags or translations."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from asr.report.markup import escape, facts, paragraph
from asr.report.run import Absent, Run
from asr.report.sections.confusion import labelled

TITLE = "Worst predictions"
TASKS = ("classify_text", "tag", "translate")


def content(run: Run) -> str:
    if not run.options.worst:
        raise Absent("none were asked for")
    by_split: dict[str, list[dict[str, Any]]] = {}
    for split, record in _records(run):
        by_split.setdefault(split, []).append(record)
    return "".join(
        f"<h3>{escape(split)}</h3>{_split(run, split, rows)}" for split, rows in by_split.items()
    )


def _records(run: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    found = False
    for split, record in run.records("text", "prediction"):
        if "label" in record or "reference" in record:
            found = True
            yield split, record
    if not found:
        raise Absent("no SPLIT/predictions.jsonl with text, prediction and label or reference")


def _split(run: Run, split: str, records: list[dict[str, Any]]) -> str:
    if "label" not in records[0]:
        return _texts(run, [record for record in records if "reference" in record])
    rows = [(record, list(labelled(split, record))) for record in records if "label" in record]
    wrong = [(record, pairs) for record, pairs in rows if any(true != said for true, said in pairs)]
    if not wrong:
        return paragraph("Every prediction is right.")
    count = paragraph(
        f"{len(wrong)} of {len(rows)} texts have a mistake; up to {run.options.worst} are shown."
    )
    is_tagged = isinstance(wrong[0][0]["label"], list)
    return count + (
        _tagged(run, wrong) if is_tagged else _classified(run, [record for record, _ in wrong])
    )


def _classified(run: Run, wrong: list[dict[str, Any]]) -> str:
    """Mistakes sorted by confidence: wrong labels, or texts that mislead the model."""
    chosen = sorted(wrong, key=lambda r: (-_number(r.get("probability")), str(r.get("id"))))[
        : run.options.worst
    ]
    articles = []
    for r in chosen:
        sure = f" ({100 * _number(r.get('probability')):.0f} %)" if "probability" in r else ""
        head = f"{r.get('id', '')}: {r['label']}, taken for {r['prediction']}{sure}"
        articles.append(_article(head, escape(r["text"])))
    return "".join(articles)


def _tagged(run: Run, wrong: list[tuple[dict[str, Any], list[tuple[str, str]]]]) -> str:
    def errors(entry: tuple[dict[str, Any], list[tuple[str, str]]]) -> int:
        return sum(true != said for true, said in entry[1])

    chosen = sorted(wrong, key=lambda entry: (-errors(entry), str(entry[0].get("id"))))[
        : run.options.worst
    ]
    return "".join(
        _article(
            f"{r.get('id', '')}: {errors((r, pairs))} of {len(pairs)} tags are wrong",
            _words(r, pairs),
        )
        for r, pairs in chosen
    )


def _words(record: dict[str, Any], pairs: list[tuple[str, str]]) -> str:
    """Each word above its tag; a wrong tag is marked and shown with the right one."""
    parts = []
    words = str(record["text"]).split()
    words += [""] * (len(pairs) - len(words))
    for word, (true, said) in zip(words, pairs, strict=False):
        if true != said:
            inner = f"<span>{escape(word)}</span><small>{escape(said)}, not {escape(true)}</small>"
            parts.append(f'<span class="w S">{inner}</span>')
        else:
            below = "" if true == "O" else f'<small class="soft">{escape(true)}</small>'
            parts.append(f'<span class="w"><span>{escape(word)}</span>{below}</span>')
    return "".join(parts)


def _texts(run: Run, records: list[dict[str, Any]]) -> str:
    """Translations with the least similarity to their reference, word by word."""

    def likeness(record: dict[str, Any]) -> float:
        said, wanted = str(record["prediction"]).split(), str(record["reference"]).split()
        return SequenceMatcher(None, said, wanted, autojunk=False).ratio()

    ranked = sorted((likeness(r), n) for n, r in enumerate(records))[: run.options.worst]
    parts = [
        paragraph("Least like their reference, word by word; a good paraphrase may be among them.")
    ]
    for share, n in ranked:
        r = records[n]
        box = facts([("read", r["text"]), ("wanted", r["reference"]), ("written", r["prediction"])])
        parts.append(_article(f"{r.get('id', n + 1)}: {100 * share:.0f} % alike", box))
    return "".join(parts)


def _article(head: str, inner: str) -> str:
    return f"<article><header>{escape(head)}</header>{inner}</article>"


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
