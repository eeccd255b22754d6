"""Forced alignment: a known text and a network's log-probabilities to the times of its words.

The search is :mod:`asr.speech.viterbi`; what is here makes its input of words, and words of its
path. Legend: T output frames, V vocabulary, L tokens, S states.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.config import check_range
from asr.decoding.vocabulary import Vocabulary
from asr.errors import DataError, TokenError
from asr.speech.alignment import (
    AlignedToken,
    AlignedWord,
    ForcedAlignment,
    Stretch,
    UnsaidWord,
    earlier_starts,
)
from asr.speech.viterbi.band import band_around, band_cells
from asr.speech.viterbi.graph import Ints, TextGraph, text_graph
from asr.speech.viterbi.search import LogProbs, best_path, whole_band
from asr.text.chinese import join_words
from asr.text.tokenizers import Tokenizer

__all__ = [
    "AlignmentConfig",
    "Spelling",
    "TextPath",
    "TokenFrames",
    "align_tokens",
    "align_words",
    "forced_align",
    "search_text",
    "spell_words",
]

MIN_TOKEN_S = 0.01  # shortest last token of a word
EXACT_CELLS = 10**9  # frames times states that are searched without a band: about ten seconds
MAX_CELLS = 3 * 10**10  # of a band: some minutes
MAX_WAYS = 200  # pronunciations of a word, since a choice is a byte
MIN_ANCHORED = 0.02  # of the words of a long text

Spelling = list[list[int]]  # the pronunciations of a word, each a row of token ids


@dataclass(frozen=True)
class AlignmentConfig:
    """How strictly a text is taken. Costs are natural logarithms.

    Attributes:
        partial: words of the text may be left out, and there may be speech that is not in it.
        exact: no band, however long the recording is; the time grows with the square of its length.
        skip_word: cost of leaving out a word.
        skip_token: cost of each of its tokens, on top.
        star_open: cost of a stretch of other speech.
        star_frame: cost of each of its frames that is not blank.
    """

    partial: bool = False
    exact: bool = False
    skip_word: float = 4.0
    skip_token: float = 1.0
    star_open: float = 10.0
    star_frame: float = 1.0

    def __post_init__(self) -> None:
        for name in ("skip_word", "skip_token", "star_open"):
            check_range(f"alignment.{name}", getattr(self, name), 0, 1000)
        check_range("alignment.star_frame", self.star_frame, 0.01, 1000)


STRICT = AlignmentConfig()


@dataclass(frozen=True, slots=True)
class TokenFrames:
    """Output frames of a token.

    Attributes:
        start: the first of them.
        end: the one after the last.
        log_prob: mean natural log-probability over them.
        token: its id.
    """

    start: int
    end: int
    log_prob: float
    token: int = 0


def spell_words(
    words: Sequence[str], tokenizer: Tokenizer, vocabulary: Vocabulary, star: int | None = None
) -> list[Spelling]:
    """Return the pronunciations of each word as token ids; the mark between words goes with the
    word behind it.

    Args:
        words: normalised.
        tokenizer: of the model.
        vocabulary: its tokens.
        star: id of the star, which stands for words that the model does not know; None refuses
            them.

    Raises:
        TokenError: characters or words that the model does not know; all are named.
    """
    known = list(words) if star is None else [w for w in words if _can_spell(tokenizer, w)]
    spelled: list[Spelling] = []
    if tokenizer.lexicon is not None:
        spelled = [ways[:MAX_WAYS] for ways in tokenizer.spellings(" ".join(known))]
    elif known:
        ids = tokenizer.encode(" ".join(known))
        ends = [0, *(positions[-1] + 1 for _, positions in vocabulary.groups(ids))]
        spelled = [[ids[start:end]] for start, end in itertools.pairwise(ends)]
    if len(known) == len(words):
        return spelled
    in_order, allowed = iter(spelled), set(known)
    return [next(in_order) if word in allowed else [[star or 0]] for word in words]


def _can_spell(tokenizer: Tokenizer, word: str) -> bool:
    if tokenizer.lexicon is not None:
        return word in tokenizer.lexicon
    try:
        return bool(tokenizer.encode(word))
    except TokenError:
        return False


@dataclass(frozen=True)
class TextPath:
    """The path through a text.

    Attributes:
        words: the tokens of each word, None where it is not said.
        costs: natural log by which the path is less probable than the best one, from each word to
            the next or to other speech, (W,); the first word's from the beginning.
        stars: first frame of each stretch of other speech, and the frame after its last.
        score: mean natural log-probability over the frames of tokens.
        gap: see :class:`asr.speech.alignment.ForcedAlignment`.
    """

    words: list[list[TokenFrames] | None]
    costs: list[float]
    stars: list[tuple[int, int]]
    score: float
    gap: float


def search_text(
    emissions: LogProbs, words: Sequence[Spelling], config: AlignmentConfig = STRICT
) -> TextPath:
    """Return the most probable path of words through a recording.

    Args:
        emissions: of the recording.
        words: pronunciations of each, see :func:`spell_words`.
        config: how strictly the text is taken.

    Raises:
        DataError: no words, more than fit into the frames, or a long text of which hardly a word
            is heard.
    """
    graph = _graph(emissions, words, config)
    path = best_path(emissions, graph, _band(emissions, graph, config))
    if path is None:
        raise _too_long(graph.min_frames(), len(emissions))
    return _read_path(emissions, graph, path)


def _graph(emissions: LogProbs, words: Sequence[Spelling], config: AlignmentConfig) -> TextGraph:
    if not words:
        raise DataError("The text has no words.", "Give the text that is said.")
    skips = None
    if config.partial:
        sizes = np.array([len(spelling[0]) for spelling in words], np.float32)
        skips = config.skip_word + config.skip_token * sizes
    star_open = config.star_open if config.partial else math.inf
    graph = text_graph(words, emissions.star, skips, star_open)
    if graph.min_frames() > len(emissions):
        raise _too_long(graph.min_frames(), len(emissions))
    return graph


def _too_long(needed: int, num_frames: int) -> DataError:
    return DataError(
        f"The text needs at least {needed} output frames, but the recording has {num_frames}.",
        "The text is longer than what can have been said; check that both belong together, or "
        "allow for parts that are not said (--partial).",
    )


def _band(emissions: LogProbs, graph: TextGraph, config: AlignmentConfig) -> Ints:
    """Where words can be: anywhere in a short recording, around the anchors in a long one."""
    if config.exact or len(emissions) * graph.num_states <= EXACT_CELLS:
        return whole_band(len(emissions), graph)
    band, anchored = band_around(graph, emissions.best(), emissions.star)
    if anchored < MIN_ANCHORED * graph.num_words and band_cells(graph, band) > EXACT_CELLS:
        raise DataError(
            f"Of {graph.num_words} words, {anchored} are heard in the order of the text.",
            "Check that text and recording belong together, and that the model knows the language.",
        )
    if (cells := band_cells(graph, band)) > MAX_CELLS:
        raise DataError(
            f"Too long a stretch has no word that is surely heard ({cells:.1e} states in all).",
            "Cut recording and text there, or search everywhere (--exact), which takes hours.",
        )
    return band


def _read_path(emissions: LogProbs, graph: TextGraph, path: Ints) -> TextPath:
    """Return what the states (T,) of a path say."""
    labels = graph.arrays.labels[path]
    begins = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.append(begins[1:], len(path))
    log_probs, costs = _frame_scores(emissions, labels)
    means = np.add.reduceat(log_probs, begins) / (ends - begins)
    words: list[list[TokenFrames] | None] = [None] * graph.num_words
    stars, starts = list[tuple[int, int]](), list[tuple[int, int]]()
    is_star, word_of = graph.is_star[path[begins]], graph.word_of[path[begins]]
    for run in np.flatnonzero(labels[begins] != 0).tolist():
        start, end, word = int(begins[run]), int(ends[run]), int(word_of[run])
        if is_star[run]:  # it lasts from speech to speech, silence is not told
            heard = np.flatnonzero(costs[start:end] > 0)
            if len(heard):
                stars.append((start + int(heard[0]), start + int(heard[-1]) + 1))
            starts.append((start, -1))
            continue
        tokens = words[word] or []
        if not tokens:
            words[word] = tokens
            starts.append((start, word))
        tokens.append(TokenFrames(start, end, float(means[run]), int(labels[start])))
    starred = graph.is_star[path]
    spoken = (labels != 0) & ~starred
    told = (spoken | (costs > 0)) & ~starred  # silence tells nothing
    return TextPath(
        words,
        _word_costs(costs, starts, graph.num_words),
        stars,
        score=float(log_probs[spoken].mean()) if spoken.any() else 0.0,
        gap=float(costs[told].mean()) if told.any() else 0.0,
    )


def _word_costs(
    costs: npt.NDArray[np.float64], starts: Sequence[tuple[int, int]], num_words: int
) -> list[float]:
    """Sum the costs of frames (T,) from each word to the next; other speech has the word -1. What
    comes before the first word is the first one's.
    """
    total = np.append(0.0, np.cumsum(costs))
    result = [0.0] * num_words
    starts = [(0, word) for _, word in starts[:1]] + list(starts[1:])
    ends = [*(start for start, _ in starts[1:]), len(costs)]
    for (start, word), end in zip(starts, ends, strict=True):
        if word >= 0:
            result[word] = float(total[end] - total[start])
    return result


def _frame_scores(
    emissions: LogProbs, labels: Ints
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the log-probability of each frame's label (T,), and by how much the best is higher."""
    scores, costs = np.zeros(len(labels)), np.zeros(len(labels))
    for start in range(0, len(labels), 1 << 14):
        own = labels[start : start + (1 << 14)]
        part = slice(start, start + len(own))
        rows = emissions.rows(part.start, part.stop)
        scores[part] = rows[np.arange(len(own)), own]
        costs[part] = rows[:, :-1].max(1) - scores[part]
    return scores, costs


