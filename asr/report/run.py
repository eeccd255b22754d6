"""A run folder as the report reads it: each file once, when a section first needs it.

``config.yaml``
    the configuration
``metrics.json``
    name -> value, split, epoch, interval; see :mod:`asr.run_folder`
``decoding.yaml``
    settings of the evaluation, for the configuration section
``bench.json``
    speed, as ``asr bench RUN -o RUN/bench.json`` writes it
``log/``
    ``metrics.jsonl`` or TensorBoard's events
``model/``
    the model folder
``SPLIT/hypotheses.tsv``
    speech: ``id<TAB>text``; ``hypotheses.NAME.tsv`` of other decoders beside it
``SPLIT/references.tsv``
    references; with speakers and audio if the configuration or ``--data`` names the split
``SPLIT/predictions.jsonl``
    other tasks: one object with an ``id`` per line

A section shows the predictions that have its keys:

forecasts
    ``history``, ``truth``, ``forecast`` (lists of numbers); optional ``low``, ``high``
anomaly scores
    ``values``, ``anomaly_scores``; optional ``threshold``, ``anomalies`` (0 or 1 for each step)
confusion matrix
    ``label`` and ``prediction``: two names, or two lists of names of equal length
worst predictions
    ``text`` and ``prediction``, with ``label`` as above (optional ``probability``) or ``reference``
attention
    ``attention``: object with ``source``, ``target`` (tokens) and ``weights`` (target x source)
gates
    ``gates``: object of name -> (steps x units)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from asr.catalogue import task_of
from asr.config import read_yaml
from asr.errors import AsrError, DataError
from asr.report.log import Curve, read_curves
from asr.report.prepared import prepared_references
from asr.run_folder import Metric, read_metrics
from asr.scoring import (
    Score,
    Transcripts,
    pair,
    read_transcripts,
    score_pairs,
    with_speakers,
)
from asr.text.normalizers import get_normalizer

__all__ = ["Absent", "ReportOptions", "Run"]

AUDIO_MODES = ("embed", "link", "none")


class Absent(Exception):  # noqa: N818 - not an error: the run folder lacks data of a section
    """Raised by a section that has nothing to show; the end of the page gives the reason."""


@dataclass(frozen=True)
class ReportOptions:
    """Settings of a report.

    Attributes:
        data: prepared split folders, in addition to those of the configuration.
        audio: ``embed``, ``link`` or ``none``.
        worst: number of worst utterances to show with players.
        utterance: id of the utterance to show with its alignment, instead of the worst one.
        normalizer: applied to the texts before scoring.
        samples: number of bootstrap samples.
    """

    data: tuple[Path, ...] = ()
    audio: str = "embed"
    worst: int = 20
    utterance: str | None = None
    normalizer: str = "none"
    samples: int = 2000

    def __post_init__(self) -> None:
        if self.audio not in AUDIO_MODES:
            raise DataError(
                f"There is no audio mode {self.audio!r}.",
                f"Choose one of: {', '.join(AUDIO_MODES)}.",
            )
        get_normalizer(self.normalizer)  # raises for an unknown name
        for split in self.data:
            if not split.exists():
                raise DataError(f"There is no split {split}.", "Check the path.")


@dataclass(frozen=True)
class Run:
    """A run folder; see the head of this module.

    Attributes:
        path: path of the folder.
        options: settings of the report.
        page: path of the page, for relative links.

    Raises:
        DataError: the folder does not exist or has no file of a run.
    """

    path: Path
    options: ReportOptions = field(default_factory=ReportOptions)
    page: Path = Path("report.html")
    _scores: dict[tuple[str, str], Score] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not self.path.is_dir():
            raise DataError(
                f"There is no run folder {self.path}.", "Give a folder that `asr train` wrote."
            )
        known = ("config.yaml", "metrics.json", "log", "model")
        if not any((self.path / name).exists() for name in known) and not self.splits:
            raise DataError(
                f"{self.path} is not a run folder: it has none of {', '.join(known)} and no "
                "SPLIT/hypotheses.tsv.",
                "Give a folder that `asr train` or `asr evaluate` wrote.",
            )

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration, from the run or its model folder; empty if neither has one."""
        files = [self.path / "config.yaml", self.model / "training.yaml"]
        return next((read_yaml(file) for file in files if file.is_file()), {})

    @property
    def model(self) -> Path:
        """Path of the model folder, which may not exist."""
        return self.path / "model"

    @cached_property
    def task(self) -> str:
        """Name of the task; ``ctc`` if neither configuration nor model folder tells."""
        if "task" in self.config or not (self.model / "config.yaml").is_file():
            return task_of(self.config)
        return task_of(read_yaml(self.model / "config.yaml"))

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """Learning curves by name."""
        return read_curves(self.path / "log")

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of ``metrics.json`` by name."""
        return read_metrics(self.path)

    # ----------------------------------------------------------------------------------------------
    # splits

    @cached_property
    def splits(self) -> list[str]:
        """Names of the evaluated splits."""
        files = [*self.path.glob("*/hypotheses.tsv"), *self.path.glob("*/predictions.jsonl")]
        return sorted({file.parent.name for file in files})

    def source(self, split: str) -> Path | None:
        """Return the prepared folder of a split, from ``--data`` or else the configuration."""
        named = [*self.options.data, *map(Path, _strings(self.config.get("data")))]
        return next((folder for folder in named if folder.name == split and folder.is_dir()), None)

    def references(self, split: str) -> Transcripts:
        """Return the references of a split, with speakers and audio if known.

        Raises:
            Absent: there are none.
        """
        source, beside = self.source(split), self.path / split / "references.tsv"
        known = prepared_references(source) if source is not None else None
        if not beside.is_file():
            if known is None:
                raise Absent(f"no references of {split}: name its prepared folder with --data")
            return known
        scored = read_transcripts(beside)  # the texts of the evaluation, in its order
        about = known.utterances if known is not None else {}
        enriched = {
            key: replace(about[key], text=u.text) if key in about else u
            for key, u in scored.utterances.items()
        }
        return replace(scored, utterances=enriched)

    def decoders(self, split: str) -> dict[str, Path]:
        """Return a split's hypothesis files by decoder; the main one is ``hypotheses``."""
        return {
            file.name.removesuffix(".tsv"): file
            for file in sorted((self.path / split).glob("hypotheses*.tsv"))
        }

    def score(self, split: str, decoder: str = "hypotheses") -> Score:
        """Return the score of a split, computed once.

        Raises:
            Absent: the split has no hypotheses or no references.
        """
        if (split, decoder) not in self._scores:
            path = self.decoders(split).get(decoder)
            if path is None:
                raise Absent(f"no hypotheses of {split}")
            pairs = with_speakers(
                pair(self.references(split), read_transcripts(path, role="hypothesis"))
            )
            self._scores[split, decoder] = score_pairs(
                pairs, normalizer=self.options.normalizer, samples=self.options.samples
            )
        return self._scores[split, decoder]

    def scored_splits(self) -> list[str]:
        """Return the splits that can be scored.

        Raises:
            Absent: there is none, with the reason.
        """
        reasons, scored = [], []
        for split in self.splits:
            try:
                self.score(split)
                scored.append(split)
            except Absent as absent:
                reasons.append(str(absent))
        if not scored and self.task != "ctc":
            raise Absent(f"only for speech models; this model is for {self.task}")
        if not scored:
            raise Absent(
                "; ".join(reasons) or "no split was evaluated: run asr evaluate with -o RUN"
            )
        return scored

    def records(self, *keys: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (split, object) of every prediction that has all ``keys``.

        Raises:
            Absent: there are none.
        """
        is_empty = True
        for split, entries in self._predictions.items():
            for entry in entries:
                if all(key in entry for key in keys):
                    is_empty = False
                    yield split, entry
        if is_empty:
            raise Absent(f"no SPLIT/predictions.jsonl with {', '.join(keys)}")

    @cached_property
    def _predictions(self) -> dict[str, list[dict[str, Any]]]:
        files = sorted(self.path.glob("*/predictions.jsonl"))
        return {file.parent.name: _read_objects(file) for file in files}


def _strings(section: Any) -> Iterator[str]:
    if isinstance(section, Mapping):
        for value in section.values():
            yield from _strings(value)
    elif isinstance(section, str) and section:
        yield section


def _read_objects(path: Path) -> list[dict[str, Any]]:
    objects = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError("not an object")
        except ValueError as error:
            raise DataError(f"{path}, line {number}: needed a JSON object ({error}).") from None
        objects.append(entry)
    return objects


def problem(error: AsrError) -> str:
    """Return the message of an error on one line."""
    return " ".join(str(error).split())
