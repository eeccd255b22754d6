"""Outputs of a network as people have them: kinds, types, batches."""

from typing import Any

import numpy as np
import pytest

from asr.decoding import BeamDecoder, GreedyDecoder
from asr.errors import DecodingError

TOKENS = ["<blank>", "▁", "a", "b", "c"]
RANDOM = np.random.default_rng(5)
LOGITS = RANDOM.normal(size=(30, 5)) * 3
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LOG_PROBS = np.log(PROBS)


@pytest.mark.parametrize("make", [BeamDecoder, GreedyDecoder])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_kinds_and_types_give_one_result(make: Any, dtype: Any) -> None:
    decoder = make(TOKENS)
    best = decoder(LOG_PROBS)[0]
    for kind, scores in {"logits": LOGITS, "probs": PROBS, "log_probs": LOG_PROBS}.items():
        got = decoder(scores.astype(dtype), kind=kind)[0]
        assert got.text == best.text
        assert got.score == pytest.approx(best.score, abs=0.05 if dtype == np.float16 else 1e-3)
        stream = decoder.stream()
        stream.push(scores[:11].astype(dtype), kind=kind)
        stream.push(scores[11:].astype(dtype), kind=kind)
        assert stream.finish()[0].text == best.text


def test_torch_tensors_are_taken_as_they_are() -> None:
    torch = pytest.importorskip("torch")
    decoder = BeamDecoder(TOKENS)
    text = decoder(LOG_PROBS)[0].text
    tensor = torch.tensor(LOGITS, requires_grad=True)
    assert decoder(tensor, kind="logits")[0].text == text
    assert decoder(tensor.log_softmax(-1).bfloat16().repeat(2, 1, 1), lengths=[30, 30])[1][0].text
    batch = decoder(tensor[None].half(), kind="logits", mask=torch.ones(1, 30))
    assert batch[0][0].text == text


@pytest.mark.parametrize("make", [BeamDecoder, GreedyDecoder])
def test_a_batch_with_lengths_or_a_mask(make: Any) -> None:
    decoder = make(TOKENS)
    batch = np.stack([LOG_PROBS, LOG_PROBS[::-1]])
    mask = np.zeros((2, 30), np.int64)
    mask[0, :12], mask[1] = 1, 1
    alone = [decoder(batch[0, :12]), decoder(batch[1])]
    assert decoder(batch, lengths=[12, 30]) == alone
    assert decoder(batch, lengths=np.array([12, 30], np.int32)) == alone
    assert decoder(batch, mask=mask) == alone
    assert decoder(batch[1:]) == alone[1:]  # one utterance has no padding
    assert decoder([batch[0, :12], batch[1]]) == alone


def spoiled(value: float) -> np.ndarray:
    logits = LOGITS.copy()
    logits[3, 2] = value
    return logits


BATCH = np.stack([LOG_PROBS, LOG_PROBS])


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (LOGITS, {}, "positive value|not normalised"),
        (PROBS, {}, "look like probabilities.*kind='probs'"),
        (PROBS, {"kind": "logits"}, "every frame sums to 1.*kind='probs'"),
        (LOG_PROBS, {"kind": "probs"}, "do not sum to 1.*'logits' or 'log_probs'"),
        (LOGITS, {"kind": "probs"}, "do not sum to 1"),
        (LOGITS, {"kind": "scores"}, "kind is 'scores'"),
        (spoiled(np.nan), {"kind": "logits"}, "nan at frame 3"),
        (spoiled(np.inf), {"kind": "logits"}, r"\+inf at frame 3"),
        (np.full((2, 5), -np.inf), {"kind": "logits"}, "all -inf"),
        (BATCH, {}, "2 utterances of unknown lengths"),
        (BATCH, {"lengths": [1, 2], "mask": np.ones((2, 30))}, "Both lengths and mask"),
        (BATCH, {"lengths": [1, 31]}, "do not fit a batch of 2 utterances of up to 30"),
        (BATCH, {"lengths": [0.5, 1.0]}, "whole numbers"),
        (BATCH, {"lengths": [1]}, "do not fit"),
        (BATCH, {"mask": np.ones((2, 480))}, "mask of samples"),
        (BATCH, {"mask": np.full((2, 30), 0.5)}, "other than 0 and 1"),
        (LOG_PROBS, {"lengths": [3]}, "belong to a batch"),
        ([LOG_PROBS], {"lengths": [3]}, "A list of arrays has no padding"),
        (LOG_PROBS[:, :4], {}, "4 columns but there are 5 tokens.*blank=NUMBER"),
    ],
)
@pytest.mark.parametrize("make", [BeamDecoder, GreedyDecoder])
def test_what_does_not_fit_is_named(
    make: Any, scores: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DecodingError, match=message):
        make(TOKENS)(scores, **options)
