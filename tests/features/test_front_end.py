"""The front ends of other toolkits against torchaudio's Kaldi, librosa and torch's own STFT."""

import librosa
import numpy as np
import pytest
import torch
import torchaudio

from asr.audio.synthetic import made_audio
from asr.errors import ConfigError
from asr.features.front_end import FRONT_ENDS, FrontEnd
from asr.features.mel_filters import mel_filters

RATE = 16000


def kaldi(samples, **settings):
    settings = {"num_mel_bins": 80, "dither": 0.0, "energy_floor": 0.0, **settings}
    return torchaudio.compliance.kaldi.fbank(torch.from_numpy(samples)[None], **settings).numpy()


@pytest.mark.parametrize("seconds", [0.025, 0.0333, 0.5, 1.2345])
def test_wenet_features_are_kaldi_s_of_16_bit_numbers(seconds):
    samples = made_audio(seconds, RATE, seed=1)
    expected = kaldi(samples * 32768)
    np.testing.assert_allclose(FRONT_ENDS["wenet"](samples), expected, atol=2e-3)


@pytest.mark.parametrize("seconds", [0.025, 0.0333, 0.5, 1.2345])
def test_icefall_features_are_kaldi_s_up_to_the_edges(seconds):
    samples = made_audio(seconds, RATE, seed=2)
    expected = kaldi(samples, snip_edges=False, high_freq=-400.0)
    np.testing.assert_allclose(FRONT_ENDS["icefall"](samples), expected, atol=2e-3)


def nemo_reference(samples, n_mels=80):
    """NeMo's preprocessor for one recording, written with torch's STFT and librosa's filters."""
    x = torch.from_numpy(samples)
    x = torch.cat([x[:1], x[1:] - 0.97 * x[:-1]])
    window = torch.hann_window(400, periodic=False)
    spectrum = torch.stft(
        x, 512, 160, 400, window, center=True, pad_mode="constant", return_complex=True
    )
    filters = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=n_mels, fmin=0, fmax=RATE / 2)
    mel = torch.from_numpy(filters) @ spectrum.abs().square()
    features = torch.log(mel + 2**-24)[:, : len(samples) // 160]
    mean, std = features.mean(1, keepdim=True), features.std(1, keepdim=True)
    return ((features - mean) / (std + 1e-5)).T.numpy()


@pytest.mark.parametrize("seconds", [0.1, 0.5037, 2.0])
def test_nemo_features_are_those_of_torch_and_librosa(seconds):
    samples = made_audio(seconds, RATE, seed=3)
    np.testing.assert_allclose(FRONT_ENDS["nemo"](samples), nemo_reference(samples), atol=2e-3)


def test_gigaam_features_are_torchaudio_s_mel_spectrogram():
    samples = made_audio(0.77, RATE, seed=4)
    transform = torchaudio.transforms.MelSpectrogram(
        RATE, n_fft=400, win_length=400, hop_length=160, n_mels=64, center=True
    )
    expected = transform(torch.from_numpy(samples)).clamp(1e-9, 1e9).log().T.numpy()
    np.testing.assert_allclose(FRONT_ENDS["gigaam"](samples), expected, atol=2e-3)


def test_mel_filters_are_librosa_s_and_torchaudio_s():
    sizes = {"n_mels": 40, "n_fft": 512, "sample_rate": 8000, "f_min": 50.0, "f_max": 3700.0}
    slaney = librosa.filters.mel(sr=8000, n_fft=512, n_mels=40, fmin=50, fmax=3700)
    np.testing.assert_allclose(mel_filters("slaney", **sizes), slaney.T, atol=1e-6)
    htk = torchaudio.functional.melscale_fbanks(257, 50.0, 3700.0, 40, 8000)
    np.testing.assert_allclose(mel_filters("htk", **sizes), htk.numpy(), atol=1e-5)


def test_normalised_samples_have_zero_mean_and_unit_variance():
    samples = made_audio(1, RATE) + np.float32(0.1)
    x = FRONT_ENDS["wav2vec2"](samples)
    assert x.dtype == np.float32
    assert x.mean() == pytest.approx(0, abs=1e-5)
    assert x.std() == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(FRONT_ENDS["samples"](samples), samples)


def test_global_normalisation_uses_the_given_statistics():
    plain = FrontEnd(n_mels=4)
    given = FrontEnd(n_mels=4, normalization="global", mean=[1, 2, 3, 4], std=[1, 2, 4, 8])
    samples = made_audio(0.2, RATE)
    expected = (plain(samples) - [1, 2, 3, 4]) / [1, 2, 4, 8]
    np.testing.assert_allclose(given(samples), expected, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(FRONT_ENDS))
def test_lengths_say_how_many_frames_there_are(name):
    front_end = FRONT_ENDS[name]
    for n in (front_end.num_samples(1), 400, 559, 560, 561, 719, 720, 1601):
        assert len(front_end(made_audio(n / RATE, RATE))) == front_end.num_frames(n)
    for count in (1, 2, 7):
        needed = front_end.num_samples(count)
        assert front_end.num_frames(needed) == count
        if needed > 1:
            assert front_end.num_frames(needed - 1) == count - 1


def test_long_recordings_are_transformed_in_blocks(monkeypatch):
    samples = made_audio(1, RATE)
    whole = FRONT_ENDS["nemo"](samples)
    monkeypatch.setattr("asr.features.front_end.BLOCK_FRAMES", 7)
    np.testing.assert_allclose(FRONT_ENDS["nemo"](samples), whole, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "mfcc"}, "features.kind"),
        ({"window": "kaiser"}, "features.window"),
        ({"f_max": 9000.0}, "features.f_max"),
        ({"n_fft": 256}, "features.n_fft"),
        ({"normalization": "global"}, "means"),
        ({"kind": "samples", "normalization": "feature"}, "Samples have no normalisation"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        FrontEnd(**settings)
