"""What cannot be imported, or is not clear: one error each, which names the option to give."""

import numpy as np
import onnx
import pytest
from foreign_graphs import LETTERS, features_graph, node, samples_graph, value, written
from onnx import TensorProto

from asr.errors import ConfigError, DecodingError, ModelError
from asr.features.front_end import FRONT_ENDS
from asr.speech.importing.importing import ImportOptions, import_model
from asr.speech.importing.metadata import read_metadata
from asr.speech.importing.ports import Port, find_ports

HF = ["<pad>", "<s>", "</s>", "<unk>", *LETTERS]
SAMPLES = ImportOptions(features="samples")


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return samples_graph(tmp_path_factory.mktemp("graph") / "model.onnx", HF)


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        (HF, ImportOptions(), ConfigError, "does not say whether they are normalised.*--features"),
        (HF, ImportOptions(features="nemo"), ConfigError, "takes samples.*--features, one of"),
        (HF, ImportOptions(features="mfcc"), ConfigError, "Unknown features 'mfcc'"),
        (HF[:-1], SAMPLES, ConfigError, r"labels are 9, .* out \(1, .*, 10\).*--tokens"),
        ([*HF, "F", "G"], SAMPLES, ConfigError, "labels are 12"),
        (["<pad>", "[PAD]", *HF[2:]], SAMPLES, DecodingError, "may be the blank.*blank=0"),
        (
            HF,
            ImportOptions(features="samples", input="speech"),
            ConfigError,
            r"no input 'speech'; its inputs are: input_values \(\?, \?\).*--input",
        ),
        (
            HF,
            ImportOptions(features="samples", output="logprobs"),
            ConfigError,
            "no output 'logprobs'; its outputs are: out.*--scores-output",
        ),
        (
            HF,
            ImportOptions(features="samples", scores_are="scores"),
            ConfigError,
            "scores_are",
        ),
        (
            HF,
            ImportOptions(features="samples", settings={"n_mel": 3}),
            ConfigError,
            "--feature: unknown key n_mel.*n_mels",
        ),
    ],
)
def test_what_is_not_clear_is_asked(graph, tmp_path, labels, options, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        import_model(graph, labels, tmp_path / "m", options)
    assert not (tmp_path / "m").exists()


def test_a_file_that_is_no_onnx_is_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match=r"cannot load .*model\.onnx.*Give an ONNX file"):
        import_model(tmp_path / "model.onnx", HF, tmp_path / "m", SAMPLES)
    with pytest.raises(ModelError, match="There is no file"):
        import_model(tmp_path / "none.onnx", HF, tmp_path / "m", SAMPLES)


def test_the_number_of_features_is_the_graph_s(tmp_path):
    features = FRONT_ENDS["icefall"]
    graph = features_graph(tmp_path / "model.onnx", HF, features, floor=-2)
    options = ImportOptions(features="icefall", settings={"n_mels": 40})
    with pytest.raises(ConfigError, match=r"takes 80 features a frame, not 40.*n_mels=80"):
        import_model(graph, HF, tmp_path / "m", options)
    with pytest.raises(ConfigError, match="takes features.*does not say which ones.*--features"):
        import_model(graph, HF, tmp_path / "m")


def test_a_recording_of_a_fixed_length_is_refused(tmp_path):
    nodes = [node("MatMul", ["x", "w"], ["scores"])]
    ports = [value("x", TensorProto.FLOAT, [1, 100, 80])]
    graph = written(tmp_path / "m.onnx", nodes, ports, {"w": np.ones((80, 10))}, 10, "logits")
    with pytest.raises(ModelError, match=r"cannot be run on .* as x \(1, 100, 80\)"):
        import_model(graph, HF, tmp_path / "m", ImportOptions(features="wenet"))


def port(name, shape, kind="tensor(float)"):
    return Port(name, kind, shape)


def test_networks_for_streams_are_refused():
    audio, lens = port("x", (None, None, 80)), port("x_lens", (None,), "tensor(int64)")
    for state in (port("cached_key_0", (128, None, 64)), port("att_cache", (None, 4, None, 128))):
        with pytest.raises(ModelError, match="state from chunk to chunk.*for whole recordings"):
            find_ports([audio, lens, state], "m.onnx", name="x")
    hints = read_metadata({"model_type": "zipformer2_ctc", "decode_chunk_len": "32"}, "m.onnx")
    assert "decode_chunk_len" in hints.streams


