"""Fine-tune a model on your recordings, in a quarter of an hour.

python recipes/finetune/run.py MODEL RECORDINGS [--output-dir runs/finetune] [--normalizer NAME]
    [key=value ...]

RECORDINGS is a folder of audio files, each with its transcript in a text file beside it, or with
one table for all (data_prep/folder.py). A part is held out; its word error rate is printed before
and after fine-tuning.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from asr.catalogue import train
from asr.config import build_config
from asr.decoding.language_models import file_for_folder
from asr.errors import ModelError
from asr.model_folder import WEIGHTS, add_to_bundle, open_model
from asr.speech.decoders import LM_FILES
from asr.speech.jobs.evaluate import evaluate
from asr.speech.network import CtcTaskConfig
from asr.speech.options import ModelOptions
from asr.text.pronunciations import Pronunciations
from data_prep.folder import read_folder
from data_prep.prepare import prepare
from data_prep.pronounce import pronounce, say_by_letters, words_of, words_of_lm

CONFIG = Path(__file__).with_name("config.yaml")


def main() -> None:
    """Run the steps; skip those that an earlier call completed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", help="model or run folder to start from, or name of a model that comes along"
    )
    parser.add_argument("recordings", type=Path, help="folder of audio and transcripts")
    parser.add_argument("--output-dir", type=Path, default=Path("runs/finetune"))
    parser.add_argument(
        "--normalizer", default="librispeech", help="writes the transcripts as the model spells"
    )
    parser.add_argument(
        "--lm", type=Path, help="ARPA file instead of the model folder's own n-gram model"
    )
    parser.add_argument("--dev-share", type=float, default=0.1)
    parser.add_argument("--test-share", type=float, default=0.2)
    parser.add_argument(
        "overrides", nargs="*", help="configuration, such as trainer.time_limit_s=300"
    )
    arguments = parser.parse_intermixed_args()
    bundle = open_model(arguments.model, task="ctc")
    if WEIGHTS not in bundle.files:
        raise ModelError(
            f"{arguments.model} is an exported model.", "Give the trained one that it was made of."
        )
    network = build_config(
        CtcTaskConfig, bundle.config["network"], where=str(bundle.path / "config.yaml")
    )
    data, run = arguments.output_dir / "data", arguments.output_dir / "run"
    splits = read_folder(arguments.recordings, arguments.dev_share, arguments.test_share)
    prepare(splits, data, network.features, speeds=(0.9, 1.0, 1.1), normalizer=arguments.normalizer)

    kept = {name: bundle.path / name for name in [n for n in LM_FILES if n in bundle.files][:1]}
    if arguments.lm:
        kept = file_for_folder(arguments.lm, arguments.output_dir)
    with_lm = ModelOptions(bundle, lm=next(iter(kept.values()), None))
    before = evaluate(with_lm, [data / "test"], arguments.output_dir / "before")
    same = [f"model.{name}={value}" for name, value in asdict(network.model).items()]
    inputs = [
        f"init_from={bundle.path}",
        f"normalization={network.normalization}",
        f"output_dir={run}",
    ]
    inputs += [f"data.{name}={data / name}" for name in ("train", "dev")]
    if Pronunciations.FILE in bundle.files:  # a model of phones learns how new words are said
        words = words_of([data / name / "text.txt" for name in splits])
        if arguments.lm:
            words += words_of_lm(next(iter(kept.values())))
        lexicon = arguments.output_dir / Pronunciations.FILE
        pronounce(words, bundle.path / Pronunciations.FILE).save(lexicon)
        inputs.append(f"tokenizer.lexicon={lexicon}")
    model = train(CONFIG, [*same, *inputs, *arguments.overrides], pronounce=say_by_letters)
    add_to_bundle(model, kept, {"decoding": bundle.config.get("decoding") or {}})
    after = evaluate(ModelOptions(model), [data / "test"], run)
    print(f"before\n{before}\n\nafter\n{after}\n\ntry: asr transcribe RECORDING --model {run}")


if __name__ == "__main__":
    main()
