"""Recordings of equal names are told apart in what is printed and written of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.speech.jobs.outputs import recording_labels
from asr.speech.jobs.transcribe import expand_inputs
from asr.speech.transcripts.transcript import ctm_name


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["a.wav", "b/c.wav"], ["a", "c"]),
        (["s1/rec.wav", "s2/rec.wav"], ["s1/rec", "s2/rec"]),
        (["s/rec.wav", "s/rec.mp3"], ["s/rec.wav", "s/rec.mp3"]),
        (["a b.wav", "a_b.wav"], ["/x/0/a b.wav", "/x/1/a_b.wav"]),
        ([], []),
    ],
)
def test_labels_differ(names: list[str], labels: list[str]) -> None:
    made = recording_labels([(Path(name), f"/x/{n}/{name}") for n, name in enumerate(names)])
    assert made == labels
    assert len(set(map(ctm_name, made))) == len(made)


def test_names_in_a_ctm_are_no_comments() -> None:
    assert ctm_name("my talk") == "my_talk"
    assert ctm_name(";;x") == "_;;x"
    assert ctm_name(" ;; x") == "_;;_x"


def test_files_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.wav").touch()
    files = [str(tmp_path / folder / "x.wav") for folder in "ab"]
    assert [str(item.name) for item in expand_inputs(files, to_files=False)] == files
    assert [item.label for item in expand_inputs([str(tmp_path)])] == ["a/x", "b/x"]
