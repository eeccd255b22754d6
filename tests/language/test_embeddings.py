from __future__ import annotations

import gzip

import numpy as np
import pytest

from asr.errors import DataError
from asr.language.embeddings import read_word_vectors

GLOVE = "the 1 2 3\nof course 4 5 6\ncafé 7 8 9\n"


def test_glove_and_word2vec_give_the_same(tmp_path):
    (tmp_path / "glove.txt").write_text(GLOVE)
    with gzip.open(tmp_path / "w2v.txt.gz", "wt", encoding="utf-8") as file:
        file.write("3 3\n" + GLOVE)
    for name in ("glove.txt", "w2v.txt.gz"):
        vectors = read_word_vectors(tmp_path / name, ["<pad>", "The", "café", "none"], width=3)
        np.testing.assert_array_equal(vectors.matrix, [[0, 0, 0], [1, 2, 3], [7, 8, 9], [0, 0, 0]])
        assert vectors.has_vector.tolist() == [False, True, True, False]
        assert vectors.coverage == 0.5


def test_a_line_separator_inside_a_word_is_no_line(tmp_path):
    (tmp_path / "v.txt").write_text("a\u2028b 1 2\nc 3 4\n", encoding="utf-8")
    assert read_word_vectors(tmp_path / "v.txt", ["c"]).matrix.tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("the 1 2 3\n", "vectors of 3 numbers, needed are 2"),
        ("the 1 2\na 1\n", "line 2"),
        ("the 1 2\na 1 x\n", "line 2"),
        ("a nan 2\n", "line 1"),
        ("", "no word vectors"),
        ("the\n", "no word vectors"),
    ],
)
def test_wrong_files_are_refused_by_line(tmp_path, content, named):
    (tmp_path / "v.txt").write_text(content)
    with pytest.raises(DataError, match=named):
        read_word_vectors(tmp_path / "v.txt", ["a"], width=2)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(DataError, match="no file"):
        read_word_vectors(tmp_path / "none.txt", ["a"])
    (tmp_path / "v.bin").write_bytes(b"3 2\nthe \xff\xfe\x00")
    with pytest.raises(DataError, match="not UTF-8"):
        read_word_vectors(tmp_path / "v.bin", ["a"])
