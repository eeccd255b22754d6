from __future__ import annotations

import numpy as np
import pytest

from asr.decoding import BeamDecoder, NgramAutomaton
from asr.decoding.rescoring import rescore
from asr.decoding.tune import fit_confidence, smallest_beam, tune, with_weights
from asr.decoding.word_errors import word_errors
from asr.errors import DecodingError

TOKENS = ["<blank>", "▁", "a", "b", "c"]


@pytest.fixture(scope="module")
def dev() -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(0)
    arrays, texts = [], []
    for _ in range(12):
        text = " ".join(rng.choice(["a ab ca", "ab", "a ab", "b a", "ab ca b"], 3))
        frames = []
        for character in text.replace(" ", "▁"):
            for token in (TOKENS.index(character), 0):
                probs = rng.dirichlet(np.full(5, 0.3)) * 0.5
                probs[token] += 0.5
                frames.append(probs)
        arrays.append(np.log(np.array(frames) + 1e-9))
        texts.append(text)
    return arrays, texts


def test_tuning_never_ends_worse_than_it_began(
    automaton: NgramAutomaton, dev: tuple[list[np.ndarray], list[str]]
) -> None:
    decoder = BeamDecoder(TOKENS, lm=automaton, lm_alpha=0.0, lm_beta=-1.0, beam_size=20)
    tuned = tune(decoder, *dev)
    assert tuned.tried[0][:2] == (0.0, -1.0)
    assert tuned.wer == min(wer for *_, wer in tuned.tried) < tuned.tried[0][-1]
    errors = [
        word_errors(r, h[0].text)
        for r, h in zip(dev[1], with_weights(decoder, tuned)(dev[0]), strict=True)
    ]
    assert sum(e for e, _ in errors) / sum(n for _, n in errors) == pytest.approx(tuned.wer)


def test_tuning_finds_the_penalty_of_the_blank(
    automaton: NgramAutomaton, dev: tuple[list[np.ndarray], list[str]]
) -> None:
    silent = []
    for array in dev[0]:  # the same outputs of a network that is too fond of the blank
        probs = np.exp(array)
        probs[:, 0] *= 20
        silent.append(np.log(probs / probs.sum(axis=1, keepdims=True)))
    decoder = BeamDecoder(TOKENS, lm=automaton, beam_size=20)
    kept, tuned = tune(decoder, silent, dev[1], blank_penalties=()), tune(decoder, silent, dev[1])
    assert kept.blank_penalty == 0
    assert tuned.blank_penalty > 0
    assert tuned.wer < kept.wer
    assert {penalty for _, _, penalty, _ in tuned.tried} >= {0.0, 0.5, tuned.blank_penalty}


def test_the_smallest_beam_and_the_confidence_power(
    automaton: NgramAutomaton, dev: tuple[list[np.ndarray], list[str]]
) -> None:
    decoder = BeamDecoder(TOKENS, lm=automaton)
    assert smallest_beam(decoder, *dev, beam_sizes=[1, 30, 60]) in (1, 30, 60)
    assert 0 < fit_confidence(decoder, *dev) < 60


@pytest.mark.parametrize("references", [[], ["a", "b"], [""]])
def test_tuning_without_words(references: list[str]) -> None:
    arrays = [np.log(np.full((2, 5), 0.2))] * min(len(references), 1)
    with pytest.raises(DecodingError):
        tune(BeamDecoder(TOKENS), arrays, references)


def test_rescoring_reorders_and_checks(dev: tuple[list[np.ndarray], list[str]]) -> None:
    hypotheses = BeamDecoder(TOKENS, n_best=5)(dev[0][0])
    assert len(hypotheses) == 5
    assert rescore(hypotheses, lambda texts: [0.0] * len(texts)) == hypotheses
    wanted = hypotheses[3].text
    best = rescore(hypotheses, lambda texts: [100.0 * (t == wanted) for t in texts], weight=1.0)[0]
    assert best.text == wanted
    assert best.score == pytest.approx(hypotheses[3].score + 100)
    assert best.acoustic_score == hypotheses[3].acoustic_score
    assert rescore([], lambda texts: []) == []
    for scorer in (lambda texts: [0.0], lambda texts: [float("nan")] * len(texts)):
        with pytest.raises(DecodingError):
            rescore(hypotheses, scorer)
    with pytest.raises(DecodingError, match="weight is nan"):
        rescore(hypotheses, lambda texts: [0.0] * len(texts), weight=float("nan"))
