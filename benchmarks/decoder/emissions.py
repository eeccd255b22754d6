"""Utterances to decode: from a file, or synthetic. T frames, V vocabulary, L tokens.

Synthetic emissions imitate a CTC network at 25 frames a second: every token gets one or two frames
at which it peaks, with blanks between, nearly all of them sure. At a peak the logits of the true
token and of its four fixed confusions (and of two random tokens) are drawn from normal
distributions whose means lie ``margin`` apart, so that a smaller margin means more errors; part of
the peaks are weak and share their mass with the blank. The log-softmax of the logits is what
decoders see. Nothing in them knows of words, so they flatter no decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

FRAMES_PER_SECOND = 25.0


@dataclass(frozen=True)
class Utterances:
    """Log-probabilities (T, V) with texts and durations."""

    tokens: list[str]
    log_probs: list[np.ndarray]
    references: list[str]
    seconds: list[float]

    def part(self, start: int, stop: int) -> Utterances:
        """Utterances start ... stop - 1."""
        return Utterances(
            self.tokens,
            self.log_probs[start:stop],
            self.references[start:stop],
            self.seconds[start:stop],
        )


def load(path: Path) -> Utterances:
    """Utterances of an .npz file; see README.md."""
    with np.load(path, allow_pickle=False) as data:
        n = len(data["references"])
        arrays = [np.ascontiguousarray(data[f"log_probs_{i}"], dtype=np.float32) for i in range(n)]
        return Utterances(
            data["tokens"].tolist(), arrays, data["references"].tolist(), data["seconds"].tolist()
        )


def sharpened(
    utterances: Utterances, ids_of: Callable[[str], Sequence[int]], target: float, seed: int = 0
) -> tuple[Utterances, float]:
    """Return utterances as of a stronger network, and how much of the references is in them.

    The best alignment of the reference is mixed in, ``s * path + (1 - s) * p`` in every frame. The
    share s is drawn for each token and the blanks behind it from a normal distribution (standard
    deviation 0.2, cut to 0-1): so the network is right nearly everywhere and wrong in its own way
    where s is small. The mean is the smallest with which the greedy word error rate is at most
    ``target``; it is returned too.
    """
    from asr.decoding import GreedyDecoder
    from asr.decoding.word_errors import word_errors

    greedy = GreedyDecoder(utterances.tokens)
    rng = np.random.default_rng(seed)
    probs = [np.exp(array) for array in utterances.log_probs]
    paths, shares = [], []
    for array, text in zip(utterances.log_probs, utterances.references, strict=True):
        path, runs = _path(array, list(ids_of(text)))
        paths.append(path)
        shares.append(rng.normal(0.0, 0.2, runs.max() + 1)[runs])

    def mixed(mean: float) -> list[np.ndarray]:
        result = []
        for path, p, share in zip(paths, probs, shares, strict=True):
            s = np.clip(mean + share, 0.0, 1.0)[:, None]
            result.append(np.log(np.maximum(s * path + (1 - s) * p, 1e-12)).astype(np.float32))
        return result

    low, high = 0.0, 1.5
    for _ in range(10):
        mean = (low + high) / 2
        texts = [hypotheses[0].text for hypotheses in greedy(mixed(mean))]
        counts = [word_errors(r, t) for r, t in zip(utterances.references, texts, strict=True)]
        wer = sum(e for e, _ in counts) / sum(n for _, n in counts)
        low, high = (low, mean) if wer <= target else (mean, high)
    return replace(utterances, log_probs=mixed(high)), high


def _path(array: np.ndarray, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the best alignment of tokens as probabilities (T, V), and the number of the token that
    each frame belongs to (T,).
    """
    from asr.speech.aligner import forced_align

    path, runs = np.zeros_like(array), np.zeros(len(array), np.int64)
    path[:, 0] = 1.0
    for number, (token, frames) in enumerate(zip(ids, forced_align(array, ids), strict=True)):
        path[frames.start : frames.end] = 0.0
        path[frames.start : frames.end, token] = 1.0
        runs[frames.start :] = number
    return path, runs


