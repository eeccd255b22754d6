"""pyctcdecode's interface: its answers, its own public cases, its files."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pyctcdecode_cases import ARPA, PER_SETTING, SETTINGS, answers_of

from asr.decoding.compat import (
    Alphabet,
    BeamSearchDecoderCTC,
    LanguageModel,
    build_ctcdecoder,
)
from asr.errors import AsrError, DecodingError

ANSWERS = json.loads(Path(__file__).with_name("pyctcdecode.json").read_text(encoding="utf-8"))

# A bigram model in which "bugs bunny" is what is said, written for this test.
BUNNY_ARPA = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-4.0\t<unk>\t0
0\t<s>\t-0.3
-1.0\t</s>\t0
-3.0\tbunny\t-0.2
-0.8\tbugs\t-0.2

\\2-grams:
-0.2\t<s> bugs
-0.2\tbugs bunny
-0.2\tbunny </s>

\\end\\
"""
LABELS = [" ", "b", "g", "n", "s", "u", "y", ""]


def one_hot(path: list[str]) -> npt.NDArray[np.float64]:
    return np.array([[float(label == said) for label in LABELS] for said in path])


BUGS, BUNNY = one_hot([*"bugs", "", ""]), one_hot(["b", "u", "n", "", "n", "y"])
SPACE = one_hot([" "])
# greedy reads "bunny bunny", a language model mends the first word
TWICE = np.vstack([BUGS * 0.49 + BUNNY * 0.51, SPACE, BUNNY])
LOGITS = np.log(np.clip(TWICE, 1e-15, 1))


