"""Print scores and alignments to a terminal; nothing depends on colour alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from asr.scoring.intervals import Interval
from asr.scoring.result import Score, UtteranceScore
from asr.scoring.significance import Comparison
from asr.scoring.tables import GroupScore, by_group, by_length, by_speaker, confusions

__all__ = [
    "percent",
    "print_alignments",
    "print_comparison",
    "print_confusions",
    "print_groups",
    "print_score",
]

_STYLES = {"=": "", "S": "bold yellow", "D": "bold red", "I": "bold cyan"}


def percent(value: float | None, digits: int = 2) -> str:
    """Return a fraction in percent; a dash for None."""
    return "-" if value is None else f"{100 * value:.{digits}f}"


def print_score(score: Score, console: Console, title: str = "") -> None:
    """Print error rates with intervals and counts, and the names of normaliser and aligner."""
    table = _table(title or None, ["", "%", "95 % interval", "errors", "of"], left=1)
    rows = [
        ("WER", score.wer, score.wer_interval, score.errors, f"{score.words} words"),
        (
            "CER",
            score.cer,
            score.cer_interval,
            score.character_errors,
            f"{score.characters} characters",
        ),
        (
            "SER",
            score.sentence_error_rate,
            None,
            score.sentence_errors,
            f"{score.sentences} sentences",
        ),
    ]
    for name, rate, interval, errors, total in rows:
        table.add_row(name, percent(rate), _interval(interval), str(errors), total)
    console.print(table)
    plain(
        console,
        f"{score.substitutions} substitutions, {score.deletions} deletions, {score.insertions} "
        "insertions, "
        f"{score.hits} hits; normalizer: {score.normalizer}, aligner: {score.aligner}",
    )
    plain(console, _how(score.wer_interval))
    if not score.words:
        plain(console, "The references have no words: the rates count insertions instead.")


def print_confusions(score: Score, console: Console, top: int = 10) -> None:
    """Print the most frequent substitutions, deletions and insertions side by side."""
    kinds = confusions(score, top)
    if not score.errors:
        return
    table = _table("Most frequent errors", ["substituted", "n", "deleted", "n", "inserted", "n"])
    for column in (0, 2, 4):
        table.columns[column].justify = "left"
    columns = [
        [(f"{c.reference} -> {c.hypothesis}", c.count) for c in kinds["substitutions"]],
        [(c.reference, c.count) for c in kinds["deletions"]],
        [(c.hypothesis, c.count) for c in kinds["insertions"]],
    ]
    for place in range(max(map(len, columns))):
        cells: list[Text] = []
        for entries in columns:
            word, count = entries[place] if place < len(entries) else ("", "")
            cells += [Text(word), Text(str(count))]
        table.add_row(*cells)
    console.print(table)


def print_groups(
    score: Score,
    console: Console,
    *,
    speakers: bool = False,
    lengths: bool = False,
    groups: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Print the tables by speaker, by length of the reference, and by other columns (name -> group
    of each utterance by id).
    """
    if speakers:
        rows = by_speaker(score)
        if rows:
            _print_groups("By speaker", "speaker", rows, console)
        else:
            plain(
                console,
                "No speaker is known: give a map of ids to speakers, or references with speakers.",
            )
    if lengths:
        _print_groups("By length of the reference", "words", by_length(score), console)
    for name, group_of in (groups or {}).items():
        _print_groups(f"By {name}", name, by_group(score, group_of), console)


def print_alignments(score: Score, console: Console, limit: int = 20) -> None:
    """Print the utterances with errors, most errors first, reference over hypothesis."""
    wrong = sorted((u for u in score.utterances if u.errors), key=lambda u: -u.errors)
    for utterance in wrong[:limit]:
        _print_alignment(utterance, console)
    if len(wrong) > limit:
        plain(console, f"{len(wrong) - limit} more utterances with errors (see --limit).")


