"""Every measured figure, with its interval where one can be given."""

from __future__ import annotations

from asr.plots import intervals
from asr.report.markup import fold, percent, picture, table
from asr.report.run import Absent, Run
from asr.scoring import Score

TITLE = "Figures"


def content(run: Run) -> str:
    scores = _scores(run)
    if not scores and not run.metrics:
        raise Absent("no metrics.json and no split that can be scored")
    return (_speech(scores) if scores else "") + _recorded(run, bool(scores))


def _scores(run: Run) -> list[tuple[str, Score]]:
    try:
        splits = run.scored_splits()
    except Absent:
        return []
    return [
        (
            f"{split}, {decoder.removeprefix('hypotheses.')}" if decoder != "hypotheses" else split,
            run.score(split, decoder),
        )
        for split in splits
        for decoder in run.decoders(split)
    ]


def _speech(scores: list[tuple[str, Score]]) -> str:
    rows, marks = [], []
    for name, s in scores:
        span = s.wer_interval
        between = "-" if span is None else f"{percent(span.low)} - {percent(span.high)}"
        rates = [percent(s.wer), between, percent(s.cer), percent(s.sentence_error_rate)]
        rows.append([name, *rates, s.words, s.substitutions, s.deletions, s.insertions, s.sentences])
        ends = (None, None) if span is None else (100 * span.low, 100 * span.high)
        marks.append((name, 100 * s.wer, *ends))
    columns = ["", "WER %", "95 %", "CER %", "SER %", "words", "sub", "del", "ins", "sentences"]
    span = scores[0][1].wer_interval
    how = f"; 95 % intervals: {span.method} bootstrap over {span.units} {span.unit}s" if span else ""
    caption = f"Word error rate; normalizer {scores[0][1].normalizer}{how}"
    return table(columns, rows) + picture("wer", intervals(marks, "WER %"), caption)


def _recorded(run: Run, scored: bool) -> str:
    if not run.metrics:
        return ""
    rows = []
    for name, m in run.metrics.items():
        between = "-" if m.low is None or m.high is None else f"{m.low:.4g} - {m.high:.4g}"
        rows.append([name, f"{m.value:.6g}", between, "-" if m.epoch is None else m.epoch])
    written = table(["figure", "value", "95 %", "epoch"], rows)
    return fold("As the run recorded them (fractions)", written) if scored else written
