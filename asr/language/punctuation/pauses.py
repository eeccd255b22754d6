"""How probable a pause is after each mark: what is heard, beside what is said.

Marks are chosen by p(mark | words) p(pause | mark): Bayes' rule, where the pause depends on the
mark alone.  Legend: N words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import ModelError
from asr.language.punctuation.marks import MARKS

__all__ = ["PauseTable"]


@dataclass(frozen=True)
class PauseTable:
    """Natural log-probabilities of ranges of pauses.

    Attributes:
        edges: seconds at which the second and later ranges begin.
        log_probs: of each range after each of :data:`asr.language.punctuation.marks.MARKS`.
    """

    edges: tuple[float, ...]
    log_probs: tuple[tuple[float, ...], ...]

    @classmethod
    def of(
        cls, pauses_s: Sequence[float], marks: npt.NDArray[Any], edges: Sequence[float]
    ) -> PauseTable:
        """Return the table of words whose pause and mark are known; each count is raised by 1.

        All marks are taken together: a pause tells that there is one, and words tell which.
        """
        counts = np.ones((len(edges) + 1, 2))
        np.add.at(counts, (np.searchsorted(edges, pauses_s, "right"), np.minimum(marks, 1)), 1)
        log_probs = np.log(counts / counts.sum(0)).round(3)
        return cls(tuple(edges), tuple((a, *[b] * (len(MARKS) - 1)) for a, b in log_probs.tolist()))

    @classmethod
    def read(cls, content: Mapping[str, Any], where: object) -> PauseTable | None:
        """Return the table in a model's configuration; None where it has none.

        Raises:
            ModelError: it is damaged.
        """
        if not content:
            return None
        try:
            edges = tuple(float(edge) for edge in content["edges"])
            rows = tuple(tuple(float(x) for x in row) for row in content["log_probs"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{where}: pauses cannot be read.", "Copy it again.") from error
        if len(rows) != len(edges) + 1 or any(len(row) != len(MARKS) for row in rows):
            raise ModelError(f"{where}: pauses have a wrong shape.", "Copy it again.")
        return cls(edges, rows)

    def content(self) -> dict[str, Any]:
        """Return the table for a configuration."""
        content = asdict(self)
        return {"edges": list(content["edges"]), "log_probs": [list(r) for r in self.log_probs]}

    def scores(self, pauses_s: Sequence[float]) -> npt.NDArray[np.float64]:
        """Return the log-probability of the pause after each word given each mark, (N, 4)."""
        rows = np.searchsorted(self.edges, pauses_s, "right")
        return np.asarray(np.array(self.log_probs)[rows])