@pytest.fixture(scope="module")
def bunny(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("bunny") / "bunny.arpa"
    path.write_text(BUNNY_ARPA)
    return str(path)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_answers_are_those_of_pyctcdecode(name: str, tmp_path: Path) -> None:
    """34 utterances a setting: texts, scores, and where one path is certain the times of words."""
    (tmp_path / "lm.arpa").write_text(ARPA)
    got = answers_of(build_ctcdecoder, str(tmp_path / "lm.arpa"), name)
    assert len(got) == len(ANSWERS[name]) == 2 * PER_SETTING
    for number, (ours, theirs) in enumerate(zip(got, ANSWERS[name], strict=True)):
        assert [beam[0] for beam in ours] == [beam[0] for beam in theirs]
        scores = [beam[2:] for beam in ours], [beam[2:] for beam in theirs]
        np.testing.assert_allclose(*scores, atol=1e-3)
        if number >= PER_SETTING:
            assert ours[0][1] == theirs[0][1]


# Cases that pyctcdecode's own tests have: their numbers.


@pytest.mark.parametrize(
    ("unigrams", "alpha", "offset", "text"),
    [
        (None, 0.0, -10.0, "bunny bunny"),
        (None, 1.0, -10.0, "bugs bunny"),
        ([], 1.0, -10.0, "bugs bunny"),
        (["bunny"], 1.0, 0.0, "bugs bunny"),
        (["bunny"], 1.0, -10.0, "bunny bunny"),
    ],
)
def test_weights_and_unigrams(
    bunny: str, unigrams: list[str] | None, alpha: float, offset: float, text: str
) -> None:
    model = LanguageModel(bunny, unigrams, alpha=alpha, unk_score_offset=offset)
    decoder = BeamSearchDecoderCTC(Alphabet.build_alphabet(LABELS), model)
    assert decoder.decode(LOGITS) == text


def test_without_a_model_all_readings_are_found() -> None:
    beams = build_ctcdecoder(LABELS).decode_beams(LOGITS)
    assert len(beams) == 16
    best, worst = beams[0], beams[-1]
    assert best[0] == "bunny bunny"
    assert best[2] == [("bunny", (0, 6)), ("bunny", (7, 13))]
    assert worst[0] == "bugs bunny"
    assert worst[2] == [("bugs", (0, 4)), ("bunny", (7, 13))]
    assert worst[3] == worst[4] == pytest.approx(4 * np.log(0.49), abs=1e-5)
    assert build_ctcdecoder(LABELS).decode_beams(LOGITS, prune_history=True)[0][0] == best[0]


def test_beams_far_behind_the_best_are_dropped(bunny: str) -> None:
    decoder = build_ctcdecoder(LABELS, bunny)
    assert [b[0] for b in decoder.decode_beams(LOGITS, beam_prune_logp=-5.0)] == ["bugs bunny"]
    model = LanguageModel(bunny, unk_score_offset=0.0)
    decoder = BeamSearchDecoderCTC(Alphabet.build_alphabet(LABELS), model)
    beams = decoder.decode_beams(LOGITS, beam_prune_logp=-20.0)
    assert len(beams) == 16
    assert [beam[0] for beam in beams[:2]] == ["bugs bunny", "bunny bunny"]


def test_only_the_best_token_of_a_frame_is_tried(bunny: str) -> None:
    assert build_ctcdecoder(LABELS, bunny).decode(LOGITS, token_min_logp=0.0) == "bunny bunny"


def test_a_state_carries_the_context(bunny: str) -> None:
    probs = np.vstack([BUGS[:4], SPACE, BUGS * 0.51 + BUNNY * 0.49])
    assert build_ctcdecoder(LABELS).decode(probs) == "bugs bugs"
    decoder = build_ctcdecoder(LABELS, bunny, ["bugs", "bunny"])
    assert decoder.decode(probs) == "bugs bunny"
    assert decoder.decode(probs[:4]) == decoder.decode(probs[4:]) == "bugs"
    text, state, _, _, _ = decoder.decode_beams(probs[:4])[0]
    after = decoder.decode_beams(probs[4:], lm_start_state=state)[0]
    assert (text, after[0]) == ("bugs", "bunny")
    assert decoder.decode(probs[4:], lm_start_state=state) == "bunny"
    with pytest.raises(DecodingError, match="needs a language model"):
        build_ctcdecoder(LABELS).decode(probs, lm_start_state=state)


@pytest.mark.parametrize(
    ("hotwords", "text"),
    [
        (["bunny"], "bunny bunny"),
        (["bugs", "bunny"], "bugs bunny"),
        (["bugs bunny"], "bugs bunny"),
        (["bunny", "zebra!"], "bunny bunny"),
        ([], "bugs bunny"),
    ],
)
def test_hotwords(bunny: str, hotwords: list[str], text: str) -> None:
    decoder = build_ctcdecoder(LABELS, bunny)
    assert decoder.decode(LOGITS, hotwords=hotwords, hotword_weight=20) == text
    assert build_ctcdecoder(LABELS).decode(LOGITS, hotwords=["bugs"]) == "bugs bunny"


def test_times_of_stretched_words_and_of_pieces() -> None:
    stretched = [" ", "", "b", "u", "n", "", "n", "n", "y", "", " ", " "]
    best = build_ctcdecoder(LABELS).decode_beams(one_hot(stretched))[0]
    assert (best[0], best[2]) == ("bunny", [("bunny", (2, 9))])
    pieces = ["▁bugs", "▁bun", "ny", ""]
    path = ["", "▁bugs", "▁bun", "ny", "ny", ""]
    probs = np.array([[float(piece == said) for piece in pieces] for said in path])
    best = build_ctcdecoder(pieces).decode_beams(probs)[0]
    assert (best[0], best[2]) == ("bugs bunny", [("bugs", (1, 2)), ("bunny", (2, 5))])


def test_batches_use_as_many_threads_as_the_pool_has_processes(bunny: str) -> None:
    decoder = build_ctcdecoder(LABELS, bunny, ["bugs", "bunny"])
    one = [(b[0], *b[2:]) for b in decoder.decode_beams(LOGITS)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for given in (pool, None):
            assert decoder.decode_batch(given, [LOGITS] * 3) == ["bugs bunny"] * 3
            assert decoder.decode_beams_batch(given, [LOGITS] * 3, beam_width=50) == [one] * 3


@pytest.mark.parametrize("logits", [LOGITS[:, :7], LOGITS[None], LOGITS * np.nan])
def test_logits_that_do_not_fit(logits: npt.NDArray[np.float64]) -> None:
    for error in (ValueError, AsrError):
        with pytest.raises(error, match="logits has"):
            build_ctcdecoder(LABELS).decode(logits)


def test_no_frames_are_an_empty_text() -> None:
    assert build_ctcdecoder(LABELS).decode(LOGITS[:0]) == ""


@pytest.mark.parametrize(
    ("labels", "normal"),
    [
        ([" ", "a", "b", ""], [" ", "a", "b", ""]),
        ([" ", "a", "b"], [" ", "a", "b", ""]),
        (["|", "a", "[PAD]", "[UNK]"], [" ", "a", "", "⁇"]),
        (["_", "a", " "], ["", "a", " "]),
        (["▁⁇▁", "▁B", "ugs"], ["▁⁇▁", "▁B", "ugs", ""]),
        (["<unk>", "▁B", "ugs"], ["▁⁇▁", "▁B", "ugs", ""]),
        (["<unk>", "B", "##ugs", "▁", ""], ["▁⁇▁", "▁B", "ugs", "▁", ""]),
    ],
)
def test_alphabets(labels: list[str], normal: list[str]) -> None:
    alphabet = Alphabet.build_alphabet(labels)
    assert alphabet.labels == normal
    assert alphabet.is_bpe == ("ugs" in normal)
    assert Alphabet.loads(alphabet.dumps()).labels == normal


@pytest.mark.parametrize("labels", [["a", "a", ""], ["▁a", " ", ""]])
def test_alphabets_that_are_refused(labels: list[str]) -> None:
    with pytest.raises(ValueError, match="twice|have a space"):
        Alphabet.build_alphabet(labels)


def test_folders(bunny: str, tmp_path: Path) -> None:
    decoder = build_ctcdecoder(LABELS, bunny, alpha=1.0, unk_score_offset=-3.0)
    for _ in range(2):  # again into the same folder
        decoder.save_to_dir(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    model = {f"language_model/{name}" for name in ("attrs.json", "unigrams.txt", "bunny.arpa")}
    assert names == {"alphabet.json", *model}
    loaded = BeamSearchDecoderCTC.load_from_dir(str(tmp_path))
    assert loaded.decode_beams(LOGITS) == decoder.decode_beams(LOGITS)
    (tmp_path / "language_model" / "more.txt").write_text("")
    with pytest.raises(DecodingError, match=r"more\.txt"):
        BeamSearchDecoderCTC.load_from_dir(tmp_path)
    with pytest.raises(DecodingError, match="another model"):
        decoder.save_to_dir(tmp_path)
    (tmp_path / "language_model" / "more.txt").unlink()
    (tmp_path / "language_model" / "attrs.json").write_text('{"alpha": 1, "gamma": 2}')
    with pytest.raises(DecodingError, match="'beta' is unknown or missing"):
        BeamSearchDecoderCTC.load_from_dir(tmp_path)
    (tmp_path / "alphabet.json").write_text("{}")
    with pytest.raises(DecodingError, match="An alphabet is JSON"):
        BeamSearchDecoderCTC.load_from_dir(tmp_path)
    with pytest.raises(DecodingError, match=r"no .*alphabet\.json"):
        BeamSearchDecoderCTC.load_from_dir(tmp_path / "language_model")


def test_weights_may_change(bunny: str) -> None:
    decoder = build_ctcdecoder(LABELS, bunny, alpha=1.0)
    assert decoder.decode(LOGITS) == "bugs bunny"
    decoder.reset_params(alpha=0.0)
    assert decoder.decode(LOGITS) == "bunny bunny"
    # as transformers sets them
    decoder.model_container[decoder._model_key].alpha = 1.0  # type: ignore[union-attr]
    assert decoder.decode(LOGITS) == "bugs bunny"
    decoder.reset_params(lm_score_boundary=False, beta=0.0, unk_score_offset=-1.0)
    assert decoder.decode(LOGITS) == "bugs bunny"
    with pytest.raises(DecodingError, match="no weight 'gamma'"):
        decoder._language_model.reset_params(gamma=1.0)  # type: ignore[union-attr]
    build_ctcdecoder(LABELS).reset_params(alpha=2.0)  # no model: nothing to change


def test_models_are_released_with_their_decoders(bunny: str) -> None:
    decoder = build_ctcdecoder(LABELS, bunny)
    key = decoder._model_key
    assert key in BeamSearchDecoderCTC.model_container
    del decoder
    assert key not in BeamSearchDecoderCTC.model_container
    decoder = build_ctcdecoder(LABELS, bunny)
    decoder.cleanup()
    assert decoder._model_key not in BeamSearchDecoderCTC.model_container
    BeamSearchDecoderCTC.clear_class_models()
    assert decoder.decode(LOGITS) == "bugs bunny"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_prune_logp": 1.0}, "beam_prune_logp is 1.0"),
        ({"beam_width": 0}, "beam_size is 0"),
        ({"hotwords": "bugs"}, "hotwords is a string"),
        ({"hotwords": ["bugs"], "hotword_weight": -1.0}, "has the weight -1.0"),
    ],
)
def test_settings_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        build_ctcdecoder(LABELS).decode(LOGITS, **options)


def test_several_models_are_refused(bunny: str) -> None:
    model = LanguageModel(bunny)
    with pytest.raises(DecodingError, match="asr lm interpolate"):
        BeamSearchDecoderCTC(Alphabet.build_alphabet(LABELS), [model, model])  # type: ignore[arg-type]


def test_packages_that_import_pyctcdecode_find_this_one() -> None:
    code = (
        "from asr.decoding import compat; compat.install()\n"
        "import importlib.util, pyctcdecode\n"
        "from pyctcdecode.alphabet import BLANK_TOKEN_PTN, UNK_TOKEN\n"
        "from pyctcdecode.constants import DEFAULT_BEAM_WIDTH\n"
        "assert importlib.util.find_spec('pyctcdecode') is not None\n"
        "assert pyctcdecode.build_ctcdecoder is compat.build_ctcdecoder\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_hub_is_asked_if_its_package_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_ctcdecoder(LABELS).save_to_dir(tmp_path)
    asked: list[Any] = []

    def snapshot_download(name: str, **options: Any) -> str:
        asked.append((name, options))
        return str(tmp_path)

    hub = type(sys)("huggingface_hub")
    hub.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    decoder = BeamSearchDecoderCTC.load_from_hf_hub("me/model", revision="main")
    assert decoder.decode(LOGITS) == "bunny bunny"
    assert asked == [("me/model", {"cache_dir": None, "revision": "main"})]
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(AsrError, match="load_from_dir"):
        BeamSearchDecoderCTC.load_from_hf_hub("me/model")


def test_a_model_of_kenlm_is_read_from_its_file(bunny: str, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    alphabet = Alphabet.build_alphabet(LABELS)
    decoder = BeamSearchDecoderCTC(alphabet, LanguageModel(kenlm.Model(bunny), alpha=1.0))
    assert decoder.decode(LOGITS) == "bugs bunny"
    decoder.save_to_dir(tmp_path)
    again = LanguageModel(LanguageModel(bunny).model)  # a model without a file
    assert again.order == 2
    with pytest.raises(DecodingError, match="is not a file"):
        again.save_to_dir(tmp_path)
