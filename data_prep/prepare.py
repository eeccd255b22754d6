"""Prepares the splits of a corpus: manifest, stored features, text.

Completed splits are skipped; interrupted ones are resumed.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from asr.audio.perturbation import NoiseConfig
from asr.audio.shar import file_of
from asr.errors import DataError
from asr.features.config import FeatureConfig
from asr.files import atomic_path, atomic_write_text
from asr.speech.data.store import FeatureStore
from asr.text.normalizers import normalize
from data_prep.manifests import completed, mark_completed, write_manifest
from data_prep.progress import PreparationBar
from data_prep.store import Skipped, StoreConfig, Utterance, prepare_store, settings_digest
from data_prep.workers import Workers

__all__ = ["PreparedSplit", "prepare"]


@dataclass(frozen=True)
class PreparedSplit:
    """Folder and size of a prepared split; its copies are not counted.

    Attributes:
        path: folder with ``cuts.jsonl.gz``, ``features/``, ``text.txt``, ``skipped.tsv`` and
            ``.completed``.
        utterances: number of utterances.
        speakers: number of speakers.
        hours: hours of speech.
        skipped: utterances that were left out, with the reasons.
    """

    path: Path
    utterances: int
    speakers: int
    hours: float
    skipped: tuple[Skipped, ...]


def prepare(
    splits: Mapping[str, Sequence[Utterance]],
    output_dir: str | Path,
    features: FeatureConfig | None = None,
    speeds: Sequence[float] = (1.0,),
    dtype: str = "int16",
    normalizer: str = "none",
    max_skipped: int = 0,
    jobs: int = 0,
    noise: NoiseConfig | None = None,
    train_splits: Collection[str] | None = None,
    ray: str | None = None,
) -> list[PreparedSplit]:
    """Prepare every split of a corpus, with progress on standard error.

    Args:
        splits: name -> utterances, as the corpus readers return them.
        output_dir: gets one folder per split.
        features: feature settings; the defaults if None.
        speeds: speeds of the copies of training splits.
        noise: noisy copies of training splits.
        dtype: data type of the stored features, ``int16`` or ``int8``.
        normalizer: normalizer of the transcripts, see :mod:`asr.text.normalizers`.
        max_skipped: number of utterances that may be left out, over all splits.
        jobs: processes, 0 for all cores.
        train_splits: names of the splits that get copies; by default those that begin with
            ``train``.
        ray: address of a Ray cluster that computes the features, ``local`` for one on this machine.

    Returns:
        One entry per split.

    Raises:
        DataError: more than ``max_skipped`` utterances cannot be used (the first are named), none
            is left, an id occurs twice, or the disk is full (completed work is kept).

    Example:
        >>> prepare(read_an4("an4"), "data", speeds=(0.9, 1.0, 1.1))  # doctest: +SKIP
    """
    if train_splits is None:
        train_splits = [name for name in splits if name.startswith("train")]
    if unknown := sorted(set(train_splits) - set(splits)):
        raise DataError(
            f"There is no split {', '.join(unknown)}.", f"The corpus has {', '.join(splits)}."
        )
    config = StoreConfig(features or FeatureConfig(), tuple(speeds), dtype, noise)
    _name_shared(splits, Path(output_dir))
    done: list[PreparedSplit] = []
    with Workers(jobs, ray) as workers:
        for name, utterances in splits.items():
            allowed = max_skipped - sum(len(split.skipped) for split in done)
            settings = config if name in train_splits else config.plain()
            try:
                split = Path(output_dir) / name
                done.append(
                    _prepare_split(
                        split,
                        utterances,
                        config=settings,
                        normalizer=normalizer,
                        max_skipped=allowed,
                        workers=workers,
                    )
                )
            except OSError as error:
                raise DataError(
                    f"Writing {split} failed: {error.strerror or error}.",
                    "Free disk space, then run the same command: completed work is kept.",
                ) from error
    return done


def _name_shared(splits: Mapping[str, Sequence[Utterance]], output_dir: Path) -> None:
    """Warn on standard error about earlier splits that share utterances with these."""
    ids = {utterance.id for utterances in splits.values() for utterance in utterances}
    for folder in sorted(output_dir.glob("*/features/meta.json")):
        split = folder.parent.parent
        if split.name in splits:
            continue
        shared: set[str] = set()
        with contextlib.suppress(DataError):  # a damaged split cannot be used for testing
            shared = ids.intersection(FeatureStore.open(split).ids)
        if shared:
            print(
                f"warning: {split}, of an earlier preparation, holds {len(shared)} of these "
                "utterances too. Delete it unless that is intended: do not test on training data.",
                file=sys.stderr,
            )


def _prepare_split(
    split: Path,
    utterances: Sequence[Utterance],
    config: StoreConfig,
    normalizer: str,
    max_skipped: int,
    workers: Workers,
) -> PreparedSplit:
    _check_ids(utterances, split)
    usable, skipped = _usable(utterances, normalizer)
    _check_skipped(skipped, max_skipped, split)
    if not usable:
        raise DataError(f"There is no utterance for {split}.", "Check the corpus folder.")
    digest = settings_digest(usable, config)
    if (summary := completed(split)) and summary.get("settings") == digest:
        prepared = _from_summary(split, summary)
        _check_skipped(prepared.skipped, max_skipped, split)
        return prepared
    (split / ".completed").unlink(missing_ok=True)
    with PreparationBar(split.name, len(usable)) as bar:
        skipped += prepare_store(split, usable, config, workers, bar.advance)
    try:
        _check_skipped(skipped, max_skipped, split)
    except DataError:
        (split / "features" / "meta.json").unlink()  # refused, so that it cannot be trained on
        raise
    return _finish(split, usable, skipped, digest)


def _finish(
    split: Path, usable: Sequence[Utterance], skipped: Sequence[Skipped], digest: str
) -> PreparedSplit:
    left_out = {s.id for s in skipped}
    kept = [u for u in usable if u.id not in left_out]
    hours = write_manifest(split, kept)
    with (
        atomic_path(split / "text.txt") as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        file.writelines(f"{u.text}\n" for u in kept)
    atomic_write_text(split / "skipped.tsv", "".join(f"{s.id}\t{s.reason}\n" for s in skipped))
    for leftover in split.glob(".cuts.*"):  # of a run that was killed
        leftover.unlink()
    prepared = PreparedSplit(
        split, len(kept), len({u.speaker for u in kept}), hours, tuple(skipped)
    )
    summary = {k: v for k, v in asdict(prepared).items() if k != "path"}
    mark_completed(split, summary | {"settings": digest})
    return prepared


def _from_summary(split: Path, summary: dict[str, Any]) -> PreparedSplit:
    skipped = tuple(Skipped(**s) for s in summary["skipped"])
    return PreparedSplit(
        split, summary["utterances"], summary["speakers"], summary["hours"], skipped
    )


def _usable(
    utterances: Sequence[Utterance], normalizer: str
) -> tuple[list[Utterance], list[Skipped]]:
    """Return usable utterances with normalised texts, and those without a file or text."""
    usable: list[Utterance] = []
    skipped: list[Skipped] = []
    for utterance in utterances:
        text = normalize(utterance.text, normalizer)
        if reason := _fault(utterance, text, normalizer):
            skipped.append(Skipped(utterance.id, reason))
        else:
            usable.append(replace(utterance, text=text))
    return usable, skipped


def _fault(utterance: Utterance, text: str, normalizer: str) -> str | None:
    if not file_of(utterance.audio).is_file():
        return f"There is no audio file {utterance.audio}."
    if not utterance.text.strip():
        return f"{utterance.audio} has no transcript, or an empty one."
    return (
        None
        if text
        else f"The transcript {utterance.text!r} is empty after the normalizer {normalizer}."
    )


def _check_ids(utterances: Sequence[Utterance], split: Path) -> None:
    counts = Counter(u.id for u in utterances)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise DataError(
            f"The id {twice[0]} occurs {counts[twice[0]]} times in {split.name}.",
            "Rename a recording.",
        )


def _check_skipped(skipped: Sequence[Skipped], max_skipped: int, split: Path) -> None:
    if len(skipped) <= max(0, max_skipped):
        return
    first = "".join(f"\n  {s.id}: {s.reason}" for s in skipped[:5])
    more = f"\n  and {len(skipped) - 5} more" if len(skipped) > 5 else ""
    raise DataError(
        f"{len(skipped)} utterances of {split.name} cannot be used, but only {max(0, max_skipped)} "
        f"may be left out:{first}{more}\n",
        f"Correct them, or allow as many with --max-skipped {len(skipped)}.",
    )
