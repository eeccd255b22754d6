"""CTC-CRF against sums over all paths, finite differences and plain CTC."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from asr.errors import ConfigError
from asr.features.extraction import SpecAugmentConfig
from asr.lm import NgramModel, estimate, perplexity, prune_entropy
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.data.batches import SpeechBatch, collate_speech
from asr.speech.losses.ctc import CtcLossConfig, ctc_loss
from asr.speech.losses.ctc_crf import by_matrices, ctc_crf_loss, log_denominators
from asr.speech.losses.label_graph import LabelGraph
from asr.speech.losses.spelling_loss import log_space_losses, spelling_loss
from asr.speech.losses.spellings import Spellings, spell

TOKENS = ["<blank>", "a", "b", "c"]
SEED = torch.Generator().manual_seed


def collapse(path: Iterable[int]) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(path) if label)


def sentences(labels: str, count: int = 40) -> list[str]:
    rng = np.random.default_rng(0)
    chain = rng.dirichlet(np.ones(len(labels)), len(labels))
    texts = []
    for length in rng.integers(1, 7, count):
        text = [int(rng.integers(len(labels)))]
        for _ in range(length - 1):
            text.append(int(rng.choice(len(labels), p=chain[text[-1]])))
        texts.append(" ".join(labels[i] for i in text))
    return texts


def label_model(order: int, labels: str = "abc") -> NgramModel:
    return estimate([sentences(labels)], order=order, notify=lambda _: None)


def model_score(model: NgramModel, labels: Sequence[int], tokens: Sequence[str]) -> float:
    """The natural logarithm of a sequence's probability, by the definition of a back-off model."""
    listed = {
        tuple(row): (float(p), float(b))
        for n in range(model.order)
        for row, p, b in zip(
            model.ngrams[n].tolist(), model.log10_probs[n], model.log10_backoffs[n], strict=True
        )
    }

    def log10(history: tuple[int, ...], word: int) -> float:
        if (*history, word) in listed:
            return listed[(*history, word)][0]
        return listed.get(history, (0.0, 0.0))[1] + log10(history[1:], word)

    words = [1, *(model.ids[tokens[label]] for label in labels), 2]
    total = sum(
        log10(tuple(words[max(0, i - model.order + 1) : i]), words[i]) for i in range(1, len(words))
    )
    return total * math.log(10)


def log_sums(log_probs: Tensor, lens: Sequence[int], score: dict[tuple[int, ...], float]) -> Tensor:
    """Log of the sum over all paths that spell a key of ``score``, each weighed by its value."""
    sums = []
    for row, n in zip(log_probs.double(), lens, strict=True):
        paths = [p for p in itertools.product(range(row.size(1)), repeat=n) if collapse(p) in score]
        terms = [row[range(n), p].sum() + score[collapse(p)] for p in paths]
        sums.append(torch.stack(terms).logsumexp(0))
    return torch.stack(sums)


def all_scores(model: NgramModel, tokens: Sequence[str], T: int) -> dict[tuple[int, ...], float]:
    sequences = (
        s for n in range(T + 1) for s in itertools.product(range(1, len(tokens)), repeat=n)
    )
    return {s: model_score(model, s, tokens) for s in sequences}


def random_log_probs(*shape: int, scale: float = 2.0) -> Tensor:
    return (scale * torch.randn(*shape, generator=SEED(5))).log_softmax(-1).requires_grad_()


def gradient(loss: Tensor, log_probs: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, log_probs)
    return found


MODELS = {
    "bigram": (2, 0),
    "trigram": (3, 0),
    "4-gram": (4, 0),
    "pruned trigram": (3, 24),  # states without the history that they would back off to
    "pruned 4-gram": (4, 40),
}


