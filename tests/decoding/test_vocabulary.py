"""Label lists of CTC networks: what is understood, and which ones are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr.decoding import BeamDecoder, GreedyDecoder, Vocabulary
from asr.errors import DecodingError

WAV2VEC2 = ["<pad>", "<s>", "</s>", "<unk>", "|", "E", "T", "A"]


def path_log_probs(path: list[int], V: int, p: float = 0.98) -> np.ndarray:
    probs = np.full((len(path), V), (1 - p) / (V - 1))
    probs[np.arange(len(path)), path] = p
    return np.log(probs)


@pytest.mark.parametrize(
    ("labels", "options", "blank", "tokens", "columns"),
    [
        (WAV2VEC2, {}, 0, ["▁", "E", "T", "A"], [4, 5, 6, 7]),
        (["a", "b", " ", "[PAD]", "[UNK]"], {}, 3, ["a", "b", "▁"], [0, 1, 2]),
        (["<unk>", "▁the", "s"], {}, 3, ["▁the", "s"], [1, 2]),
        (["<blk>", "<sos/eos>", "<unk>", "▁a", "▁"], {}, 0, ["▁a", "▁"], [3, 4]),
        (["<s>", "<pad>", "</s>", "|", "a"], {"blank": "<s>"}, 0, ["▁", "a"], [3, 4]),
        (["-", "|", "a"], {"blank": "-"}, 0, ["▁", "a"], [1, 2]),
        (["-", "|", "a"], {"blank": 3}, 3, ["-", "▁", "a"], [0, 1, 2]),
        ([" ", "a", "b", "_"], {"blank": "_"}, 3, ["▁", "a", "b"], [0, 1, 2]),
        (["a", "##b", "[PAD]"], {}, 2, ["▁a", "b"], [0, 1]),
        (["<blank>", "<space>", "a", "", "b", ""], {}, 0, ["▁", "a", "b"], [1, 2, 4]),
        (["<blank>", "|", " ", "a"], {"word_boundary": "|"}, 0, ["▁", "a"], [1, 3]),
        (["<blank>", "A", "<noise>"], {"special": []}, 0, ["A", "<noise>"], [1, 2]),
        (["<blank>", "A", "B"], {"special": ["B"], "case": "lower"}, 0, ["a"], [1]),
        (["<blank>", "你", "好"], {}, 0, ["你", "好"], [1, 2]),
    ],
)
def test_labels(
    labels: list[str], options: dict[str, Any], blank: int, tokens: list[str], columns: list[int]
) -> None:
    vocabulary = Vocabulary.read(labels, **options)
    assert vocabulary.tokens == ("<blank>", *tokens)
    assert vocabulary.columns == (blank, *columns)
    assert vocabulary.size == max(len(labels), blank + 1)
    assert f"blank: {blank}" in vocabulary.summary


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["<pad>", "[PAD]", "a"], {}, "Each of these labels may be the blank.*Give blank=0"),
        (["", "a", ""], {}, "may be the blank"),
        (["-", "|", "a"], {}, "Give blank=0, or blank=3"),
        (["a", "_"], {}, "Give blank=1, or blank=2"),
        (["a", "b"], {"blank": 7}, "blank=7 but there are 2 labels"),
        (["a", "b"], {"blank": "c"}, "blank='c' is 0 of the labels"),
        (["<pad>", "|", " ", "a"], {}, "word_boundary='|'"),
        (["<pad>", "a"], {"word_boundary": "|"}, "word_boundary='|' is in no label"),
        (["<pad>", "th@@", "e"], {}, "'th@@' marks where a word ends"),
        (["<pad>", "▁a", "▁in▁the"], {}, "has a word boundary inside"),
        (["<pad>", "a"], {"special": ["b"]}, "special has 'b'"),
        (["<pad>", "a"], {"special": "a"}, "special is a string"),
        (["<pad>", "a"], {"case": "title"}, "case is 'title'"),
        (["<pad>", "<s>"], {}, "No label is text"),
        ([], {}, "no labels"),
        ([1, 2], {}, "not a list of strings"),
        (7, {}, "is a int"),
        ({"a": 0, "b": 0}, {}, "are both number 0"),
        ({"a": 0, "b": 2}, {}, "no label has the number 1"),
        ({"a": "0"}, {}, "has the number '0'"),
        ("no/such/file", {}, "There is no file"),
    ],
)
def test_what_is_ambiguous_is_refused(labels: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodingError, match=message.replace("|", r"\|")):
        Vocabulary.read(labels, **options)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vocab.json", json.dumps({"a": 2, "<pad>": 0, "|": 1})),
        ("vocab.json", json.dumps(["<pad>", "|", "a"])),
        ("tokens.txt", "<pad> 0\n| 1\na 2\n"),
        ("tokens.txt", "a 2\r\n<pad> 0\r\n| 1\r\n"),
        ("tokens.txt", "<pad>\n|\na\n"),
        ("vocab.txt", "<pad>\n|\na"),
    ],
)
@pytest.mark.parametrize("whole_folder", [True, False])
def test_files(tmp_path: Path, name: str, text: str, whole_folder: bool) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    vocabulary = Vocabulary.read(tmp_path if whole_folder else tmp_path / name)
    assert vocabulary == Vocabulary.read(["<pad>", "|", "a"])


def test_a_numbered_file_names_the_space_by_a_space(tmp_path: Path) -> None:
    for line in ("  1", " 1"):  # "token number", and the number alone
        (tmp_path / "tokens.txt").write_text(f"<blk> 0\n{line}\na 2\n")
        assert Vocabulary.read(tmp_path).tokens == ("<blank>", "▁", "a")


def test_files_that_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "vocab.json"
    for text, message in [
        ('{"eng": {"a": 0}, "deu": {"a": 0}}', "one vocabulary for each of 2 languages"),
        ("{", "is not JSON"),
        ('{"a": 0, "a": 1}', "is not JSON"),  # a label twice
        ("3", "neither a list nor"),
    ]:
        file.write_text(text)
        with pytest.raises(DecodingError, match=message):
            Vocabulary.read(file)
    (tmp_path / "tokens.txt").write_text("a 0\n")
    with pytest.raises(DecodingError, match=r"vocab.json, tokens.txt\. Give the file"):
        Vocabulary.read(tmp_path)
    (tmp_path / "x.model").write_bytes(b"\xff\xfe\0")
    with pytest.raises(DecodingError, match="is not a sentencepiece model"):
        Vocabulary.read(tmp_path / "x.model")


def test_a_sentencepiece_model(tmp_path: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["the cat sat on the mat", "a hat"] * 20),
        model_prefix=str(tmp_path / "m"),
        vocab_size=40,
        byte_fallback=False,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    vocabulary = Vocabulary.read(tmp_path / "m.model")
    # unknown, begin and end of sentence are the first three; NeMo's blank comes last
    assert vocabulary.columns[:2] == (vocabulary.size - 1, 3)
    assert len(vocabulary) == vocabulary.size - 3
    assert "▁" in vocabulary.tokens


def test_a_tokenizer_with_a_vocabulary() -> None:
    class Tokenizer:
        def get_vocab(self) -> dict[str, int]:
            return {"a": 1, "<pad>": 0}

    assert Vocabulary.read(Tokenizer()).tokens == ("<blank>", "a")


@pytest.mark.parametrize("mark", ["Ġ", "▁"])
def test_pieces_that_are_bytes_spell_any_word(mark: str) -> None:
    first, second = ("Ã", "©") if mark == "Ġ" else ("<0xC3>", "<0xA9>")
    vocabulary = Vocabulary.read(["<blank>", mark + "caf", first, second, mark + "a", "e"])
    log_probs = path_log_probs([4, 0, 1, 2, 3], 6, p=0.6)
    assert GreedyDecoder(vocabulary)(log_probs)[0].text == "a café"
    decoder = BeamDecoder(vocabulary, lexicon=["café", "cafe", "a"], hotwords={"a café": 2.0})
    best = decoder(log_probs)[0]
    assert best.text == "a café"
    assert best.tokens == (4, 1, 2, 3)
    assert [word.word for word in best.words] == ["a", "café"]
    assert GreedyDecoder(vocabulary)(log_probs[:4])[0].text == "a caf�"


def test_byte_level_pieces_of_icefall() -> None:
    """Bytes above 127 are written as letters from U+0121 on; 你 is ``ƋţŅ`` and 好 is ``ƌŋţ``."""
    continuing = [*range(289, 306), *range(308, 319), *range(321, 329), *range(330, 358)]
    labels = ["<blk>", "<sos/eos>", "▁ƋţŅ", "▁ƌŋ", "▁ok", *map(chr, continuing)]
    vocabulary = Vocabulary.read(labels)
    assert "pieces are bytes of UTF-8" in vocabulary.summary
    log_probs = path_log_probs([2, 0, 3, labels.index("ţ"), 4], len(labels), p=0.6)
    assert GreedyDecoder(vocabulary)(log_probs)[0].text == "你 好 ok"
    assert BeamDecoder(vocabulary, lexicon=["你", "好", "ok"])(log_probs)[0].text == "你 好 ok"
    few = Vocabulary.read(["<blk>", "▁wę", "▁że", "ś", "ćł"])  # Polish, not bytes
    assert GreedyDecoder(few)(path_log_probs([1, 3], 5, p=0.6))[0].text == "węś"


def test_outputs_that_spell_the_same_are_added() -> None:
    twice = Vocabulary.read(["a", "<pad>", "b", "A"], case="lower")
    assert twice.tokens == ("<blank>", "a", "b")
    assert "1 outputs spell what another one does" in twice.summary
    probs = np.random.default_rng(0).dirichlet(np.ones(4), 6)
    once = np.stack([probs[:, 1], probs[:, 0] + probs[:, 3], probs[:, 2]], axis=1)
    got = BeamDecoder(twice, n_best=5)(np.log(probs))
    want = BeamDecoder(["<blank>", "a", "b"], n_best=5)(np.log(once))
    assert [h.text for h in got] == [h.text for h in want]
    np.testing.assert_allclose([h.score for h in got], [h.score for h in want], atol=1e-5)


def test_where_the_blank_is_does_not_matter() -> None:
    """Permuted outputs give permuted token numbers and nothing else."""
    labels = ["<pad>", "|", "a", "b", "c"]
    log_probs = np.log(np.random.default_rng(1).dirichlet(np.ones(5) * 0.3, 40))
    order = [3, 1, 4, 2, 0]
    want = BeamDecoder(Vocabulary.read(labels), n_best=3)(log_probs)
    moved = Vocabulary.read([labels[i] for i in order])
    for decoder in (BeamDecoder(moved, n_best=3), GreedyDecoder(moved)):
        got = decoder(log_probs[:, order])
        if isinstance(decoder, GreedyDecoder):
            want = GreedyDecoder(Vocabulary.read(labels))(log_probs)
        assert [h.text for h in got] == [h.text for h in want]
        assert [h.words for h in got] == [h.words for h in want]
        assert [[order[i] for i in h.tokens] for h in got] == [list(h.tokens) for h in want]
    stream = BeamDecoder(moved).stream()
    part = stream.push(log_probs[:20, order])
    assert all(labels[order[i]] in "|abc" for i in part.tokens)
    stream.push(log_probs[20:, order])
    assert stream.finish()[0].text == BeamDecoder(moved)(log_probs[:, order])[0].text


def test_special_tokens_are_never_text() -> None:
    vocabulary = Vocabulary.read(WAV2VEC2)
    log_probs = path_log_probs([5, 1, 3, 4, 6], 8)
    assert GreedyDecoder(vocabulary)(log_probs)[0].text.replace(" ", "") in ("ET", "EAT", "ETAT")
    best = BeamDecoder(vocabulary)(log_probs)[0]
    assert not {1, 2, 3} & set(best.tokens)


def test_another_letter_case_is_named() -> None:
    with pytest.raises(DecodingError, match="case='lower'"):
        BeamDecoder(Vocabulary.read(WAV2VEC2), lexicon=["tea", "eat"])
    decoder = BeamDecoder(Vocabulary.read(WAV2VEC2, case="lower"), lexicon=["tea", "eat"])
    assert decoder(path_log_probs([6, 5, 0, 7], 8))[0].text == "tea"


def test_a_phone_vocabulary_may_have_the_blank_anywhere() -> None:
    vocabulary = Vocabulary.read(["▁T", "IY", "AH", "▁AH", "<pad>"])
    lexicon = {"tea": [("T", "IY")], "a": [("AH",)]}
    for decoder in (BeamDecoder(vocabulary, lexicon=lexicon), GreedyDecoder(vocabulary, lexicon)):
        assert decoder(path_log_probs([3, 4, 0, 1], 5))[0].text == "a tea"


def test_wav2vec2_and_a_model_in_three_lines(arpa: Path, tmp_path: Path) -> None:
    labels = ["<pad>", "<s>", "</s>", "<unk>", "|", "E", "A", "B", "C"]
    (tmp_path / "vocab.json").write_text(json.dumps({x: i for i, x in enumerate(labels)}))
    logits = path_log_probs([6, 4, 7, 6, 7], 9, p=0.6) + 3.0  # greedy reads "a bab"
    decoder = BeamDecoder(Vocabulary.read(tmp_path / "vocab.json", case="lower"), lm=arpa)
    best = decoder(logits, kind="logits")[0]
    assert best.text == "a ab"  # <s> a; <s> a ab; ab </s> after backing off from a ab
    assert best.lm_score == pytest.approx(np.log(10) * (-0.3 - 0.25 - 0.15 - 0.7), abs=1e-4)


def test_1024_pieces_and_the_blank_behind_them_in_three_lines(arpa: Path, tmp_path: Path) -> None:
    pieces = ["<unk>", "▁a", "▁c", "▁b", "b", *(f"▁p{i}" for i in range(1019))]
    (tmp_path / "tokens.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    batch = np.stack([path_log_probs([1, 4, 1024, 2, 1], 1025, p) for p in (0.9, 0.95)])
    decoder = BeamDecoder(Vocabulary.read(tmp_path / "tokens.txt"), lm=arpa)
    texts = [best[0].text for best in decoder(batch, lengths=[3, 2])]
    assert texts == ["ab", "ab"]
    with pytest.raises(DecodingError, match=r"1024 columns but there are 1025 .*blank=NUMBER"):
        decoder(np.log(np.full((3, 1024), 1 / 1024)))
