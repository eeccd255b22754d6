"""The compatible decoder inside transformers' Wav2Vec2ProcessorWithLM, with a tiny random model."""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr.decoding import BeamDecoder, Vocabulary, compat

torch = pytest.importorskip("torch")

LABELS = ["<pad>", "<s>", "</s>", "<unk>", "|", "a", "b"]


@pytest.fixture(scope="module")
def transformers() -> Iterator[Any]:
    before = dict(sys.modules)
    compat.install()
    try:
        yield pytest.importorskip("transformers")
    finally:
        for name in list(sys.modules):
            if name.partition(".")[0] == "pyctcdecode" and name not in before:
                del sys.modules[name]


@pytest.fixture(scope="module")
def model(transformers: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(LABELS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_kernel=(20, 10),
        conv_stride=(20, 10),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    return transformers.Wav2Vec2ForCTC(config).eval()


@pytest.fixture(scope="module")
def parts(transformers: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("processor")
    (folder / "vocab.json").write_text(json.dumps({x: i for i, x in enumerate(LABELS)}))
    tokenizer = transformers.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    return transformers.Wav2Vec2FeatureExtractor(), tokenizer


@pytest.mark.filterwarnings("ignore")
def test_the_processor_takes_the_decoder(
    transformers: Any, model: Any, parts: Any, arpa: Path, tmp_path: Path
) -> None:
    features, tokenizer = parts
    decoder = compat.build_ctcdecoder(LABELS, str(arpa))
    processor = transformers.Wav2Vec2ProcessorWithLM(features, tokenizer, decoder)
    samples = np.random.default_rng(0).normal(size=(2, 8000)).astype(np.float32)
    inputs = processor(list(samples), sampling_rate=16000, return_tensors="pt", padding=True)
    with torch.no_grad():
        logits = model(inputs.input_values).logits.numpy() * 4
    one = processor.decode(logits[0], output_word_offsets=True, alpha=0.7, hotwords=["ab"])
    assert one.text
    assert [x["word"] for x in one.word_offsets] == one.text.split()
    assert one.text == decoder.decode(logits[0], hotwords=["ab"])  # alpha stays
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        batch = processor.batch_decode(logits, pool=pool, n_best=2)
    assert [texts[0] for texts in batch.text] == [decoder.decode(x) for x in logits]
    processor.save_pretrained(tmp_path)
    loaded = compat.BeamSearchDecoderCTC.load_from_dir(tmp_path)
    assert loaded.decode(logits[0]) == decoder.decode(logits[0])


@pytest.mark.filterwarnings("ignore")
def test_without_the_processor(transformers: Any, model: Any, parts: Any, arpa: Path) -> None:
    """The lines that the documentation shows: tokenizer, model and decoder, batched and padded."""
    features, tokenizer = parts
    decoder = BeamDecoder(Vocabulary.read(tokenizer), lm=arpa)
    random = np.random.default_rng(1)
    samples = [random.normal(size=n).astype(np.float32) for n in (8000, 5000)]
    batch = features(
        samples, sampling_rate=16000, return_tensors="pt", padding=True, return_attention_mask=True
    )
    with torch.no_grad():
        logits = model(**batch).logits
    lengths = model._get_feat_extract_output_lengths(batch.attention_mask.sum(-1))
    hypotheses = decoder(logits, kind="logits", lengths=lengths)
    assert len(hypotheses) == 2
    assert hypotheses[1][0].words[-1].end_frame <= int(lengths[1]) < logits.shape[1]
