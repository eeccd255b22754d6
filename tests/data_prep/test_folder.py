"""The reader of folders of recordings."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_files import ids, sound, text

from asr.errors import AsrError, DataError
from data_prep.folder import read_folder


def test_folder_of_audio_and_text(tmp_path: Path) -> None:
    for speaker in "abcd":
        for i in range(3):
            sound(tmp_path / speaker / f"{i}.wav")
            text(tmp_path / speaker / f"{i}.txt", f"Sentence\n {i}")
    text(tmp_path / "README.txt", "about")
    splits = read_folder(tmp_path, 0.25)
    assert {u.speaker for u in splits["dev"]}.isdisjoint(u.speaker for u in splits["train"])
    assert len(splits["dev"]) == 3
    assert splits["dev"][1].text == "Sentence 1"
    assert splits == read_folder(tmp_path, 0.25)
    sound(tmp_path / "a" / "9.wav")
    text(tmp_path / "b" / "lost.txt", "no audio")
    utterances = {u.id: u for u in read_folder(tmp_path, 0)["train"]}
    assert utterances["a/9"].text == ""
    assert not Path(utterances["b/lost"].audio).exists()


def test_folder_with_splits(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        text(sound(tmp_path / split / "s" / f"{split}.flac").with_suffix(".txt"), "x")
    assert ids(read_folder(tmp_path)) == {
        "test": ["test/s/test"],
        "train": ["train/s/train"],
        "dev": ["valid/s/valid"],
    }


def test_folder_with_a_table(tmp_path: Path) -> None:
    text(tmp_path / "metadata.csv", "file_name,transcription\na.wav,x\n")
    assert ids(read_folder(tmp_path, 0)) == {"train": ["a"]}
    text(tmp_path / "other.tsv", "file\ttext\n")
    with pytest.raises(DataError, match=r"several tables: metadata\.csv, other\.tsv"):
        read_folder(tmp_path)


def test_folder_without_audio_or_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no audio"):
        read_folder(tmp_path)
    sound(tmp_path / "a.wav")
    with pytest.raises(DataError, match=r"None of the 1 recordings .*a\.txt"):
        read_folder(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AsrError, match="nowhere"):
        read_folder(tmp_path / "nowhere")
