from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import asr
from asr.cli import app
from asr.errors import DataError, ModelError
from asr.language.classification.encoder import TextEncoder
from asr.language.classification.network import TextClassifierConfig, TextClassifierTask
from asr.language.classification.training import TextConfig, TextModel, save_text_classifier
from asr.language.data import iob1_to_bio
from asr.language.ensembles import TaggerEnsemble, TextClassifierEnsemble
from asr.language.files import entities, predict_file
from asr.language.modelling.folder import save_language_model
from asr.language.modelling.network import LanguageModelConfig, LanguageModelTask
from asr.language.modelling.training import LmConfig
from asr.language.subwords import Subwords
from asr.language.tagging.encoder import SentenceEncoder
from asr.language.tagging.network import TagModelConfig
from asr.language.tagging.training import TagConfig, make_task, save_tagger
from asr.language.words import WordConfig
from asr.sequence.classifier import ClassifierConfig

SENTENCES = [["fly", "to", "rome"], ["in", "new", "york"]]
TAGS = [["O", "O", "B-city"], ["O", "B-city", "I-city"]]


def tagger(folder, seed, words=SENTENCES):
    """An untrained tagger: its opinions are random, its behaviour is not."""
    encoder = SentenceEncoder.of(words, TAGS, ["travel", "weather"])
    torch.manual_seed(seed)
    model = TagModelConfig(WordConfig(dim=6, char_dim=4, spelling_dim=4), hidden_dim=5)
    task = make_task(model, encoder).eval()
    task.output.weight.data.mul_(20)
    save_tagger(task, encoder, TagConfig(model=model), folder)
    return folder


def classifier(folder, seed, texts=("a b c", "d e")):
    encoder = TextEncoder.of(list(texts))
    torch.manual_seed(seed)
    config = TextClassifierConfig(
        WordConfig(dim=6, spelling="none"), ClassifierConfig(hidden_dim=5)
    )
    task = TextClassifierTask(config, len(encoder.units), 3).eval()
    save_text_classifier(
        TextModel(task, encoder, ("x", "y", "z"), TextConfig(model=config)), folder
    )
    return folder


def test_every_text_task_gives_a_json_line_a_text(tmp_path):
    torch.manual_seed(0)
    pieces = Subwords.train(["the cat sat", "a dog"] * 9, 30)
    config = LanguageModelConfig(dim=4, hidden_dim=5)
    save_language_model(
        LanguageModelTask(config, len(pieces)), pieces, LmConfig(model=config), tmp_path / "lm"
    )
    models = {
        "tags": tagger(tmp_path / "tag", 0),
        "label": classifier(tmp_path / "text", 0),
        "perplexity": tmp_path / "lm",
    }
    (tmp_path / "in.txt").write_text("fly to rome\n\nпривет мир\n", encoding="utf-8")
    (tmp_path / "in.jsonl").write_text(
        '{"id": 7, "text": "fly to rome"}\n{"tokens": ["a", "b c"]}\n'
    )
    for key, model in models.items():
        for name, count in (("in.txt", 3), ("in.jsonl", 2)):
            result = CliRunner().invoke(
                app, ["predict", str(tmp_path / name), "--model", str(model)]
            )
            assert result.exit_code == 0, result.output
            rows = [json.loads(line) for line in result.stdout.splitlines()]
            assert len(rows) == count
            assert all(key in row for row in rows)
        assert rows[0]["id"] == 7
    result = CliRunner().invoke(
        app, ["predict", "-", "--model", str(models["tags"])], input="fly to rome\n"
    )
    assert len(json.loads(result.stdout)["tags"]) == 3
    path = predict_file(models["label"], tmp_path / "in.txt", tmp_path / "out").strip()
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 3
    assert path == str(tmp_path / "out" / "predictions.jsonl")


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.jsonl", '{"words": 1}\n', "line 1: no text"),
        ("a.jsonl", "{", "not JSON"),
        ("none.txt", None, "no file"),
    ],
)
def test_wrong_files(tmp_path, name, content, named):
    if content is not None:
        (tmp_path / name).write_text(content)
    model = classifier(tmp_path / "text", 0)
    with pytest.raises(DataError, match=named):
        predict_file(model, tmp_path / name)
    with pytest.raises(DataError, match="future"):
        predict_file(model, tmp_path / name, None, tmp_path)


def test_an_empty_file_gives_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert predict_file(classifier(tmp_path / "text", 0), tmp_path / "a.txt") == ""


def test_entities_of_tags():
    found = entities(["a", "b", "c", "d"], ["B-x", "I-x", "B-x", "I-y"])
    assert [(e["type"], e["text"], e["start"], e["end"]) for e in found] == [
        ("x", "a b", 0, 2),
        ("x", "c", 2, 3),
        ("y", "d", 3, 4),
    ]


def test_classifiers_are_averaged(tmp_path):
    folders = [classifier(tmp_path / "1", 1), classifier(tmp_path / "2", 2, ("e f", "a"))]
    members = [asr.TextClassifier.load(folder) for folder in folders]
    ensemble = TextClassifierEnsemble(folders)
    texts = ["a b", "", "e d"]
    expected = (members[0].predict_proba(texts) + members[1].predict_proba(texts)) / 2
    np.testing.assert_allclose(ensemble.predict_proba(texts), expected)
    assert ensemble.predict(texts)[1] == "out_of_scope"
    with pytest.raises(ModelError, match="no models"):
        TextClassifierEnsemble([])


def test_taggers_are_averaged_and_keep_the_rules(tmp_path):
    folders = [tagger(tmp_path / str(seed), seed) for seed in range(3)]
    ensemble, alone = TaggerEnsemble(folders), TaggerEnsemble(folders[:1])
    queries = [["fly", "to", "new", "york", "x"], [], ["rome"]]
    tags = ensemble.predict(queries)
    assert [len(t) for t in tags] == [5, 0, 1]
    assert all(iob1_to_bio(path) == path for path in tags)
    tables = [asr.Tagger.load(folder).predict_proba(queries) for folder in folders]
    np.testing.assert_allclose(
        ensemble.predict_proba(queries)[0], np.mean([t[0] for t in tables], axis=0), rtol=1e-5
    )
    np.testing.assert_array_equal(alone.predict_proba(queries)[0], tables[0][0])


def test_models_of_other_labels_are_no_ensemble(tmp_path):
    encoder = SentenceEncoder.of(SENTENCES, [["O", "O", "B-town"], ["O", "O", "O"]])
    model = TagModelConfig(WordConfig(dim=6, char_dim=4, spelling_dim=4), hidden_dim=5)
    save_tagger(make_task(model, encoder), encoder, TagConfig(model=model), tmp_path / "other")
    with pytest.raises(
        ModelError, match=r"Model 2 and the first one differ in B-city, B-town, I-city"
    ):
        TaggerEnsemble([tagger(tmp_path / "a", 0), tmp_path / "other"])
