"""The reader of Lhotse manifests."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_files import ids, sound, text

from asr.errors import AsrError, DataError
from data_prep.manifest import read_lhotse
from data_prep.manifests import write_manifest
from data_prep.store import Utterance


def test_lhotse_manifests_in_every_form(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    utterances = [
        Utterance(f"u{i}", str(sound(tmp_path / f"{i}.wav")), f"text {i}", "s") for i in range(4)
    ]
    write_manifest(tmp_path / "train", utterances)
    cuts = tmp_path / "train" / "cuts.jsonl.gz"
    assert read_lhotse(tmp_path) == {"train": utterances}
    assert ids(read_lhotse(cuts, dev_share=0.25)).keys() == {"train", "dev"}
    recordings, supervisions, _ = lhotse.CutSet.from_file(cuts).decompose(tmp_path / "parts")
    for kind, manifest in (("recordings", recordings), ("supervisions", supervisions)):
        manifest.to_file(tmp_path / "parts" / f"mini_{kind}_dev.jsonl.gz")
        (tmp_path / "parts" / f"{kind}.jsonl.gz").unlink(missing_ok=True)
    (tmp_path / "parts" / "cuts.jsonl.gz").unlink(missing_ok=True)
    found = read_lhotse(tmp_path / "parts")["dev"]
    assert [(u.audio, u.text) for u in found] == [(u.audio, u.text) for u in utterances]


def test_lhotse_manifests_that_cannot_be_used(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse")
    with pytest.raises(DataError, match="no Lhotse manifest"):
        read_lhotse(tmp_path)
    text(tmp_path / "bad_cuts.jsonl", "nonsense\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_lhotse(tmp_path / "bad_cuts.jsonl")
    write_manifest(tmp_path / "train", [Utterance("u", str(sound(tmp_path / "a.wav")), "x", "s")])
    fast = lhotse.CutSet.from_file(tmp_path / "train" / "cuts.jsonl.gz").perturb_speed(1.1)
    fast.to_file(tmp_path / "fast.jsonl.gz")
    with pytest.raises(DataError, match="transformed"):
        read_lhotse(tmp_path / "fast.jsonl.gz")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AsrError, match="nowhere"):
        read_lhotse(tmp_path / "nowhere")
