"""Networks with metadata of sherpa-onnx give the same text at the same times here and in the
package itself, whatever normalisation of samples or features they ask for.
"""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
import soundfile
from foreign_graphs import LETTERS, RATE, features_graph, samples_graph, spoken

import asr
from asr.decoding import greedy
from asr.features.front_end import FRONT_ENDS
from asr.speech.importing.importing import ImportOptions, import_model

LABELS = ["<blk>", "▁", *LETTERS[1:]]
LAST = [*LABELS[1:], "<blk>"]  # NeMo's blank is its last output
TEXT = "AB CAD EE B"
LEVELS = (0.5, 0.1, 0.02, 0.004)  # amplitudes, between which each network's threshold lies
OFFSET = 0.2  # of all samples, which a normalisation takes away
STEP_S = 0.04
# Of each feature of FireRedASR's kind, the mean and one by the standard deviation.
CMVN = {
    "cmvn_mean": ",".join(f"{5 + 0.05 * f:.2f}" for f in range(80)),
    "cmvn_inv_stddev": ",".join(f"{0.2 + 0.001 * f:.3f}" for f in range(80)),
}
# sherpa-onnx gives WeNet's networks icefall's bands and edges, torchaudio's are meant.
AS_SHERPA = {"f_max": 7600, "edges": "mirror"}
# Run apart: the package brings an ONNX Runtime of its own.
IN_SHERPA = """
import json, sys
import soundfile
from sherpa_onnx import OfflineRecognizer

kind, folder, *files = sys.argv[1:]
make = getattr(OfflineRecognizer, f"from_{kind}_ctc")
given = {"model": f"{folder}/model.onnx", "tokens": f"{folder}/tokens.txt", "num_threads": 1}
recognizer = make(**given)
for file in files:
    samples, rate = soundfile.read(file, dtype="float32")
    stream = recognizer.create_stream()
    stream.accept_waveform(rate, samples)
    recognizer.decode_stream(stream)
    print(json.dumps([stream.result.text, stream.result.timestamps]))
"""

pytestmark = pytest.mark.skipif(find_spec("sherpa_onnx") is None, reason="needs sherpa-onnx")


def metadata_of(kind, **more):
    return {
        "model_type": kind,
        "vocab_size": str(len(LABELS)),
        "subsampling_factor": "4",
        **more,
    }


def as_letters(labels):
    """The labels as the graph maker knows them."""
    return ["|" if label == "▁" else label for label in labels]


def recordings_at(offset):
    return [spoken(TEXT, level) + np.float32(offset) for level in LEVELS]


def in_sherpa(kind, folder, recordings):
    """Text and times of the tokens of each recording."""
    files = []
    for number, samples in enumerate(recordings):
        files.append(str(folder / f"{number}.wav"))
        soundfile.write(files[-1], samples, RATE, subtype="FLOAT")
    command = [sys.executable, "-c", IN_SHERPA, kind, str(folder), *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    results = [json.loads(line) for line in ran.stdout.splitlines()]
    return [(" ".join(text.split()), times) for text, times in results]


def here(folder, recordings, step_s):
    model = asr.load_model(folder)
    best = [greedy(array, model.tokens) for array in model.log_probs(recordings)]
    return [(b.text, [step_s * frame for frame in b.token_frames]) for b in best]


def compare(kind, folder, options, recordings, step_s=STEP_S):
    """Hold the imported network to the package; return its texts."""
    import_model(folder / "model.onnx", folder / "tokens.txt", folder / "m", options)
    ours, theirs = here(folder / "m", recordings, step_s), in_sherpa(kind, folder, recordings)
    assert [text for text, _ in ours] == [text for text, _ in theirs]
    for (_, starts), (_, times) in zip(ours, theirs, strict=True):
        assert times == pytest.approx(starts, abs=step_s + 1e-3)
    return [text for text, _ in ours]


def write_tokens(folder, labels):
    lines = (f"{label} {number}\n" for number, label in enumerate(labels))
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "name", "floor", "settings", "metadata"),
    [
        ("zipformer", "icefall", -2.0, {}, metadata_of("zipformer2_ctc")),
        ("wenet", "wenet", 18.0, AS_SHERPA, metadata_of("wenet_ctc")),
        ("fire_red_asr", "wenet", 2.5, {}, metadata_of("fire-red-asr-2-ctc", **CMVN)),
        ("nemo", "nemo", -2.0, {}, metadata_of("EncDecCTCModel", normalize_type="NA")),
        ("nemo", "nemo", -2.0, {}, metadata_of("EncDecCTCModelBPE", normalize_type="")),
        ("nemo", "nemo", 1.0, {}, metadata_of("EncDecCTCModel", normalize_type="per_feature")),
    ],
)
def test_features_are_normalised_as_metadata_say(tmp_path, kind, name, floor, settings, metadata):
    nemo = kind == "nemo"
    labels = LAST if nemo else LABELS
    write_tokens(tmp_path, labels)
    features_graph(
        tmp_path / "model.onnx",
        as_letters(labels),
        FRONT_ENDS[name],
        floor=floor,
        inputs=("audio_signal", "length") if nemo else ("x", "x_lens"),
        channels_first=nemo,
        counts=not nemo,
        metadata=metadata,
    )
    texts = compare(kind, tmp_path, ImportOptions(settings=settings), recordings_at(0))
    assert texts[0] == TEXT
    brought_up = texts[-1] == TEXT
    assert brought_up == (metadata.get("normalize_type") == "per_feature")


@pytest.mark.parametrize("offset", [0.0, OFFSET])
def test_samples_lose_their_mean_and_level(tmp_path, offset):
    write_tokens(tmp_path, LABELS)
    graph = samples_graph(tmp_path / "model.onnx", as_letters(LABELS), inputs=("x",), threshold=0.5)
    add_metadata(graph, {"model_type": "omnilingual-asr", "vocab_size": str(len(LABELS))})
    recordings = recordings_at(offset)
    texts = compare("omnilingual_asr", tmp_path, ImportOptions(), recordings, step_s=0.02)
    assert texts[:3] == 3 * [TEXT]


def add_metadata(graph, metadata):
    model = onnx.load(graph)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, graph)
