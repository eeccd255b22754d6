from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import DataError
from data_prep.written import Parts, split_books, split_podcasts, write_parts


def test_podcasts_stay_whole(tmp_path: Path) -> None:
    lines = []
    for number in range(600):
        lines += [f"[00:30] Recording {number} begins.", "It goes on &quot;here&quot;."]
        lines += [f"[1:02:30] The end of {number}."]
    (tmp_path / "p.txt").write_text("\n".join(lines) + "\n")
    parts = split_podcasts(tmp_path / "p.txt")
    for part in (parts.train, parts.dev, parts.test):
        assert len(part) % 3 == 0
        assert part[1] == 'It goes on "here".'
        begins = {line.split()[1] for line in part if line.startswith("Recording")}
        ends = {line.split()[-1].strip(".") for line in part if line.startswith("The end")}
        assert begins == ends
    assert len(parts.train) + len(parts.dev) + len(parts.test) == 1800
    assert len(parts.dev) < len(parts.test) < 100
    assert split_podcasts(tmp_path / "p.txt") == parts


def test_books_of_dev_and_test_are_far_from_training(tmp_path: Path) -> None:
    with (tmp_path / "b.txt").open("w") as file:
        for number in range(160):
            file.write(f"s{number} " + "word " * 49_998 + "end.\n")
            file.write(f"s{number} " + "word " * 49_998 + "end.\n")
    parts = split_books(tmp_path / "b.txt")

    def stretches(lines: list[str]) -> list[int]:
        return sorted({int(line.split()[0][1:]) for line in lines})

    assert stretches(parts.train) == list(range(0, 160, 14))
    assert stretches(parts.dev) == [7, 147]
    assert stretches(parts.test) == [77]


def test_passages_of_held_out_speech_are_left_out(tmp_path: Path) -> None:
    passage = "It was the best of times and it was the worst."
    (tmp_path / "b.txt").write_text(f"{passage}\nAnd so on.\n")
    assert split_books(tmp_path / "b.txt").train == [passage, "And so on."]
    parts = split_books(tmp_path / "b.txt", ["IT WAS THE BEST OF TIMES AND IT WAS"])
    assert (parts.train, parts.left_out) == ([], 14)


def test_parts_become_files(tmp_path: Path) -> None:
    talks, books = Parts(["a"], ["b"], ["c"]), Parts(["d"], ["e"], ["f"])
    write_parts(tmp_path, {"talks": talks, "books": books})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "train.txt": "a\nd\n",
        "dev.txt": "b\ne\n",
        "test-talks.txt": "c\n",
        "test-books.txt": "f\n",
    }
    with pytest.raises(DataError, match="too little text for test-talks"):
        write_parts(tmp_path, {"talks": Parts(["a"], ["b"])})
