"""CTC-CRF trainings on a few made-up utterances: the label model, all pronunciations, dev searched,
resume.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asr.catalogue import train
from asr.features.config import FeatureConfig
from asr.lm import estimate, write_arpa
from asr.model_folder import open_bundle
from asr.run_folder import read_metrics
from asr.scoring import score_texts
from asr.speech.data.store import FeatureStore
from asr.speech.losses.ctc import CtcLossConfig
from asr.speech.training.dev_search import DevSearch
from asr.speech.training.label_model import LABEL_MODEL, label_graph
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import CharTokenizer
from asr.training.callbacks import call_after_epochs
from data_prep.store import write_store

CONFIG = """
task: ctc
data: {train: TRAIN, dev: DEV, max_batch_size: 3}
model: {hidden_dim: 8, num_layers: 2, conv_channels: 4, intermediate_layer: 1}
loss: {kind: ctc_crf}
trainer: {max_epochs: 2, precision: fp32, threads: 1, accelerator: cpu, pictures_every: 0}
"""
WORDS = {
    "ab": [("AH", "B"), ("AA", "B")],
    "ba": [("B", "AA")],
    "b": [("B", "IY"), ("B",)],
    "a": [("AH",)],
}


def items(*named: tuple[str, str, int]) -> list[tuple[str, str, np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(0)
    return [
        (name, text, rng.normal(size=(frames, 80)).astype(np.float32))
        for name, text, frames in named
    ]


UTTERANCES = items(
    *(
        (f"s{i % 3}-{i}", text, 60 + 7 * i)
        for i, text in enumerate(["ab ba", "b a", "ba b", "b", "a ab b a", "ba"])
    )
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    write_store(tmp_path / "train", FeatureConfig(), UTTERANCES)
    write_store(tmp_path / "dev", FeatureConfig(), UTTERANCES[:4])
    Pronunciations(WORDS).save(tmp_path / "lexicon.txt")
    write_arpa(
        estimate([["ab ba", "b a", "ba b a"]], order=2, notify=lambda _: None), tmp_path / "lm.arpa"
    )
    path = tmp_path / "config.yaml"
    path.write_text(
        CONFIG.replace("TRAIN", str(tmp_path / "train")).replace("DEV", str(tmp_path / "dev"))
    )
    return path


def phones(tmp_path: Path) -> list[str]:
    return ["tokenizer.kind=phones", f"tokenizer.lexicon={tmp_path / 'lexicon.txt'}"]


def test_run_folder_of_phones_with_all_pronunciations(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = [f"data.lm={tmp_path / 'lm.arpa'}", "data.dev_utterances=3", "loss.pronunciations=all"]
    train(config, [f"output_dir={tmp_path / 'run'}", *phones(tmp_path), *search])
    metrics = read_metrics(tmp_path / "run")
    assert {"dev/wer", "dev/per", "dev/wer_lm", "dev/label_perplexity"} <= set(metrics)
    assert 1 < metrics["dev/label_perplexity"].value < 8
    printed = capsys.readouterr().err
    assert "label model: " in printed
    assert "wer_lm" in printed
    assert "▁AH" in (tmp_path / "run" / LABEL_MODEL).read_text(encoding="utf-8")
    assert open_bundle(tmp_path / "run", task="ctc").weights()


@pytest.mark.parametrize("units", ["characters", "bpe"])
def test_units_that_spell(config: Path, tmp_path: Path, units: str) -> None:
    options = [
        f"tokenizer.kind={units}",
        "tokenizer.vocab_size=8",
        "loss.label_order=2",
        "loss.consistency=0.2",
    ]
    train(config, [f"output_dir={tmp_path / 'run'}", *options])
    assert np.isfinite(read_metrics(tmp_path / "run")["dev/label_perplexity"].value)


def test_a_resumed_run_ends_where_an_unbroken_one_does(config: Path, tmp_path: Path) -> None:
    options = [*phones(tmp_path), "loss.pronunciations=all", "trainer.max_epochs=3"]
    train(config, [f"output_dir={tmp_path / 'unbroken'}", *options])

    class StopError(Exception):
        pass

    def stop(epoch: int, figures: dict[str, float], monitor: str) -> None:
        raise StopError

    broken = [f"output_dir={tmp_path / 'broken'}", *options]
    with pytest.raises(StopError), call_after_epochs(stop):
        train(config, broken)
    kept = (tmp_path / "broken" / LABEL_MODEL).read_bytes()
    train(config, broken)
    assert (tmp_path / "broken" / LABEL_MODEL).read_bytes() == kept
    ends = [
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("unbroken", "broken")
    ]
    for name, tensor in ends[0]["task"].items():
        assert torch.equal(tensor, ends[1]["task"][name]), name


def test_the_label_model_is_kept_until_a_training_begins_anew(tmp_path: Path) -> None:
    tokens, loss = ["<blank>", "a", "b"], CtcLossConfig(kind="ctc_crf", label_order=2)
    first = label_graph([[1, 2], [2, 1]], [[1, 2]], tokens, loss, tmp_path)
    assert read_metrics(tmp_path)["dev/label_perplexity"].value == pytest.approx(
        first.perplexity([[1, 2]])
    )
    resumed = label_graph([[2, 2]], [], tokens, loss, tmp_path, resume=True)
    np.testing.assert_array_equal(resumed.scores, first.scores)
    np.testing.assert_array_equal(resumed.incoming.weights, first.incoming.weights)
    fresh = label_graph([[2, 2]], [], tokens, loss, tmp_path)
    assert not np.array_equal(fresh.scores, first.scores)


def test_the_label_model_is_pruned_to_a_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sequences = [rng.integers(1, 6, 12).tolist() for _ in range(60)]
    tokens = ["<blank>", *"abcde"]
    sizes = [
        len(
            label_graph(
                sequences, [], tokens, CtcLossConfig(label_order=4, label_ngrams=n), tmp_path
            ).incoming.other
        )
        for n in (0, 60, 3)  # three are fewer than there are labels
    ]
    assert sizes[0] > sizes[1] > sizes[2] >= 5


def test_dev_is_searched_with_the_language_model(config: Path, tmp_path: Path) -> None:
    tokenizer = CharTokenizer("ab")
    dev = FeatureStore.open(tmp_path / "dev")
    search = DevSearch(dev, tokenizer, str(tmp_path / "lm.arpa"), num_utterances=3)
    everything = DevSearch(dev, tokenizer, str(tmp_path / "lm.arpa"))
    names = sorted(dev.ids)
    assert search.ids == {names[0], names[1], names[3]}
    assert everything.ids == set(names)
    texts = dict(zip(dev.ids, dev.texts, strict=True))

    def emissions(text: str) -> np.ndarray[Any, Any]:
        path = [i for label in tokenizer.encode(text) for i in (label, 0)]
        return np.log(np.where(np.eye(4)[path] > 0, 0.97, 0.01)).astype(np.float32)

    assert everything.wer({name: emissions(text) for name, text in texts.items()}) == 0.0
    wrong = {name: emissions("ba") for name in names}
    assert (
        everything.wer(wrong) == score_texts(list(texts.values()), ["ba"] * 4, samples=0).wer > 0.5
    )


def test_ranks_write_one_label_model(config: Path, tmp_path: Path) -> None:
    """Each estimates the same one; what the first has written is not another."""
    tokens, loss = ["<blank>", "a", "b"], CtcLossConfig(kind="ctc_crf", label_order=2)
    label_graph([[1, 2], [2, 1]], [], tokens, loss, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    label_graph([[1, 2], [2, 1]], [], tokens, loss, tmp_path / "b")
    assert (tmp_path / "a" / LABEL_MODEL).read_bytes() == (
        tmp_path / "b" / LABEL_MODEL
    ).read_bytes()
