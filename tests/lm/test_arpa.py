from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import AsrError, LanguageModelError
from asr.lm import Scorer, estimate, read_arpa, write_arpa
from asr.lm.trie import build_trie

ARPA = """\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-1.5\t<unk>
-99\t<s>\t-0.25
-0.75\t</s>
-0.5\tb\t-0.125
-1\ta\t-0.5

\\2-grams:
-0.25\t<s> b\t-0.5
-0.5\ta b\t0.25
-0.125\t<s> a\t0

\\3-grams:
-0.0625\t<s> a b

\\end\\
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_rows_sorted_with_special_words_first(tmp_path: Path) -> None:
    model = read_arpa(write(tmp_path / "a.arpa", ARPA))
    assert model.words == ["<unk>", "<s>", "</s>", "b", "a"]
    assert model.counts == (5, 3, 1)
    assert model.ngrams[1].tolist() == [[1, 3], [1, 4], [4, 3]]
    assert model.log10_probs[1].tolist() == [-0.25, -0.125, -0.5]
    assert model.log10_backoffs[1].tolist() == [-0.5, 0.0, 0.25]
    assert model.log10_probs[0].tolist() == [-1.5, -99, -0.75, -0.5, -1]
    assert model.log10_backoffs[2].tolist() == [0.0]


def test_scores_follow_the_definition(tmp_path: Path) -> None:
    scorer = Scorer(read_arpa(write(tmp_path / "a.arpa", ARPA)))
    assert scorer.sentence("a b").tolist() == [-0.125, -0.0625, 0.25 - 0.125 - 0.75]
    assert scorer.sentence("c a").tolist() == [-0.25 - 1.5, -1.0, -0.5 - 0.75]


def test_white_space_order_and_case_of_unk_may_vary(tmp_path: Path) -> None:
    plain = read_arpa(write(tmp_path / "a.arpa", ARPA))
    varied = "written by hand\n\n" + ARPA.replace("\t", "  ").replace("\n", " \r\n").replace(
        "<unk>", "<UNK>"
    )
    with gzip.open(tmp_path / "b.arpa.gz", "wt") as file:  # no end of line conversion
        file.write(varied)
    other = read_arpa(tmp_path / "b.arpa.gz")
    assert other.words == plain.words
    for ours, theirs in zip(plain.log10_probs, other.log10_probs, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_missing_unk_scores_as_in_kenlm(tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    path = write(tmp_path / "a.arpa", ARPA.replace("-1.5\t<unk>\n", "").replace("1=5", "1=4"))
    expected = [score for score, *_ in kenlm.Model(str(path)).full_scores("c b")]
    assert Scorer(read_arpa(path)).sentence("c b") == pytest.approx(expected)


TWICE = ARPA.replace("1=5", "1=6").replace("</s>\n", "</s>\n-0.9\t</s>\n")


def test_the_end_of_a_sentence_listed_twice_scores_as_in_kenlm(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arpa", TWICE)
    model = read_arpa(path)
    assert model.words == ["<unk>", "<s>", "</s>", "b", "a"]
    late = TWICE.replace("ngram 2=3", "ngram 2=4")
    with pytest.raises(LanguageModelError, match="line 18: expected 4 2-grams, found 3"):
        read_arpa(write(tmp_path / "b.arpa", late))
    kenlm = pytest.importorskip("kenlm")
    expected = [score for score, *_ in kenlm.Model(str(path)).full_scores("a b")]
    assert Scorer(model).sentence("a b") == pytest.approx(expected)


def test_impossible_words_and_byte_order_marks(tmp_path: Path) -> None:
    text = "\ufeff" + ARPA.replace("-1\ta", "-inf\ta").replace("-0.5\ta b", "-inf\ta b")
    model = read_arpa(write(tmp_path / "a.arpa", text))
    assert model.log10_probs[0].tolist() == [-1.5, -99, -0.75, -0.5, -99]
    assert model.log10_probs[1].tolist() == [-0.25, -0.125, -99]
    with pytest.raises(LanguageModelError, match="back-off"):
        read_arpa(write(tmp_path / "b.arpa", ARPA.replace("a\t-0.5", "a\t-inf")))


def test_missing_prefix_is_filled_in_without_changing_scores(tmp_path: Path) -> None:
    text = ARPA.replace("2=3", "2=2").replace("-0.125\t<s> a\t0\n", "")  # KenLM refuses such a file
    model = read_arpa(write(tmp_path / "a.arpa", text))
    assert model.counts == (5, 3, 1)
    build_trie(model)
    assert Scorer(model).sentence("a b").tolist() == [-0.25 - 1, -0.0625, 0.25 - 0.125 - 0.75]
    assert Scorer(model).sentence("a a").tolist() == [-0.25 - 1, -0.5 - 1, -0.5 - 0.75]


@pytest.mark.parametrize("name", ["m.arpa", "m.arpa.gz"])
def test_written_model_reads_back(tmp_path: Path, name: str) -> None:
    model = estimate([["a b c", "b c ä", "c c c c"]], order=3, notify=lambda note: None)
    write_arpa(model, tmp_path / name)
    again = read_arpa(tmp_path / name)
    assert again.words == model.words
    for n in range(3):
        np.testing.assert_array_equal(again.ngrams[n], model.ngrams[n])
        np.testing.assert_allclose(again.log10_probs[n], model.log10_probs[n], atol=6e-8)
        np.testing.assert_allclose(again.log10_backoffs[n], model.log10_backoffs[n], atol=6e-8)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_fewer_decimals(tmp_path: Path) -> None:
    model = estimate([["a b c", "b c ä", "c c c c"]], order=3, notify=lambda note: None)
    write_arpa(model, tmp_path / "m.arpa", decimals=2)
    again = read_arpa(tmp_path / "m.arpa")
    for n in range(3):
        rounded = np.round(model.log10_probs[n].astype(float), 2)
        np.testing.assert_allclose(again.log10_probs[n], rounded, atol=1e-6)
        np.testing.assert_allclose(again.log10_backoffs[n], model.log10_backoffs[n], atol=0.0051)
    numbers = re.findall(r"-\d+\.(\d+)", (tmp_path / "m.arpa").read_text())
    assert numbers
    assert max(map(len, numbers)) == 2


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("ngram 1=5", "ngram 1=4", 11, "expected \\2-grams:"),
        ("ngram 1=5", "ngram 1=6", 12, "expected 6 1-grams, found 5"),
        ("ngram 2=3", "ngram 3=3", 3, "expected the number of 2-grams"),
        ("ngram 3=1", "ngram 3=999999", 6, "more than"),
        ("-0.5\tb", "half\tb", 10, "expected a log10 probability first"),
        ("-0.5\tb", "nan\tb", 10, "expected a log10 probability first"),
        ("-0.5\tb", "-in\tb", 10, "expected a log10 probability first"),
        ("-0.5\tb", "-1e999\tb", 10, "expected a log10 probability first"),
        ("-0.5\tb", "0.5\tb", 10, "greater than 0"),
        ("-1\ta\t-0.5", "-1", 11, "expected 1 word behind"),
        ("-1\ta\t-0.5", "-1\ta\tx", 11, "expected a back-off weight"),
        ("-1\ta\t-0.5", "-1\tb\t-0.5", 11, "listed before"),
        ("-0.75\t</s>", "-0.75\tend", 6, "no unigram </s>"),
        ("a b\t0.25", "a z\t0.25", 15, "not among the unigrams"),
        ("a b\t0.25", "<s> b\t0.25", 15, "this 2-gram was listed before"),
        ("a b\t0.25", "a b\t0.25\t7", 15, "nothing more"),
        ("\\2-grams:", "\\3-grams:", 13, "expected \\2-grams:"),
        ("<s> a b\n", "<s> a b\t-0.5\n", 19, "nothing more"),
        ("<s> a b\n", "<s> a\n", 19, "expected 3 words"),
        ("\n\\end\\\n", "", 20, "found the end of the file"),
        ("\n\\end\\\n", "-1\ta a b\n\\end\\\n", 20, "expected \\end\\"),
        ("-0.0625\t<s> a b\n\n\\end\\\n", "", 19, "the file ends after 0 of 1"),
    ],
)
def test_malformed_file_names_the_line(
    tmp_path: Path, old: str, new: str, line: int, problem: str
) -> None:
    assert old in ARPA
    path = write(tmp_path / "bad.arpa", ARPA.replace(old, new))
    with pytest.raises(LanguageModelError) as caught:
        read_arpa(path)
    assert f"bad.arpa, line {line}: " in str(caught.value)
    assert problem in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    for content, problem in [
        (b"", "no line"),
        (b"hello\n", "no line"),
        (b"mmap lm http://kheafield.com/code format version 5\n\0", "KenLM binary"),
        (b"asr-lm\0\1" + bytes(100), "is a compiled model"),
        (gzip.compress(ARPA.encode())[:60], "Cannot read"),
        (ARPA.encode().replace(b"\ta\t", b"\t\xff\t"), "line 11: this unigram is not valid UTF-8"),
    ]:
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(LanguageModelError, match=problem):
            read_arpa(tmp_path / "x")
    with pytest.raises(LanguageModelError, match="Cannot read"):
        read_arpa(tmp_path / "nowhere.arpa")
    with pytest.raises(LanguageModelError, match="Cannot read"):
        read_arpa(tmp_path)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_mutated_file_ends_in_a_model_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(ARPA.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        how = data.draw(st.sampled_from(["set", "cut", "insert", "end"]))
        if how == "set":
            content[place] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del content[place : place + data.draw(st.integers(1, 12))]
        elif how == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=4))
        else:
            del content[place + 1 :]
        content = content or bytearray(b"x")
    path = tmp_path_factory.getbasetemp() / "mutated.arpa"
    path.write_bytes(bytes(content))
    problem = None
    try:
        build_trie(read_arpa(path))
    except AsrError as error:
        problem = str(error)
    assert problem is None or "mutated.arpa" in problem
