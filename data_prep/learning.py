"""Recordings, with their (corrected) texts and without -> the splits that `asr learn` needs."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from asr.audio.reading import audio_info, open_recording
from asr.audio.segmentation import SegmentationConfig, speech_windows
from asr.audio.shar import file_of, parse_address
from asr.errors import AudioError, DataError
from asr.features.config import FeatureConfig
from asr.files import MANIFEST, real_path
from asr.speech.acoustics.windows import LONG_S
from asr.speech.jobs.transcribe import Input, expand_inputs
from data_prep.folder import read_folder
from data_prep.manifests import read_manifest
from data_prep.prepare import prepare
from data_prep.store import Utterance
from data_prep.tables import read_table

__all__ = ["prepare_recordings", "prepare_untranscribed"]

SPEEDS = (0.9, 1.0, 1.1)
UNTRANSCRIBED = "untranscribed"  # name of the split of speech without text
NO_TEXT = "?"  # its transcripts: preparation refuses empty ones
RATE = 16000  # samples a second, at which pauses are looked for
CUTTING = SegmentationConfig(max_window_s=20.0)  # of long recordings


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


def prepare_untranscribed(folder: str | Path, data: str | Path, features: FeatureConfig) -> Path:
    """Prepare recordings without text as the split ``untranscribed``, and return its folder.

    Long recordings are cut at pauses. What is in another split of ``data`` is left out, so that
    nothing is learned from what was kept apart; so is what cannot be read or is silent, which
    ``skipped.tsv`` lists.

    Args:
        folder: of recordings, at any depth.
        data: folder of the other splits; gets this one.
        features: of the model that will learn.

    Raises:
        DataError: there is no such folder, or no recording in it can be used.
        AudioError: it holds no audio.
    """
    if not Path(folder).is_dir():
        raise DataError(f"There is no folder {folder}.", "Give a folder of recordings.")
    known = {
        real_path(file_of(utterance.audio))
        for split in sorted(Path(data).glob(f"*/{MANIFEST}"))
        if split.parent.name != UNTRANSCRIBED
        for utterance in read_manifest(split.parent)
    }
    every = expand_inputs([str(folder)], to_files=False)
    items = [item for item in every if real_path(file_of(item.path)) not in known]
    if not items:
        raise DataError(
            f"All recordings in {folder} are among those with text.",
            "Give other recordings, or leave out --untranscribed.",
        )
    utterances = [utterance for item in items for utterance in _stretches(item)]
    prepare(
        {UNTRANSCRIBED: utterances},
        data,
        features,
        speeds=SPEEDS,
        max_skipped=len(utterances),
        train_splits=[UNTRANSCRIBED],
    )
    return Path(data) / UNTRANSCRIBED


def _stretches(item: Input) -> list[Utterance]:
    """Return a recording as an utterance, a long one as its stretches of speech between pauses."""
    name = "_".join(f"{UNTRANSCRIBED}-{item.label}".split())  # no name of an utterance with text
    path = item.path if parse_address(item.path) else str(Path(item.path).absolute())
    whole = Utterance(name, path, NO_TEXT, "")
    try:
        if audio_info(path).duration_s <= LONG_S:
            return [whole]
        with open_recording(path) as recording:
            blocks = recording.resampled(RATE, block_s=LONG_S)
            windows = list(speech_windows(blocks, RATE, CUTTING))
            start_s = recording.start_s
    except AudioError:
        return [whole]  # preparation says why
    joined = [False, *(window.goes_on for window in windows)]  # no pause before the window
    return [
        replace(
            whole,
            id=f"{name}-{number:05d}",
            start_s=round(start_s + window.start / RATE, 3),
            duration_s=round((window.stop - window.start) / RATE, 3),
        )
        for number, window in enumerate(windows)
        if not (joined[number] or window.goes_on)
    ] or [whole]


def _with_text(utterances: list[Utterance]) -> list[Utterance]:
    return [utterance for utterance in utterances if utterance.text]
