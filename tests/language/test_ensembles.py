from __future__ import annotations

import json

import numpy as np
import pytest
from text_models import save_classifier, save_language_model, save_tagger
from typer.testing import CliRunner

import asr
from asr.cli import app
from asr.errors import ModelError
from asr.language.classification.ensemble import TextClassifierEnsemble
from asr.language.tagging.ensemble import TaggerEnsemble
from asr.language.tagging.scheme import iob1_to_bio


def test_classifiers_are_averaged(tmp_path):
    folders = [save_classifier(tmp_path / "1", 1), save_classifier(tmp_path / "2", 2, ("e f", "a"))]
    members = [asr.TextClassifier.load(folder) for folder in folders]
    ensemble = TextClassifierEnsemble(folders)
    texts = ["a b", "", "e d"]
    expected = (members[0].predict_proba(texts) + members[1].predict_proba(texts)) / 2
    np.testing.assert_allclose(ensemble.predict_proba(texts), expected)
    assert ensemble.predict(texts)[1] == "out_of_scope"
    with pytest.raises(ModelError, match="no models"):
        TextClassifierEnsemble([])


def test_taggers_are_averaged_and_keep_the_rules(tmp_path):
    folders = [save_tagger(tmp_path / str(seed), seed) for seed in range(3)]
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
    other = save_tagger(tmp_path / "other", tags=[["O", "O", "B-town"], ["O", "O", "O"]])
    with pytest.raises(
        ModelError, match=r"Model 2 and the first one differ in B-city, B-town, I-city"
    ):
        TaggerEnsemble([save_tagger(tmp_path / "a"), other])


def predict_file(path, *folders):
    models = [part for folder in folders for part in ("--model", str(folder))]
    return CliRunner().invoke(app, ["predict", str(path), *models])


def test_the_command_line_averages_models(tmp_path):
    folders = [save_tagger(tmp_path / str(seed), seed) for seed in range(3)]
    path = tmp_path / "texts.txt"
    path.write_text("fly to new york\nrome\n")
    done = predict_file(path, *folders)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    sentences = [["fly", "to", "new", "york"], ["rome"]]
    assert [row["tags"] for row in rows] == TaggerEnsemble(folders).predict(sentences)
    votes = [asr.Tagger.load(folder).predict_both(sentences)[1] for folder in folders]
    assert [row["label"] for row in rows] == [
        max(set(each), key=each.count) for each in zip(*votes, strict=True)
    ]

    folders = [save_classifier(tmp_path / f"c{seed}", seed) for seed in range(2)]
    rows = [json.loads(line) for line in predict_file(path, *folders).stdout.splitlines()]
    expected = TextClassifierEnsemble(folders).predict(["fly to new york", "rome"])
    assert [row["label"] for row in rows] == expected


def test_what_cannot_be_averaged_is_refused(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("a b\n")
    language_model = save_language_model(tmp_path / "lm")
    for other in (save_tagger(tmp_path / "tagger"), save_language_model(tmp_path / "lm2")):
        done = predict_file(path, language_model, other)
        assert isinstance(done.exception, ModelError)
        assert "cannot be averaged" in str(done.exception)
