from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import asr
from asr.catalogue import train
from asr.cli import app
from asr.errors import ConfigError, DataError, ModelError
from asr.language.punctuation.config import PunctuationConfig
from asr.language.punctuation.exporting import export_punctuation
from asr.language.punctuation.graph import PunctuationGraph
from asr.language.punctuation.marks import SHAPES
from asr.language.punctuation.model import FittedPunctuation
from asr.language.punctuation.network import PunctuationTask
from asr.language.punctuation.restorer import NETWORK_FILE
from asr.language.punctuation.scoring import mark_figures
from asr.language.punctuation.units import WordUnits
from asr.model_folder import add_to_bundle
from asr.run_folder import read_metrics

SAID = "where is rome it is in paris my friend who knows nasa nobody knows iphone"
WRITTEN = "Where is Rome? It is in Paris, my friend. Who knows NASA? Nobody knows iPhone."


@pytest.fixture(scope="module")
def folder(run: Path) -> Path:
    """The exported model, 8 bits."""
    result = CliRunner().invoke(
        app, ["export", str(run), "--format", "onnx-int8", "-o", str(run.parent / "text")]
    )
    assert result.exit_code == 0, result.output
    assert "drawn words have equal labels" in result.stderr
    return run.parent / "text"


@pytest.fixture(scope="module")
def restorer(folder: Path) -> asr.Restorer:
    return asr.Restorer.load(folder)


def test_training_learns_marks_and_shapes(run: Path) -> None:
    metrics = read_metrics(run)
    for name in ("comma", "full_stop", "question", "capital", "macro_f1"):
        assert metrics[f"talks/{name}"].value > 0.97
    assert asr.Restorer.load(run).write(SAID.split()) == WRITTEN


def test_a_forward_network_decides_a_few_words_later(forward_run: Path, tmp_path: Path) -> None:
    assert read_metrics(forward_run)["talks/macro_f1"].value > 0.7
    trained = FittedPunctuation.load(forward_run)
    exported = asr.Restorer.load(export_punctuation(forward_run, tmp_path / "text").folder)
    tokens = trained.units.encode(SAID.split() * 20)
    for theirs, ours in zip(trained.scores(tokens), exported.scores(tokens), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_the_exported_model_writes_the_same_without_torch(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "bundle.json", "config.yaml", NETWORK_FILE, "units.json",
    ]  # fmt: skip
    program = (
        "import sys; sys.modules['torch'] = None; import asr;"
        "print(asr.Restorer.load(sys.argv[1]).write(sys.argv[2].split()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), SAID],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == WRITTEN + "\n"


def test_long_text_is_written_as_in_one_piece(restorer: asr.Restorer) -> None:
    words = (SAID.split() * 700)[:10_000]
    written = restorer.restore(words)
    assert [word.text.lower() for word in written] == words
    assert " ".join(map(str, written[: 15 * 600])) == " ".join([WRITTEN] * 600)


def test_short_and_foreign_text(restorer: asr.Restorer) -> None:
    assert restorer.restore([]) == []
    assert restorer.write(["rome"])[:4] == "Rome"
    assert restorer.write(["rome"])[4:] in (".", "?")
    assert restorer.write(["你", "好", "吗"]) == "你好吗"
    mixed = restorer.write(["where", "is", "你好", "rome"])
    assert mixed.startswith("Where is 你好 ")
    assert restorer.write(["NOBODY", "KNOWS", "ROME"]) == "Nobody knows Rome."
    assert [str(w) for w in restorer.restore(["zzqx", "''", "x9"])]  # words never seen


def test_borders_that_are_not_sentences(restorer: asr.Restorer) -> None:
    assert str(restorer.restore(["my", "friend"], begins=False, ends=False)[0]) == "my"


def test_a_stream_writes_words_in_time_and_each_once(restorer: asr.Restorer) -> None:
    words = SAID.split() * 12
    stream, written = restorer.stream(lookahead=4), []
    for number, word in enumerate(words, 1):
        written += stream.push([word])
        assert len(written) >= number - 4
    written += stream.finish()
    assert [word.text.lower() for word in written] == words
    assert " ".join(map(str, written)) == " ".join([WRITTEN] * 12)
    assert stream.finish() == []
    assert str((stream.push(["it"]) + stream.finish())[0]).startswith("It")


def test_predictions_of_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(f"{SAID}\n\n")
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "in.txt"), "-m", str(folder)])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows == [{"text": SAID, "written": WRITTEN}, {"text": "", "written": ""}]


