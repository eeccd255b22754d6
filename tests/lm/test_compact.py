from __future__ import annotations

import itertools
import json
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding import compile_lm, load_lm
from asr.decoding.automaton import compile_model
from asr.errors import LanguageModelError
from asr.lm import (
    NgramModel,
    Scorer,
    estimate,
    perplexity,
    prune_entropy,
    read_arpa,
    read_compact,
    read_model,
    write_arpa,
    write_compact,
    write_model,
)
from asr.lm import compact_kernels as kernels
from asr.lm.compact import COMPACT_MAGIC, STEP, _Decoder, _digest, _encode, _pack

Ngram = tuple[str, ...]


def sentences(count: int, words: int, seed: int = 0) -> list[str]:
    """Text in which words are as unequal as in a language, and depend on the word before."""
    chance = random.Random(seed)
    lines = []
    for _ in range(count):
        line, word = [], chance.randrange(words)
        for _ in range(chance.randint(1, 12)):
            drawn = min(int(chance.expovariate(8 / words)), words - 1)
            word = drawn if chance.random() < 0.6 else (word * 7 + 1) % words
            line.append(f"w{word}")
        lines.append(" ".join(line))
    return lines


def make(order: int, count: int = 400, words: int = 40, **options: object) -> NgramModel:
    return estimate([sentences(count, words)], order=order, notify=lambda note: None, **options)


def entries(model: NgramModel) -> dict[Ngram, tuple[float, float]]:
    """Every n-gram in words, with its numbers."""
    return {
        tuple(model.words[i] for i in row): (float(prob), float(backoff))
        for rows, probs, backoffs in zip(
            model.ngrams, model.log10_probs, model.log10_backoffs, strict=True
        )
        for row, prob, backoff in zip(rows.tolist(), probs, backoffs, strict=True)
    }


def written(model: NgramModel, folder: Path, **options: float) -> NgramModel:
    write_compact(model, folder / "model.lmz", **options)
    return read_compact(folder / "model.lmz")