@pytest.mark.parametrize(("order", "ngrams"), MODELS.values(), ids=MODELS.keys())
def test_denominator_equals_brute_force(order: int, ngrams: int) -> None:
    model = label_model(order)
    model = prune_entropy(model, max_ngrams=ngrams) if ngrams else model
    graph = LabelGraph.of(model, TOKENS)
    assert order < 3 or (graph.backoff >= 0).any()
    log_probs, lens = random_log_probs(6, 4, 4), [4, 3, 1, 4, 2, 4]
    expected = log_sums(log_probs, lens, all_scores(model, TOKENS, 4))
    log_z = log_denominators(log_probs, torch.tensor(lens), graph)
    torch.testing.assert_close(log_z.double(), expected, rtol=2e-6, atol=2e-6)
    wanted = gradient(expected.sum(), log_probs)
    torch.testing.assert_close(gradient(log_z.sum(), log_probs), wanted, rtol=0, atol=1e-6)
    same_z, same_gradient = by_matrices(log_probs.detach().exp(), torch.tensor(lens), graph)
    torch.testing.assert_close(same_z, expected, rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(same_gradient, wanted, rtol=0, atol=1e-6)


def test_labels_that_training_never_saw_share_the_unknown_word() -> None:
    tokens = [*TOKENS, "d", "e"]
    graph = LabelGraph.of(label_model(3), tokens)
    known = LabelGraph.of(label_model(3), TOKENS)
    for label in (1, 2, 3):
        here, there = (int(np.flatnonzero(g.label == label)[0]) for g in (graph, known))
        unknown = 1 - known.scores[there].sum()  # probability of <unk>
        assert graph.scores[here, 4:].tolist() == pytest.approx([unknown / 2] * 2, rel=1e-4)
    after_d, after_e = (graph.scores[np.flatnonzero(graph.label == label)[0]] for label in (4, 5))
    assert after_d.tolist() == after_e.tolist()  # unigrams
    log_probs = random_log_probs(2, 3, 6)
    expected = [
        torch.stack(
            [
                log_probs[b, range(3), p].sum() + graph.log_score(collapse(p))
                for p in itertools.product(range(6), repeat=3)
            ]
        ).logsumexp(0)
        for b in range(2)
    ]
    found = log_denominators(log_probs, torch.tensor([3, 3]), graph)
    torch.testing.assert_close(found, torch.stack(expected))


def test_label_scores_are_those_of_the_language_model() -> None:
    for order in (2, 3, 4):
        model = label_model(order)
        graph = LabelGraph.of(model, TOKENS)
        held_out = sentences("abc", 60)[40:]
        ids = [[TOKENS.index(label) for label in text.split()] for text in held_out]
        for sequence in ids:
            assert graph.log_score(sequence) == pytest.approx(
                model_score(model, sequence, TOKENS), rel=1e-6
            )
        assert graph.perplexity(ids) == pytest.approx(
            perplexity(model, [held_out]).with_oov, rel=1e-5
        )


def test_the_loss_is_that_of_the_transcript_among_all_sequences() -> None:
    """A proper distribution: the probabilities of all label sequences, each of its own loss, sum to
    one.
    """
    model = label_model(3, "ab")
    graph = LabelGraph.of(model, TOKENS[:3])
    log_probs, lens = random_log_probs(1, 3, 3), torch.tensor([3])
    total = 0.0
    for sequence in all_scores(model, TOKENS[:3], 3):
        needed = len(sequence) + sum(a == b for a, b in itertools.pairwise(sequence))
        if needed <= 3:
            labels = torch.tensor([[*sequence, 0]])
            loss = ctc_crf_loss(log_probs, lens, labels, torch.tensor([len(sequence)]), graph)
            total += math.exp(-float(loss.detach()))
    assert total == pytest.approx(1.0, rel=1e-5)


def test_loss_and_gradient_agree_with_finite_differences() -> None:
    graph = LabelGraph.of(label_model(3), TOKENS)
    logits = torch.randn(2, 9, 4, generator=SEED(2), requires_grad=True)
    lens, labels, counts = (
        torch.tensor([9, 7]),
        torch.tensor([[1, 1, 2], [3, 1, 0]]),
        torch.tensor([3, 2]),
    )
    ways = Spellings.of(
        [spell(words, graph) for words in ([[[1]], [[1, 2], [2]]], [[[3, 1], [2, 1]]])]
    )

    def loss(x: Tensor, spellings: Spellings | None) -> Tensor:
        return ctc_crf_loss(x.log_softmax(-1), lens, labels, counts, graph, spellings, 0.1)

    for spellings in (None, ways):
        found = gradient(loss(logits, spellings), logits)
        step = torch.randn(logits.shape, generator=SEED(3))
        ahead, behind = (
            loss(logits.detach() + h * step, spellings).double() for h in (0.02, -0.02)
        )
        assert float((found * step).sum()) == pytest.approx(
            float(ahead - behind) / 0.04, rel=2e-3, abs=2e-3
        )
    assert not gradient(loss(logits, None), logits)[1, 7:].any()  # padding


def test_a_label_model_without_preferences_leaves_ctc_and_a_constant_rate() -> None:
    """Each label and the end equally probable: Z is the sum over all paths of 4^-(labels + 1)."""
    uniform = NgramModel(
        ["<unk>", "<s>", "</s>", "a", "b", "c"],
        [np.arange(6, dtype=np.int32)[:, None], np.array([[1, 3]], np.int32)],
        [
            np.log10([1e-20, 1e-20, *[0.25] * 4]).astype(np.float32),
            np.log10([0.25]).astype(np.float32),
        ],
        [np.zeros(6, np.float32), np.zeros(1, np.float32)],
    )
    graph = LabelGraph.of(uniform, TOKENS)
    log_probs, lens = random_log_probs(1, 4, 4), torch.tensor([4])
    labels, counts = torch.tensor([[2, 1]]), torch.tensor([2])
    sizes = {
        s: -(len(s) + 1) * math.log(4)
        for n in range(5)
        for s in itertools.product((1, 2, 3), repeat=n)
    }
    expected = (
        ctc_loss(log_probs, lens, labels, counts)
        + 3 * math.log(4)
        + log_sums(log_probs, [4], sizes).sum()
    )
    found = ctc_crf_loss(log_probs, lens, labels, counts, graph)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


WORDS = [
    [[[1], [2, 2]], [[1, 3], [1], [3]]],
    [[[1, 2]], [[2]]],
    [[[3], [2]], [[3]], [[3], [1]]],
    # of three utterances their words, each with its spellings; equal labels meet within and between
    # words
]


def spelled(words: Sequence[Sequence[Sequence[int]]]) -> set[tuple[int, ...]]:
    return {tuple(itertools.chain(*ways)) for ways in itertools.product(*words)}


@pytest.mark.parametrize("order", [0, 2, 3, 4])
def test_all_spellings_equal_brute_force(order: int) -> None:
    model = label_model(order) if order else None
    graph = LabelGraph.of(model, TOKENS) if model else None
    spellings = Spellings.of([spell(words, graph) for words in WORDS])
    log_probs, lens = random_log_probs(3, 6, 4), [6, 5, 5]
    expected, weights = [], []
    for b, words in enumerate(WORDS):
        score = {s: model_score(model, s, TOKENS) if model else 0.0 for s in spelled(words)}
        expected.append(-log_sums(log_probs[b : b + 1], lens[b : b + 1], score))
        weights.append(math.log(sum(map(math.exp, score.values()))))
    total = torch.cat(expected)
    np.testing.assert_allclose(spellings.log_weights, weights, rtol=1e-6, atol=1e-6)
    wanted = gradient(total.sum(), log_probs)
    found = spelling_loss(log_probs, torch.tensor(lens), spellings)
    torch.testing.assert_close(found.double(), total.sum(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient(found, log_probs), wanted, rtol=0, atol=1e-6)
    slow = log_space_losses(log_probs, torch.tensor(lens), spellings)
    torch.testing.assert_close(slow, total, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gradient(slow.sum(), log_probs), wanted, rtol=0, atol=1e-6)


def test_one_spelling_is_ctc_and_its_share_of_the_loss_is_ctc_too() -> None:
    graph = LabelGraph.of(label_model(3), TOKENS)
    log_probs, lens = random_log_probs(2, 8, 4), torch.tensor([8, 6])
    labels, counts = torch.tensor([[1, 1, 2], [3, 2, 0]]), torch.tensor([3, 2])
    rows = [row[:n] for row, n in zip(labels.tolist(), counts.tolist(), strict=True)]
    plain = Spellings.of([spell([[row]]) for row in rows])
    torch.testing.assert_close(
        spelling_loss(log_probs, lens, plain), ctc_loss(log_probs, lens, labels, counts)
    )
    weighed = Spellings.of([spell([[row]], graph) for row in rows])
    for share in (0.0, 0.5):
        one, other = (
            ctc_crf_loss(log_probs, lens, labels, counts, graph, s, share) for s in (None, weighed)
        )
        torch.testing.assert_close(one, other)
        alone = ctc_crf_loss(log_probs, lens, labels, counts, graph)
        torch.testing.assert_close(one, alone + share * ctc_loss(log_probs, lens, labels, counts))


def test_too_few_frames_are_infinite_and_long_improbable_utterances_are_not() -> None:
    graph = LabelGraph.of(label_model(3), TOKENS)
    short = Spellings.of([spell([[[1, 1], [2, 3, 2]]], graph)])
    log_probs, labels, counts = random_log_probs(1, 5, 4), torch.tensor([[1, 1]]), torch.tensor([2])
    for frames, finite in ((3, True), (2, False)):
        lens = torch.tensor([frames])
        for spellings in (None, short):
            loss = ctc_crf_loss(log_probs, lens, labels, counts, graph, spellings)
            assert math.isfinite(float(loss.detach())) == finite
    many = [[[1 + i % 3]] for i in range(300)]
    certain = torch.full((1, 900, 4), -12.0)
    certain[..., 0] = 0.0  # a network that has only blanks for 300 labels: e^-3600
    log_probs = certain.log_softmax(-1).requires_grad_()
    lens, long = torch.tensor([900]), Spellings.of([spell(many)])
    loss = spelling_loss(log_probs, lens, long)
    expected = ctc_loss(
        log_probs, lens, torch.tensor([[w[0][0] for w in many]]), torch.tensor([300])
    )
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0.0)
    assert torch.isfinite(gradient(loss, log_probs)).all()


def test_certain_networks_and_long_utterances_stay_in_range() -> None:
    """Probabilities down to e^-60 over 1,500 frames, against the same sums in float64."""
    graph = LabelGraph.of(label_model(3), TOKENS)
    log_probs = random_log_probs(5, 1500, 4, scale=20.0)
    lens = torch.tensor([1500, 1400, 3, 1500, 700])
    log_z = log_denominators(log_probs, lens, graph)
    exact, occupation = by_matrices(log_probs.detach().double().exp(), lens, graph)
    torch.testing.assert_close(log_z.double(), exact, rtol=1e-5, atol=1e-3)
    found = gradient(log_z.sum(), log_probs)
    torch.testing.assert_close(found.double(), occupation, rtol=0, atol=2e-4)
    inside = torch.arange(1500) < lens[:, None]
    torch.testing.assert_close(found.sum(-1), inside.float(), rtol=0, atol=2e-4)


def test_what_is_not_a_number_stays_so() -> None:
    graph = LabelGraph.of(label_model(2), TOKENS)
    log_probs = random_log_probs(2, 5, 4).detach()
    log_probs[0, 2, 1] = math.nan
    log_z = log_denominators(log_probs, torch.tensor([5, 5]), graph)
    assert log_z[0].isnan()
    assert log_z[1].isfinite()


NO_MASKS = SpecAugmentConfig(freq_masks=0, time_masks=0)
SHAPE = CtcModelConfig(hidden_dim=8, conv_channels=4, num_layers=2, dropout=0.0, conv_norm="layer")


def task(graph: LabelGraph | None, **loss: object) -> CtcTask:
    torch.manual_seed(0)
    config = CtcTaskConfig(specaugment=NO_MASKS, model=SHAPE, loss=CtcLossConfig(**loss))  # type: ignore[arg-type]
    made = CtcTask(config, 4).train()
    made.label_graph = graph
    return made


def utterances(*lengths: int, graph: LabelGraph | None = None) -> SpeechBatch:
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(n, 80)).astype(np.float32) for n in lengths]
    labels = [rng.integers(1, 4, 3) for _ in lengths]
    batch = collate_speech(features, labels, [f"u{n}" for n in lengths])
    if graph is None:
        return batch
    ways = [spell([[row.tolist(), [1]], [[2]]], graph) for row in labels]
    return SpeechBatch(**{**vars(batch), "spellings": Spellings.of(ways)})


