"""Text classification from few texts: our classifier beside linear support vector machines.

python benchmarks/language/few_texts.py TRAIN.jsonl TEST.jsonl [--per-label 20 50 0]

Files have the columns text and label (also .csv, .tsv). Of each label so many texts are drawn (0:
all); a fifth of them (of all: a tenth) chooses epoch and C. Nothing is tuned on the test texts.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from pathlib import Path

from asr.errors import require
from asr.language.classification.classifier import TextClassifier
from asr.language.classification.data import LabelledTexts, make_labelled, read_labelled


def draw(data: LabelledTexts, per_label: int) -> tuple[LabelledTexts, LabelledTexts]:
    """Return training and dev texts, ``per_label`` of each label together."""
    assert data.labels is not None
    rng, by_label = random.Random(0), defaultdict(list)
    for text, label in zip(data.texts, data.labels, strict=True):
        by_label[label].append(text)
    train: list[tuple[str, str]] = []
    dev: list[tuple[str, str]] = []
    for label in sorted(by_label):
        texts = by_label[label]
        rng.shuffle(texts)
        count = max(1, per_label // 5 if per_label else len(texts) // 10)
        dev += [(text, label) for text in texts[:count]]
        train += [(text, label) for text in texts[count : per_label or None]]
    return tuple(make_labelled(*zip(*part, strict=True)) for part in (train, dev))  # type: ignore


def machine(analyzer: str, train: LabelledTexts, dev: LabelledTexts, test: LabelledTexts) -> float:
    """Return the accuracy of TF-IDF and a linear support vector machine, C chosen on dev."""
    require("sklearn", "train")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    sizes = {"word": (1, 2), "char_wb": (2, 5)}[analyzer]
    options = {"token_pattern": r"\S+"} if analyzer == "word" else {}
    vectorizer = TfidfVectorizer(analyzer=analyzer, ngram_range=sizes, sublinear_tf=True, **options)
    x = vectorizer.fit_transform(train.texts)
    judged, asked = (vectorizer.transform(part.texts) for part in (dev, test))
    fitted = [LinearSVC(C=C).fit(x, train.labels) for C in (0.1, 0.3, 1.0, 3.0)]
    best = max(fitted, key=lambda one: one.score(judged, dev.labels))
    return float(best.score(asked, test.labels))


def main() -> None:
    """Print a row for each number of texts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--per-label", type=int, nargs="+", default=[20, 50, 0])
    given = parser.parse_args()
    whole, test = read_labelled(given.train), read_labelled(given.test)
    assert test.labels is not None
    print("| texts | asr | SVM, words and pairs | SVM, letters |\n|---|---|---|---|", flush=True)
    for per_label in given.per_label:
        train, dev = draw(whole, per_label)
        machines = [machine(kind, train, dev, test) for kind in ("word", "char_wb")]
        assert train.labels is not None
        assert dev.labels is not None
        ours = TextClassifier(random_state=1).fit(
            train.texts, train.labels, dev=(dev.texts, dev.labels)
        )
        accuracies = [ours.score(test.texts, test.labels), *machines]
        cells = " | ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies)
        print(f"| {len(train.texts)} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