def print_comparison(result: Comparison, names: tuple[str, str], console: Console) -> None:
    """Print two systems side by side, their difference and the significance tests."""
    table = _table(
        None, ["", "WER %", "95 % interval", "CER %", "sub", "del", "ins", "SER %"], left=1
    )
    for name, score in zip(names, (result.a, result.b), strict=True):
        counts = [str(n) for n in (score.substitutions, score.deletions, score.insertions)]
        rates = [percent(score.wer), _interval(score.wer_interval), percent(score.cer)]
        table.add_row(Text(name), *rates, *counts, percent(score.sentence_error_rate))
    console.print(table)
    a = result.a
    plain(
        console,
        f"{a.words} words, {a.sentences} sentences; normalizer: {a.normalizer}, aligner: "
        f"{a.aligner}",
    )
    for line in comparison_lines(result, names):
        plain(console, line)


def comparison_lines(result: Comparison, names: tuple[str, str]) -> list[str]:
    """Return the difference and the results of the tests as sentences."""
    delta, test, boot = result.b.wer - result.a.wer, result.mapsswe, result.bootstrap
    relative = f" ({100 * delta / result.a.wer:+.1f} % relative)" if result.a.wer else ""
    lines = [f"Difference, {names[1]} - {names[0]}: {100 * delta:+.2f} % absolute{relative}"]
    if boot is None:
        lines.append("Paired bootstrap: no unit differs, nothing to test.")
    else:
        lines.append(
            f"Paired bootstrap by {boot.unit} ({boot.units}): "
            f"95 % interval {100 * boot.low:+.2f} to {100 * boot.high:+.2f}, p = "
            f"{_p(boot.p_value)}; "
            f"{names[1]} is better in {100 * boot.share_b_better:.1f} % of the resamples"
        )
    lines.append(
        f"Matched pairs (MAPSSWE): {test.segments} segments, mean difference {test.mean:+.3f}, z = "
        f"{test.z:+.3f}, "
        f"p = {_p(test.p_value)}"
    )
    winner = names[1] if test.z > 0 else names[0]
    lines.append(
        f"{winner} is better at the 5 % level."
        if test.p_value < 0.05
        else "No significant difference at the 5 % level."
    )
    return lines


def plain(console: Console, text: str) -> None:
    """Print text as it is: no markup, no highlighting, no line breaks inside words."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{percent(interval.low)} - {percent(interval.high)}"


def _how(interval: Interval | None) -> str:
    if interval is None:
        return "No interval: it needs two utterances, at least one error, and resamples."
    return f"Intervals: {interval.method} bootstrap over {interval.units} {interval.unit}s"


def _table(title: str | None, columns: Sequence[str], left: int = 0) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(
            name, justify="left" if place < left else "right", no_wrap=False, overflow="fold"
        )
    return table


def _print_groups(title: str, name: str, rows: Iterable[GroupScore], console: Console) -> None:
    table = _table(
        title, [name, "sentences", "words", "WER %", "CER %", "sub", "del", "ins", "SER %"], left=1
    )
    for row in rows:
        counts = [str(n) for n in (row.substitutions, row.deletions, row.insertions)]
        cells = [str(row.sentences), str(row.words), percent(row.wer), percent(row.cer), *counts]
        table.add_row(Text(row.name), *cells, percent(row.sentence_errors / row.sentences))
    console.print(table)


def _print_alignment(utterance: UtteranceScore, console: Console) -> None:
    speaker = f", speaker {utterance.speaker}" if utterance.speaker else ""
    words = len(utterance.reference)
    plain(console, f"\n{utterance.id}{speaker}: {utterance.errors} errors in {words} words")
    for line in _alignment_lines(utterance, console.width):
        console.print(line, soft_wrap=True)


def _alignment_lines(utterance: UtteranceScore, width: int) -> list[Text]:
    """Return REF, HYP and edit lines in columns, wrapped at ``width``.

    A missing word is a row of asterisks.
    """
    lines: list[Text] = []
    room = 0
    for edit, left, right in utterance.steps():
        column = max(cell_len(left), cell_len(right), 1)
        if room < column + 1:
            lines += [Text("REF: "), Text("HYP: "), Text("     ")]
            room = max(width - 6, column + 1)
        room -= column + 1
        mark = "" if edit == "=" else edit
        for line, word in zip(
            lines[-3:], (left or "*" * column, right or "*" * column, mark), strict=True
        ):
            line.append(word + " " * (column - cell_len(word)), style=_STYLES[edit])
            line.append(" ")
    for line in lines:
        line.rstrip()
    return [line for line in lines if line.plain]
