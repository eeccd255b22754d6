"""Recordings with their (corrected) transcripts -> the splits that `asr learn` needs."""

from __future__ import annotations

import sys
from pathlib import Path

from asr.errors import DataError
from asr.features.config import FeatureConfig
from data_prep.folder import read_folder
from data_prep.prepare import prepare
from data_prep.store import Utterance
from data_prep.tables import read_table

__all__ = ["prepare_recordings"]

SPEEDS = (0.9, 1.0, 1.1)


def prepare_recordings(
    recordings: str | Path,
    output_dir: str | Path,
    features: FeatureConfig,
    *,
    normalizer: str,
    dev_share: float = 0.1,
    test_share: float = 0.2,
) -> Path:
    """Prepare the parts train, dev and test of somebody's recordings, and return their folder.

    Args:
        recordings: folder of audio with transcripts (:func:`data_prep.folder.read_folder`), or a
            table of both; a row of a table without text is a recording to leave out.
        output_dir: where the parts go.
        features: of the model that will learn.
        normalizer: writes the transcripts as the model spells.
        dev_share: of the recordings, chooses the epoch; see
            :func:`data_prep.splits.split_by_share`.
        test_share: of the recordings, proves the gain.

    Raises:
        DataError: see the readers; or no part is left for training.
    """
    source = Path(recordings)
    read = read_folder if source.is_dir() else read_table
    splits = read(source, dev_share, test_share)
    kept = {name: _with_text(utterances) for name, utterances in splits.items()}
    if dropped := sum(map(len, splits.values())) - sum(map(len, kept.values())):
        print(f"{dropped} recordings without text are left out", file=sys.stderr)
    if missing := [name for name in ("train", "dev", "test") if not kept.get(name)]:
        raise DataError(
            f"Nothing of {source} is left for {', '.join(missing)}.",
            "Give more recordings, or larger shares: --dev-share, --test-share.",
        )
    prepare(kept, output_dir, features, speeds=SPEEDS, normalizer=normalizer)
    return Path(output_dir)


def _with_text(utterances: list[Utterance]) -> list[Utterance]:
    return [utterance for utterance in utterances if utterance.text]
