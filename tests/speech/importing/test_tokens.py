"""Labels of imported networks spell texts: with the fewest of them, or as sentencepiece does."""

import io

import pytest
import sentencepiece

from asr.errors import TokenError
from asr.speech.acoustics.imported_tokens import ImportedTokenizer, open_tokenizer
from asr.text.tokenizers import CharTokenizer


def spelled(tokenizer, text):
    return [tokenizer.tokens[i] for i in tokenizer.encode(text)]


def test_letters_with_a_bar_between_words():
    tokenizer = ImportedTokenizer(["<pad>", "<s>", "|", "A", "B"])
    assert spelled(tokenizer, "ab  a") == ["A", "B", "▁", "A"]
    assert tokenizer.decode(tokenizer.encode("ab a")) == "AB A"


def test_pieces_that_start_words_are_as_few_as_can_be():
    labels = ["<blk>", "▁", "▁th", "▁t", "e", "h", "re", "t", "there", "r", "▁there"]
    tokenizer = ImportedTokenizer(labels)
    assert spelled(tokenizer, "there the re") == ["▁there", "▁th", "e", "▁", "re"]
    assert tokenizer.decode(tokenizer.encode("there the re")) == "there the re"


def test_wordpieces_and_labels_without_boundaries():
    assert spelled(ImportedTokenizer(["<pad>", "a", "##b", "##c", "c"]), "abc c") == [
        "▁a",
        "b",
        "c",
        "▁c",
    ]
    assert spelled(ImportedTokenizer(["<blank>", "你", "好"]), "你好 你") == ["你", "好", "你"]


def test_bytes_spell_any_text():
    labels = ["<blk>", "▁", *(f"<0x{byte:02X}>" for byte in range(33, 256)), "ab", "▁a"]
    tokenizer = ImportedTokenizer(labels)
    assert tokenizer.decode(tokenizer.encode("ab é 你")) == "ab é 你"


def test_a_text_that_cannot_be_spelled_is_named():
    with pytest.raises(TokenError, match="cannot spell 'x' in 'a x'"):
        ImportedTokenizer(["<pad>", "|", "a", "b"]).encode("a x")


def sentencepiece_file(path):
    model = io.BytesIO()
    texts = ["the cat sat on the mat", "a cat and a hat", "that is the hat"] * 20
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(texts),
        model_writer=model,
        vocab_size=30,
        hard_vocab_limit=False,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())
    return path


def test_sentencepiece_spells_as_it_does(tmp_path):
    file = sentencepiece_file(tmp_path / "bpe.model")
    tokenizer = ImportedTokenizer(file)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(file))
    ids = tokenizer.encode("the cat is a hat")
    assert [tokenizer.outputs.columns[i] for i in ids] == processor.EncodeAsIds("the cat is a hat")
    with pytest.raises(TokenError, match="cannot spell"):
        tokenizer.encode("the dog")


def test_a_tokenizer_comes_back_as_it_was_saved(tmp_path):
    file = sentencepiece_file(tmp_path / "bpe.model")
    listed = ["<pad>", "|", "A"]
    for source, reading in ((file, {}), (listed, {"case": "lower"})):
        folder = tmp_path / str(len(reading))
        folder.mkdir()
        tokenizer = ImportedTokenizer(source, reading)
        tokenizer.save(folder)
        again = open_tokenizer(folder)
        assert again.tokens == tokenizer.tokens
        assert again.encode("a") == tokenizer.encode("a")
    CharTokenizer("ab").save(tmp_path)
    assert isinstance(open_tokenizer(tmp_path), CharTokenizer)
