"""Who spoke when: embeddings of windows to groups of one speaker each, and to turns.

Speech is cut at short pauses; windows of 1.5 s get embeddings, from which the recording's mean is
taken: room and microphone are everybody's. Stretches between pauses are clustered
(:mod:`asr.speakers.stretches`); a search for the most probable sequence of speakers then corrects
single windows, so a boundary lies between two windows or in a pause. Legend: n windows, K speakers,
E embedding.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asr.config import check_range
from asr.errors import ConfigError
from asr.speakers.clustering import Array, Labels, renumbered
from asr.speakers.embedder import Calibration, SpeakerEmbedder, Voice
from asr.speakers.overlap import overlapped_spans, second_turns
from asr.speakers.stretches import Stretches, centres, unit
from asr.speakers.windows import HOP_S, WINDOW_S, SpeechPart, speech_embeddings
from asr.text.rttm import SpeakerTurn

__all__ = [
    "Diarization",
    "DiarizationConfig",
    "check_names",
    "diarize",
    "diarize_parts",
]

LEAST_SHARE = 0.15  # of all speech: in a short recording a speaker may have less than least_s
TOUCH_S = 0.02  # turns of a speaker that are nearer than this are one
ROUNDS = 4  # of new centres and new labels


@dataclass(frozen=True)
class DiarizationConfig:
    """How speakers are found.

    Attributes:
        speakers: how many there are; 0: as many as are found.
        most: speakers that are found, at most.
        threshold: see :class:`asr.speakers.embedder.Calibration`; 0: the model's own.
        least_s: seconds of speech that a speaker has at least, where their number is not given;
            less in a short recording.
        stay: in the search, what a change of speaker costs, in units of a cosine.
        window_s: length of the windows.
        hop_s: from one window to the next.
    """

    speakers: int = 0
    most: int = 10
    threshold: float = 0.0
    least_s: float = 2.5
    stay: float = 0.3
    window_s: float = WINDOW_S
    hop_s: float = HOP_S

    def __post_init__(self) -> None:
        check_range("diarization.speakers", self.speakers, 0, 100)
        check_range("diarization.most", self.most, 1, 100)
        check_range("diarization.threshold", self.threshold, 0, 1)
        check_range("diarization.least_s", self.least_s, 0)
        check_range("diarization.stay", self.stay, 0)
        check_range("diarization.window_s", self.window_s, 0.3, 10)
        check_range("diarization.hop_s", self.hop_s, 0.05, self.window_s)


@dataclass(frozen=True)
class Diarization:
    """Who speaks when in a recording.

    Attributes:
        turns: of the louder speaker at each time, in order of time.
        speakers: names, in the order in which they begin to speak.
        embeddings: of each name, its voice (E,).
        notes: what is to be said, a sentence each.
        overlaps: turns of second speakers, while another one speaks too.
    """

    turns: tuple[SpeakerTurn, ...]
    speakers: tuple[str, ...]
    embeddings: Mapping[str, npt.NDArray[np.float64]]
    notes: tuple[str, ...] = ()
    overlaps: tuple[SpeakerTurn, ...] = ()

    @property
    def every_turn(self) -> tuple[SpeakerTurn, ...]:
        """Return the turns of all speakers, in order of time; a speaker's do not touch."""
        joined: dict[str, list[SpeakerTurn]] = {}
        for turn in sorted((*self.turns, *self.overlaps), key=lambda turn: turn.start):
            _append(joined.setdefault(turn.speaker, []), turn)
        every = [turn for turns in joined.values() for turn in turns]
        return tuple(sorted(every, key=lambda turn: turn.start))

    def later(self, seconds: float) -> Diarization:
        """Return it by a clock that began so many seconds earlier."""
        return self._changed(lambda turn: turn.later(seconds))

    def renamed(self, names: Mapping[str, str]) -> Diarization:
        """Return it with other names of the speakers: old -> new, all of them."""
        return replace(
            self._changed(lambda turn: replace(turn, speaker=names[turn.speaker])),
            speakers=tuple(names[name] for name in self.speakers),
            embeddings={names[name]: row for name, row in self.embeddings.items()},
        )

    def _changed(self, change: Callable[[SpeakerTurn], SpeakerTurn]) -> Diarization:
        turns, overlaps = (tuple(map(change, some)) for some in (self.turns, self.overlaps))
        return replace(self, turns=turns, overlaps=overlaps)

    def with_turn(self, turn: SpeakerTurn) -> Diarization:
        """Return it with one more turn, of a known speaker."""
        return replace(self, turns=(*self.turns, turn))


def diarize(
    blocks: Iterable[npt.NDArray[np.float32]],
    embedder: SpeakerEmbedder,
    config: DiarizationConfig | None = None,
    enrolled: Mapping[str, Voice] | None = None,
) -> Diarization:
    """Return who speaks when in a recording that comes in blocks.

    Memory is that of one embedding every half second of speech: some 6 MB an hour.

    Args:
        blocks: samples (n,) at the embedder's rate.
        embedder: of the voices.
        config: how many speakers, and how they are found.
        enrolled: name -> voice of people who may be among them.
    """
    config = config or DiarizationConfig()
    parts = list(speech_embeddings(blocks, embedder, config.window_s, config.hop_s))
    return diarize_parts(parts, embedder.calibration, config, enrolled)


