"""How far the confidences of words can be trusted, from SPLIT/confidences.tsv."""

from __future__ import annotations

from pathlib import Path

from asr.errors import DataError
from asr.lines import read_text
from asr.plots import bars
from asr.report.markup import escape, fold, paragraph, percent, picture, table
from asr.report.run import Absent, Run
from asr.scoring.calibration import Calibration, calibrate

TITLE = "Confidences"
TASKS = ()  # runs that were evaluated before there were such files do not mention them
_COLUMNS = ("confidence", "words", "mean, %", "right, %")


def content(run: Run) -> str:
    found = {split: run.path / split / "confidences.tsv" for split in run.splits}
    files = {split: path for split, path in found.items() if path.is_file()}
    if not files:
        raise Absent("no SPLIT/confidences.tsv, which `asr evaluate` writes")
    return "".join(_split(split, calibrate(*_read(path))) for split, path in files.items())


def _read(path: Path) -> tuple[list[float], list[bool]]:
    """Return confidences and whether each word is right.

    Raises:
        DataError: the file is damaged.
    """
    confidences, right = list[float](), list[bool]()
    for number, line in enumerate(read_text(path, "confidences").splitlines()[1:], 2):
        try:
            _, _, confidence, hit = line.split("\t")
            confidences.append(float(confidence))
            right.append(bool(int(hit)))
        except ValueError:
            raise DataError(
                f"{path}:{number}: {line[:60]!r} is not a word with its confidence.",
                "Evaluate the split again.",
            ) from None
    return confidences, right


def _split(split: str, calibration: Calibration) -> str:
    text = (
        f"{calibration.words} words: mean confidence {percent(calibration.confidence)} %, "
        f"{percent(calibration.right)} % right; expected calibration error "
        f"{percent(calibration.error)} %."
    )
    if not calibration.words:
        return paragraph(f"{split}: no words were recognised.")
    rows = [
        (f"{b.low:.1f} - {b.high:.1f}", b.words, percent(b.confidence), percent(b.right))
        for b in calibration.bins
        if b.words
    ]
    drawing = bars(
        {
            f"{b.low:.1f} - {b.high:.1f}": {"confidence": b.confidence, "right": b.right}
            for b in calibration.bins
            if b.words
        }
    )
    caption = f"{split}: mean confidence, and share of words that are right"
    drawn = picture(f"confidences-{split}", drawing, caption)
    heading = f"<h3>{escape(split)}</h3>"
    return heading + paragraph(text) + drawn + fold("as a table", table(_COLUMNS, rows))
