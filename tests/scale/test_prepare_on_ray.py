"""Preparation on real Ray workers: the same bytes as without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep import store
from data_prep.prepare import prepare
from data_prep.shar import write_shar
from data_prep.store import Utterance

pytest.importorskip("ray")


def features(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "train" / "features").iterdir())}


def test_prepared_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setattr(store, "SHARD_SIZE", 2)
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(5):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, 0.1 * rng.normal(size=16000), 16000)
        utterances.append(Utterance(f"u{number}", str(path), "text", "s"))
    prepare({"train": utterances}, tmp_path / "plain", jobs=1)
    monkeypatch.chdir(tmp_path)
    prepare({"train": utterances}, "bulk", jobs=1, ray="local")
    assert features(tmp_path / "bulk") == features(tmp_path / "plain")
    assert len(features(tmp_path / "bulk")) > 6

    write_shar(tmp_path / "plain" / "train", tmp_path / "shar", 2, jobs=1)
    write_shar("bulk/train", "shar-on-ray", 2, jobs=1, ray="local")
    written = {p.name: p.read_bytes() for p in Path("shar-on-ray").iterdir()}
    assert written == {p.name: p.read_bytes() for p in Path("shar").iterdir()}
    assert len(written) == 6
