"""Transcripts held against what a recogniser hears: what `asr check` does.

An utterance is suspicious where a word costs much: where the path of its transcript is much less
probable than the best path, from that word to the next. A word that is not said, another word and
a word that is missing in the transcript all show there, however long the utterance is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asr.audio.level import Clipping
from asr.decoding import GreedyDecoder
from asr.errors import AsrError, AudioError, DataError, TokenError
from asr.files import atomic_write_text
from asr.scoring import score_texts
from asr.speech.acoustics.protocol import Array
from asr.speech.aligner import TextPath, search_text
from asr.speech.data.recordings import SplitRecordings
from asr.speech.data.store import FeatureStore
from asr.speech.jobs.align import say_unknown
from asr.speech.jobs.evaluate import emissions
from asr.speech.recognizer import Recognizer
from asr.speech.viterbi.search import LogProbs
from asr.text.foreign import foreign_texts
from asr.text.normalizers import normalize
from asr.text.pronunciations import Pronounce

__all__ = ["CheckedUtterance", "check_split", "examine", "write_checked", "write_excluded"]

NOISE_COST = 25.0  # of a word of a right transcript that the model mishears
RATE_FACTOR = 1.8  # of the usual speaking rate, either way
SILENCE_S, SILENT_SHARE = 0.5, 0.6
CLIPPED_SHARE = 0.01
# what is added to the score, natural log as all costs: it decides among similar ones
RATE_COST, SILENT_COST, CLIPPED_COST = 10.0, 5.0, 3.0
LANGUAGE_COST = 25.0
UNALIGNABLE = 1000.0
UNHEARD, UNUSUAL = 0.75, 0.3  # error rate of other speech, and above the usual one


@dataclass(frozen=True)
class CheckedUtterance:
    """An utterance, and how far its transcript is from what is heard.

    Attributes:
        id: of the utterance.
        text: its transcript.
        heard: what greedy decoding makes of the recording.
        score: how suspicious it is, from 0.
        error_rate: edits from the transcript's tokens to the heard ones, a token of the transcript;
            NaN where it cannot be spelled.
        gap: see :class:`asr.speech.alignment.ForcedAlignment`; NaN likewise.
        worst_word: the word that costs most.
        worst_cost: natural log by which the transcript's path there is less probable.
        tokens_per_s: speaking rate.
        silence: share of the frames in which nothing is heard, from 0 to 1.
        clipped: share of the samples at the highest level, from 0 to 1; NaN where the recording is
            not there.
        reasons: what is suspicious, in words.
    """

    id: str
    text: str
    heard: str = ""
    score: float = 0.0
    error_rate: float = math.nan
    gap: float = math.nan
    worst_word: str = ""
    worst_cost: float = 0.0
    tokens_per_s: float = 0.0
    silence: float = 0.0
    clipped: float = math.nan
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Usual:
    """Medians of a split: tokens a second, and error rate."""

    tokens_per_s: float
    error_rate: float


def check_split(
    recognizer: Recognizer,
    split: str | Path,
    *,
    normalizer: str = "none",
    pronounce: Pronounce | None = None,
) -> list[CheckedUtterance]:
    """Return every unperturbed utterance of a prepared split, the most suspicious first.

    Args:
        recognizer: the model.
        split: folder that ``asr prepare`` wrote.
        normalizer: makes the transcripts fit the model's tokens.
        pronounce: says the words that the dictionary of a model of phones lacks.

    Raises:
        DataError: the split is missing, or has other features than the model's.
    """
    spoken = emissions(recognizer, split)
    normal = [normalize(text, normalizer) for text in spoken.texts]
    if pronounce is not None:
        say_unknown(recognizer, normal, pronounce)
    checked = []
    for name, text, said, log_probs in zip(
        spoken.ids, spoken.texts, normal, spoken.log_probs, strict=True
    ):
        checked.append(examine(recognizer, CheckedUtterance(name, text), said, log_probs))
    clipped = _clipped(FeatureStore.open(split), recognizer.sample_rate)
    checked = [replace(c, clipped=clipped.get(c.id, math.nan)) for c in checked]
    usual, foreign = _usual(checked), foreign_texts(normal)
    judged = [_judged(c, usual, language) for c, language in zip(checked, foreign, strict=True)]
    return sorted(judged, key=lambda c: (-c.score, c.id))


def examine(
    recognizer: Recognizer, utterance: CheckedUtterance, said: str, log_probs: Array
) -> CheckedUtterance:
    """Return an utterance with what its log-probabilities (T, V) tell.

    Args:
        recognizer: the model.
        utterance: id and transcript.
        said: the transcript, normalised.
        log_probs: of the recording.
    """
    tokenizer = recognizer.decoders.tokenizer
    best = GreedyDecoder(recognizer.decoder.vocabulary, tokenizer.lexicon)(log_probs)[0]
    silence = _silence(log_probs, recognizer.seconds_per_frame)
    utterance = replace(utterance, heard=best.text, silence=round(silence, 3))
    words = said.split()
    try:
        path = search_text(LogProbs([log_probs]), recognizer.spell(words))
    except (TokenError, DataError) as error:
        return replace(utterance, score=UNALIGNABLE, reasons=(error.message,))
    ids = [token.token for tokens in path.words for token in tokens or ()]
    worst = int(np.argmax(path.costs))
    return replace(
        utterance,
        score=_score(path, len(ids)),
        error_rate=_error_rate(tokenizer.tokens, ids, best.tokens),
        gap=round(path.gap, 4),
        worst_word=words[worst],
        worst_cost=round(path.costs[worst], 2),
        tokens_per_s=round(_rate(path, len(ids), recognizer.seconds_per_frame), 2),
    )


def _silence(log_probs: Array, seconds_per_frame: float) -> float:
    """Share of the frames in which nothing is heard for a while."""
    changes = np.flatnonzero(np.diff(log_probs.argmax(1) == 0, prepend=False, append=False))
    lengths = changes[1::2] - changes[::2]  # of the runs of blanks
    long_enough = lengths * seconds_per_frame >= SILENCE_S
    return float(lengths[long_enough].sum()) / max(1, len(log_probs))


def _score(path: TextPath, num_tokens: int) -> float:
    """The cost of the worst word, and the mean cost of all tokens."""
    return max(path.costs) + 10 * sum(path.costs) / num_tokens


def _error_rate(names: Sequence[str], said: Sequence[int], heard: Sequence[int]) -> float:
    score = score_texts(
        [" ".join(names[i] for i in said)], [" ".join(names[i] for i in heard)], samples=0
    )
    return round(score.wer, 4)


def _rate(path: TextPath, num_tokens: int, seconds_per_frame: float) -> float:
    """Tokens a second, from the first to the last."""
    spoken = [token for tokens in path.words for token in tokens or ()]
    frames = spoken[-1].end - spoken[0].start
    return num_tokens / (frames * seconds_per_frame)


def _clipped(store: FeatureStore, sample_rate: int) -> dict[str, float]:
    """Share of samples at the highest level, of each utterance whose recording is there."""
    try:
        recordings = SplitRecordings(store)
    except AsrError:
        return {}
    shares = {}
    for item in np.flatnonzero(store.speeds == 1.0).tolist():
        clipping = Clipping()
        try:
            clipping.add(recordings.samples(item, sample_rate)[:, None])
        except AudioError:
            continue
        shares[store.ids[item]] = clipping.clipped / max(1, clipping.count)
    return shares


def _usual(checked: Sequence[CheckedUtterance]) -> _Usual:
    rates = [c.tokens_per_s for c in checked if c.tokens_per_s] or [1.0]
    errors = [c.error_rate for c in checked if not math.isnan(c.error_rate)] or [0.0]
    return _Usual(float(np.median(rates)), float(np.median(errors)))


def _judged(utterance: CheckedUtterance, usual: _Usual, language: str) -> CheckedUtterance:
    """Return an utterance with its reasons, and the score that they raise.

    Args:
        utterance: without the reasons that depend on the other utterances.
        usual: what is usual in its split.
        language: why its transcript seems to be in another language than most; empty: it does not.
    """
    reasons, score = list(utterance.reasons), utterance.score
    if utterance.worst_cost > NOISE_COST:
        reasons.insert(0, f"something else is heard at {utterance.worst_word!r}")
    if utterance.error_rate > max(UNHEARD, usual.error_rate + UNUSUAL):
        reasons.append("hardly any of it is heard: other speech, or another language")
    if language:
        reasons.append(language)
        score += LANGUAGE_COST
    rate = utterance.tokens_per_s / usual.tokens_per_s
    if utterance.tokens_per_s and not 1 / RATE_FACTOR < rate < RATE_FACTOR:
        reasons.append(
            f"{utterance.tokens_per_s:g} tokens a second (usual: {usual.tokens_per_s:g})"
        )
        score += RATE_COST
    if utterance.silence > SILENT_SHARE:
        reasons.append(f"{100 * utterance.silence:.0f} % of it is silence")
        score += SILENT_COST
    if utterance.clipped > CLIPPED_SHARE:
        reasons.append(f"{100 * utterance.clipped:.1f} % of its samples are clipped")
        score += CLIPPED_COST
    return replace(utterance, score=round(score, 2), reasons=tuple(reasons))


COLUMNS = (
    *("id", "score", "error_rate", "gap", "worst_word", "worst_cost", "tokens_per_s"),
    *("silence", "clipped", "text", "heard"),
)


def write_checked(checked: Iterable[CheckedUtterance], path: str | Path) -> None:
    """Write a table (TSV with a line of names) of all utterances, the most suspicious first."""
    rows = [[*(str(getattr(c, name)) for name in COLUMNS), "; ".join(c.reasons)] for c in checked]
    lines = ["\t".join(" ".join(cell.split()) for cell in row) for row in rows]
    atomic_write_text(Path(path), "\n".join(["\t".join((*COLUMNS, "reasons")), *lines]) + "\n")


def write_excluded(checked: Iterable[CheckedUtterance], path: str | Path, above: float) -> int:
    """Write the ids of the utterances whose error rate is above a bound, or whose transcript cannot
    be aligned, for ``data.corrections`` of a training; return their number.

    Args:
        checked: see :func:`check_split`.
        path: of the table (TSV with a line of names).
        above: error rate that is still believed, 0.6 for instance.
    """
    bad = [c for c in checked if c.error_rate > above or math.isnan(c.error_rate)]
    rows = [f"{c.id}\t{c.error_rate:.2f}\n" for c in sorted(bad, key=lambda c: c.id)]
    atomic_write_text(Path(path), "id\terror_rate\n" + "".join(rows))
    return len(bad)
