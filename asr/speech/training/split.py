"""The training split as batches; utterances that cannot be learned from are listed and left out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.errors import DataError, TokenError
from asr.files import atomic_write_text
from asr.speech.acoustics.frames import min_output_frames
from asr.speech.acoustics.network import CtcTask
from asr.speech.data.batches import SpeechLoader
from asr.speech.data.on_the_fly import LiveFeatures
from asr.speech.data.store import FeatureStore, LabelTable
from asr.speech.training.config import SpeechConfig
from asr.text.pronunciations import Pronounce, Pronunciations
from asr.text.tokenizers import PhoneTokenizer, Tokenizer

__all__ = ["encoded_texts", "train_loader", "with_new_words"]


def with_new_words(
    tokenizer: PhoneTokenizer, texts: Sequence[str], pronounce: Pronounce, run_dir: Path
) -> PhoneTokenizer:
    """Return the tokenizer with the words that its dictionary lacks; list and count these."""
    unknown = tokenizer.unknown(" ".join(dict.fromkeys(texts)))
    said = pronounce(unknown, tokenizer.lexicon) if unknown else Pronunciations({})
    usable = tokenizer.sayable(said)
    if silent := [word for word in unknown if word not in usable]:
        print(
            f"{len(silent)} words of the transcripts cannot be said, and their utterances are left "
            f"out: {_some(silent)}",
            file=sys.stderr,
        )
    path = run_dir / "pronounced.txt"
    path.unlink(missing_ok=True)  # of an earlier run
    if not usable:
        return tokenizer
    usable.save(path)
    print(
        f"{len(usable)} words of the transcripts are not in the dictionary and are said by "
        f"letters, listed in {path}: {_some(list(usable))}",
        file=sys.stderr,
    )
    return tokenizer.with_words(usable)


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:8]) + (", ..." if len(words) > 8 else "")


def train_loader(
    config: SpeechConfig, store: FeatureStore, tokenizer: Tokenizer, task: CtcTask, run_dir: Path
) -> SpeechLoader:
    left_out: dict[int, str] = {}  # number of an item -> why it cannot be used
    labels = LabelTable(encoded_texts(store, tokenizer, left_out), len(tokenizer))
    # speed perturbation shortens utterances, so that fewer frames are left for the labels
    num_frames = np.floor(store.num_frames * config.data.on_the_fly.shortest).astype(np.int64)
    left_out |= _unfit(num_frames, labels, task, left_out)
    unused = np.fromiter(left_out, np.int64, len(left_out))
    keep = np.setdiff1d(np.arange(len(store.num_frames)), unused)
    _report_left_out(store, left_out, run_dir)
    if not len(keep):
        raise DataError(
            f"None of the {len(labels)} utterances of {config.data.train} can be used.",
            "See the list above.",
        )
    live = (
        LiveFeatures(store, config.data.on_the_fly, config.seed)
        if config.data.on_the_fly.enabled
        else None
    )
    return SpeechLoader(
        store,
        labels,
        keep,
        config.data.max_batch_s,
        config.data.max_batch_size,
        seed=config.seed,
        augmented=config.data.speed_copies,
        live=live,
    )


def encoded_texts(
    store: FeatureStore, tokenizer: Tokenizer, left_out: dict[int, str]
) -> Iterator[Sequence[int]]:
    """Yield the token ids of every item, none of one that cannot be spelled; that one is added to
    ``left_out``.
    """
    known: str | None = None
    tokens: Sequence[int] = ()
    for number, text in enumerate(store.texts):
        if text != known:  # copies of an utterance follow each other
            try:
                tokens, known = tokenizer.encode(text), text
            except TokenError as error:
                tokens, known = (), None
                left_out[number] = str(error)
        yield tokens


def _unfit(
    num_frames: npt.NDArray[np.int64],
    labels: Sequence[npt.NDArray[np.int64]],
    task: CtcTask,
    known: dict[int, str],
) -> dict[int, str]:
    """Return the items whose labels do not fit into their output frames, each with the reason."""
    frames = task.output_lengths(torch.from_numpy(num_frames)).tolist()
    unfit = {}
    for number, (available, label) in enumerate(zip(frames, labels, strict=True)):
        if number in known:
            continue
        needed = min_output_frames(label)
        if not len(label):
            unfit[number] = "empty transcript"
        elif available < needed:
            unfit[number] = f"{available} output frames, its {len(label)} labels need {needed}"
    return unfit


def _report_left_out(store: FeatureStore, left_out: dict[int, str], run_dir: Path) -> None:
    (run_dir / "left_out.tsv").unlink(missing_ok=True)  # of an earlier run
    if not left_out:
        return
    rows = [f"{store.ids[number]}\t{reason}" for number, reason in sorted(left_out.items())]
    atomic_write_text(run_dir / "left_out.tsv", "id\treason\n" + "\n".join(rows) + "\n")
    where = run_dir / "left_out.tsv"
    print(
        f"{len(rows)} of {len(store)} stored utterances are left out, listed in {where}:",
        file=sys.stderr,
    )
    print(*(f"  {row}" for row in rows[:5]), sep="\n", file=sys.stderr)
