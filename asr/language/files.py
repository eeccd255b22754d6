"""What ``asr predict`` does with texts: a file of texts or JSON lines -> JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asr.errors import DataError
from asr.files import atomic_write_text
from asr.language.data import read_json_lines
from asr.model_folder import open_bundle

__all__ = ["entities", "predict_file"]

Rows = list[dict[str, Any]]


def predict_file(
    model: Path, file: Path, output_dir: Path | None = None, future: Path | None = None
) -> str:
    """Return a JSON line of predictions for each text, or write them to ``output_dir`` and return
    the path.

    Args:
        model: model folder of a text task.
        file: a text a line, ``-`` for standard input; or .jsonl with ``text``, or ``tokens`` for
            taggers; other keys are kept.
        output_dir: gets ``predictions.jsonl``.

    Raises:
        DataError: the file is missing or malformed (the line is named), or a file of future values
        was given. ModelError: the model folder is missing or damaged.
    """
    if future is not None:
        raise DataError("Texts have no future values.", "Leave out --future.")
    rows = _read(file)
    found = PREDICTORS[open_bundle(model).task](model, rows)
    text = "".join(
        json.dumps({**row, **new}, ensure_ascii=False) + "\n"
        for row, new in zip(rows, found, strict=True)
    )
    if output_dir is None:
        return text
    atomic_write_text(output_dir / "predictions.jsonl", text)
    return f"{output_dir / 'predictions.jsonl'}\n"


def _read(file: Path) -> Rows:
    if str(file) == "-":
        return [{"text": line.rstrip("\r\n")} for line in sys.stdin]
    if file.suffix in (".jsonl", ".json"):
        return [_checked(file, number, row) for number, row in read_json_lines(file)]
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(
            f"There is no file {file}.", "Give a text file or a .jsonl file, or - for stdin."
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{file} is not UTF-8.", "Convert the file to UTF-8.") from None
    return [{"text": line} for line in text.removesuffix("\n").split("\n")] if text else []


def _checked(file: Path, number: int, row: Any) -> dict[str, Any]:
    if isinstance(row, str):
        return {"text": row}
    fields: dict[str, Any] = row if isinstance(row, dict) else {}
    tokens = fields.get("tokens")
    if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens):
        return fields
    if not isinstance(fields.get("text"), str):
        raise DataError(
            f"{file}, line {number}: no text under 'text', and no list of texts under 'tokens'."
        )
    return fields


def _text(row: dict[str, Any]) -> str:
    return str(row["text"]) if "text" in row else " ".join(row["tokens"])


def entities(tokens: Sequence[str], tags: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entities of BIO tags: type, text, first token and the one after the last.

    Example:
        >>> entities(["to", "new", "york"], ["O", "B-city", "I-city"])
        [{'type': 'city', 'text': 'new york', 'start': 1, 'end': 3}]
    """
    found: list[dict[str, Any]] = []
    for place, (token, tag) in enumerate(zip(tokens, tags, strict=True)):
        if (
            tag.startswith("I-")
            and found
            and found[-1]["end"] == place
            and found[-1]["type"] == tag[2:]
        ):
            found[-1] |= {"text": f"{found[-1]['text']} {token}", "end": place + 1}
        elif tag.startswith(("B-", "I-")):
            found.append({"type": tag[2:], "text": token, "start": place, "end": place + 1})
    return found


def _tag(model: Path, rows: Rows) -> Rows:
    from asr.language.tagging.tagger import Tagger

    tagger = Tagger.load(model)
    tokens = [row["tokens"] if "tokens" in row else _text(row).split() for row in rows]
    tags, labels = tagger.predict_both(tokens)
    found: Rows = [
        {"tokens": words, "tags": given, "entities": entities(words, given)}
        for words, given in zip(tokens, tags, strict=True)
    ]
    if labels is not None:
        found = [{**row, "label": label} for row, label in zip(found, labels, strict=True)]
    return found


def _classify(model: Path, rows: Rows) -> Rows:
    from asr.language.classification.classifier import TextClassifier

    classifier, texts = TextClassifier.load(model), [_text(row) for row in rows]
    probabilities = classifier.predict_proba(texts)
    labels = classifier.labels_of(probabilities, texts)
    best = probabilities.max(1).tolist() if texts else []
    return [
        {"label": label, "probability": round(p, 6)} for label, p in zip(labels, best, strict=True)
    ]


def _language_model(model: Path, rows: Rows) -> Rows:
    import math

    from asr.language.modelling.estimator import LanguageModel

    texts = [_text(row) for row in rows]
    scores = LanguageModel.load(model).score(texts)
    return [
        {
            "log_prob": round(s, 4),
            "perplexity": round(math.exp(min(700.0, -s / (len(t.split()) + 1))), 4),
        }
        for s, t in zip(scores, texts, strict=True)
    ]


def _translate(model: Path, rows: Rows) -> Rows:
    from asr.language.translation.translator import Translator

    return [
        {"translation": text}
        for text in Translator.load(model).predict([_text(row) for row in rows])
    ]


PREDICTORS: dict[str, Callable[[Path, Rows], Rows]] = {
    "classify_text": _classify,
    "language_model": _language_model,
    "tag": _tag,
    "translate": _translate,
}