@pytest.mark.parametrize(
    ("lookahead", "cell", "layers"), [(0, "lstm", 2), (2, "lstm", 2), (0, "gru", 1), (3, "gru", 2)]
)
def test_the_graph_computes_what_the_network_does(lookahead: int, cell: str, layers: int) -> None:
    torch.manual_seed(1)
    shape = PunctuationConfig(
        dim=8, hidden_dim=6, num_layers=layers, cell=cell, lookahead=lookahead
    )
    task = PunctuationTask(shape, 50).eval()
    tokens = torch.randint(1, 50, (3, 17))
    with torch.inference_mode():
        expected = task(tokens, torch.full((3,), 17))
        given = PunctuationGraph(task, int8=False)(tokens)
        rounded = PunctuationGraph(task, int8=True)(tokens)
    for theirs, ours, near in zip(expected, given, rounded, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(near, theirs, atol=0.1, rtol=0.1)


def test_padding_and_what_is_further_ahead_change_nothing() -> None:
    torch.manual_seed(1)
    task = PunctuationTask(PunctuationConfig(dim=8, hidden_dim=6, lookahead=2), 50).eval()
    tokens = torch.randint(1, 50, (1, 12))
    changed = tokens.clone()
    changed[0, 8:] = 7
    with torch.inference_mode():
        full = task(tokens, torch.tensor([12]))[0]
        padded = task(torch.nn.functional.pad(tokens, (0, 5)), torch.tensor([12]))[0][:, :12]
        other = task(changed, torch.tensor([12]))[0]
    torch.testing.assert_close(padded, full)
    torch.testing.assert_close(other[:, :6], full[:, :6])
    assert not torch.allclose(other[:, 6:8], full[:, 6:8])


def test_units_know_endings_of_unknown_words(tmp_path: Path) -> None:
    words = ["the", "walking", "sitting", "running", "o'neil", "walked"]
    counts = np.array([90, 5, 4, 3, 2, 1])
    units = WordUnits.of(words, counts, {"o'neil": "O'Neil"}, (2, 5))
    units.save(tmp_path)
    units = WordUnits.load(tmp_path)
    assert units.words == ["the", "walking"]
    the, singing, quoted, z = units.encode(["the", "singing", "'the", "zz"]).tolist()
    assert the == quoted
    assert singing == units.ending_id("jogging") != units.ending_id("zz") == z
    assert len(units) == 1 + 6 + 2
    own = SHAPES.index("own")
    assert units.written("o'neil", own) == "O'Neil"
    assert units.written("rome", own) == "Rome"
    assert units.written("nasa", SHAPES.index("upper")) == "NASA"
    (tmp_path / "units.json").write_text("[1]")
    with pytest.raises(ModelError, match=r"units.json lists no words"):
        WordUnits.load(tmp_path)


def test_figures_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    marks, shapes, ours, our_shapes = (rng.integers(0, 4, 500) for _ in range(4))
    figures = mark_figures(marks, shapes, ours, our_shapes)
    expected = f1_score(marks, ours, average=None)[1:]
    found = [figures[name] for name in ("comma", "full_stop", "question")]
    np.testing.assert_allclose(found, expected)
    assert figures["capital"] == pytest.approx(f1_score(shapes > 0, our_shapes > 0))
    assert figures["macro_f1"] == pytest.approx(np.mean([*expected, figures["capital"]]))
    assert figures["error"] == pytest.approx(1 - figures["macro_f1"])


def test_folders_and_settings_that_cannot_be_used(run: Path, folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    shutil.copytree(folder, empty)
    add_to_bundle(empty, {}, drop=[NETWORK_FILE])
    with pytest.raises(ModelError, match=rf"empty holds no network: neither {NETWORK_FILE}"):
        asr.Restorer.load(empty)
    with pytest.raises(ModelError, match=re.escape("needed is one for 'punctuate'")):
        asr.Restorer.load("an4")
    with pytest.raises(ModelError, match="holds no model.safetensors"):
        export_punctuation(folder, tmp_path / "x")
    with pytest.raises(ConfigError, match="no export format 'torch-export'"):
        export_punctuation(run, tmp_path / "x", "torch-export")
    with pytest.raises(ConfigError, match="no ranges to fix"):
        export_punctuation(run, tmp_path / "x", "onnx", fixed_ranges=True)
    with pytest.raises(ConfigError, match="which would be lost"):
        export_punctuation(run, run / "model")
    assert not (tmp_path / "x").exists()
    with pytest.raises(ConfigError, match=r"data.shortest is 9, above data.longest, 3"):
        train(run.parent / "c.yaml", ["data.shortest=9", "data.longest=3", "output_dir=x"])
    for key, given in (("train", ""), ("dev", "data.train=a.txt")):
        with pytest.raises(ConfigError, match=f"data.{key} names no file"):
            train(run.parent / "c.yaml", [*filter(None, [given]), f"output_dir={tmp_path / 'r'}"])
    (tmp_path / "numbers.txt").write_text("http://x\n")
    with pytest.raises(DataError, match="numbers.txt holds no sentence"):
        train(
            run.parent / "c.yaml",
            [f"data.{k}={tmp_path / 'numbers.txt'}" for k in ("train", "dev")]
            + [f"output_dir={tmp_path / 'r'}"],
        )


def test_models_are_the_same_in_torch_and_in_onnx(run: Path, tmp_path: Path) -> None:
    fitted = FittedPunctuation.load(run)
    exported = asr.Restorer.load(export_punctuation(run, tmp_path / "full", "onnx").folder)
    tokens = np.random.default_rng(1).integers(1, len(fitted.units), 700)
    for theirs, ours in zip(fitted.scores(tokens), exported.scores(tokens), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
