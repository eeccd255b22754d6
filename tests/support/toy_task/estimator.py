from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asr.config import yaml_text
from asr.files import atomic_write_text
from asr.model_folder import Bundle, open_model, write_bundle
from asr.training.estimator import Estimator, config_from
from toy_task.config import ToyConfig


class LengthGuesser(Estimator[dict[str, Any]]):
    """What it learns: the commonest length, and what lengths are counted in."""

    def __init__(self, config: ToyConfig | None = None, *, random_state: int = 0) -> None:
        self.config, self.random_state = config, random_state

    def fit(self, texts: Sequence[str], y: None = None) -> LengthGuesser:
        unit = config_from(ToyConfig, self.config, "LengthGuesser").unit
        lengths = Counter(self._length(text, unit) for text in texts)
        self.model_ = {"length": lengths.most_common(1)[0][0], "unit": unit}
        return self

    @staticmethod
    def _length(text: str, unit: str) -> int:
        return len(text.split() if unit == "words" else text)

    def predict(self, texts: Sequence[str]) -> list[int]:
        return [self._fitted()["length"] for _ in texts]

    def score(self, texts: Sequence[str], y: None = None) -> float:
        unit = self._fitted()["unit"]
        hits = [self._length(t, unit) == n for t, n in zip(texts, self.predict(texts), strict=True)]
        return sum(hits) / len(hits)

    def save(self, folder: str | Path) -> Path:
        content = yaml_text({"task": "toy", **self._fitted()})
        return write_bundle(folder, lambda path: atomic_write_text(path / "config.yaml", content))

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> LengthGuesser:
        guesser = cls()
        config = open_model(folder, task="toy").config
        guesser.model_ = {"length": config["length"], "unit": config["unit"]}
        return guesser
