"""What `asr evaluate --save-to-model` keeps in the model folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asr.decoding import Hypothesis, WordSpan, compile_lm, load_lm
from asr.errors import ConfigError, DataError, LanguageModelError
from asr.features.config import FeatureConfig
from asr.lm import estimate
from asr.lm.arpa import write_arpa
from asr.model_folder import Bundle, open_bundle, write_bundle
from asr.speech.decoders import DecodingConfig
from asr.speech.jobs.evaluate import (
    Emissions,
    _save_to_model,
    _write_confidences,
    emissions,
    evaluate,
)
from asr.speech.options import ModelOptions
from data_prep.store import write_store


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    write_arpa(estimate([["a b", "a c"]], order=2), tmp_path / "new.arpa")
    return tmp_path / "new.arpa"


def folder_with(name: str, source: Path, tmp_path: Path) -> Bundle:
    def fill(folder: Path) -> None:
        (folder / "config.yaml").write_text("task: ctc\n")
        (folder / name).write_bytes(source.read_bytes())

    return open_bundle(write_bundle(tmp_path / "model", fill))


def keep(bundle: Bundle, lm: Path | None) -> Bundle:
    _save_to_model(bundle, lm, DecodingConfig(lm_alpha=0.7))
    kept = open_bundle(bundle.path)
    assert kept.config["decoding"]["lm_alpha"] == 0.7
    return kept


@pytest.mark.parametrize("name", ["lm.bin", "lm.arpa"])
def test_a_model_folder_keeps_the_language_model_that_it_has(
    name: str, arpa: Path, tmp_path: Path
) -> None:
    compile_lm(arpa, tmp_path / "lm.bin")
    bundle = folder_with(name, tmp_path / "lm.bin" if name == "lm.bin" else arpa, tmp_path)
    before = bundle.file(name).read_bytes()
    kept = keep(bundle, bundle.file(name))
    assert kept.files == bundle.files
    assert kept.file(name).read_bytes() == before


@pytest.mark.parametrize("compiled", [True, False])
def test_another_language_model_takes_its_place_compiled_or_not(
    compiled: bool, arpa: Path, tmp_path: Path
) -> None:
    compile_lm(arpa, tmp_path / "new.bin")
    bundle = folder_with("lm.arpa", arpa, tmp_path)
    kept = keep(bundle, tmp_path / "new.bin" if compiled else arpa)
    assert kept.files == ("config.yaml", "lm.bin")
    assert load_lm(kept.file("lm.bin")).words == load_lm(arpa).words


def test_no_language_model(arpa: Path, tmp_path: Path) -> None:
    assert keep(folder_with("CARD.md", arpa, tmp_path), None).files == ("CARD.md", "config.yaml")


def test_a_kenlm_binary_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "lm.kenlm").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    options = ModelOptions("nowhere", lm=tmp_path / "lm.kenlm")
    with pytest.raises(
        LanguageModelError, match=r"KenLM binary, which a model folder does not keep.*Give the ARPA"
    ):
        evaluate(options, [], tmp_path, save_to_model=True)


def test_a_split_with_other_features_is_told_how_to_be_prepared(tmp_path: Path) -> None:
    write_store(tmp_path / "dev", FeatureConfig(), [("a", "word", np.zeros((20, 80), np.float32))])
    other = FeatureConfig(trim=True, f_min=50.0)
    model = SimpleNamespace(name="m", backend="torch", feature_config=other)
    with pytest.raises(
        DataError, match=r"other features.*--feature f_min=50\.0 --feature trim=true"
    ):
        emissions(model, tmp_path / "dev")  # type: ignore[arg-type]


def test_two_splits_of_one_name_are_refused(tmp_path: Path) -> None:
    splits = [tmp_path / "a" / "test", tmp_path / "b" / "test"]
    with pytest.raises(ConfigError, match="2 splits are called 'test'"):
        evaluate(ModelOptions("nowhere"), splits, tmp_path)


def said(*words: tuple[str, float]) -> Hypothesis:
    spans = tuple(WordSpan(word, n, n + 1, sure) for n, (word, sure) in enumerate(words))
    return Hypothesis(" ".join(word for word, _ in words), 0.0, 0.0, 0.0, (), (), spans)


def test_each_word_is_written_with_its_confidence(tmp_path: Path) -> None:
    none = np.zeros((0, 3), np.float32)
    data = Emissions(("a1", "a2"), ("the cat sat", "on it"), ("s", "s"), (none, none))
    hypotheses = [said(("the", 0.95), ("bat", 0.35), ("sat", 0.95)), said()]
    calibration = _write_confidences(tmp_path / "confidences.tsv", data, hypotheses)
    assert (tmp_path / "confidences.tsv").read_text() == (
        "utterance\tword\tconfidence\tright\n"
        "a1\tthe\t0.9500\t1\na1\tbat\t0.3500\t0\na1\tsat\t0.9500\t1\n"
    )
    assert calibration.words == 3
    assert calibration.error == pytest.approx((2 * 0.05 + 0.35) / 3)
