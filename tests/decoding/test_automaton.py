from __future__ import annotations

import gzip
import math
import os
import random
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asr.decoding import NgramAutomaton, compile_lm, load_lm
from asr.decoding import automaton as compiling
from asr.decoding.automaton import compile_model
from asr.decoding.kernels import automaton as kernels
from asr.errors import AsrError, LanguageModelError
from asr.lm import estimate
from asr.lm.arpa import read_arpa, write_arpa

WORDS = ["a", "ab", "abc", "ca", "b", "zz", "</s>", "<unk>"]


def texts(n: int, words: list[str], seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return ["", *(" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(n))]


def assert_equals_kenlm(automaton: NgramAutomaton, arpa: Path, lines: list[str]) -> None:
    kenlm = pytest.importorskip("kenlm")
    model = kenlm.Model(str(arpa))
    for line in lines:
        for bos in (True, False):
            for eos in (True, False):
                ours = automaton.score(line, bos=bos, eos=eos) / math.log(10)
                assert ours == pytest.approx(model.score(line, bos=bos, eos=eos), abs=1e-4), line


def test_scores_equal_kenlms(automaton: NgramAutomaton, arpa: Path) -> None:
    assert_equals_kenlm(automaton, arpa, texts(200, [w for w in WORDS if w != "</s>"]))


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6])
def test_scores_equal_kenlms_for_every_order(order: int, tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(12)]
    model = estimate([texts(300, words, order)], order=order)
    write_arpa(model, tmp_path / "lm.arpa")
    lines = texts(60, [*words, "oov"], 7)
    assert_equals_kenlm(compile_model(model), tmp_path / "lm.arpa", lines)


def test_a_full_table_has_room_across_the_borders_of_its_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = [f"w{i}" for i in range(12)]
    model = estimate([texts(200, words, 3)], order=3)
    expected = compile_model(model)
    count = sum(model.counts[1:])
    monkeypatch.setattr(compiling, "_capacity", lambda n: 1 << n.bit_length())
    late: list[int] = []

    def fill_late(trie: object, state_of: object, m: object, missed: np.ndarray) -> None:
        late.append(int(missed.sum()))
        kernels.fill_late(trie, state_of, m, missed)

    monkeypatch.setattr(
        compiling, "kernels", SimpleNamespace(**vars(kernels) | {"fill_late": fill_late})
    )
    full = compile_model(model)
    assert len(full.slots) / 2 < count < len(full.slots)
    assert late[0] > 0
    for line in texts(60, [*words, "oov"], 7):
        assert full.score(line) == expected.score(line)


def test_order_one_is_a_sum_of_unigrams() -> None:
    model = estimate([texts(300, ["a", "b"])], order=1)
    p = dict(zip(model.words, (model.log10_probs[0] * math.log(10)).tolist(), strict=True))
    expected = 2 * p["a"] + p["b"] + p["<unk>"] + p["</s>"]
    assert compile_model(model).score("a b zz a") == pytest.approx(expected, abs=1e-5)


def test_a_missing_suffix_does_not_change_scores(tmp_path: Path) -> None:
    pytest.importorskip("kenlm")
    arpa = (
        "\\data\\\nngram 1=5\nngram 2=2\nngram 3=1\n\n"
        "\\1-grams:\n-1\t<unk>\t0\n0\t<s>\t-0.5\n-1\t</s>\t0\n-1\ta\t-0.3\n"
        "-1\tb\t-0.2\n\n\\2-grams:\n-0.5\ta b\t-0.1\n-0.4\tb a\t-0.3\n\n"
        "\\3-grams:\n-0.2\ta b a\n\n\\end\\\n"
    )
    (tmp_path / "x.arpa").write_text(arpa)
    assert_equals_kenlm(
        load_lm(tmp_path / "x.arpa"), tmp_path / "x.arpa", texts(80, ["a", "b", "c"])
    )


def test_saved_and_mapped_again(automaton: NgramAutomaton, tmp_path: Path) -> None:
    automaton.save(tmp_path / "lm.bin")
    loaded = NgramAutomaton.load(tmp_path / "lm.bin")
    assert loaded.words == automaton.words
    assert [loaded.score(t) for t in texts(30, WORDS)] == [
        automaton.score(t) for t in texts(30, WORDS)
    ]


def test_every_form_gives_the_same_scores(
    arpa: Path, automaton: NgramAutomaton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", str(tmp_path / "cache"))
    zipped = tmp_path / "lm.arpa.gz"
    zipped.write_bytes(gzip.compress(arpa.read_bytes()))
    compile_lm(arpa, tmp_path / "lm.bin")
    forms = [
        load_lm(x)
        for x in (arpa, str(arpa), zipped, tmp_path / "lm.bin", read_arpa(arpa), automaton)
    ]
    for text in texts(20, WORDS):
        assert len({form.score(text) for form in forms}) == 1


def test_what_is_compiled_already_is_compiled_to_the_same(arpa: Path, tmp_path: Path) -> None:
    compile_lm(arpa, tmp_path / "lm.bin")
    first = (tmp_path / "lm.bin").read_bytes()
    compile_lm(tmp_path / "lm.bin", tmp_path / "copy.bin")
    compile_lm(tmp_path / "lm.bin", tmp_path / "lm.bin")
    assert first == (tmp_path / "copy.bin").read_bytes() == (tmp_path / "lm.bin").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Cannot read"),
        (b"mmap lm http://kheafield.com/code format version 5\n\0", "KenLM binary"),
        (b"asr-lm\0\1" + bytes(120), "damaged"),
    ],
)
def test_what_cannot_be_compiled(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "lm").write_bytes(content)
    with pytest.raises(LanguageModelError, match=message):
        compile_lm(tmp_path / "lm", tmp_path / "out.bin")
    assert not (tmp_path / "out.bin").exists()


