"""The page on which suspicious transcripts are heard, and corrected or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from asr.files import atomic_write_text
from asr.report.audio import player
from asr.report.markup import alignment, escape, paragraph
from asr.report.page import fill_template
from asr.scoring import Utterance, score_texts

__all__ = ["Checked", "write_checked_page"]

HELP = (
    "The most suspicious transcripts come first. Correct a transcript, or mark the utterance to be "
    "dropped; then save the corrections and train with data.corrections=corrections.tsv. What you "
    "have entered stays in this browser."
)


class Checked(Protocol):
    """What the page shows of an utterance, see :class:`asr.speech.jobs.check.CheckedUtterance`."""

    @property
    def id(self) -> str:
        """Name of the utterance."""

    @property
    def text(self) -> str:
        """Its transcript."""

    @property
    def heard(self) -> str:
        """What the model hears."""

    @property
    def score(self) -> float:
        """How suspicious it is."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is suspicious."""


def write_checked_page(
    checked: Sequence[Checked],
    recordings: Mapping[str, Utterance],
    path: str | Path,
    *,
    title: str,
    audio: str = "embed",
) -> None:
    """Write the page about utterances, the most suspicious first.

    Args:
        checked: what is shown, in this order.
        recordings: where each utterance is, by its id.
        path: of the page.
        title: of the page.
        audio: ``embed``, ``link`` or ``none``, see :func:`asr.report.audio.player`.

    Raises:
        AudioError: a recording to embed cannot be read.
    """
    page = Path(path)
    articles = [_article(c, recordings.get(c.id), audio, page) for c in checked]
    script = files("asr.report").joinpath("checked.js").read_text(encoding="utf-8")
    saving = '<p><button id="save" type="button">Save corrections.tsv</button> <span id="count" '
    saving += 'class="soft" role="status"></span></p>'
    body = f"{paragraph(HELP)}{saving}{''.join(articles)}<script>{script}</script>"
    atomic_write_text(page, fill_template(title, "", body, ""))


def _article(checked: Checked, recording: Utterance | None, audio: str, page: Path) -> str:
    name = escape(checked.id)
    sound = player(recording, audio, page) if recording else ""
    score = score_texts([checked.text], [checked.heard], samples=0)
    difference = "".join(alignment(utterance) for utterance in score.utterances)
    why = "; ".join(checked.reasons)
    rows = max(1, len(checked.text) // 80 + 1)
    return (
        f'<article data-id="{name}"><header>{name}: {checked.score:g} {escape(why)}</header>'
        f"{sound}{difference}"
        f'<textarea rows="{rows}" style="width:100%" aria-label="Transcript of {name}">'
        f"{escape(checked.text)}</textarea>"
        f'<label><input type="checkbox"> drop</label></article>'
    )
