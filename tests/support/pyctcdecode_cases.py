"""Small utterances that two decoders can search exhaustively, and what pyctcdecode finds in them.

    python tests/support/pyctcdecode_cases.py tests/decoding/pyctcdecode.json

writes the answers of pyctcdecode 0.5.0 (numpy 1: an environment of its own, with kenlm). The inputs
are made anew from seeds, so that the file holds answers alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ARPA = """\\data\\
ngram 1=7
ngram 2=5

\\1-grams:
-1.2\t<unk>\t-0.1
-99\t<s>\t-0.4
-0.9\t</s>\t0
-0.7\ta\t-0.3
-0.9\tb\t-0.2
-1.1\tab\t-0.25
-1.4\tbba\t-0.15

\\2-grams:
-0.3\t<s> a
-0.8\ta ab
-0.4\tab b
-0.6\tb </s>
-0.5\tbba a

\\end\\
"""
# All prefixes are kept, but for tokens below e^-30: see `silent`.
EVERYTHING = {"beam_width": 2000, "beam_prune_logp": -1e9, "token_min_logp": -30.0}
VOCABULARIES = {
    "characters": [" ", "a", "b", ""],
    "bars": ["<pad>", "|", "a", "b"],
    "unlisted": ["a", "b", " "],
    "pieces": ["▁a", "▁b", "b", "a"],
    "wordpieces": ["a", "##b", "b", "##a"],
}
# name -> vocabulary, arguments of build_ctcdecoder (model: whether there is one), of decode_beams
SETTINGS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "no model": ("characters", {}, {}),
    "model": ("characters", {"model": True}, {}),
    "bars": ("bars", {"model": True, "alpha": 1.0, "beta": 0.5}, {}),
    "unlisted blank": ("unlisted", {"model": True, "beta": -0.5}, {}),
    "pieces": ("pieces", {"model": True, "alpha": 0.8}, {}),
    "wordpieces": ("wordpieces", {"model": True, "alpha": 0.8}, {}),
    "unigrams": ("characters", {"model": True, "unigrams": ["a", "ab"]}, {}),
    "unknown words": ("characters", {"model": True, "unk_score_offset": -2.5}, {}),
    "no boundary": ("characters", {"model": True, "lm_score_boundary": False}, {}),
    "hotwords": ("characters", {"model": True}, {"hotwords": ["ab", "b"], "hotword_weight": 3.0}),
    "hot phrase": ("characters", {}, {"hotwords": ["ab a", "zz"], "hotword_weight": 4.0}),
    "unknown hotwords": ("pieces", {"model": True}, {"hotwords": ["ba"], "hotword_weight": 20.0}),
}
PER_SETTING = 17  # 12 x 17 = 204 utterances, of each of two kinds
N_BEST = 3  # compared


def silent(vocabulary: str) -> list[int]:
    """Return the outputs that are no letters; no utterance ends in one.

    Where one does, pyctcdecode scores an empty word behind the last one.
    """
    labels = VOCABULARIES[vocabulary]
    listed = [i for i, label in enumerate(labels) if label in ("", "<pad>", " ", "|")]
    return listed if {"", "<pad>"} & set(labels) else [*listed, len(labels)]


def vague(setting: int, utterance: int) -> npt.NDArray[np.float64]:
    """Return logits (T, V) in which much is possible, T 4 or 5."""
    vocabulary = list(SETTINGS.values())[setting][0]
    random = np.random.RandomState(1000 * setting + utterance)
    V = len(set(silent(vocabulary)) | set(range(len(VOCABULARIES[vocabulary]))))
    logits = random.standard_normal((4 + utterance % 2, V)) * (0.5 + 0.5 * utterance)
    logits[-1, silent(vocabulary)] = -60.0
    return np.round(logits, 3)


def clear(setting: int, utterance: int) -> npt.NDArray[np.float64]:
    """Return logits (T, V) in which one path is certain, T 20 to 36: for the times of words."""
    vocabulary = list(SETTINGS.values())[setting][0]
    random = np.random.RandomState(7000 + 1000 * setting + utterance)
    V = len(set(silent(vocabulary)) | set(range(len(VOCABULARIES[vocabulary]))))
    path = random.randint(0, V, 20 + utterance)
    path[-1] = next(i for i in range(V) if i not in silent(vocabulary))
    logits = random.standard_normal((len(path), V))
    logits[np.arange(len(path)), path] += 20.0
    return np.round(logits, 3)


def options(settings: dict[str, Any], arpa: str) -> dict[str, Any]:
    """Return the arguments of build_ctcdecoder."""
    chosen = {name: value for name, value in settings.items() if name != "model"}
    return chosen | {"kenlm_model_path": arpa} if "model" in settings else chosen


def answers_of(build_ctcdecoder: Any, arpa: str, name: str) -> list[list[list[Any]]]:
    """Return the best beams of a setting's utterances, the vague ones and then the clear ones:
    text, words with frames, CTC score, score.
    """
    vocabulary, build, call = SETTINGS[name]
    setting = list(SETTINGS).index(name)
    decoder = build_ctcdecoder(list(VOCABULARIES[vocabulary]), **options(build, arpa))
    every = [
        decoder.decode_beams(vague(setting, u), **EVERYTHING, **call) for u in range(PER_SETTING)
    ]
    every += [decoder.decode_beams(clear(setting, u), **call) for u in range(PER_SETTING)]
    return [
        [
            [text, [[word, list(frames)] for word, frames in words], float(logit), float(score)]
            for text, _, words, logit, score in beams[:N_BEST]
        ]
        for beams in every
    ]


def _answers() -> dict[str, Any]:
    from pyctcdecode import build_ctcdecoder

    with tempfile.TemporaryDirectory() as folder:
        arpa = Path(folder) / "lm.arpa"
        arpa.write_text(ARPA)
        found = {name: answers_of(build_ctcdecoder, str(arpa), name) for name in SETTINGS}
    for utterances in found.values():
        for beams in utterances:
            beams[:] = [[text, words, round(x, 5), round(y, 5)] for text, words, x, y in beams]
    return found


if __name__ == "__main__":
    lines = [
        f" {json.dumps(name)}: [\n"
        + ",\n".join("  " + json.dumps(beams) for beams in utterances)
        + "\n ]"
        for name, utterances in _answers().items()
    ]
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