def test_padding_and_company_never_change_the_loss() -> None:
    graph = LabelGraph.of(label_model(3), TOKENS)
    trained = task(graph, kind="ctc_crf").eval()
    lengths = (97, 40, 61, 88, 52)
    for with_spellings in (None, graph):
        together = trained.loss(utterances(*lengths, graph=with_spellings))
        alone = []
        batch = utterances(*lengths, graph=with_spellings)
        for row, n in enumerate(lengths):
            ways = batch.spellings and batch.spellings.take([row])
            one = collate_speech(
                [batch.features[row, :n].numpy()], [batch.labels[row].numpy()], ["u"]
            )
            alone.append(trained.loss(SpeechBatch(**{**vars(one), "spellings": ways})).total)
        torch.testing.assert_close(together.total, torch.stack(alone).sum(), rtol=1e-4, atol=1e-3)
        assert int(together.count) == 15


@pytest.mark.parametrize("with_spellings", [False, True])
def test_two_equal_views_cost_what_one_does(with_spellings: bool) -> None:
    graph = LabelGraph.of(label_model(3), TOKENS)
    batch = utterances(97, 61, graph=graph if with_spellings else None)
    one, two = (task(graph, kind="ctc_crf", consistency=c) for c in (0.0, 0.2))
    losses = [made.loss(batch, torch.Generator().manual_seed(1)).total for made in (one, two)]
    torch.testing.assert_close(*losses)


def test_half_precision_networks_have_a_loss_in_single_precision() -> None:
    graph = LabelGraph.of(label_model(3), TOKENS)
    trained, batch = task(graph, kind="ctc_crf"), utterances(97, 61)
    plain = trained.loss(batch).total
    with torch.autocast("cpu", torch.bfloat16):
        half = trained.loss(batch).total
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, plain, rtol=0.02, atol=0.05)
    half.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in trained.parameters())


def test_impossible_settings_are_refused() -> None:
    for key, value in (
        ("kind", "mmi"),
        ("label_order", 5),
        ("pronunciations", "some"),
        ("ctc_share", -1.0),
    ):
        with pytest.raises(ConfigError, match=f"loss.{key}"):
            CtcLossConfig(**{key: value})  # type: ignore[arg-type]