def test_the_cache_is_used_renewed_and_can_be_turned_off(
    arpa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", "")
    copy = tmp_path / "x.arpa"
    copy.write_bytes(arpa.read_bytes())
    load_lm(copy)
    monkeypatch.setenv("ASR_CACHE_DIR", str(tmp_path / "cache"))
    before = load_lm(copy).score("a")
    (cached,) = (tmp_path / "cache" / "lm").iterdir()
    cached.write_bytes(cached.read_bytes()[:-8] + b"damaged!")
    assert load_lm(copy).score("a") == before
    copy.write_text(copy.read_text().replace("-0.3\t<s> a\t", "-0.9\t<s> a\t"))
    assert load_lm(copy).score("a") != before


def test_what_was_checked_is_checked_again_once_it_is_touched(
    arpa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("asr.cache.MOMENT_S", -1.0)  # a test has no time to wait
    checks = list[bool]()
    load = NgramAutomaton.load.__func__  # type: ignore[attr-defined]

    def noted(cls: type, path: Path, check: bool = True) -> NgramAutomaton:
        checks.append(check)
        return load(cls, path, check)  # type: ignore[no-any-return]

    monkeypatch.setattr(NgramAutomaton, "load", classmethod(noted))
    scores = [load_lm(arpa).score("a") for _ in range(3)]
    assert checks == [True, False]  # the first one was compiled, not loaded
    (cached,) = (tmp_path / "cache" / "lm").glob("*.bin")
    data = cached.read_bytes()
    time.sleep(0.05)
    cached.write_bytes(data[:-8] + b"damaged!")
    scores += [load_lm(arpa).score("a") for _ in range(2)]
    assert checks == [True, False, True, True]
    assert len(set(scores)) == 1


def test_what_the_cache_was_not_asked_for_in_a_month_goes(
    arpa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", str(tmp_path / "cache"))
    copies = [tmp_path / f"{name}.arpa" for name in "abc"]
    kept, long_ago = list[Path](), time.time() - 31 * 86400
    for copy in copies[:2]:
        copy.write_bytes(copy.name.encode() + b"\n" + arpa.read_bytes())
        load_lm(copy)
        kept += set((tmp_path / "cache" / "lm").iterdir()) - set(kept)
    strangers = [
        tmp_path / "cache" / "lm" / "mine.bin",
        tmp_path / "cache" / "lm" / ("0" * 32 + ".arpa"),
    ]
    for stranger in strangers:
        stranger.touch()
    for path in (*kept, *strangers):
        os.utime(path, (long_ago, long_ago))
    load_lm(copies[0])
    copies[2].write_bytes(b"c\n" + arpa.read_bytes())
    load_lm(copies[2])
    assert [path.exists() for path in kept] == [True, False]
    assert all(stranger.exists() for stranger in strangers)
    assert len(list((tmp_path / "cache" / "lm").iterdir())) == 4


def test_every_flipped_bit_is_found(automaton: NgramAutomaton, tmp_path: Path) -> None:
    automaton.save(tmp_path / "lm.bin")
    data = (tmp_path / "lm.bin").read_bytes()
    rng = random.Random(0)
    places = {*range(24), *rng.sample(range(len(data)), 150)}
    for place in sorted(places):
        flipped = bytearray(data)
        flipped[place] ^= 1 << rng.randrange(8)
        (tmp_path / "bad.bin").write_bytes(flipped)
        with pytest.raises(LanguageModelError):
            NgramAutomaton.load(tmp_path / "bad.bin")


@pytest.mark.parametrize("size", [0, 5, 24, 64, 1000])
def test_cut_off_files(automaton: NgramAutomaton, tmp_path: Path, size: int) -> None:
    automaton.save(tmp_path / "lm.bin")
    (tmp_path / "lm.bin").write_bytes((tmp_path / "lm.bin").read_bytes()[:size])
    with pytest.raises(LanguageModelError):
        load_lm(tmp_path / "lm.bin")


def test_entries_that_point_nowhere_are_found_behind_a_right_checksum(
    automaton: NgramAutomaton, tmp_path: Path
) -> None:
    slots = automaton.slots.copy()
    slots[slots[:, 0] != 0xFFFFFFFF, 3] = 10**6
    NgramAutomaton(
        slots,
        automaton.unigrams,
        automaton.after,
        automaton.backoffs,
        automaton.shorter,
        automaton.text,
        3,
        1,
    ).save(tmp_path / "lm.bin")
    with pytest.raises(LanguageModelError, match="point nowhere"):
        NgramAutomaton.load(tmp_path / "lm.bin")


@pytest.mark.parametrize("source", ["missing.arpa", 3, "folder"])
def test_sources_that_are_no_model(source: object, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(LanguageModelError):
        load_lm(tmp_path / source if isinstance(source, str) else source)


def test_the_error_of_a_malformed_arpa_names_the_line(arpa: Path, tmp_path: Path) -> None:
    (tmp_path / "x.arpa").write_text(arpa.read_text().replace("-0.5\ta ab", "oops\ta ab"))
    with pytest.raises(LanguageModelError, match="line 19"):
        load_lm(tmp_path / "x.arpa")


@pytest.mark.slow
def test_ten_thousand_mutated_files(
    automaton: NgramAutomaton, arpa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", "")
    mutate(automaton, arpa, tmp_path, 10_000)


def test_mutated_files(
    automaton: NgramAutomaton, arpa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", "")
    mutate(automaton, arpa, tmp_path, 150)


def mutate(automaton: NgramAutomaton, arpa: Path, folder: Path, n: int) -> None:
    """Damage ARPA and array files in many ways: they load, or an AsrError says why not."""
    automaton.save(folder / "lm.bin")
    originals = [
        arpa.read_bytes(),
        gzip.compress(arpa.read_bytes()),
        (folder / "lm.bin").read_bytes(),
    ]
    rng = random.Random(1)
    for _ in range(n):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.randint(1, 4)):
            kind, place = rng.randrange(5), rng.randrange(len(data) + 1)
            if kind == 0 and place < len(data):
                data[place] = rng.randrange(256)
            elif kind == 1:
                del data[place : place + rng.randint(1, 40)]
            elif kind == 2:
                data[place:place] = rng.choice(
                    [b"\n", b"\t", b"nan", b"1e9", b"-inf", b"\\", b"\xff", b" ", b"99999999"]
                )
            elif kind == 3:
                del data[place:]
            else:
                data[place:place] = data[place : place + rng.randint(1, 60)]
        (folder / "mutated").write_bytes(data)
        try:
            score = load_lm(folder / "mutated").score("a ab ca b zz")
        except AsrError:
            continue
        assert not math.isnan(score)


@pytest.fixture(scope="module")
def build_binary(tmp_path_factory: pytest.TempPathFactory) -> str:
    import shutil

    return shutil.which("build_binary") or pytest.skip("KenLM's build_binary is not installed")


@pytest.mark.parametrize("kind", [["probing"], ["trie"], ["-q", "8", "-b", "8", "trie"]])
def test_kenlm_binaries(build_binary: str, arpa: Path, tmp_path: Path, kind: list[str]) -> None:
    from asr.decoding.beam import BeamDecoder

    path = tmp_path / "lm.kenlm"
    subprocess.run([build_binary, *kind, str(arpa), str(path)], check=True, capture_output=True)
    tokens = ["<blank>", "▁", "a", "b", "c"]
    rng = np.random.default_rng(0)
    binary, text = BeamDecoder(tokens, lm=path, n_best=5), BeamDecoder(tokens, lm=arpa, n_best=5)
    tolerance = 0.5 if "-q" in kind else 1e-3
    for _ in range(20):
        log_probs = np.log(rng.dirichlet(np.full(5, 0.3), 8) + 1e-9)
        a, b = binary(log_probs), text(log_probs)
        assert a[0].score == pytest.approx(b[0].score, abs=tolerance)
        assert "-q" in kind or [h.text for h in a] == [h.text for h in b]
    (tmp_path / "cut").write_bytes(path.read_bytes()[:-7])
    with pytest.raises(LanguageModelError):
        load_lm(tmp_path / "cut")
