"""Any ready Lhotse manifest: cuts, or recordings and supervisions, as Lhotse's own recipes write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from asr.errors import DataError, require
from data_prep.manifests import cut_to_utterance
from data_prep.splits import split_by_share, split_name
from data_prep.store import Utterance

__all__ = ["read_lhotse"]

FORM = re.compile(
    r"(?:(?P<prefix>.*?)[-_])?(?P<kind>cuts|recordings|supervisions)(?:[-_](?P<split>.+))?\.(jsonl|json|yaml)(\.gz)?"
)


def read_lhotse(source: str | Path, dev_share: float = 0.1, test_share: float = 0.0) -> dict[str, list[Utterance]]:
    """Return the utterances of ready manifests by split.

    Args:
        source: a cuts file; or a folder with ``SPLIT/cuts.jsonl.gz``, or with ``*cuts_SPLIT.jsonl.gz``, or with
            ``*recordings_SPLIT.jsonl.gz`` and ``*supervisions_SPLIT.jsonl.gz``.
        dev_share, test_share: see :func:`data_prep.splits.split_by_share`, where the names tell of no splits.

    Raises:
        DataError: there is no manifest, one cannot be read, or it holds what is no stretch of one file.
    """
    source = Path(source).absolute()
    files = _find(source)
    if not files:
        raise DataError(f"There is no Lhotse manifest in {source}.", "Give a file or folder of *cuts*.jsonl.gz.")
    splits = {split: [u for cut in _cuts(paths) for u in cut_to_utterance(cut)] for split, paths in files.items()}
    if len(splits) > 1 or split_name(next(iter(splits))):
        return splits
    return split_by_share(next(iter(splits.values())), dev_share, test_share)


def _find(source: Path) -> dict[str, dict[str, Path]]:
    if source.is_file():
        kind, split = _kind_and_split(source)
        if kind == "recordings" or kind == "supervisions":
            return {s: p for s, p in _find(source.parent).items() if source in p.values()}
        return {split or "all": {"cuts": source}}
    found: dict[str, dict[str, Path]] = {}
    for path in [*sorted(source.glob("*/cuts.jsonl.gz")), *sorted(p for p in source.glob("*") if p.is_file())]:
        kind, split = _kind_and_split(path)
        if kind:
            name = split or (path.parent.name if path.parent != source else "all")
            found.setdefault(name, {})[kind] = path
    return {split: paths for split, paths in found.items() if "cuts" in paths or len(paths) == 2}


def _kind_and_split(path: Path) -> tuple[str, str]:
    match = FORM.fullmatch(path.name)
    return (match["kind"], match["split"] or "") if match else ("", "")


def _cuts(paths: dict[str, Path]) -> Iterable[Any]:
    lhotse = require("lhotse", "train")
    try:
        if "cuts" in paths:
            return list(lhotse.load_manifest(paths["cuts"]))
        recordings, supervisions = (lhotse.load_manifest(paths[k]) for k in ("recordings", "supervisions"))
        return list(lhotse.CutSet.from_manifests(recordings, supervisions))
    except Exception as error:  # Lhotse raises whatever its parsers do
        names = " and ".join(str(p) for p in paths.values())
        raise DataError(
            f"{names} cannot be read as a Lhotse manifest: {error}.", "Check it with lhotse validate."
        ) from error