def diarize_parts(
    parts: Sequence[SpeechPart],
    calibration: Calibration,
    config: DiarizationConfig,
    enrolled: Mapping[str, Voice] | None = None,
) -> Diarization:
    """Return who speaks when, of the stretches of speech in a recording; see :func:`diarize`."""
    if not parts:
        return Diarization((), (), {}, ("no speech was found to tell speakers by",))
    rows = np.concatenate([part.embeddings for part in parts]).astype(np.float64)
    weights = np.concatenate(
        [np.full(len(p.embeddings), (p.end - p.start) / len(p.embeddings)) for p in parts]
    )
    labels = renumbered(_speakers(parts, rows, weights, calibration, config))
    middles = centres(rows, weights, labels)
    notes: tuple[str, ...] = ()
    if config.speakers > len(middles):
        notes = (f"only {len(middles)} of {config.speakers} speakers were found",)
    names, labels = _named(middles, labels, enrolled or {}, calibration)
    voices = dict(zip(names, centres(rows, weights, labels), strict=True))
    turns = _turns(parts, labels, names)
    overlaps = tuple(second_turns(turns, overlapped_spans(parts, calibration.overlap)))
    return Diarization(turns, tuple(names), voices, notes, overlaps)


def _speakers(
    parts: Sequence[SpeechPart],
    rows: Array,
    weights: Array,
    calibration: Calibration,
    config: DiarizationConfig,
) -> Labels:
    """Return the speaker (n,) of each window, of as many speakers as are given or found."""
    stretches = Stretches.of(parts, rows, weights)
    if config.speakers:
        labels = stretches.divided(config.speakers)
    else:
        if config.threshold:
            calibration = replace(calibration, threshold=config.threshold)
        least_s = min(config.least_s, LEAST_SHARE * float(weights.sum()))
        labels = stretches.found(calibration, config.most, least_s)
    centred = unit(rows - weights @ rows / weights.sum())
    return _smoothed(parts, centred, weights, labels, config)


def _smoothed(
    parts: Sequence[SpeechPart],
    rows: Array,
    weights: Array,
    labels: Labels,
    config: DiarizationConfig,
) -> Labels:
    """Return better labels (n,): centres of the labels, then the best sequence, a few times."""
    firsts = np.cumsum([0] + [len(part.embeddings) for part in parts])
    gaps = [0.0] + [after.start - before.end for before, after in itertools.pairwise(parts)]
    cost = np.full(len(rows), config.stay)
    cost[firsts[:-1]] = [config.stay * float(np.exp(-gap)) for gap in gaps]
    for _ in range(ROUNDS):
        scores = rows @ centres(rows, weights, labels).T
        new = _best_path(scores, cost)
        if (new == labels).all() or len(np.unique(new)) < len(np.unique(labels)):
            break
        labels = new
    return labels


def _best_path(scores: Array, cost: Array) -> Labels:
    """Return the best path (n,) through scores (n, K), less costs (n,) of changes (Viterbi)."""
    count, speakers = scores.shape
    back = np.zeros((count, speakers), np.int64)
    total = scores[0].copy()
    own = np.arange(speakers)
    for n in range(1, count):
        best = int(total.argmax())
        change = total[best] - cost[n]
        back[n] = np.where(total >= change, own, best)
        total = np.maximum(total, change) + scores[n]
    labels = np.zeros(count, np.int64)
    labels[-1] = int(total.argmax())
    for n in range(count - 1, 0, -1):
        labels[n - 1] = back[n, labels[n]]
    return labels


def _named(
    middles: Array, labels: Labels, enrolled: Mapping[str, Voice], calibration: Calibration
) -> tuple[list[str], Labels]:
    """Return the names of the speakers and the labels (n,); two with one name become one."""
    taken: dict[int, str] = {}
    if enrolled:
        known = np.stack([voice.embedding for voice in enrolled.values()])
        cosines = middles @ known.T
        for speaker, best in enumerate(cosines.argmax(1).tolist()):
            if calibration.log_odds(float(cosines[speaker, best])) > 0:
                taken[speaker] = list(enrolled)[best]
    names: list[str] = []
    place: list[int] = []
    unknown = 0
    for speaker in range(len(middles)):
        name = taken.get(speaker)
        if name is None:
            unknown += 1
            name = f"Speaker {unknown}"
        if name not in names:
            names.append(name)
        place.append(names.index(name))
    return names, np.array(place, np.int64)[labels]


def _turns(
    parts: Sequence[SpeechPart], labels: Labels, names: Sequence[str]
) -> tuple[SpeakerTurn, ...]:
    """Return turns; one goes on over a short pause."""
    turns: list[SpeakerTurn] = []
    place = 0
    for part in parts:
        own = labels[place : place + len(part.embeddings)]
        place += len(own)
        changes = np.flatnonzero(np.diff(own)) + 1
        middles = part.middles
        borders = [part.start, *((middles[changes - 1] + middles[changes]) / 2), part.end]
        for first, start, end in zip([0, *changes], borders, borders[1:], strict=False):
            turn = SpeakerTurn(round(float(start), 3), round(float(end), 3), names[int(own[first])])
            _append(turns, turn)
    return tuple(turns)


def _append(turns: list[SpeakerTurn], turn: SpeakerTurn) -> None:
    """Add a turn, or let the last one go on where it is the same speaker's."""
    before = turns[-1] if turns else None
    if before and before.speaker == turn.speaker and turn.start - before.end < TOUCH_S:
        turns[-1] = replace(before, end=max(before.end, turn.end))
    else:
        turns.append(turn)


def check_names(names: Iterable[str]) -> None:
    """Refuse names of speakers that an output could not hold.

    Raises:
        ConfigError: a name is empty, has a line break or tab, or begins with ``Speaker``.
    """
    for name in names:
        if not name.strip() or any(c in name for c in "\t\r\n<>") or name.startswith("Speaker "):
            raise ConfigError(
                f"{name!r} cannot be a speaker's name.",
                "Give one without tabs, line breaks and <>, that does not begin with 'Speaker '.",
            )