def test_two_inputs_that_may_be_the_audio_are_asked_for():
    inputs = [port("left", (None, None)), port("right", (None, None))]
    with pytest.raises(ConfigError, match=r"not clear.*left \(\?, \?\), right.*--input NAME"):
        find_ports(inputs, "m.onnx")
    masked = [port("x", (None, None)), port("padding_mask", (None, None))]
    assert find_ports(masked, "m.onnx").mask == "padding_mask"


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ({"model_type": "conformer"}, ConfigError, "model_type 'conformer'.*--features"),
        ({"model_type": "telespeech_ctc"}, ModelError, "which takes MFCC"),
        (
            {"model_type": "sense_voice_ctc", "lfr_window_size": "7"},
            ModelError,
            "several frames joined to one, and a language",
        ),
        (
            {"model_type": "zipformer2_ctc", "normalize_samples": "yes"},
            ConfigError,
            "normalize_samples='yes'.*--feature scale",
        ),
        (
            {"model_type": "wenet_ctc", "neg_mean": "1,2", "inv_stddev": "1,2"},
            ConfigError,
            "neg_mean in its metadata, a normalisation.*--feature normalization",
        ),
        (
            {"model_type": "wenet_ctc", "mean": "1,2"},
            ConfigError,
            "mean or invstd in its metadata",
        ),
        (
            {"model_type": "EncDecCTCModel", "normalize_type": "fixed_mean"},
            ConfigError,
            "normalize_type='fixed_mean'.*--feature normalization",
        ),
        (
            {"model_type": "zipformer2_ctc", "feature": "whisper"},
            ConfigError,
            "feature='whisper'",
        ),
        (
            {"model_type": "omnilingual-asr", "sample_rate": "16 kHz"},
            ConfigError,
            "sample_rate='16 kHz'.*--feature sample_rate",
        ),
        (
            {"model_type": "fire-red-asr-2-ctc", "cmvn_mean": "1,2", "cmvn_inv_stddev": "1,x"},
            ConfigError,
            "cmvn_mean or cmvn_inv_stddev",
        ),
    ],
)
def test_unknown_metadata_are_refused(metadata, error, message):
    with pytest.raises(error, match=message):
        read_metadata(metadata, "m.onnx")


@pytest.mark.parametrize(
    ("metadata", "settings"),
    [
        ({"normalize_type": "per_feature"}, {"normalization": "feature"}),
        ({"normalize_samples": "0"}, {"scale": 32768.0}),
        ({"normalize_samples": "1"}, {"scale": 1.0}),
        (
            {"mean": "1,2,", "invstd": "0.5,0.25"},
            {"normalization": "global", "mean": [1.0, 2.0], "std": [2.0, 4.0]},
        ),
    ],
)
def test_normalisation_is_read_for_any_front_end(metadata, settings):
    assert read_metadata({"model_type": "wenet_ctc", **metadata}, "m.onnx").settings == settings
    assert read_metadata(metadata, "m.onnx", "icefall").settings == settings


def test_the_remedy_of_an_unknown_normalisation_works():
    metadata = {"model_type": "EncDecCTCModel", "normalize_type": "fixed_mean", "feat_std": "2"}
    with pytest.raises(ConfigError, match="feat_std in its metadata"):
        read_metadata(metadata, "m.onnx")
    given = {"normalization": "none"}
    assert read_metadata(metadata, "m.onnx", given=given).settings == {}


def test_a_given_front_end_goes_before_an_unknown_type():
    hints = read_metadata({"model_type": "conformer"}, "m.onnx", "wenet")
    assert hints.front_end == "wenet"


def test_weights_beside_the_file_are_taken_along_or_missed(graph, tmp_path):
    import asr

    model = onnx.load(graph)
    there = tmp_path / "model.onnx"
    onnx.save(model, there, save_as_external_data=True, location="model.weights", size_threshold=64)
    import_model(there, HF, tmp_path / "m", SAMPLES)
    (tmp_path / "model.weights").unlink()
    assert "model.weights" in {path.name for path in (tmp_path / "m").iterdir()}
    assert len(asr.load_model(tmp_path / "m").log_probs([np.zeros(800, np.float32)])[0]) == 2
    with pytest.raises(ModelError, match=r"model\.(onnx|weights)"):
        import_model(there, HF, tmp_path / "n", SAMPLES)
