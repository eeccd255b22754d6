"""The decoders: ``make(weights, **setting)`` returns a function from log-probabilities to text."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

LN10 = float(np.log(10.0))
Decode = Callable[[np.ndarray], str]


def grid(**values: list[Any]) -> list[dict[str, Any]]:
    """All combinations of the values."""
    return [
        dict(zip(values, combination, strict=True))
        for combination in itertools.product(*values.values())
    ]


class Ours:
    """asr.decoding.BeamDecoder."""

    name = "asr"
    settings: ClassVar[list[dict[str, Any]]] = (
        grid(
            beam_size=[3, 4, 5, 6, 10, 16, 25, 50, 100, 200],
            beam_threshold=[8.0, 12.0],
            blank_skip=[0.999],
        )
        + grid(beam_size=[25, 100], beam_threshold=[12.0], blank_skip=[1.0])
        + grid(beam_size=[25, 100], beam_threshold=[12.0], blank_skip=[0.99])
        + grid(
            beam_size=[25, 100],
            beam_threshold=[12.0],
            blank_skip=[0.999],
            token_min_logp=[-5.0, -7.0],
        )
    )
    tuning: ClassVar[dict[str, Any]] = {
        "beam_size": 50,
        "beam_threshold": 12.0,
        "blank_skip": 0.999,
    }
    few: ClassVar[list[dict[str, Any]]] = grid(
        beam_size=[2, 3, 5, 10, 25, 100], beam_threshold=[8.0, 12.0], blank_skip=[0.999]
    )
    hotword_setting: ClassVar[dict[str, Any]] = {"beam_size": 100}
    # of a word, and of each of its tokens
    unknown = ((-2.0, -2.0), (-5.0, -2.0), (-10.0, -2.0), (-5.0, -0.5), (-2.0, -0.2))

    def __init__(self, tokens: list[str], lm: Path, **_: Any) -> None:
        from asr.decoding import BeamDecoder

        self.decoder = BeamDecoder(tokens, lm=lm)

    def make(self, weights: tuple[float, float, Any], **setting: Any) -> Decode:
        alpha, beta, (word, token) = weights
        decoder = self.decoder.replace(
            lm_alpha=alpha, lm_beta=beta, unk_score=word, unk_token_score=token, **setting
        )
        return lambda log_probs: decoder(log_probs)[0].text


class Flashlight:
    """flashlight-text's lexicon decoder with KenLM, set up as torchaudio's ctc_decoder does."""

    name = "flashlight-text"
    settings: ClassVar[list[dict[str, Any]]] = grid(
        beam_size=[10, 25, 50, 100, 200], beam_threshold=[8.0, 15.0, 25.0], drop=[1.0, 0.999]
    ) + grid(beam_size=[25, 50, 100], beam_threshold=[15.0], beam_size_token=[8, 16], drop=[0.999])
    few: ClassVar[list[dict[str, Any]]] = grid(
        beam_size=[10, 25, 50, 100], beam_threshold=[15.0], drop=[0.999]
    )
    tuning: ClassVar[dict[str, Any]] = {"beam_size": 50, "beam_threshold": 15.0, "drop": 0.999}
    unknown = (0.0,)  # a closed lexicon: unknown words do not come up

    def __init__(
        self, tokens: list[str], lm: Path, words: list[str], encode: Any, **_: Any
    ) -> None:
        from flashlight.lib.text.decoder import SmearingMode, Trie
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary

        self.V = len(tokens)
        lone = [i for i, token in enumerate(tokens) if token in ("▁", " ", "|")]
        self.silence = lone[0] if lone and encode is None else 0
        self.dictionary = Dictionary()
        spellings = {}
        for word in words:
            spelled = _spell(word, tokens, self.silence, encode)
            if spelled:
                spellings[word] = spelled
                self.dictionary.add_entry(word)
        self.dictionary.add_entry("<unk>")
        self.dictionary.set_default_index(self.dictionary.get_index("<unk>"))
        self.lm = KenLM(str(lm), self.dictionary)
        self.trie = Trie(self.V, self.silence)
        start = self.lm.start(False)
        for word, spelled in spellings.items():
            index = self.dictionary.get_index(word)
            self.trie.insert(spelled, index, self.lm.score(start, index)[1])
        self.trie.smear(SmearingMode.MAX)

    def make(self, weights: tuple[float, float, float], **setting: Any) -> Decode:
        from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions

        alpha, beta, _ = weights
        options = LexiconDecoderOptions(
            setting["beam_size"],
            setting.get("beam_size_token", self.V),
            setting["beam_threshold"],
            alpha * LN10,
            beta,
            -float("inf"),
            0.0,
            False,
            CriterionType.CTC,
        )
        unknown = self.dictionary.get_index("<unk>")
        decoder = LexiconDecoder(options, self.trie, self.lm, self.silence, 0, unknown, [], False)

        def decode(log_probs: np.ndarray) -> str:
            frames = drop_blanks(log_probs, setting["drop"])
            results = decoder.decode(frames.ctypes.data, len(frames), self.V)
            return (
                " ".join(self.dictionary.get_entry(w) for w in results[0].words if w >= 0)
                if results
                else ""
            )

        return decode


def _spell(word: str, tokens: list[str], silence: int, encode: Any) -> list[int] | None:
    if encode is not None:
        return encode(word)
    ids = {token: i for i, token in enumerate(tokens)}
    return [*(ids[c] for c in word), silence] if all(c in ids for c in word) else None


def drop_blanks(log_probs: np.ndarray, p: float) -> np.ndarray:
    """Frames without those that are certainly blank; one of each run stays, so that repeated tokens
    stay apart.
    """
    if p >= 1:
        return log_probs
    blank = log_probs[:, 0] > np.log(p)
    return np.ascontiguousarray(log_probs[~(blank & np.concatenate([[False], blank[:-1]]))])


class Pyctcdecode:
    """pyctcdecode in an environment of its own, driven line by line."""

    name = "pyctcdecode"
    settings: ClassVar[list[dict[str, Any]]] = grid(
        beam_width=[10, 25, 50, 100], token_min_logp=[-5.0], beam_prune_logp=[-10.0]
    )
    tuning: ClassVar[dict[str, Any]] = {
        "beam_width": 25,
        "token_min_logp": -5.0,
        "beam_prune_logp": -10.0,
    }
    few: ClassVar[list[dict[str, Any]]] = grid(
        beam_width=[10, 25, 100], token_min_logp=[-5.0], beam_prune_logp=[-10.0]
    )
    hotword_setting: ClassVar[dict[str, Any]] = {"beam_width": 100}
    unknown = (-10.0, -5.0)

    def __init__(
        self, tokens: list[str], lm: Path, words: list[str], *, python: str, folder: Path, **_: Any
    ) -> None:
        self.folder = folder
        (folder / "words.txt").write_text("\n".join(words), encoding="utf-8")
        (folder / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")
        worker = [
            python,
            str(Path(__file__).with_name("pyctcdecode_worker.py")),
            str(folder),
            str(lm),
        ]
        self.process = subprocess.Popen(
            worker, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.start = json.loads(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One job of the worker: decode a file of arrays; returns texts and processor seconds."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self._line()))

    def close(self) -> None:
        """End the worker."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def weights_grid(
    unknown: tuple[Any, ...], quick: bool = False
) -> Iterator[tuple[float, float, Any]]:
    """(lm_alpha, lm_beta, unknown-word score): the coarse grid that every decoder is tuned on.

    The quick one is for strong emissions, which want small weights.
    """
    if quick:
        return itertools.product((0.2, 0.4, 0.6), (0.0, 1.0), unknown)
    return itertools.product((0.4, 0.6, 0.8, 1.0), (0.0, 1.0, 2.0), unknown)
