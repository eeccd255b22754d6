"""Every message that docs/how-to/errors.md quotes is one that users get."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr.cli import main
from asr.errors import AsrError, require
from asr.features.config import FeatureConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "errors.md"
CONFIG = """
task: ctc
data: {train: TRAIN, dev: TRAIN, max_batch_size: 2}
model: {hidden_dim: 4, num_layers: 1, conv_channels: 2}
trainer: {max_epochs: 1, precision: fp32, threads: 1, accelerator: cpu, pictures_every: 0}
"""


def quoted_messages() -> list[str]:
    """The first column of the page's table, one message each."""
    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [message for row in rows for message in re.findall(r"`([^`]+)`", row)]


def message_of(call: Callable[[], Any]) -> str:
    with pytest.raises(AsrError) as caught:
        call()
    return caught.value.message


class Provoker:
    """Does what users do wrong; each method returns the message that they get."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def command(self, *arguments: str) -> str:
        """Run the command line; return what it wrote to standard error."""
        self.capsys.readouterr()
        with pytest.raises(SystemExit):
            main(list(arguments))
        return " ".join(self.capsys.readouterr().err.split())

    def features(self, *texts: str) -> Path:
        from data_prep.store import write_store

        rng = np.random.default_rng(0)
        arrays = [rng.normal(size=(60, 80)).astype(np.float32) for _ in texts]
        names = [f"s-{number}" for number in range(len(texts))]
        write_store(
            self.folder / "split", FeatureConfig(), list(zip(names, texts, arrays, strict=True))
        )
        return self.folder / "split"

    def train(self, split: Path, *overrides: str) -> str:
        config = self.folder / "config.yaml"
        config.write_text(CONFIG.replace("TRAIN", str(split)))
        return self.command("train", str(config), "-o", str(self.folder / "run"), *overrides)

    def no_model_folder(self) -> str:
        (self.folder / "empty").mkdir()
        return self.command("transcribe", "a.wav", "--model", str(self.folder / "empty"))

    def changed_file(self) -> str:
        from asr.model_folder import write_bundle

        def write(target: Path) -> None:
            (target / "config.yaml").write_text("task: ctc\n")
            (target / "notes.txt").write_text("whole")

        (write_bundle(self.folder / "model", write) / "notes.txt").write_text("edited")
        return self.command("transcribe", "a.wav", "--model", str(self.folder / "model"))

    def not_a_number(self) -> str:
        import soundfile

        from asr.audio.reading import load_audio

        samples = np.full(99, np.nan, np.float32)
        soundfile.write(self.folder / "nan.wav", samples, 16000, subtype="FLOAT")

        return message_of(lambda: load_audio(self.folder / "nan.wav", 16000))

    def silent(self) -> str:
        import soundfile

        (self.folder / "corpus").mkdir()
        for name in "abcde":
            soundfile.write(self.folder / "corpus" / f"{name}.wav", np.zeros(16000), 16000)
            (self.folder / "corpus" / f"{name}.txt").write_text("hello")
        out = str(self.folder / "data")
        told = self.command("prepare", "folder", str(self.folder / "corpus"), "-o", out)
        listed = [path.read_text() for path in Path(out).rglob("skipped.tsv")]
        return " ".join([told, *listed])

    def left_out(self) -> str:
        return self.train(self.features("ab", " "))

    def unknown_character(self) -> str:
        from asr.text.tokenizers import CharTokenizer

        return message_of(lambda: CharTokenizer("ab").encode("é"))

    def loss_not_finite(self) -> str:
        split = self.features(*["ab", "ba"] * 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.train(split, "optimizer.lr=1e38", "data.max_batch_size=1")

    def another_architecture(self) -> str:
        self.train(self.features("ab", "ba"))
        return self.train(self.folder / "split", "model.hidden_dim=5", "trainer.max_epochs=2")

    def lines(self) -> str:
        for name, text in (("a.txt", "one\ntwo\n"), ("b.txt", "one\n")):
            (self.folder / name).write_text(text)
        return self.command("score", "-r", f"{self.folder}/a.txt", "-y", f"{self.folder}/b.txt")

    def not_normalised(self) -> str:
        from asr.decoding import BeamDecoder

        decoder = BeamDecoder(["<blank>", "a", "b"])
        return message_of(lambda: decoder(np.full((3, 3), -0.5, np.float32)))

    def imported(self, labels: list[str], features: str = "") -> str:
        """Import a network whose labels are a pad, a bar and five letters, as ``labels``."""
        from foreign_graphs import LETTERS, samples_graph

        from asr.speech.importing.importing import ImportOptions, import_model

        graph = samples_graph(self.folder / "model.onnx", ["<pad>", *LETTERS])
        options = ImportOptions(features=features)
        return message_of(lambda: import_model(graph, labels, self.folder / "out", options))

    def features_not_said(self) -> str:
        return self.imported(["<pad>", *"|ABCDE"])

    def other_labels(self) -> str:
        return self.imported(["<pad>", *"|ABC"], "samples")

    def inputs(self, *names: str, given: str = "") -> str:
        from asr.speech.importing.ports import Port, find_ports

        ports = [Port(name, "tensor(float)", (None, None, 80)) for name in names]
        return message_of(lambda: find_ports(ports, "model.onnx", given))

    def input_not_clear(self) -> str:
        return self.inputs("left", "right")

    def network_for_streams(self) -> str:
        return self.inputs("chunk", "att_cache", given="chunk")

    def missing_package(self) -> str:
        return message_of(lambda: require("no_such_package", "train"))


PROVOKED = [
    Provoker.no_model_folder,
    Provoker.changed_file,
    Provoker.not_a_number,
    Provoker.silent,
    Provoker.left_out,
    Provoker.unknown_character,
    Provoker.loss_not_finite,
    Provoker.another_architecture,
    Provoker.lines,
    Provoker.not_normalised,
    Provoker.features_not_said,
    Provoker.other_labels,
    Provoker.input_not_clear,
    Provoker.network_for_streams,
    Provoker.missing_package,
]


def test_each_quoted_message_has_a_provoker() -> None:
    assert len(quoted_messages()) == len(PROVOKED)


@pytest.mark.parametrize("number", range(len(PROVOKED)), ids=lambda n: PROVOKED[n].__name__)
def test_message_is_what_users_get(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quoted = quoted_messages()[number]
    pattern = r".+".join(re.escape(part.strip()) for part in quoted.split("..."))
    given = PROVOKED[number](Provoker(tmp_path, capsys))
    assert re.search(pattern.removeprefix(r".+"), given), given
