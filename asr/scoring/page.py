"""HTML page of a score or a comparison: one file, readable on a phone, with audio if wanted."""

from __future__ import annotations

import base64
import html
import io
import json
import mimetypes
import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from asr.audio.shar import open_member, parse_address
from asr.errors import AudioError, ScoringError
from asr.files import atomic_write_text
from asr.scoring.result import Score, UtteranceScore
from asr.scoring.significance import Comparison
from asr.scoring.tables import GroupScore, by_length, by_speaker, confusions
from asr.scoring.terminal import comparison_lines, percent
from asr.scoring.utterances import Utterance

__all__ = ["AUDIO_MODES", "write_comparison_page", "write_score_page"]

AUDIO_MODES = ("none", "link", "embed")
_GROUP_COLUMNS = ["sentences", "words", "WER %", "CER %", "sub", "del", "ins"]


def write_score_page(
    score: Score,
    path: str | Path,
    *,
    title: str = "Score",
    audio: str = "none",
    sources: Mapping[str, Utterance] | None = None,
) -> None:
    """Write the page of one score.

    Args:
        score: the score.
        path: the HTML file; replaced atomically.
        title: heading of the page.
        audio: ``none``; ``link``: link to the audio files, by paths relative to the page;
            ``embed``: store the audio of each utterance in the page.
        sources: id -> utterance with ``audio``, if the references do not name it.

    Raises:
        ScoringError: audio is wanted and no utterance names a file, or a file to embed is missing.
    """
    facts = [f"normalizer: {score.normalizer}", f"aligner: {score.aligner}"]
    if score.wer_interval is not None:
        facts.append(
            f"{score.wer_interval.method} bootstrap over {score.wer_interval.units} "
            f"{score.wer_interval.unit}s"
        )
    data = {
        "title": title,
        "facts": facts,
        "systems": [""],
        "tables": [_summary_table([("", score)]), *_detail_tables(score)],
        "utterances": _utterances([score], Path(path), audio, sources),
    }
    _write(data, path)


def write_comparison_page(
    result: Comparison,
    names: tuple[str, str],
    path: str | Path,
    *,
    title: str = "Comparison",
    audio: str = "none",
    sources: Mapping[str, Utterance] | None = None,
) -> None:
    """Write a page with two systems side by side; arguments as in `write_score_page`."""
    data = {
        "title": title,
        "facts": [f"normalizer: {result.a.normalizer}", *comparison_lines(result, names)],
        "systems": list(names),
        "tables": [_summary_table(list(zip(names, (result.a, result.b), strict=True)))],
        "utterances": _utterances([result.a, result.b], Path(path), audio, sources),
    }
    _write(data, path)


def _write(data: dict[str, Any], path: str | Path) -> None:
    template = files("asr.scoring").joinpath("page.html").read_text(encoding="utf-8")
    # Inside <script>, "<" could end the element, so it is written as a JSON escape.
    payload = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    values = {"TITLE": html.escape(data["title"]), "DATA": payload}
    atomic_write_text(path, re.sub(r"%(TITLE|DATA)%", lambda match: values[match[1]], template))


# --------------------------------------------------------------------------------------------------
# tables


def _summary_table(scores: Sequence[tuple[str, Score]]) -> dict[str, Any]:
    columns = ["", "WER %", "95 %", "CER %", "SER %", "words", "sub", "del", "ins", "sentences"]
    rows = []
    for name, score in scores:
        interval = score.wer_interval
        span = "-" if interval is None else f"{percent(interval.low)} - {percent(interval.high)}"
        rates = [percent(score.wer), span, percent(score.cer), percent(score.sentence_error_rate)]
        counts = [
            score.words,
            score.substitutions,
            score.deletions,
            score.insertions,
            score.sentences,
        ]
        rows.append([name, *rates, *map(str, counts)])
    return {"title": "", "columns": columns, "rows": rows, "open": True}


def _detail_tables(score: Score) -> list[dict[str, Any]]:
    tables = [_groups("By length of the reference", "words", by_length(score))]
    speakers = by_speaker(score)
    if speakers:
        tables.insert(0, _groups("By speaker", "speaker", speakers))
    for kind, entries in confusions(score, 30).items():
        rows = [[c.reference or "-", c.hypothesis or "-", str(c.count)] for c in entries]
        columns = ["reference", "hypothesis", "count"]
        tables.append(
            {"title": f"Most frequent {kind}", "columns": columns, "rows": rows, "open": False}
        )
    return [table for table in tables if table["rows"]]


def _groups(title: str, name: str, groups: Sequence[GroupScore]) -> dict[str, Any]:
    rows = []
    for g in groups:
        counts = [str(n) for n in (g.substitutions, g.deletions, g.insertions)]
        rows.append(
            [g.name, str(g.sentences), str(g.words), percent(g.wer), percent(g.cer), *counts]
        )
    return {"title": title, "columns": [name, *_GROUP_COLUMNS], "rows": rows, "open": False}


# --------------------------------------------------------------------------------------------------
# utterances


def _utterances(
    scores: Sequence[Score], page: Path, audio: str, sources: Mapping[str, Utterance] | None
) -> list[dict[str, Any]]:
    if audio not in AUDIO_MODES:
        raise ScoringError(
            f"There is no audio mode named {audio!r}.", f"Choose one of: {', '.join(AUDIO_MODES)}."
        )
    out, heard = [], 0
    for systems in zip(*(score.utterances for score in scores), strict=True):
        first: UtteranceScore = systems[0]
        entry: dict[str, Any] = {
            "id": first.id,
            "speaker": first.speaker or "",
            "words": len(first.reference),
        }
        entry["systems"] = [
            {"errors": u.errors, "steps": [list(step) for step in u.steps()]} for u in systems
        ]
        source = (sources or {}).get(first.id, first.source)
        if audio != "none" and source.audio:
            entry["audio"] = _link(source, page) if audio == "link" else _embedded(source)
            heard += 1
        out.append(entry)
    if audio != "none" and not heard:
        raise ScoringError(
            "Audio was asked for, but no utterance names an audio file.",
            "Give a manifest that names the recordings (a cuts.jsonl.gz).",
        )
    return out


def _link(source: Utterance, page: Path) -> str:
    if parse_address(source.audio):
        raise ScoringError(
            f"{source.id!r} is in a shard, {source.audio}; a page cannot link to it.", "Embed it."
        )
    target = os.path.relpath(Path(str(source.audio)).resolve(), page.resolve().parent)
    span = (
        f"#t={source.start:.3f},{source.end:.3f}"
        if source.end is not None and source.start is not None
        else ""
    )
    return quote(Path(target).as_posix()) + span


def _embedded(source: Utterance) -> str:
    path = Path(str(source.audio))
    if parse_address(source.audio) is None and not path.exists():
        raise ScoringError(
            f"The audio of {source.id!r}, {path}, does not exist.",
            "Correct the manifest, or link instead.",
        )
    if source.start is not None and source.end is not None:
        content, kind = _cut(str(source.audio), source.start, source.end), "audio/wav"
    else:
        member = open_member(source.audio)
        content = path.read_bytes() if member is None else member.read()
        kind = mimetypes.guess_type(path.name)[0] or "audio/wav"
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _cut(path: str, start: float, end: float) -> bytes:
    """Return a segment of the recording as a 16-bit WAV file."""
    import soundfile

    from asr.audio.reading import read_stretch

    try:
        samples, rate = read_stretch(path, start, end)
    except AudioError as error:
        raise ScoringError(
            error.message, "Correct the manifest, or link the audio instead of embedding it."
        ) from None
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