def align_words(
    emissions: LogProbs,
    words: Sequence[tuple[str, Spelling]],
    vocabulary: Vocabulary,
    *,
    seconds_per_frame: float,
    duration_s: float,
    model: str,
    unit: str = "characters",
    config: AlignmentConfig = STRICT,
) -> ForcedAlignment:
    """Return when the words of a known text are said.

    Args:
        emissions: of the recording.
        words: each as it is written, and its pronunciations (:func:`spell_words`).
        vocabulary: the tokens.
        seconds_per_frame: between two output frames.
        duration_s: of the recording.
        model: name of the model.
        unit: what the tokens are.
        config: how strictly the text is taken.

    Raises:
        DataError: see :func:`search_text`.
    """
    path = search_text(emissions, [spelling for _, spelling in words], config)
    spoken = [
        (written, frames, cost)
        for (written, _), frames, cost in zip(words, path.words, path.costs, strict=True)
        if frames is not None
    ]
    aligned = _aligned_words(spoken, vocabulary, seconds_per_frame, duration_s)
    places = np.cumsum([frames is not None for frames in path.words])
    unsaid = tuple(
        UnsaidWord(written, int(place))
        for (written, _), frames, place in zip(words, path.words, places, strict=True)
        if frames is None
    )
    other = tuple(
        Stretch(*(_rounded(frame * seconds_per_frame, duration_s) for frame in frames))
        for frames in path.stars
    )
    return ForcedAlignment(
        join_words(word.word for word in aligned),
        round(duration_s, 3),
        aligned,
        round(path.score, 4),
        model,
        gap=round(path.gap, 4),
        unit=unit,
        unsaid=unsaid,
        other=other,
    )


