from __future__ import annotations

import random
from pathlib import Path

import pytest

from asr.catalogue import train

NAMES = ("Rome", "Paris", "NASA", "iPhone")
QUESTIONS = ("where is {}?", "who knows {}?", "is it {}?")
ANSWERS = ("it is in {}, my friend.", "we saw {}, and left.", "nobody knows {}.")


def paragraphs(count: int, seed: int) -> list[str]:
    """Text whose marks and capitals follow from its words."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        pieces = [rng.choice(QUESTIONS + ANSWERS).format(rng.choice(NAMES)) for _ in range(6)]
        lines.append(" ".join(piece[0].upper() + piece[1:] for piece in pieces))
    return lines


CONFIG = """
task: punctuate
data: {shortest: 8, longest: 40, max_batch_words: 600, words_per_epoch: 0}
model: {dim: 16, hidden_dim: 16, num_layers: 1, dropout: 0.0, lookahead: LOOKAHEAD}
optimizer: {lr: 0.03}
trainer: {max_epochs: 4, precision: fp32, threads: 1}
"""


def train_small(folder: Path, lookahead: int) -> Path:
    """Train a small model; return its run folder."""
    for name, count, seed in (("train", 220, 1), ("dev", 20, 2), ("test", 20, 3)):
        (folder / f"{name}.txt").write_text("\n".join(paragraphs(count, seed)) + "\n")
    (folder / "c.yaml").write_text(CONFIG.replace("LOOKAHEAD", str(lookahead)))
    given = [f"data.{name}={folder / name}.txt" for name in ("train", "dev")]
    given += [f"data.test.talks={folder / 'test.txt'}", f"output_dir={folder / 'run'}"]
    train(folder / "c.yaml", given)
    return folder / "run"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small model."""
    return train_small(tmp_path_factory.mktemp("punctuation"), lookahead=0)


@pytest.fixture(scope="session")
def forward_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small model that reads forward only, with a look-ahead of three words."""
    return train_small(tmp_path_factory.mktemp("forward"), lookahead=3)
