from __future__ import annotations

import json

import pytest
from text_models import save_classifier, save_language_model, save_tagger
from typer.testing import CliRunner

from asr.catalogue import load_predictor
from asr.cli import app
from asr.errors import DataError
from asr.language.files import TextInputs, text_of, tokens_of
from asr.model_folder import open_model


def test_every_text_task_gives_a_json_line_a_text(tmp_path):
    models = {
        "tags": save_tagger(tmp_path / "tag"),
        "label": save_classifier(tmp_path / "text"),
        "perplexity": save_language_model(tmp_path / "lm"),
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
    predictor = load_predictor(open_model(models["label"]))
    path = predictor.predict_file(tmp_path / "in.txt", tmp_path / "out").strip()
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 3
    assert path == str(tmp_path / "out" / "predictions.jsonl")


def test_the_command_line_and_the_service_answer_alike(tmp_path):
    (tmp_path / "in.txt").write_text("fly to rome\n\na cat\n")
    texts = ["fly to rome", "", "a cat"]
    for save in (save_tagger, save_classifier, save_language_model):
        predictor = load_predictor(open_model(save(tmp_path / save.__name__)))
        lines = predictor.predict_file(tmp_path / "in.txt").splitlines()
        rows = [json.loads(line) for line in lines]
        assert rows == [
            {"text": text, **answer}
            for text, answer in zip(texts, predictor.predict_json({"texts": texts}), strict=True)
        ]
        assert predictor.predict_json({"texts": []}) == []


def test_probabilities_are_rounded(tmp_path):
    classifier = load_predictor(open_model(save_classifier(tmp_path / "text")))
    [answer] = classifier.predict_json({"texts": ["a b"]})
    exact = float(classifier.model.predict_proba(["a b"]).max())
    assert answer["probability"] == round(exact, 6) != exact
    model = load_predictor(open_model(save_language_model(tmp_path / "lm")))
    [answer] = model.predict_json({"texts": ["a cat"]})
    [exact] = model.model.score_samples(["a cat"])
    assert answer["log_prob"] == round(exact, 4) != exact


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.jsonl", '{"words": 1}\n', "line 1: no text"),
        ("a.jsonl", "{", "not JSON"),
        ("a.txt", b"\xff\xfe\n", "not UTF-8"),
        ("none.txt", None, "no file"),
    ],
)
def test_wrong_files(tmp_path, name, content, named):
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=named):
        TextInputs().read_file(None, tmp_path / name)


def test_texts_and_tokens_of_a_row():
    assert text_of({"tokens": ["a", "b c"]}) == "a b c"
    assert tokens_of({"text": "a  b"}) == ["a", "b"]
    assert tokens_of({"text": "a b", "tokens": ["a b"]}) == ["a b"]
    assert tokens_of({"text": "a b", "tokens": 2}) == ["a", "b"]  # a count, say


def test_an_empty_file_gives_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("")
    predictor = load_predictor(open_model(save_classifier(tmp_path / "text")))
    assert predictor.predict_file(tmp_path / "a.txt") == ""


def test_a_table_of_texts_has_a_header(tmp_path):
    (tmp_path / "q.csv").write_text("id,Text\n7,fly to rome\n8,a cat\n")
    expected = [{"text": "fly to rome", "id": "7"}, {"text": "a cat", "id": "8"}]
    assert TextInputs().read_file(None, tmp_path / "q.csv") == expected
    (tmp_path / "q.tsv").write_text("fly to rome\na cat\n")
    with pytest.raises(DataError, match="no column of texts") as refused:
        TextInputs().read_file(None, tmp_path / "q.tsv")
    assert "Call the column text" in str(refused.value)


def test_entities_have_spans_and_probabilities(tmp_path):
    tagger = load_predictor(open_model(save_tagger(tmp_path / "tag")))
    (row,) = tagger.predict_json({"texts": ["fly to new rome and paris"]})
    tables = tagger.model.predict_proba([row["tokens"]])[0]
    numbers = {tag: number for number, tag in enumerate(tagger.model.classes_)}
    for span in row["entities"]:
        places = range(span["start"], span["end"])
        assert span["text"] == " ".join(row["tokens"][place] for place in places)
        least = min(tables[place, numbers[row["tags"][place]]] for place in places)
        assert span["probability"] == pytest.approx(float(least), abs=1e-5)


def test_generators_are_as_good_as_lists(tmp_path):
    texts, words = ["fly to rome", "a cat"], [["fly", "to", "rome"], ["a", "cat"]]
    classifier = load_predictor(open_model(save_classifier(tmp_path / "text"))).model
    labels = classifier.predict(texts)
    assert classifier.predict(text for text in texts) == labels
    assert classifier.score((t for t in texts), (label for label in labels)) == 1.0
    tagger = load_predictor(open_model(save_tagger(tmp_path / "tag"))).model
    tags = tagger.predict(words)
    assert tagger.predict(iter(sentence) for sentence in words) == tags
    assert tagger.score((s for s in words), (t for t in tags)) == 1.0
