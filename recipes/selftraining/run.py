"""Self-training with a share of the labels withheld: how much of their gain comes back.

    python recipes/selftraining/run.py MODEL RECORDINGS [--librispeech PART ...] [--withhold 0.5]
        [--rounds 1] [-o runs/selftraining] [key=value ...]

MODEL is a trained model, RECORDINGS what `asr learn` takes, or with --librispeech the folder that
holds LibriSpeech's parts. A tenth of the recordings chooses the epoch and the round, a fifth is for
testing; of the rest the withheld share loses its labels. Four models are compared:

* given: MODEL
* labelled: MODEL after training on what has kept its labels
* self: the same, then `asr learn --untranscribed` with the recordings whose labels are withheld
* all: MODEL after training with all labels

The recovered share is (labelled - self) / (labelled - all), in word error rates.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

from asr.cli.guard import run_script
from asr.config import build_config
from asr.errors import ModelError
from asr.scoring import Score, pair, read_transcripts, score_pairs
from asr.speech.acoustics.network import CtcTaskConfig
from asr.speech.jobs.evaluate import evaluate
from asr.speech.jobs.learn import Untranscribed, learn, open_trained
from asr.speech.jobs.self_training import ROUNDS, SelfTrainingConfig
from asr.speech.options import ModelOptions
from data_prep.folder import read_folder
from data_prep.learning import NO_TEXT, SPEEDS, UNTRANSCRIBED
from data_prep.librispeech import read_librispeech
from data_prep.prepare import prepare
from data_prep.pronounce import say_by_letters
from data_prep.splits import split_by_share
from data_prep.store import Utterance
from data_prep.tables import read_table

DEV_SHARE, TEST_SHARE = 0.1, 0.2


def main() -> None:
    """Run the trainings; those that an earlier call completed are not run again."""
    arguments = _parser().parse_intermixed_args()
    out, bundle = arguments.output_dir, open_trained(arguments.model)
    network = build_config(CtcTaskConfig, bundle.config["network"], where=str(bundle.path))
    corpora = withheld(_read(arguments.recordings, arguments.librispeech), arguments.withhold)
    for name, splits in corpora.items():
        for split, utterances in splits.items():
            prepare(
                {split: utterances},
                out / "data" / name,
                network.features,
                speeds=SPEEDS,
                normalizer="none" if split == UNTRANSCRIBED else "librispeech",
                max_skipped=arguments.max_skipped,
                train_splits=[split] if split in ("train", UNTRANSCRIBED) else [],
            )
    speech = Untranscribed(
        out / "data" / "labelled" / UNTRANSCRIBED, SelfTrainingConfig(arguments.rounds)
    )
    for name, own in (("labelled", speech), ("all", None)):
        try:
            learn(
                bundle,
                out / "data" / name,
                out / name,
                overrides=arguments.overrides,
                pronounce=say_by_letters,
                untranscribed=own,
            )
        except ModelError as error:  # one that got worse is refused, but scored
            if not (out / name / "run" / "test").is_dir():
                raise
            print(f"{name}: {error}")
    teacher, test = out / "labelled" / ROUNDS / "0", out / "data" / "labelled" / "test"
    evaluate(ModelOptions(teacher), [test], teacher)
    results = {
        "given": out / "labelled" / "before",
        "labelled": teacher,
        "self": out / "labelled" / "run",
        "all": out / "all" / "run",
    }
    print(table({name: _score(folder / "test") for name, folder in results.items()}))


def withheld(utterances: list[Utterance], share: float) -> dict[str, dict[str, list[Utterance]]]:
    """Return the splits of two corpora: ``labelled``, of which a share of the training utterances
    has lost its texts, and ``all``.
    """
    splits = split_by_share(utterances, DEV_SHARE, TEST_SHARE)
    order = sorted(splits["train"], key=lambda u: hashlib.sha256(u.id.encode()).digest())
    count = round(share * len(order))
    without = [replace(u, text=NO_TEXT) for u in order[:count]]
    labelled = {**splits, "train": order[count:], UNTRANSCRIBED: without}
    return {"labelled": labelled, "all": splits}


def table(scores: dict[str, Score]) -> str:
    """Return the word error rates, and the share of the labels' gain that comes back."""
    rows = []
    for name, score in scores.items():
        between = score.wer_interval
        interval = f"{100 * between.low:.2f} - {100 * between.high:.2f}" if between else "-"
        rows.append(f"{name:<10} {100 * score.wer:6.2f} % ({interval})")
    lost = scores["labelled"].wer - scores["all"].wer
    if lost <= 0:
        return "\n".join([*rows, "the withheld labels bring nothing that could come back"])
    share = (scores["labelled"].wer - scores["self"].wer) / lost
    return "\n".join([*rows, f"recovered share: {100 * share:.0f} %"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--librispeech", nargs="+", default=(), metavar="PART")
    parser.add_argument("--withhold", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--max-skipped", type=int, default=0)
    parser.add_argument("-o", "--output-dir", type=Path, default=Path("runs/selftraining"))
    parser.add_argument("overrides", nargs="*", help="key=value, of all trainings")
    return parser


def _read(recordings: Path, parts: list[str]) -> list[Utterance]:
    """Return all utterances; their own split into parts does not count."""
    if parts:
        splits = read_librispeech(recordings, parts)
    else:
        splits = (read_folder if recordings.is_dir() else read_table)(recordings, 0.0)
    return [utterance for own in splits.values() for utterance in own if utterance.text]


def _score(results: Path) -> Score:
    references = read_transcripts(results / "references.tsv", None, "reference")
    hypotheses = read_transcripts(results / "hypotheses.tsv", None, "hypothesis")
    return score_pairs(pair(references, hypotheses))


if __name__ == "__main__":
    run_script(main)
