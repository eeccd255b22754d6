"""The main job through the command line on a little synthetic speech: every arrow is a file, every
verb exits 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.synthetic import SyntheticConfig, make_synthetic

TRAINING = """
task: ctc
data: {max_batch_size: 8}
model: {hidden_dim: 16, num_layers: 5, conv_channels: 4, dropout: 0.0}
trainer: {max_epochs: 2, precision: fp32, threads: 1, accelerator: cpu}
"""


def asr(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    command = [sys.executable, "-c", "from asr.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    sizes = {
        "train": 40,
        "dev": 4,
        "test": 4,
        "train_speakers": 3,
        "dev_speakers": 1,
        "test_speakers": 1,
    }
    make_synthetic(folder / "corpus", SyntheticConfig(**sizes, lm_sentences=200))
    (folder / "config.yaml").write_text(TRAINING)
    return folder


def test_from_audio_to_word_error_rate(work: Path) -> None:
    data, run = work / "data", work / "run"
    steps: list[tuple[str | Path, ...]] = [
        (
            "prepare",
            "librispeech",
            work / "corpus",
            "-o",
            data,
            "--normalizer",
            "librispeech",
            "--jobs",
            "1",
        ),
        (
            "train",
            work / "config.yaml",
            f"data.train={data / 'train'}",
            f"data.dev={data / 'dev'}",
            "-o",
            run,
        ),
        ("lm", "build", data / "train" / "text.txt", "--order", "3", "-o", work / "lm.arpa"),
        ("lm", "perplexity", work / "lm.arpa", data / "dev" / "text.txt"),
        (
            "evaluate",
            "--model",
            run,
            "--data",
            data / "test",
            "-o",
            run,
            "--lm",
            work / "lm.arpa",
            "--tune-on",
            data / "dev",
            "--save-to-model",
        ),
        (
            "score",
            "-r",
            run / "test" / "references.tsv",
            "-y",
            run / "test" / "hypotheses.tsv",
            "--json",
        ),
        ("transcribe", work / "corpus" / "test", "--model", run, "-f", "json", "-o", work / "out"),
    ]
    outputs = {}
    for step in steps:
        done = asr(*step)
        assert done.returncode == 0, f"{step}: {done.stderr}"
        outputs[step[0]] = done.stdout
    metrics = json.loads((run / "metrics.json").read_text())
    score = json.loads(outputs["score"])
    assert metrics["test/wer beam+lm"]["value"] == pytest.approx(score["wer"])
    assert {"dev/wer", "test/wer greedy", "test/cer beam+lm"} <= metrics.keys()
    assert "beam+lm" in outputs["evaluate"]
    transcripts = sorted((work / "out").rglob("*.json"))
    assert len(transcripts) == 4
    hypotheses = dict(
        line.split("\t") for line in (run / "test" / "hypotheses.tsv").read_text().splitlines()
    )
    for path in transcripts:
        assert json.loads(path.read_text())["text"] == hypotheses[path.stem]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("transcribe", "nothing.wav", "--model", "nowhere"), 1, "no model 'nowhere'"),
        (("train", "nowhere.yaml"), 1, "No configuration file nowhere.yaml"),
        (("prepare", "folder", "nowhere", "-o", "out"), 1, "nowhere"),
        (("evaluate", "--model", "nowhere", "--data", "x", "-o", "out"), 1, "no model 'nowhere'"),
        (("sing",), 2, "No such command"),
        (("transcribe", "a.wav", "--model", "x", "--beam-size", "0"), 2, "--beam-size"),
    ],
)
def test_failures_have_a_status_and_one_line(
    arguments: tuple[str, ...],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = asr(*arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_help_costs_no_heavy_import() -> None:
    heavy = ("torch", "lhotse", "lightning", "numba", "librosa", "numpy")
    code = f"import sys, asr.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
