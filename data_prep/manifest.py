"""Existing Lhotse manifests: cuts, recordings with supervisions, or Lhotse Shar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from asr.audio.shar import find_shar, is_shar, read_shar
from asr.errors import DataError, require
from data_prep.manifests import cut_to_utterance
from data_prep.splits import split_by_share, split_name
from data_prep.store import Utterance

__all__ = ["read_lhotse"]

FORM = re.compile(
    r"(?:(?P<prefix>.*?)[-_])?(?P<kind>cuts|recordings|supervisions)(?:[-_](?P<split>.+))?\.(jsonl|json|yaml)(\.gz)?"
)


def read_lhotse(
    source: str | Path, dev_share: float = 0.1, test_share: float = 0.0
) -> dict[str, list[Utterance]]:
    """Return the utterances of existing manifests by split.

    Args:
        source: a cuts file; a folder with ``SPLIT/cuts.jsonl.gz``, with ``*cuts_SPLIT.jsonl.gz``,
            or with ``*recordings_SPLIT.jsonl.gz`` and ``*supervisions_SPLIT.jsonl.gz``; a Lhotse
            Shar folder, or a folder with one Shar folder per split. Recordings in shards are not
            copied, see :mod:`asr.audio.shar`.
        dev_share: share to hold out if no file name tells the split, see
            :func:`data_prep.splits.split_by_share`.
        test_share: likewise.

    Raises:
        DataError: there is no manifest, it cannot be read, or one of its cuts is not a segment of
            one file; see also :func:`asr.audio.shar.read_shar`.
    """
    source = Path(source).absolute()
    splits = _read_shards(source)
    for split, paths in ({} if is_shar(source) else _find(source)).items():
        splits.setdefault(split, [u for cut in _cuts(paths) for u in cut_to_utterance(cut)])
    if not splits:
        raise DataError(
            f"There is no Lhotse manifest in {source}.",
            "Give a file or folder of *cuts*.jsonl.gz, or a Shar folder.",
        )
    if len(splits) > 1 or split_name(next(iter(splits))):
        return splits
    return split_by_share(next(iter(splits.values())), dev_share, test_share)


def _read_shards(source: Path) -> dict[str, list[Utterance]]:
    """Return the utterances of a Shar folder, or of those directly below, by folder name."""
    folders = [f for f in find_shar(source) if source in (f, f.parent)] if source.is_dir() else []
    return {f.name: list(_utterances(f)) for f in folders}


def _utterances(folder: Path) -> Iterator[Utterance]:
    require("lhotse", "train")
    from lhotse.serialization import deserialize_item

    for item in read_shar(folder):
        try:
            cut = deserialize_item(item.cut)
        except Exception as error:  # Lhotse raises whatever its parsers do
            raise DataError(
                f"{folder}: Lhotse cannot read the cut {item.cut['id']}: {error}.",
                "Export it again.",
            ) from error
        yield from cut_to_utterance(cut, item.audio)


def _find(source: Path) -> dict[str, dict[str, Path]]:
    if source.is_file():
        kind, split = _kind_and_split(source)
        if kind == "recordings" or kind == "supervisions":
            return {s: p for s, p in _find(source.parent).items() if source in p.values()}
        return {split or "all": {"cuts": source}}
    manifests: dict[str, dict[str, Path]] = {}
    for path in [
        *sorted(source.glob("*/cuts.jsonl.gz")),
        *sorted(p for p in source.glob("*") if p.is_file()),
    ]:
        kind, split = _kind_and_split(path)
        if kind:
            name = split or (path.parent.name if path.parent != source else "all")
            manifests.setdefault(name, {})[kind] = path
    return {
        split: paths for split, paths in manifests.items() if "cuts" in paths or len(paths) == 2
    }


def _kind_and_split(path: Path) -> tuple[str, str]:
    match = FORM.fullmatch(path.name)
    return (match["kind"], match["split"] or "") if match else ("", "")


def _cuts(paths: dict[str, Path]) -> Iterable[Any]:
    lhotse = require("lhotse", "train")
    try:
        if "cuts" in paths:
            return list(lhotse.load_manifest(paths["cuts"]))
        recordings, supervisions = (
            lhotse.load_manifest(paths[k]) for k in ("recordings", "supervisions")
        )
        return list(lhotse.CutSet.from_manifests(recordings, supervisions))
    except Exception as error:  # Lhotse raises whatever its parsers do
        names = " and ".join(str(p) for p in paths.values())
        raise DataError(
            f"{names} cannot be read as a Lhotse manifest: {error}.",
            "Check it with lhotse validate.",
        ) from error
