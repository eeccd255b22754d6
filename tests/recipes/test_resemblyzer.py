"""Resemblyzer's network as a model folder, against torch and librosa."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from asr.errors import ModelError
from asr.speakers.embedder import SpeakerEmbedder
from recipes import load_recipe

RATE = 16000


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    return load_recipe("speakers", "resemblyzer")


@pytest.fixture(scope="module")
def layers() -> tuple[nn.LSTM, nn.Linear]:
    torch.manual_seed(0)
    lstm = nn.LSTM(40, 256, 3, batch_first=True)
    with torch.no_grad():
        lstm.weight_ih_l0 *= 1000  # mel powers are small numbers
    return lstm, nn.Linear(256, 256)


@pytest.fixture(scope="module")
def package(layers: tuple[nn.LSTM, nn.Linear], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package as pip lays it out, with random weights."""
    lstm, linear = layers
    state = {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    state |= {f"linear.{name}": value for name, value in linear.state_dict().items()}
    state["similarity_weight"] = torch.ones(1)  # of its loss
    folder = tmp_path_factory.mktemp("package")
    (folder / "resemblyzer").mkdir()
    torch.save({"step": 1, "model_state": state}, folder / "resemblyzer" / "pretrained.pt")
    return folder


@pytest.mark.parametrize("level_db", [-20.0, -45.0])
def test_the_folder_gives_what_torch_and_librosa_give(
    recipe: ModuleType,
    layers: tuple[nn.LSTM, nn.Linear],
    package: Path,
    tmp_path: Path,
    level_db: float,
) -> None:
    embedder = SpeakerEmbedder.load(recipe.convert(package, tmp_path / "voices").folder)
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(160 * 160).cumsum()  # darker than white noise
    samples -= np.convolve(samples, np.ones(200) / 200, "same")
    samples *= 10 ** (level_db / 20) / np.sqrt(np.mean(np.square(samples)))
    sound = samples.astype(np.float32)
    found = embedder.embed_windows(embedder.frames(sound)[None, :160])[0]
    raised = sound * np.float32(10 ** (max(0.0, -30 - level_db) / 20))
    mel = librosa.feature.melspectrogram(y=raised, sr=RATE, n_fft=400, hop_length=160, n_mels=40).T[
        None, :160
    ]
    lstm, linear = layers
    with torch.inference_mode():
        hidden = lstm(torch.from_numpy(mel.astype(np.float32)))[1][0][-1]
        expected = nn.functional.normalize(torch.relu(linear(hidden)), dim=-1)[0].numpy()
    assert found @ expected > 0.998
    with torch.inference_mode():
        plain = lstm(torch.from_numpy((mel * 10 ** (min(0, level_db + 30) / 10)).astype("f4")))
        other = nn.functional.normalize(torch.relu(linear(plain[1][0][-1])), dim=-1)[0].numpy()
    assert level_db > -30 or other @ expected < 0.99  # so the level matters


def test_a_folder_without_the_package_is_refused(recipe: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"pretrained\.pt"):
        recipe.convert(tmp_path, tmp_path / "voices")