def align_tokens(
    log_probs: npt.NDArray[np.float32],
    ids: Sequence[int],
    vocabulary: Vocabulary,
    *,
    seconds_per_frame: float,
    duration_s: float,
    model: str,
    unit: str = "characters",
) -> ForcedAlignment:
    """Return when the words of known tokens (L,) are said; see :func:`align_words`.

    Raises:
        DataError: see :func:`search_text`.
    """
    groups = vocabulary.groups(ids)
    ends = [0, *(positions[-1] + 1 for _, positions in groups)]
    words = [
        (word, [list(ids[start:end])])
        for (word, _), (start, end) in zip(groups, itertools.pairwise(ends), strict=True)
    ]
    return align_words(
        LogProbs([log_probs]),
        words,
        vocabulary,
        seconds_per_frame=seconds_per_frame,
        duration_s=duration_s,
        model=model,
        unit=unit,
    )


def forced_align(log_probs: npt.NDArray[np.float32], ids: Sequence[int]) -> list[TokenFrames]:
    """Return where each of the tokens ``ids`` (L,) stands on the most probable path through
    log_probs (T, V).

    Raises:
        DataError: no tokens, or more than fit into the frames.
    """
    words = [[list(ids)]] if len(ids) else []
    (frames,) = search_text(LogProbs([log_probs]), words).words
    return frames or []


