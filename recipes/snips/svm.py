"""Baseline of the intent classifier: TF-IDF of words and bigrams, linear SVM (scikit-learn).

python recipes/snips/svm.py runs/snips/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.cli.guard import run_script
from asr.errors import require
from asr.language.classification.data import read_labelled


def main() -> None:
    """Print the test accuracy of each C, chosen on dev."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of train.jsonl, dev.jsonl and test.jsonl")
    folder = parser.parse_args().folder
    require("sklearn", "train")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    train, dev, test = (
        read_labelled(folder / f"{name}.jsonl") for name in ("train", "dev", "test")
    )
    best = (0.0, 0.0, 0.0)
    for C in (0.1, 0.3, 1.0, 3.0, 10.0):
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
        svm = LinearSVC(C=C).fit(vectorizer.fit_transform(train.texts), train.labels)
        accuracy = [
            svm.score(vectorizer.transform(data.texts), data.labels) for data in (dev, test)
        ]
        print(f"C {C:g}: dev {100 * accuracy[0]:.2f} %, test {100 * accuracy[1]:.2f} %")
        best = max(best, (accuracy[0], -C, accuracy[1]))
    print(f"best on dev (C {-best[1]:g}): test {100 * best[2]:.2f} %")


if __name__ == "__main__":
    run_script(main)
