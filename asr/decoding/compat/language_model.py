"""A language model with pyctcdecode's weights, and the states that pass between calls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.decoding.compat.constants import (
    DEFAULT_ALPHA,
    DEFAULT_BETA,
    DEFAULT_SCORE_LM_BOUNDARY,
    DEFAULT_UNK_LOGP_OFFSET,
    LOG_BASE_CHANGE_FACTOR,
)
from asr.decoding.language_models import AnyModel, load_lm
from asr.errors import DecodingError
from asr.files import atomic_path, atomic_write_text
from asr.lines import parse_json, read_text
from asr.lm.model import SPECIAL_WORDS

__all__ = ["LMState", "LanguageModel"]

_ATTRS = "attrs.json"
_UNIGRAMS = "unigrams.txt"
_WEIGHTS = ("alpha", "beta", "unk_score_offset", "score_boundary")


@dataclass(frozen=True)
class LMState:
    """What a language model remembers of the text so far.

    Attributes:
        words: the last words, as many as the model looks back.
        from_start: whether the text begins with them.
    """

    words: tuple[str, ...]
    from_start: bool


class LanguageModel:
    """An n-gram model with its weights.

    Args:
        kenlm_model: path (ARPA, KenLM binary, this toolkit's files), a ``kenlm.Model``, or a model
            of this toolkit.
        unigrams: words that count as known; by default all of the model. Words that the model does
            not have are ignored.
        alpha: weight of the model.
        beta: bonus per word.
        unk_score_offset: added to log10 p of a word that is not known.
        score_boundary: whether begin and end of the sentence are scored.

    Raises:
        LanguageModelError: the model is missing or damaged.
    """

    def __init__(
        self,
        kenlm_model: Any,
        unigrams: Collection[str] | None = None,
        alpha: float = DEFAULT_ALPHA,
        beta: float = DEFAULT_BETA,
        unk_score_offset: float = DEFAULT_UNK_LOGP_OFFSET,
        score_boundary: bool = DEFAULT_SCORE_LM_BOUNDARY,
    ) -> None:
        path = getattr(kenlm_model, "path", kenlm_model)
        path = path.decode() if isinstance(path, bytes) else path
        self.path = Path(path) if isinstance(path, (str, Path)) else None
        ready = self.path is None or isinstance(kenlm_model, AnyModel)
        self.model: AnyModel = load_lm(kenlm_model if ready else self.path)
        known = {word for word in unigrams or () if word in self.model}
        self.unigrams = known or None
        self.alpha, self.beta = alpha, beta
        self.unk_score_offset, self.score_boundary = unk_score_offset, score_boundary

    @property
    def order(self) -> int:
        """Return the number of words of the longest n-grams."""
        return self.model.order

    @property
    def settings(self) -> dict[str, Any]:
        """Return the weights as settings of :class:`asr.decoding.Settings`."""
        return {
            "lm_alpha": self.alpha,
            "lm_beta": self.beta,
            "lm_boundary": self.score_boundary,
            "unk_score": self.alpha * self.unk_score_offset * LOG_BASE_CHANGE_FACTOR,
        }

    def reset_params(self, **params: Any) -> None:
        """Change weights, given by name; ``None`` keeps one.

        Raises:
            DecodingError: there is no weight of this name.
        """
        for name, value in params.items():
            if name not in _WEIGHTS:
                raise DecodingError(
                    f"There is no weight {name!r}.", f"Known are {', '.join(_WEIGHTS)}."
                )
            if value is not None:
                setattr(self, name, value)

    def get_start_state(self) -> LMState:
        """Return the state before the first word."""
        return LMState((), self.score_boundary)

    def after(self, state: LMState | None, words: Sequence[str]) -> LMState:
        """Return the state after more words."""
        state = state or self.get_start_state()
        kept = max(self.order - 1, 1)
        every = (*state.words, *words)
        return LMState(every[-kept:], state.from_start and len(every) <= kept)

    def number(self, state: LMState | None) -> int:
        """Return the model's number of a state."""
        state = state or self.get_start_state()
        number = self.model.bos_state if state.from_start else self.model.null_state
        for word in state.words:
            _, number = self.model.step(number, word)
        return int(number)

    # files ------------------------------------------------------------------------------------

    def save_to_dir(self, filepath: str | Path, unigram_encoding: str | None = None) -> None:
        """Write the model's file, its words and its weights into a folder.

        Raises:
            DecodingError: the model was not read from a file, or the folder has another one.
        """
        folder = Path(filepath)
        if self.path is None:
            raise DecodingError(
                "The language model is not a file.", "Write it (ARPA), and build from its path."
            )
        others = {path.name for path in _visible(folder)} - {_ATTRS, _UNIGRAMS, self.path.name}
        if others:
            raise DecodingError(
                f"{folder} has another model: {sorted(others)[0]}.", "Give an empty folder."
            )
        known = self.unigrams or set(self.model.words) - set(SPECIAL_WORDS)
        with atomic_path(folder / self.path.name) as temporary:
            shutil.copyfile(self.path, temporary)
        text = "".join(f"{word}\n" for word in sorted(known))
        with atomic_path(folder / _UNIGRAMS) as temporary:
            temporary.write_text(text, encoding=unigram_encoding or "utf-8")
        weights = {name: getattr(self, name) for name in _WEIGHTS}
        atomic_write_text(folder / _ATTRS, json.dumps(weights))

    @classmethod
    def load_from_dir(
        cls, filepath: str | Path, unigram_encoding: str | None = None
    ) -> LanguageModel:
        """Return the model of a folder that :meth:`save_to_dir` or pyctcdecode wrote.

        Raises:
            DecodingError: a file is missing, or a weight is unknown.
            LanguageModelError: the model is damaged.
        """
        files = cls.parse_directory_contents(filepath)
        weights = _weights(files["json_attrs"])
        if set(weights) != set(_WEIGHTS):
            odd = sorted(set(weights) ^ set(_WEIGHTS))[0]
            raise DecodingError(
                f"{files['json_attrs']}: {odd!r} is unknown or missing.",
                f"The keys are {', '.join(_WEIGHTS)}.",
            )
        if (unigram_encoding or "utf-8").lower().replace("-", "") == "utf8":
            text = read_text(files["unigrams"])
        else:
            text = Path(files["unigrams"]).read_text(encoding=unigram_encoding)
        return cls(files["kenlm"], text.split("\n"), **weights)

    @staticmethod
    def parse_directory_contents(filepath: str | Path) -> dict[str, str]:
        """Return the three files of a folder: ``json_attrs``, ``unigrams`` and ``kenlm``.

        Raises:
            DecodingError: it has other files.
        """
        folder = Path(filepath)
        names = {path.name for path in _visible(folder)}
        models = names - {_ATTRS, _UNIGRAMS}
        if len(names) != 3 or len(models) != 1:
            raise DecodingError(
                f"{folder} has {', '.join(sorted(names)) or 'no files'}.",
                f"It needs {_ATTRS}, {_UNIGRAMS} and the model's file.",
            )
        return {
            "json_attrs": str(folder / _ATTRS),
            "unigrams": str(folder / _UNIGRAMS),
            "kenlm": str(folder / models.pop()),
        }


def _weights(path: str) -> dict[str, Any]:
    try:
        weights = parse_json(read_text(path))
    except ValueError as error:
        raise DecodingError(f"{path}: {error}.", "Save the decoder again.") from None
    if not isinstance(weights, dict):
        raise DecodingError(f"{path} does not hold weights.", "Save the decoder again.")
    return weights


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith((".", "__"))]
