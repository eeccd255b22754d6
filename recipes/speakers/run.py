"""A speaker embedding: tables, training, export, calibration on the dev speakers.

python recipes/speakers/run.py CORPORA [--noise FOLDER ...] [--output-dir runs/speakers]
    [key=value ...]

CORPORA: see tables.py beside this file. Leaves the exported folder in OUTPUT_DIR/speaker. Steps
that are done already are not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tables import write_tables

from asr.catalogue import train
from asr.cli.guard import run_script
from asr.model_folder import add_to_bundle
from asr.scoring.verification import fit_log_odds, pair_scores, score_pairs
from asr.speakers.data import read_recordings
from asr.speakers.embedder import SpeakerEmbedder
from asr.speakers.exporting import export_speakers

CONFIG = Path(__file__).with_name("config.yaml")
PER_SPEAKER = 20
# of benchmarks/speakers/diarization.py --tune on conversations of dev speakers
COUNTING = {"threshold": 0.07, "noise": 0.1}


# What is heard is nearer to the recordings themselves then.
SECOND_LEG = (
    "optimizer.lr=0.0007",
    "trainer.max_epochs=4",
    "augment.tilt_db=1.5",
    "augment.room_share=0.2",
    "augment.noise_share=0.25",
    "augment.babble_share=0.25",
)


def calibrated(folder: Path, table: Path) -> dict[str, float]:
    """Return the calibration of an exported model on whole recordings of other speakers."""
    embedder = SpeakerEmbedder.load(folder)
    spoken: dict[str, list[Path]] = {}
    for recording in read_recordings([table]):
        spoken.setdefault(recording.speaker, []).append(recording.path)
    rows, speakers = [], list[str]()
    for speaker, paths in spoken.items():
        # from first to last: of several sessions, not of the first one alone
        places = np.linspace(0, len(paths) - 1, min(PER_SPEAKER, len(paths))).astype(int)
        rows += [embedder.voice(str(paths[place])).embedding for place in places]
        speakers += [speaker] * len(places)
    cosines, same = pair_scores(np.stack(rows), speakers)
    print(f"dev: {score_pairs(cosines, same)}")
    scale, shift = fit_log_odds(cosines, same)
    return {"scale": round(scale, 3), "shift": round(shift, 3), **COUNTING}


def main() -> None:
    """Make the tables, train, export, calibrate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--noise", type=Path, nargs="*", default=[], help="folders")
    parser.add_argument("--output-dir", type=Path, default=Path("runs/speakers"))
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args()
    tables = args.output_dir / "tables"
    if not (tables / "train.tsv").is_file():
        write_tables(args.corpora, tables)
    given = [f"data.{split}=[{tables / split}.tsv]" for split in ("train", "dev")]
    noise = f"data.noise=[{','.join(map(str, args.noise))}]"
    given += [noise, f"data.features={args.output_dir / 'features'}"]
    first, run_dir = args.output_dir / "first", args.output_dir / "run"
    train(CONFIG, [*given, f"output_dir={first}", *args.overrides])
    second = [f"output_dir={run_dir}", f"init_from={first}", *args.overrides, *SECOND_LEG]
    train(CONFIG, [*given, *second])
    exported = export_speakers(run_dir, args.output_dir / "speaker", "onnx-int8")
    print(*exported.comparisons)
    calibration = calibrated(exported.folder, tables / "dev.tsv")
    add_to_bundle(exported.folder, {}, config={"calibration": calibration})
    print(f"{exported.folder}: {calibration}")


if __name__ == "__main__":
    run_script(main)
