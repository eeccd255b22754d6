"""Chinese text with marks, from published corpora: training, dev and test files.

python recipes/punctuation/chinese_text.py OUTPUT [--kdconv FILE...] [--crosswoz FILE...]
    [--cmrc FILE...] [--conllu FILE...] [--tatoeba FILE...] [--sentences FILE...]
    [--held-out FILE...]

KdConv (data/*/dev.json, test.json) and CrossWOZ (val.json, test.json): a dialogue is a paragraph.
CMRC 2018 and DRCD in SQuAD's form (--cmrc): a context is one. Of Universal Dependencies (.conllu),
of Tatoeba's pairs (English, a tab, Chinese) and of sentences a line each, such as Common Voice's
transcripts, eight are a paragraph.

Paragraphs are parted by a hash of their first characters: one in 20 is dev, one in 12 test. Those
that share twelve characters in a row with a held-out text (transcripts of dev and test speakers)
are left out of all; the held-out texts themselves are ``test-held-out.txt``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from asr.cli.guard import run_script
from asr.files import atomic_write_text
from asr.lines import iter_lines
from asr.text.normalizers import normalize

RUN = 12
TOGETHER = 8  # sentences of a paragraph, where they do not belong together
KINDS = ("kdconv", "crosswoz", "cmrc", "conllu", "tatoeba", "sentences")


def kdconv(path: Path) -> Iterator[str]:
    """Yield the dialogues of KdConv."""
    for dialogue in json.loads(path.read_text(encoding="utf-8")):
        yield "".join(_ended(turn["message"]) for turn in dialogue["messages"])


def crosswoz(path: Path) -> Iterator[str]:
    """Yield the dialogues of CrossWOZ."""
    for dialogue in json.loads(path.read_text(encoding="utf-8")).values():
        yield "".join(_ended(turn["content"]) for turn in dialogue["messages"])


def cmrc(path: Path) -> Iterator[str]:
    """Yield the paragraphs of CMRC 2018."""
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        yield from (paragraph["context"] for paragraph in article["paragraphs"])


def conllu(path: Path) -> Iterator[str]:
    """Yield the sentences of a treebank, several together."""
    lines = iter_lines(path)
    yield from _together(
        line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")
    )


def tatoeba(path: Path) -> Iterator[str]:
    """Yield the Chinese sentences of pairs, several together."""
    yield from _together(line.split("\t")[1] for line in iter_lines(path) if "\t" in line)


def sentences(path: Path) -> Iterator[str]:
    """Yield the lines of a text, several together."""
    yield from _together(iter_lines(path))


def _together(lines: Iterable[str]) -> Iterator[str]:
    kept: list[str] = []
    for line in lines:
        kept.append(_ended(line.strip()))
        if len(kept) == TOGETHER:
            yield "".join(kept)
            kept = []
    yield "".join(kept)


def _ended(sentence: str) -> str:
    return sentence if not sentence or sentence[-1] in "。？！?!…" else f"{sentence}。"


def runs(text: str) -> Iterator[str]:
    """Yield every twelve characters in a row."""
    plain = normalize(text, "mandarin").replace(" ", "")
    for start in range(max(1, len(plain) - RUN + 1)):
        yield plain[start : start + RUN]


def part_of(paragraph: str) -> str:
    """Return which file a paragraph belongs to."""
    digest = hashlib.sha256(paragraph[:40].encode()).digest()
    if digest[0] % 20 == 0:
        return "dev"
    return "test" if digest[1] % 12 == 0 else "train"


def main() -> None:
    """Write train.txt, dev.txt, and a test file of each kind of text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    for kind in (*KINDS, "held_out"):
        parser.add_argument(f"--{kind.replace('_', '-')}", type=Path, nargs="+", default=[])
    args = parser.parse_args()
    held_out = [paragraph for path in args.held_out for paragraph in sentences(path)]
    known = {run for paragraph in held_out for run in runs(paragraph)}
    parts: dict[str, list[str]] = {"train": [], "dev": [], "test-held-out": held_out}
    readers = {
        "kdconv": kdconv,
        "crosswoz": crosswoz,
        "cmrc": cmrc,
        "conllu": conllu,
        "tatoeba": tatoeba,
        "sentences": sentences,
    }
    left_out = 0
    for kind, reader in readers.items():
        for paragraph in (p for path in getattr(args, kind) for p in reader(path) if p):
            if not known.isdisjoint(runs(paragraph)):
                left_out += 1
                continue
            part = part_of(paragraph)
            parts.setdefault(f"test-{kind}" if part == "test" else part, []).append(paragraph)
    args.output.mkdir(parents=True, exist_ok=True)
    for name, paragraphs in parts.items():
        lines = (" ".join(paragraph.split()) for paragraph in paragraphs)
        atomic_write_text(args.output / f"{name}.txt", "\n".join(lines) + "\n")
        print(f"{name}: {len(paragraphs)} paragraphs, {sum(map(len, paragraphs))} characters")
    print(f"left out, like held-out text: {left_out} paragraphs")


if __name__ == "__main__":
    run_script(main)
