from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from asr.decoding import BeamDecoder
from asr.errors import ConfigError, ModelError
from asr.evaluation import Emissions, tune_second_pass
from asr.recognizer import DecodingConfig
from asr.tasks.language_model import LanguageModelConfig, LanguageModelTask
from asr.text.subwords import Subwords
from asr.training.language_model import LmConfig, save_language_model

TOKENS = ["<blank>", "▁a", "▁b"]
RECOGNIZER = SimpleNamespace(make_beam_decoder=lambda decoding: BeamDecoder(TOKENS, beam_size=decoding.beam_size))


@pytest.fixture
def language_model(tmp_path):
    """An untrained model that was told to expect b."""
    pieces = Subwords.train(["a b", "b a"] * 9, 8)
    task = LanguageModelTask(LanguageModelConfig(dim=4, hidden_dim=4), len(pieces))
    with torch.no_grad():
        task.output_bias[pieces.encode("b")] = 8.0
    save_language_model(task, pieces, LmConfig(model=task.config), tmp_path / "lm")
    return tmp_path / "lm"


def test_the_weight_is_tuned_on_dev_or_given(language_model, capsys):
    log_probs = np.log(np.array([[0.1, 0.6, 0.3], [0.9, 0.05, 0.05]]))
    dev = Emissions(("1", "2"), ("b", "b"), ("s", "s"), (log_probs, log_probs))
    config = DecodingConfig(beam_size=8)
    tuned = tune_second_pass(RECOGNIZER, dev, config, language_model, None)
    assert tuned.weight > 0
    assert tuned([log_probs])[0][0].text == "b"
    assert "instead of 100.00 %" in capsys.readouterr().err
    assert tune_second_pass(RECOGNIZER, None, config, language_model, 0.25).weight == 0.25
    with pytest.raises(ConfigError, match="weight of the second pass"):
        tune_second_pass(RECOGNIZER, None, config, language_model, None)


def test_a_folder_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ModelError):
        tune_second_pass(RECOGNIZER, None, DecodingConfig(), tmp_path, 0.5)
