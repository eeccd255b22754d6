"""Multi30k, German to English: train, tune the length exponent on dev, translate, score.

python recipes/multi30k/run.py FOLDER [--output-dir runs/multi30k] [--seed 1] [key=value ...]

FOLDER holds train, val and test_2016_flickr as .de and .en, with or without .gz. An interrupted
run is resumed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from asr import plots
from asr.catalogue import train
from asr.cli.guard import run_script
from asr.files import atomic_write_text
from asr.language.translation.data import Pairs, read_pairs
from asr.language.translation.translator import Translator
from asr.run_folder import Metric, update_metrics
from asr.scoring.bleu import score_bleu

CONFIG = Path(__file__).with_name("config.yaml")
TESTS = ("test_2016_flickr", "test_2017_flickr")


def side(folder: Path, split: str, language: str) -> Path:
    """Return the text file of a split, packed or not."""
    plain = folder / f"{split}.{language}"
    return plain if plain.exists() else plain.with_name(f"{plain.name}.gz")


def split_pairs(folder: Path, split: str) -> Pairs:
    """Return German and English lines of a split."""
    return read_pairs(side(folder, split, "de"), side(folder, split, "en"))


def tune_alpha(model: Translator, dev: Pairs) -> float:
    """Return the exponent of the length, of a few, with the best BLEU on dev."""
    scores = {
        alpha: model.set_params(alpha=alpha).evaluate(dev.sources, dev.targets).bleu
        for alpha in (0.6, 1.0, 1.4)
    }
    print("dev BLEU by alpha:", {alpha: round(score, 2) for alpha, score in scores.items()})
    return max(scores, key=scores.__getitem__)


def evaluate(model: Translator, pairs: Pairs, split: str, run: Path) -> None:
    """Translate a split; write predictions and figures, and print sacreBLEU's signature."""
    found = model.predict(pairs.sources)
    rows = zip(pairs.sources, pairs.targets, found, strict=True)
    lines = [
        json.dumps({"text": s, "reference": t, "prediction": p}, ensure_ascii=False)
        for s, t, p in rows
    ]
    atomic_write_text(run / split / "predictions.jsonl", "\n".join(lines) + "\n")
    for name, lowercase in (("bleu", False), ("bleu lowercase", True)):
        score = score_bleu(pairs.targets, found, lowercase)
        update_metrics(run, {f"{split}/{name}": Metric(score.bleu, split)})
        print(f"{split}: BLEU {score.bleu:.2f}, chrF {score.chrf:.2f} ({score.signature})")


def main() -> None:
    """Run the steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--output-dir", type=Path, default=Path("runs/multi30k"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    arguments = parser.parse_intermixed_args()
    corpus, run = arguments.corpus, arguments.output_dir / f"seed{arguments.seed}"
    files = [
        f"data.{name}_{which}={side(corpus, split, language)}"
        for name, split in (("train", "train"), ("dev", "val"))
        for which, language in (("source", "de"), ("target", "en"))
    ]
    folder = train(
        CONFIG, [*files, f"output_dir={run}", f"seed={arguments.seed}", *arguments.overrides]
    )
    model = Translator.load(folder)
    model.set_params(alpha=tune_alpha(model, split_pairs(corpus, "val")))
    model.save(folder)
    for split in TESTS:
        if side(corpus, split, "de").exists():
            evaluate(model, split_pairs(corpus, split), split, run)
    example = split_pairs(corpus, "val").sources[0]
    atomic_write_text(
        run / "attention.svg", plots.to_svg(model.attention_map(example).plot(), "attention")
    )


if __name__ == "__main__":
    run_script(main)
