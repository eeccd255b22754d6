"""The self-training recipe: which labels are withheld, and what its table says."""

from __future__ import annotations

from asr.scoring import score_texts
from data_prep.store import Utterance
from recipes import load_recipe


def test_withheld_labels_are_of_training_utterances_alone() -> None:
    recipe = load_recipe("selftraining")
    utterances = [Utterance(f"{n}", f"{n}.wav", f"text {n}", f"anna{n % 8}") for n in range(40)]
    corpora = recipe.withheld(utterances, 0.25)
    whole, labelled = corpora["all"], corpora["labelled"]
    assert labelled["dev"] == whole["dev"]
    assert labelled["test"] == whole["test"]
    without = labelled["untranscribed"]
    assert len(without) == round(0.25 * len(whole["train"]))
    assert {u.text for u in without} == {"?"}
    ids = sorted(u.id for u in [*labelled["train"], *without])
    assert ids == sorted(u.id for u in whole["train"])


def test_the_table_has_the_recovered_share() -> None:
    recipe = load_recipe("selftraining")
    said = "a b c d e f g h"
    heard = {
        "given": "x x x x x x x x",
        "labelled": "x x x x e f g h",
        "self": "x x x d e f g h",
        "all": "x x c d e f g h",
    }
    scores = {name: score_texts([said], [text], samples=0) for name, text in heard.items()}
    lines = recipe.table(scores).splitlines()
    assert lines[1].split()[:2] == ["labelled", "50.00"]
    assert lines[-1] == "recovered share: 50 %"
    scores["all"] = scores["labelled"]
    assert "bring nothing" in recipe.table(scores)
