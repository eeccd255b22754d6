"""Spectrogram, CTC posteriors and the best path of an utterance."""

from __future__ import annotations

from asr.plots import ctc_alignment
from asr.report.acoustic import listen, load_acoustics
from asr.report.markup import alignment, escape, picture
from asr.report.run import Absent, Run
from asr.scoring import UtteranceScore

TITLE = "Spectrogram and CTC alignment"
TASKS = ("ctc",)
_MAX_WORDS = 30  # a picture of more words would be too wide to read


def content(run: Run) -> str:
    return "".join(_shown(run, split, utterance) for split, utterance in chosen_utterances(run))


def chosen_utterances(run: Run) -> list[tuple[str, UtteranceScore]]:
    """Return the utterance of ``--utterance``, or the worst and the median one of a split."""
    splits = run.scored_splits()
    wanted = run.options.utterance
    if wanted is not None:
        found = [(s, u) for s in splits for u in run.score(s).utterances if u.id == wanted]
        if not found:
            raise Absent(f"no evaluated split has an utterance {wanted}")
        return found[:1]
    utterances = run.score(splits[0]).utterances
    short = [u for u in utterances if 0 < len(u.reference) <= _MAX_WORDS] or list(utterances)
    by_errors = sorted(short, key=lambda u: (-u.errors, u.id))
    by_rate = sorted(
        short, key=lambda u: (u.errors / max(1, len(u.reference)), -len(u.reference), u.id)
    )
    picked = {u.id: (splits[0], u) for u in (by_errors[0], by_rate[len(by_rate) // 2])}
    return list(picked.values())


def _shown(run: Run, split: str, utterance: UtteranceScore) -> str:
    acoustics = load_acoustics(run)
    heard = listen(acoustics, utterance.source, run.source(split))
    frames = acoustics.frames
    drawing = ctc_alignment(
        heard.features,
        heard.log_probs,
        acoustics.tokens,
        frames.frame_shift / frames.sample_rate,
        frames.seconds_per_frame,
    )
    caption = (
        f"{utterance.id} ({split}): log-Mel features above; below, the probability of each token, "
        "the blank in grey, "
        "and the best path's tokens where they are first emitted (␣ is the space between words)"
    )
    title = f"<h3>{escape(utterance.id)}</h3>"
    return (
        title
        + alignment(utterance)
        + picture(f"ctc-{_plain(utterance.id)}", drawing, caption, wide=True)
    )


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