def assert_close(one: NgramModel, other: NgramModel, error: float) -> None:
    before, after = entries(one), entries(other)
    assert before.keys() == after.keys()
    assert (
        np.abs(np.array(list(before.values())) - np.array([after[ngram] for ngram in before])).max()
        <= error
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_every_ngram_comes_back_within_the_step(order: int, tmp_path: Path) -> None:
    model = make(order)
    assert_close(model, written(model, tmp_path), STEP)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_few_different_numbers_are_kept_exactly(order: int, tmp_path: Path) -> None:
    model = make(order, count=6, words=8)
    assert all(
        len(np.unique(numbers)) <= 256 for numbers in (*model.log10_probs, *model.log10_backoffs)
    )
    assert_close(model, written(model, tmp_path), 0.0)


def test_the_smallest_model(tmp_path: Path) -> None:
    model = estimate([["a"]], order=1, notify=lambda note: None)
    assert_close(model, written(model, tmp_path), 0.0)


@pytest.mark.parametrize("step", [0.04, 0.3])
def test_the_step_bounds_the_error(step: float, tmp_path: Path) -> None:
    model = make(3, count=3000, words=300)
    assert len(np.unique(model.log10_probs[2])) > 256
    assert_close(model, written(model, tmp_path, step=step), step)


def test_what_was_read_is_written_with_the_same_bytes(tmp_path: Path) -> None:
    write_compact(make(4, count=1500, words=200), tmp_path / "a.lmz")
    write_compact(read_compact(tmp_path / "a.lmz"), tmp_path / "b.lmz")
    assert (tmp_path / "a.lmz").read_bytes() == (tmp_path / "b.lmz").read_bytes()


def test_the_arrays_are_those_of_a_model(tmp_path: Path) -> None:
    model = written(prune_entropy(make(4, count=1500, words=200), max_ngrams=3000), tmp_path)
    assert model.words[:3] == ["<unk>", "<s>", "</s>"]
    assert model.ngrams[0].tolist() == [[i] for i in range(len(model.words))]
    for shorter, rows in itertools.pairwise(model.ngrams):
        listed = rows.tolist()
        assert listed == sorted(listed)
        assert {tuple(row[:-1]) for row in listed} <= {tuple(row) for row in shorter.tolist()}
    arrays = (*model.ngrams, *model.log10_probs, *model.log10_backoffs)
    assert all(array.dtype in (np.int32, np.float32) and array.flags.writeable for array in arrays)
    assert (np.diff(model.log10_probs[0][3:]) <= 0).all()  # words by frequency


def test_rounding_hardly_moves_the_perplexity(tmp_path: Path) -> None:
    model, test = make(4, count=4000, words=500), [sentences(500, 500, seed=1)]
    before, after = (
        perplexity(model, test).with_oov,
        perplexity(written(model, tmp_path), test).with_oov,
    )
    assert after == pytest.approx(before, rel=0.005)


def test_kenlm_agrees_with_the_decoded_model(tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    model = written(make(4, count=800, words=100), tmp_path)
    write_arpa(model, tmp_path / "decoded.arpa")
    oracle, scorer = kenlm.Model(str(tmp_path / "decoded.arpa")), Scorer(model)
    automaton = load_lm(tmp_path / "model.lmz")
    for line in [*sentences(60, 110, seed=2), "", "w1 unheard w2"]:
        expected = oracle.score(line)
        assert scorer.sentence(line).sum() == pytest.approx(expected, abs=1e-4)
        assert automaton.score(line) / math.log(10) == pytest.approx(expected, abs=1e-4)


ARPA = """\\data\\
ngram 1=5
ngram 2=2
ngram 3=0

\\1-grams:
-100\t<unk>
-99\t<s>\t-0.25
-0.75\t</s>
-0.5\tb\t{backoff}
-1\ta\t-0.5

\\2-grams:
-0.25\t<s> b\t0.5
-0.125\t<s> a\t0

\\3-grams:

\\end\\
"""


@pytest.mark.parametrize("backoff", ["0", "-0.125"])
def test_backoffs_of_contexts_without_words_and_an_empty_order(
    backoff: str, tmp_path: Path
) -> None:
    (tmp_path / "a.arpa").write_text(ARPA.format(backoff=backoff))
    model = read_arpa(tmp_path / "a.arpa")
    assert_close(model, written(model, tmp_path), 0.0)


def test_a_backoff_of_nothing_stays_nothing(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    model = make(2, count=2000, words=600)
    backoffs = [chance.normal(0, 0.3, len(b)).astype(np.float32) for b in model.log10_backoffs]
    backoffs[0][::3] = 0
    backoffs[1][:] = 0
    after = written(NgramModel(model.words, model.ngrams, model.log10_probs, backoffs), tmp_path)
    zeros = {model.words[i] for i in np.flatnonzero(backoffs[0] == 0)}
    assert {after.words[i] for i in np.flatnonzero(after.log10_backoffs[0] == 0)} == zeros


def test_many_decades_fit_into_the_codes(tmp_path: Path) -> None:
    model = make(2, count=2000, words=600)
    probs = [model.log10_probs[0], np.linspace(-30, 0, len(model.log10_probs[1]), dtype=np.float32)]
    after = written(NgramModel(model.words, model.ngrams, probs, model.log10_backoffs), tmp_path)
    assert len(np.unique(after.log10_probs[1])) <= 256
    assert_close(
        NgramModel(model.words, model.ngrams, probs, model.log10_backoffs), after, 4 * STEP
    )


@given(st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 40), max_size=60))
def test_numbers_are_symbols_and_bits(numbers: list[int]) -> None:
    array, symbols = np.array(numbers, np.int32), np.empty(len(numbers), np.uint8)
    width = int(kernels.measure_numbers(array))
    assert width == sum(max(0, number.bit_length() - 4) for number in numbers)
    bits, joined = np.empty(-(-width // 8), np.uint8), np.empty(len(numbers), np.int32)
    kernels.split_numbers(array, symbols, bits)
    assert kernels.join_numbers(symbols, bits, joined)
    assert joined.tolist() == numbers
    assert not kernels.join_numbers(symbols, np.append(bits, np.uint8(0)), joined)
    assert not len(bits) or not kernels.join_numbers(symbols, bits[:-1], joined)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.lmz"
    write_compact(make(3, count=20, words=6), path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(LanguageModelError):
            read_compact(path)
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(LanguageModelError):
            read_compact(path)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = tmp_path / "model.lmz"
    with pytest.raises(LanguageModelError, match="Cannot read"):
        read_compact(path)
    with pytest.raises(LanguageModelError, match="Cannot read"):
        read_model(path)
    write_compact(make(2), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(LanguageModelError, match="checksum does not fit"):
        load_lm(path)
    path.write_bytes(COMPACT_MAGIC[:-1] + b"\x09" + whole[8:])
    for read in (read_model, load_lm):
        with pytest.raises(LanguageModelError, match="of this version"):
            read(path)
    with pytest.raises(LanguageModelError, match="compact model, not ARPA"):
        read_arpa(path)
    with pytest.raises(LanguageModelError, match="step of 0"):
        write_compact(make(2), path, step=0)
    model = make(2)
    with pytest.raises(LanguageModelError, match="line feed"):
        write_compact(NgramModel([*model.words[:-1], "a\nb"], *entries_of(model)), path)


def test_a_python_without_lzma_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_compact(make(2), tmp_path / "a.lmz")
    monkeypatch.setitem(sys.modules, "lzma", None)
    for use in (read_model, lambda path: write_compact(make(2), path)):
        with pytest.raises(LanguageModelError, match="built without lzma"):
            use(tmp_path / "a.lmz")


def entries_of(model: NgramModel) -> tuple[list, list, list]:  # type: ignore[type-arg]
    return model.ngrams, model.log10_probs, model.log10_backoffs


def tampered(change: Callable[[dict[str, bytes], dict[str, object]], None], path: Path) -> None:
    """A file whose checksum fits, but whose content was never written by us."""
    model = make(3, count=30, words=90)
    blocks, header = _encode(model, STEP), {"order": 3, "counts": list(model.counts)}
    assert len(blocks["probs3.values"]) < 4 * 256  # not all codes are in use
    assert blocks["gaps2.bits"]
    change(blocks, header)
    packed = {name: _pack(name, data) for name, data in blocks.items()}
    header.setdefault("blocks", [[name, len(packed[name]), len(blocks[name])] for name in blocks])
    text = json.dumps(header).encode()
    body = len(text).to_bytes(4, "little") + text + b"".join(packed.values())
    path.write_bytes(COMPACT_MAGIC + _digest(body) + body)


def replace(
    name: str, change: Callable[[bytes], bytes]
) -> Callable[[dict[str, bytes], dict[str, object]], None]:
    def apply(blocks: dict[str, bytes], header: dict[str, object]) -> None:
        assert name in blocks
        blocks[name] = change(blocks[name])

    return apply


@pytest.mark.parametrize(
    "change",
    [
        replace("gaps2", lambda block: bytes([200]) + block[1:]),
        replace("gaps3", lambda block: bytes([15]) * len(block)),
        replace("gaps3", lambda block: block + b"\0"),
        replace("gaps2.bits", lambda block: block[:-1]),
        replace("children1", lambda block: bytes(len(block))),
        replace("children2", lambda block: bytes([15]) * len(block)),
        replace("probs3", lambda block: bytes([255]) * len(block)),
        replace("probs2.values", lambda block: bytes([255]) * len(block)),
        replace("probs2.values", lambda block: block + block),
        replace("backoffs1", lambda block: block[1:]),
        replace("words", lambda block: block.replace(b"w1\n", b"w2\n")),
        replace("words", lambda block: block[1:]),
        lambda blocks, header: blocks.pop("probs1.values"),
        lambda blocks, header: header.update(order=7),
        lambda blocks, header: header.update(counts=[1]),
        lambda blocks, header: header.update(counts=[33, -1, 5]),
        lambda blocks, header: header.update(blocks=[["words", -3, 7]]),
        lambda blocks, header: header.update(blocks=[]),
        lambda blocks, header: header.pop("order"),
    ],
)
def test_content_that_makes_no_sense_is_refused(
    change: Callable[[dict[str, bytes], dict[str, object]], None], tmp_path: Path
) -> None:
    tampered(lambda blocks, header: None, tmp_path / "sound.lmz")
    read_compact(tmp_path / "sound.lmz")
    tampered(change, tmp_path / "bad.lmz")
    with pytest.raises(LanguageModelError, match="makes no sense"):
        read_compact(tmp_path / "bad.lmz")


def test_the_name_says_the_form_and_the_content_is_believed(tmp_path: Path) -> None:
    model = make(3)
    for name in ("a.lmz", "a.arpa", "a.arpa.gz"):
        write_model(model, tmp_path / name)
        assert_close(read_model(tmp_path / name), model, STEP)
    assert (tmp_path / "a.lmz").read_bytes().startswith(COMPACT_MAGIC)
    (tmp_path / "a.lmz").rename(tmp_path / "b.arpa")
    assert_close(read_model(tmp_path / "b.arpa"), model, STEP)


def test_it_is_a_third_of_gzipped_arpa_text(tmp_path: Path) -> None:
    model = make(4, count=20000, words=3000)
    write_compact(model, tmp_path / "a.lmz")
    write_arpa(model, tmp_path / "a.arpa.gz", decimals=2)
    assert (tmp_path / "a.lmz").stat().st_size < (tmp_path / "a.arpa.gz").stat().st_size / 3


def test_the_decoder_takes_it_wherever_it_takes_arpa_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", str(tmp_path / "cache"))
    model = make(3)
    write_compact(model, tmp_path / "a.lmz")
    expected = compile_model(read_compact(tmp_path / "a.lmz"))
    compile_lm(tmp_path / "a.lmz", tmp_path / "lm.bin")
    loaded = [
        load_lm(tmp_path / "a.lmz"),
        load_lm(tmp_path / "a.lmz"),
        load_lm(tmp_path / "lm.bin"),
    ]
    assert len(list((tmp_path / "cache" / "lm").glob("*.bin"))) == 1
    for line in sentences(20, 45, seed=3):
        assert {lm.score(line) for lm in loaded} == {expected.score(line)}


def test_blocks_of_a_later_version_are_not_in_the_way() -> None:
    model = make(2)
    blocks = _encode(model, STEP) | {"something_new": b"x"}
    packed = [_pack(name, data) for name, data in blocks.items()]
    places = [
        [name, len(data), len(blocks[name])] for name, data in zip(blocks, packed, strict=True)
    ]
    header = json.dumps({"order": 2, "counts": model.counts, "blocks": places}).encode()
    decoder = _Decoder(memoryview(len(header).to_bytes(4, "little") + header + b"".join(packed)))
    assert decoder.decode().trie.offsets.tolist() == [0, *np.cumsum(model.counts).tolist()]
