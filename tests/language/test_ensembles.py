from __future__ import annotations

import numpy as np
import pytest
from text_models import save_classifier, save_tagger

import asr
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
