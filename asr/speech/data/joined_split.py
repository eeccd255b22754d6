"""Join two prepared splits: the stored features are linked, not copied.

The second split gets new transcripts, such as pseudo-labels. Legend: n items.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import DataError
from asr.files import MANIFEST, atomic_path, atomic_write_text
from asr.speech.data.store import FeatureStore, StringTable

__all__ = ["join_splits"]


def join_splits(first: Path, second: Path, texts: Mapping[str, str], output: Path) -> Path:
    """Write a split with the utterances of two, and return its folder; an older one is replaced.

    Args:
        first: prepared split that is taken as it is.
        second: another one, prepared with the same features.
        texts: transcripts of the utterances of ``second`` to take, by id; their copies get the same
            ones.
        output: folder of the new split.

    Raises:
        DataError: a split is missing, or they were prepared otherwise.
    """
    one, two = FeatureStore.open(first), FeatureStore.open(second)
    if (one.feature_config, one.quantization) != (two.feature_config, two.quantization):
        raise DataError(f"{first} and {second} have other feature settings.", "Prepare both alike.")
    names = two.names_of_sources()
    taken = np.array([i for i, name in enumerate(names) if name in texts], np.int64)
    said = [texts[names[i]] for i in taken.tolist()]
    folder = output / "features"
    shutil.rmtree(output, ignore_errors=True)
    folder.mkdir(parents=True)
    shards = _link_shards([one, two], folder)
    _write_index(one, two, taken=taken, first_shard=shards, folder=folder)
    strings = {
        "ids": chain(one.ids, (two.ids[i] for i in taken.tolist())),
        "texts": chain(one.texts, said),
        "speakers": chain(one.speakers, (two.speakers[i] for i in taken.tolist())),
    }
    _save(folder / "strings.npz", _string_arrays(strings))
    _write_manifest([(first, None), (second, texts)], output / MANIFEST)
    with atomic_path(output / "text.txt") as temporary:
        lines = chain((first / "text.txt").read_text(encoding="utf-8").splitlines(), texts.values())
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    num_frames = np.concatenate([one.num_frames, two.num_frames[taken]])
    _write_meta(first, len(num_frames), float(num_frames.sum() * one.frame_shift_s), folder)
    return output


def _link_shards(stores: Iterable[FeatureStore], folder: Path) -> int:
    """Link the shards of two splits, numbered on; return the number of those of the first."""
    number = first = 0
    for store in stores:
        first = number
        count = int(store.shard_of.max(initial=-1)) + 1
        for shard in range(count):
            source = store.path / "features" / f"shard-{shard:05}.npy"
            target = folder / f"shard-{number:05}.npy"
            try:
                os.link(source.resolve(), target)
            except OSError:  # another file system, or one without links
                shutil.copyfile(source, target)
            number += 1
    return first


def _write_index(
    one: FeatureStore,
    two: FeatureStore,
    taken: npt.NDArray[np.int64],
    first_shard: int,
    folder: Path,
) -> None:
    sources = int(one.sources.max(initial=-1)) + 1
    arrays = {
        name: np.concatenate([getattr(one, name), getattr(two, name)[taken] + offset])
        for name, offset in (
            ("num_frames", 0),
            ("speeds", np.float32(0)),
            ("sources", sources),
            ("shard_of", first_shard),
            ("first_row", 0),
        )
    }
    _save(folder / "index.npz", arrays)


def _string_arrays(strings: Mapping[str, Iterable[str]]) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, values in strings.items():
        arrays[name], arrays[f"{name}_offsets"] = StringTable.of(values).arrays
    return arrays


def _save(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def _write_manifest(splits: Iterable[tuple[Path, Mapping[str, str] | None]], path: Path) -> None:
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed,
    ):
        for split, texts in splits:
            packed.writelines(_cuts(split / MANIFEST, texts))


def _cuts(manifest: Path, texts: Mapping[str, str] | None) -> Iterator[bytes]:
    """Yield the lines of a manifest; with ``texts`` those of their utterances, with these texts."""
    with gzip.open(manifest, "rt", encoding="utf-8") as lines:
        for line in lines:
            if texts is None:
                yield line.encode()
                continue
            cut = json.loads(line)
            if cut["id"] in texts:
                for supervision in cut["supervisions"]:
                    supervision["text"] = texts[cut["id"]]
                yield (json.dumps(cut, ensure_ascii=False) + "\n").encode()


def _write_meta(first: Path, items: int, seconds: float, folder: Path) -> None:
    """Write the settings of a split; mean and deviation are those of the first one."""
    meta = json.loads((first / "features" / "meta.json").read_text(encoding="utf-8"))
    meta |= {"items": items, "hours": seconds / 3600}
    atomic_write_text(folder / "meta.json", json.dumps(meta, indent=1) + "\n")
