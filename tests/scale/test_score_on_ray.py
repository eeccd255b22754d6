"""Scoring on real Ray workers: the figures, tables and alignments are those of one process."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from asr.cli import app
from asr.errors import ConfigError, ScoringError
from asr.scale import score as scaled
from asr.scale.cluster import LostError, share_out
from asr.scale.score import score_on_ray, score_piece
from asr.scoring import Pair, Utterance, score_pairs

WORDS = ["a", "the", "cat", "sat", "on", "mat", "and", "ran", "home", "again"]


@pytest.fixture
def pairs() -> list[Pair]:
    """What 25 speakers said, with errors, and empty sides."""
    draw = random.Random(0)
    found = []
    for number in range(240):
        said = draw.choices(WORDS, k=draw.randrange(0, 9))
        heard = [
            draw.choice(WORDS) if draw.random() < 0.2 else w for w in said if draw.random() > 0.1
        ]
        found.append(
            Pair(Utterance(f"u{number}", " ".join(said), f"s{number % 25}"), " ".join(heard))
        )
    return found


@pytest.mark.parametrize("aligner", ["jiwer", "sclite"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_give_the_same(pairs: list[Pair], aligner: str, size: int) -> None:
    whole = score_pairs(pairs, normalizer="basic", aligner=aligner)
    numbered = list(enumerate(pairs))
    pieces = [
        score_piece("basic", aligner, numbered[i : i + size]) for i in range(0, len(pairs), size)
    ]
    scored = {number: score for piece in reversed(pieces) for number, score in piece.items()}
    assert tuple(scored[n] for n in range(len(pairs))) == whole.utterances


def test_items_are_shared_out() -> None:
    items = list(range(240))
    assert [len(piece) for piece in share_out(items, 2, 1000)] == [30] * 8
    assert [len(piece) for piece in share_out(items, 2, 20)] == [20] * 12
    assert [item for piece in share_out(items, 7, 1000) for item in piece] == items
    assert share_out([], 2, 20) == []


def test_scored_on_ray(pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    assert score_on_ray(pairs, "local", normalizer="basic", workers=1) == score_pairs(
        pairs, normalizer="basic"
    )

    (tmp_path / "ref.tsv").write_text(
        "".join(f"{p.reference.id}\t{p.reference.text}\n" for p in pairs)
    )
    (tmp_path / "hyp.tsv").write_text(
        "".join(f"{p.reference.id}\t{p.hypothesis}\n" for p in reversed(pairs))
    )
    (tmp_path / "speakers.tsv").write_text(
        "".join(f"{p.reference.id}\t{p.reference.speaker}\n" for p in pairs)
    )
    command = ["score", "-r", str(tmp_path / "ref.tsv"), "-y", str(tmp_path / "hyp.tsv")]
    command += [
        "--speakers",
        str(tmp_path / "speakers.tsv"),
        "--per-speaker",
        "--per-length",
        "--alignment",
        "--json",
    ]
    plain, bulk = (
        CliRunner().invoke(app, [*command, *more])
        for more in ([], ["--ray", "local", "--workers", "1"])
    )
    assert bulk.exit_code == plain.exit_code == 0
    assert bulk.stdout == plain.stdout
    assert json.loads(bulk.stdout)["wer_interval"]["unit"] == "speaker"


def test_a_lost_worker_is_made_up_for_or_named(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    def halved(work: Any, pieces: Any) -> Iterator[tuple[Any, Any]]:
        for piece in reversed(pieces):
            middle = len(piece) // 2
            yield from ((part, work(part)) for part in (piece[middle:], piece[:middle]))

    monkeypatch.setattr(scaled, "connected", lambda address, workers: nullcontext(3))
    monkeypatch.setattr(scaled, "run_pieces", halved)
    assert score_on_ray(pairs, "local") == score_pairs(pairs)
    lost = LostError("3 workers died on it; the last: killed")
    monkeypatch.setattr(scaled, "run_pieces", lambda work, pieces: iter([(pieces[0][:1], lost)]))
    with pytest.raises(ScoringError, match="u0 cannot be scored: 3 workers died"):
        score_on_ray(pairs, "local")


def test_refused(pairs: list[Pair]) -> None:
    for arguments, error, said in (
        ({"aligner": "none"}, ScoringError, "no aligner named 'none'"),
        ({"normalizer": "none of them"}, Exception, "none of them"),
        ({"pairs": []}, ScoringError, "no references"),
    ):
        with pytest.raises(error, match=said):
            score_on_ray(**{"pairs": pairs, "address": "127.0.0.1:1", **arguments})  # type: ignore[arg-type]
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match="only for --ray local"):
        score_on_ray(pairs, "127.0.0.1:1", workers=2)
    wrong = CliRunner().invoke(app, ["score", "-r", "a.tsv", "-y", "b.tsv", "--workers", "2"])
    assert wrong.exit_code == 2
    assert "it goes with --ray" in wrong.output
