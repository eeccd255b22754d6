"""A Wav2Vec2 of the transformers package, exported by torch: imported, it gives the same scores."""

import warnings

import numpy as np
import pytest
import torch

import asr
from asr.audio.synthetic import made_audio
from asr.speech.importing.importing import ImportOptions, import_model

transformers = pytest.importorskip("transformers")
LABELS = ["<pad>", "<s>", "</s>", "<unk>", "|", "E", "T", "A"]


class WithMask(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_values, attention_mask):
        return self.model(input_values, attention_mask=attention_mask).logits


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(LABELS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        attn_implementation="eager",
    )
    return transformers.Wav2Vec2ForCTC(config).eval()


def test_wav2vec2_gives_the_scores_of_transformers(network, tmp_path):
    graph = tmp_path / "model.onnx"
    example = (torch.randn(2, 16000), torch.ones(2, 16000, dtype=torch.long))
    names = ["input_values", "attention_mask"]
    axes = {name: {0: "batch", 1: "samples"} for name in names} | {"logits": {0: "batch", 1: "T"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            WithMask(network).eval(),
            example,
            str(graph),
            input_names=names,
            output_names=["logits"],
            dynamic_axes=axes,
            dynamo=False,
        )
    report = import_model(graph, LABELS, tmp_path / "m", ImportOptions(features="wav2vec2"))
    assert (report.network.subsampling, report.network.mask) == (320, "attention_mask")
    recordings = [made_audio(seconds, 16000, seed) for seed, seconds in enumerate((1.0, 0.4, 2.3))]
    extractor = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)
    given = asr.load_model(tmp_path / "m").log_probs(recordings)
    kept = [0, *range(4, len(LABELS))]
    for recording, array in zip(recordings, given, strict=True):
        inputs = extractor(recording, sampling_rate=16000, return_tensors="pt")
        with torch.no_grad():
            expected = network(**inputs).logits[0, :, kept].log_softmax(-1).numpy()
        np.testing.assert_allclose(array, expected, atol=2e-3)