def save(utterances: Utterances, path: Path) -> None:
    """Write utterances as :func:`load` reads them."""
    arrays = {f"log_probs_{i}": array for i, array in enumerate(utterances.log_probs)}
    np.savez(
        path,
        tokens=np.array(utterances.tokens),
        references=np.array(utterances.references),
        seconds=np.array(utterances.seconds),
        **arrays,
    )


def synthetic(
    text: Path, unit: str, n: int, margin: float, pieces_model: Path, seed: int = 0
) -> Utterances:
    """``n`` utterances that read consecutive lines at the end of a text file, 12 to 60 words each.

    The sentencepiece model that is trained for ``unit="pieces"`` is written to ``pieces_model``.
    """
    lines = text.read_text(encoding="utf-8").lower().splitlines()
    texts = _utterance_texts(lines[-40 * n :], n)
    tokens, encode = (
        _characters(texts) if unit == "characters" else _pieces(lines[: -40 * n], pieces_model)
    )
    rng = np.random.default_rng(seed)
    V = len(tokens)
    confusions = np.stack(
        [rng.choice(np.delete(np.arange(1, V), v), 4, replace=False) for v in range(V - 1)]
    )
    confusions = np.concatenate([np.zeros((1, 4), np.int64), confusions])
    log_probs = [
        _emit(np.array(encode(line)), V, confusions=confusions, margin=margin, rng=rng, unit=unit)
        for line in texts
    ]
    return Utterances(tokens, log_probs, texts, [len(a) / FRAMES_PER_SECOND for a in log_probs])


def _utterance_texts(lines: list[str], n: int) -> list[str]:
    words = [
        w for line in lines for w in line.split() if set(w) <= set("abcdefghijklmnopqrstuvwxyz'")
    ]
    rng = np.random.default_rng(1)
    texts, place = [], 0
    for length in rng.integers(12, 60, n):
        texts.append(" ".join(words[place : place + length]))
        place += length
    return texts


def _characters(texts: list[str]) -> tuple[list[str], object]:
    tokens = ["<blank>", "▁", "'", *"abcdefghijklmnopqrstuvwxyz"]
    ids = {token: i for i, token in enumerate(tokens)}
    return tokens, lambda line: [ids[c] for c in line.replace(" ", "▁")]


def _pieces(lines: list[str], path: Path, V: int = 1000) -> tuple[list[str], object]:
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines[:: max(1, len(lines) // 20_000)]),
        model_writer=model,
        vocab_size=V,
        model_type="unigram",
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        character_coverage=1.0,
        minloglevel=2,
        num_threads=1,
    )
    path.write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return ["<blank>", *(processor.id_to_piece(i) for i in range(1, V))], processor.encode


def _emit(
    ids: np.ndarray,
    V: int,
    confusions: np.ndarray,
    margin: float,
    rng: np.random.Generator,
    unit: str,
) -> np.ndarray:
    gap = 0.6 if unit == "characters" else 3.0  # blanks between two tokens, on average
    frames: list[np.ndarray] = []
    for position, token in enumerate(ids):
        blanks = (
            rng.poisson(gap) + (position > 0 and ids[position - 1] == token) + 8 * (position == 0)
        )
        frames += [_blank(V, rng) for _ in range(blanks)]
        weak = rng.random() < 0.15
        rivals = [*confusions[token], *rng.integers(1, V, 2)]
        peak = rng.normal(-9.0, 1.0, V)
        peak[rivals] = rng.normal(0.0, 2.2, len(rivals))
        peak[token] = rng.normal(margin, 2.2)
        peak[0] = rng.normal(margin if weak else margin - 5.0, 1.5)
        for _ in range(1 + (rng.random() < 0.3)):
            frames.append(peak + rng.normal(0.0, 0.3, V))
    frames += [_blank(V, rng) for _ in range(8)]
    logits = np.array(frames)
    logits -= logits.max(axis=1, keepdims=True)
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def _blank(V: int, rng: np.random.Generator) -> np.ndarray:
    logits = rng.normal(0.0, 1.0, V)
    logits[0] = rng.normal(11.0 + np.log(V / 30), 1.5)
    return logits