def _aligned_words(
    words: Sequence[tuple[str, Sequence[TokenFrames], float]],
    vocabulary: Vocabulary,
    seconds_per_frame: float,
    duration_s: float,
) -> tuple[AlignedWord, ...]:
    """Return words with their times; given is each as it is written, with the frames of its tokens
    and its cost.
    """
    spelled = [[t for t in frames if _is_written(t, vocabulary)] for _, frames, _ in words]
    step = seconds_per_frame
    spans = [(tokens[0].start * step, tokens[-1].end * step) for tokens in spelled]
    # a word may end earlier where the next one begins, but not before its own last token
    latest_ends = [tokens[-1].start * step + MIN_TOKEN_S for tokens in spelled]
    aligned = []
    for (written, _, cost), tokens, span in zip(
        words, spelled, earlier_starts(spans, latest_ends), strict=True
    ):
        confidence = math.exp(sum(min(0.0, token.log_prob) for token in tokens) / len(tokens))
        times = tuple(_token_times(tokens, span, vocabulary, step, duration_s))
        start, end = times[0].start, times[-1].end
        confidence = round(confidence, 4)
        aligned.append(AlignedWord(written, start, end, confidence, times, cost=round(cost, 2)))
    return tuple(aligned)


def _is_written(token: TokenFrames, vocabulary: Vocabulary) -> bool:
    """Whether a token is more than the mark between two words; the star is."""
    return token.token >= len(vocabulary.pieces) or bool(vocabulary.pieces[token.token])


def _token_times(
    tokens: Sequence[TokenFrames],
    span: tuple[float, float],
    vocabulary: Vocabulary,
    step: float,
    duration_s: float,
) -> list[AlignedToken]:
    """Each token ends where the next one begins at the latest, the last one with the word."""
    begins = [span[0], *(token.start * step for token in tokens[1:])]
    stops = [min(t.end * step, b) for t, b in zip(tokens, begins[1:], strict=False)]
    pieces = vocabulary.pieces
    return [
        AlignedToken(
            token=pieces[token.token] if token.token < len(pieces) else STAR_NAME,
            start=_rounded(begin, duration_s),
            end=_rounded(stop, duration_s),
            confidence=round(math.exp(min(0.0, token.log_prob)), 4),
        )
        for token, begin, stop in zip(tokens, begins, [*stops, span[1]], strict=True)
    ]


STAR_NAME = "*"  # of a word that the model does not know


def _rounded(seconds: float, duration_s: float) -> float:
    return round(min(seconds, duration_s), 3)
