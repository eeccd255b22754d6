from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.decoding.automaton import NgramAutomaton, compile_model
from asr.lm.arpa import read_arpa

# A small back-off model by hand: back-off weights of zero and not, contexts without continuations,
# a 3-gram without its shorter suffix, and <unk>.
ARPA = """\\data\\
ngram 1=8
ngram 2=9
ngram 3=4

\\1-grams:
-1.5\t<unk>\t0
0\t<s>\t-0.4
-0.9\t</s>\t0
-0.7\ta\t-0.3
-1.1\tab\t-0.25
-1.4\tabc\t0
-1.0\tca\t-0.2
-1.3\tb\t-0.15

\\2-grams:
-0.3\t<s> a\t-0.1
-0.8\t<s> ab\t-0.2
-0.5\ta ab\t-0.15
-0.6\ta b\t0
-0.4\tab ca\t-0.05
-0.7\tab </s>
-0.9\tca ab\t0
-0.2\tb a\t-0.1
-1.2\tca b\t0

\\3-grams:
-0.25\t<s> a ab
-0.35\ta ab ca
-0.15\t<s> ab </s>
-0.45\tab ca b

\\end\\
"""


@pytest.fixture(scope="session")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lm") / "small.arpa"
    path.write_text(ARPA, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def automaton(arpa: Path) -> NgramAutomaton:
    return compile_model(read_arpa(arpa))


@pytest.fixture(scope="session")
def token_automaton(tmp_path_factory: pytest.TempPathFactory) -> NgramAutomaton:
    path = tmp_path_factory.mktemp("lm") / "tokens.arpa"
    words = {
        "<unk>": -2.0,
        "<s>": 0.0,
        "</s>": -1.0,
        "▁": -0.6,
        "a": -0.5,
        "b": -0.9,
        "▁a": -0.8,
        "bc": -1.3,
    }
    bigrams = {
        "<s> a": -0.3,
        "a b": -0.2,
        "b ▁": -0.25,
        "▁ a": -0.1,
        "▁a bc": -0.3,
        "bc </s>": -0.4,
        "a </s>": -0.9,
    }
    lines = [f"\\data\\\nngram 1={len(words)}\nngram 2={len(bigrams)}\n\n\\1-grams:"]
    lines += [f"{p}\t{w}\t-0.2" for w, p in words.items()]
    lines += ["\n\\2-grams:", *(f"{p}\t{w}" for w, p in bigrams.items()), "\n\\end\\\n"]
    path.write_text("\n".join(lines), encoding="utf-8")
    return compile_model(read_arpa(path))


def random_log_probs(
    rng: np.random.Generator, T: int, V: int, sharpness: float = 0.5
) -> np.ndarray:
    probs = rng.dirichlet(np.full(V, sharpness), T) + 1e-12
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session", name="random_log_probs")
def _random_log_probs() -> object:
    return random_log_probs
