"""Networks of other toolkits: imported, they transcribe what their graphs were made to hear."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from foreign_graphs import LETTERS, features_graph, samples_graph, spoken

import asr
from asr.features.front_end import FRONT_ENDS
from asr.speech.importing.importing import ImportOptions, import_model
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from data_prep.prepare import prepare
from data_prep.store import Utterance

HF = ["<pad>", "<s>", "</s>", "<unk>", *LETTERS]  # as transformers' vocab.json
SHERPA = ["<blk>", "<sos/eos>", "<unk>", "▁", *LETTERS[1:]]  # as icefall's tokens.txt
NEMO = [" ", *LETTERS[1:]]  # the blank is the output behind them
TEXT = "AB CAD EE B"


def tokens_file(path: Path, labels) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps({label: i for i, label in enumerate(labels)}))
    else:
        path.write_text("".join(f"{label} {i}\n" for i, label in enumerate(labels)))
    return path


def as_letters(labels):
    """The labels as the graph maker knows them."""
    return ["|" if label in ("▁", " ") else label for label in labels]


@pytest.fixture(params=["logits", "log_probs", "probs"])
def scores(request):
    return request.param


def test_a_network_of_samples_transcribes(tmp_path, scores):
    graph = samples_graph(tmp_path / "model.onnx", HF, scores=scores)
    tokens = tokens_file(tmp_path / "vocab.json", HF)
    report = import_model(graph, tokens, tmp_path / "m", ImportOptions(features="samples"))
    network = report.network
    assert network.scores_are == scores
    assert (network.subsampling, network.offset, network.shortest) == (320, 400, 400)
    model = asr.load_model(tmp_path / "m")
    assert model.transcribe(spoken(TEXT), 16000).text == TEXT
    assert model.seconds_per_frame == 0.02


def test_samples_are_normalised_where_the_network_learned_so(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF, threshold=0.5)
    for features, level, heard in (("wav2vec2", 0.01, True), ("samples", 0.01, False)):
        options = ImportOptions(features=features)
        import_model(graph, HF, tmp_path / features, options)
        text = asr.load_model(tmp_path / features).transcribe(spoken("AB C", level), 16000).text
        assert (text == "AB C") == heard


@pytest.mark.parametrize(
    ("name", "floor", "labels"),
    [
        ("icefall", -2.0, SHERPA),
        ("wenet", 14.0, SHERPA),
        ("nemo", 1.0, NEMO),
        ("gigaam", -2.0, NEMO),
    ],
)
def test_a_network_of_features_transcribes(tmp_path, name, floor, labels):
    front_end, nemo = FRONT_ENDS[name], labels is NEMO
    graph = features_graph(
        tmp_path / "model.onnx",
        as_letters([*labels, "<blk>"] if nemo else labels),
        front_end,
        floor=floor,
        inputs=("audio_signal", "length") if nemo else ("x", "x_lens"),
        channels_first=nemo,
        counts=not nemo,
    )
    report = import_model(graph, labels, tmp_path / "m", ImportOptions(features=name))
    network = report.network
    assert network.batches
    assert network.scores_are == "log_probs"
    assert (network.subsampling, network.offset, network.shortest) == (4, 1, 1)
    assert network.layout == ("BFT" if nemo else "BTF")
    model = asr.load_model(tmp_path / "m")
    texts = [TEXT, "BAC DEE", "B EE DAC BA"]
    recordings = [spoken(text) for text in texts]
    assert [t.text for t in model.transcribe_batch(recordings, 16000)] == texts


@pytest.mark.parametrize("inputs", [("x", "lengths"), ("input_values", "attention_mask")])
def test_lengths_and_masks_are_given_and_recordings_batched(tmp_path, inputs):
    graph = samples_graph(tmp_path / "model.onnx", HF, inputs=inputs)
    report = import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples"))
    assert report.network.batches
    assert inputs[1] in (report.network.lengths, report.network.mask)
    model = asr.load_model(tmp_path / "m")
    recordings = [spoken(text) for text in (TEXT, "E", "B A")]
    together = model.log_probs(recordings)
    for recording, array in zip(recordings, together, strict=True):
        (alone,) = model.log_probs([recording])
        np.testing.assert_allclose(array, alone, atol=1e-4)


def test_a_graph_that_mixes_padding_in_gets_one_recording_at_a_time(tmp_path):
    graph = samples_graph(
        tmp_path / "model.onnx", HF, inputs=("x", "lengths"), over_the_recording=True
    )
    report = import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples"))
    assert not report.network.batches
    model = asr.load_model(tmp_path / "m")
    recordings = [spoken(TEXT), spoken("B A")]
    for recording, array in zip(recordings, model.log_probs(recordings), strict=True):
        np.testing.assert_array_equal(array, model.log_probs([recording])[0])


def test_samples_may_have_an_axis_for_the_channel(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF, channel=True)
    report = import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples"))
    assert report.network.layout == "BCN"
    assert asr.load_model(tmp_path / "m").transcribe(spoken(TEXT), 16000).text == TEXT


@pytest.mark.parametrize("perm", [(1, 0, 2), (0, 2, 1)])
def test_axes_of_the_scores_may_come_in_another_order(tmp_path, perm):
    graph = samples_graph(tmp_path / "model.onnx", HF, perm=perm)
    report = import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples"))
    assert report.network.axes == "".join("BTV"[axis] for axis in perm)
    assert asr.load_model(tmp_path / "m").transcribe(spoken(TEXT), 16000).text == TEXT


def test_special_labels_are_never_text_and_frames_still_sum_to_one(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF)
    report = import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples"))
    assert "never text: '<s>' (1)" in report.labels
    model = asr.load_model(tmp_path / "m")
    assert model.tokens == ("<blank>", "▁", *LETTERS[1:])
    (log_probs,) = model.log_probs([spoken(TEXT)])
    np.testing.assert_allclose(np.exp(log_probs.astype(float)).sum(1), 1, atol=1e-5)


def test_transcripts_may_be_in_lower_case(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF)
    options = ImportOptions(features="samples", case="lower")
    import_model(graph, HF, tmp_path / "m", options)
    assert asr.load_model(tmp_path / "m").transcribe(spoken(TEXT), 16000).text == TEXT.lower()


def test_long_recordings_are_put_together_from_windows(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF)
    import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples"))
    model = asr.load_model(tmp_path / "m")
    pause = np.zeros(8000, np.float32)
    said = [TEXT, "DAB BED", "E A C"] * 7
    recording = np.concatenate([array for text in said for array in (spoken(text), pause)])
    assert len(recording) > 35 * 16000
    transcript = model.transcribe(recording, 16000)
    assert transcript.text.split() == " ".join(said).split()
    assert len(transcript.segments) > 1


def test_words_are_aligned_to_when_they_are_said(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF)
    import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples"))
    alignment = asr.load_model(tmp_path / "m").align(spoken("AB CA"), "ab ca", 16000)
    words = alignment.words
    assert [word.word for word in words] == ["ab", "ca"]
    starts = [0.1, 0.1 + 3 * 0.22]
    assert [word.start for word in words] == pytest.approx(starts, abs=0.06)


def test_a_language_model_and_hotwords_change_the_text(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF)
    import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples"))
    arpa = tmp_path / "lm.arpa"
    ngrams = "-1\t<s>\n-1\t</s>\n-1\t<unk>\n-1\tAB\n-1\tCAB\n"
    arpa.write_text(f"\\data\\\nngram 1=5\n\n\\1-grams:\n{ngrams}\n\\end\\\n")
    closed = {"open_vocabulary": False, "method": "beam"}
    model = asr.load_model(tmp_path / "m", closed, lm=arpa)
    assert model.transcribe(spoken("AB CAD"), 16000).text == "AB CAB"
    hotwords = {**closed, "hotwords": {"cad": 5.0}}
    model = asr.load_model(tmp_path / "m", hotwords, lm=arpa)
    assert model.transcribe(spoken("AB CAD"), 16000).text == "AB CAD"


def test_a_prepared_split_is_evaluated_on_its_recordings(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF)
    import_model(graph, HF, tmp_path / "m", ImportOptions(features="samples", case="lower"))
    said = {"u1": ("AB CAD", "ab cad"), "u2": ("BE", "be"), "u3": ("EE A", "ee b")}
    utterances = []
    for name, (text, reference) in said.items():
        soundfile.write(tmp_path / f"{name}.wav", spoken(text), 16000)
        utterances.append(Utterance(name, str(tmp_path / f"{name}.wav"), reference, "s"))
    prepare({"test": utterances}, tmp_path / "data", speeds=(1.0, 1.1), jobs=1)
    table = evaluate(ModelOptions(tmp_path / "m"), [tmp_path / "data/test"], tmp_path / "out")
    assert "greedy" in table
    hypotheses = (tmp_path / "out/test/hypotheses.tsv").read_text().splitlines()
    assert hypotheses == ["u1\tab cad", "u2\tbe", "u3\tee a"]
    wer = json.loads((tmp_path / "out/metrics.json").read_text())["test/wer greedy"]["value"]
    assert wer == pytest.approx(1 / 5)


def test_the_base_install_imports_and_transcribes(tmp_path):
    graph = samples_graph(tmp_path / "model.onnx", HF, inputs=("x", "lengths"))
    soundfile.write(tmp_path / "talk.wav", spoken(TEXT), 16000)
    tokens = tokens_file(tmp_path / "vocab.json", HF)
    without = "import sys; sys.modules.update(torch=None, onnx=None); from asr.cli import main; "
    options = ["--tokens", str(tokens), "-o", str(tmp_path / "m"), "--features", "samples"]
    ran = [
        subprocess.run(
            [sys.executable, "-c", without + f"main({[*map(str, arguments)]!r})"],
            capture_output=True,
            text=True,
            check=True,
        )
        for arguments in (
            ["import", graph, *options],
            ["transcribe", tmp_path / "talk.wav", "--model", tmp_path / "m"],
        )
    ]
    assert ran[0].stdout == f"wrote {tmp_path / 'm'}\n"
    assert "input: x (BN), samples at 16000 Hz, with lengths" in ran[0].stderr
    assert ran[1].stdout.strip() == TEXT
