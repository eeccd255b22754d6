"""The model folder is checked when it is read and whole when it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asr.errors import ModelError
from asr.model_folder import (
    add_to_bundle,
    compact_bundle,
    find_model,
    open_bundle,
    open_model,
    pretrained_folders,
    save_weights,
    write_bundle,
)


def fill(folder: Path) -> None:
    (folder / "config.yaml").write_text("task: ctc\n")
    (folder / "model.safetensors").write_bytes(b"weights")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "run" / "model", fill)


def test_round_trip_and_run_folder(model: Path) -> None:
    assert open_bundle(model, task="ctc").files == ("config.yaml", "model.safetensors")
    assert open_bundle(model.parent).path == model


def test_files_can_be_added(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.arpa").write_text("lm")
    add_to_bundle(model, {"lm.arpa": tmp_path / "x.arpa"})
    bundle = open_bundle(model)
    assert bundle.file("lm.arpa").read_text() == "lm"
    with pytest.raises(ModelError, match="holds no card"):
        bundle.file("card")


def test_the_card_may_be_written_on(model: Path, tmp_path: Path) -> None:
    (tmp_path / "card").write_text("# Mine")
    add_to_bundle(model, {"CARD.md": tmp_path / "card"})
    (model / "CARD.md").write_text("# Mine, measured again")
    assert open_bundle(model).file("CARD.md").read_text() == "# Mine, measured again"


def test_changed_missing_and_foreign_files_are_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="task 'ctc', needed is one for 'tag'"):
        open_bundle(model, task="tag")
    with pytest.raises(ModelError, match="config.yaml is not a model folder"):
        open_bundle(model / "config.yaml")  # a file is no folder
    (model / "model.safetensors").write_bytes(b"w3ights")
    with pytest.raises(ModelError, match="not what was written"):
        open_bundle(model)
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="lacks model.safetensors"):
        open_bundle(model)
    (model / "bundle.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        open_bundle(model)
    (model / "bundle.json").write_text(json.dumps({"format": 99, "sha256": {}}))
    with pytest.raises(ModelError, match="format 99"):
        open_bundle(model)
    with pytest.raises(ModelError, match="does not exist"):
        open_bundle(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no bundle.json"):
        open_bundle(tmp_path)


def test_a_failed_write_keeps_the_old_model(model: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "config.yaml").write_text("task: other\n")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_bundle(model, fail)
    assert open_bundle(model).task == "ctc"
    assert [p.name for p in model.parent.iterdir()] == ["model"]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError, match="not a model folder"):
        write_bundle(tmp_path, fill)
    assert (tmp_path / "thesis.txt").exists()


def test_weights_come_back_whatever_their_layout(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    whole = torch.arange(12.0).view(3, 4)
    weights = {"turned": whole.T, "slice": whole[:, 1:3], "learned": torch.nn.Parameter(whole)}

    def fill_tensors(folder: Path) -> None:
        (folder / "config.yaml").write_text("task: ctc\n")
        save_weights(folder, weights)

    stored = open_bundle(write_bundle(tmp_path / "model", fill_tensors)).weights()
    assert {name: w.tolist() for name, w in stored.items()} == {
        name: w.tolist() for name, w in weights.items()
    }


def test_a_compact_copy_has_half_precision_and_its_own_language_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    weights = {"w": torch.linspace(-1, 1, 1001), "steps": torch.tensor(70_000)}

    def fill_tensors(folder: Path) -> None:
        (folder / "config.yaml").write_text("task: ctc\n")
        (folder / "lm.bin").write_bytes(b"large")
        (folder / "lm.arpa").write_bytes(b"large too")
        save_weights(folder, weights)

    model = write_bundle(tmp_path / "model", fill_tensors)
    (tmp_path / "x.arpa.gz").write_bytes(b"small")
    (tmp_path / "decoding.yaml").write_text("lm_alpha: 0.7\n")
    compact_bundle(
        model,
        tmp_path / "small",
        {"lm.arpa.gz": tmp_path / "x.arpa.gz"},
        tmp_path / "decoding.yaml",
    )
    bundle = open_bundle(tmp_path / "small", task="ctc")
    assert bundle.files == ("config.yaml", "lm.arpa.gz", "model.safetensors")
    assert bundle.config["decoding"] == {"lm_alpha": 0.7}
    copied = bundle.weights()
    assert copied["steps"] == 70_000
    assert copied["w"].dtype == torch.float16
    torch.testing.assert_close(copied["w"].float(), weights["w"], atol=1e-7, rtol=2**-11)


def test_a_model_is_opened_by_path_or_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_bundle(tmp_path / "run" / "model", fill)
    opened = open_model(model.parent, task="ctc")
    assert (opened.path, opened.name) == (model, "run")
    monkeypatch.setattr("asr.model_folder._sha256", None)  # nothing is hashed a second time
    assert open_model(opened) is opened
    with pytest.raises(ModelError, match="for the task 'ctc', needed is one for 'tag'"):
        open_model(opened, task="tag")
    with pytest.raises(ModelError, match="There is no model 'nowhere'"):
        open_model("nowhere")


def test_a_folder_without_a_model_hides_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recordings in a folder ``en`` leave the model ``en`` to be found; an unfinished run does not:
    its owner means that run, and another model's words would be wrong without a word.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en").mkdir()
    assert find_model("en") == pretrained_folders()["en"]
    (tmp_path / "en" / "config.yaml").write_text("task: ctc\n")
    assert find_model("en") == Path("en")
    with pytest.raises(ModelError, match="bundle.json"):
        open_model("en")
