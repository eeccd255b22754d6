"""An ONNX file that was trained elsewhere -> a model folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asr.config import as_dict, build_config, yaml_text
from asr.errors import ConfigError, ModelError
from asr.features.front_end import FRONT_ENDS, FrontEnd
from asr.files import atomic_write_text
from asr.model_folder import CONFIG, write_bundle
from asr.onnx.sessions import new_session
from asr.speech.acoustics.imported_network import ImportedNetwork
from asr.speech.acoustics.imported_tokens import ImportedTokenizer
from asr.speech.acoustics.protocol import ONNX_FILE
from asr.speech.importing.metadata import Hints, read_metadata
from asr.speech.importing.ports import Ports, find_ports, ports_of
from asr.speech.importing.probing import Probe, probed

__all__ = ["ImportOptions", "ImportReport", "import_model"]

# In an ONNX file: a tensor's data lie in another file, whose name follows.
LOCATION = re.compile(rb"\x0a\x08location\x12(.)", re.DOTALL)


@dataclass(frozen=True)
class ImportOptions:
    """What the file itself does not say.

    Attributes:
        features: name of a front end in :data:`asr.features.front_end.FRONT_ENDS`; empty: what the
            file's metadata say.
        settings: of the front end, other than those of that name.
        blank: label or number of the blank, where the labels do not say it.
        word_boundary: see :meth:`asr.decoding.vocabulary.Vocabulary.read`.
        special: labels that are never text, None: those in brackets.
        case: ``lower`` or ``upper``: the letter case of the transcripts, by default the labels'.
        input: name of the graph's input for the audio.
        output: name of the graph's output with the scores.
        scores_are: ``logits``, ``log_probs`` or ``probs``, by default found out.
    """

    features: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    blank: int | str | None = None
    word_boundary: str | None = None
    special: Sequence[str] | None = None
    case: str | None = None
    input: str = ""
    output: str = ""
    scores_are: str = ""


@dataclass(frozen=True)
class ImportReport:
    """What was understood of a network, and written.

    Attributes:
        folder: the new model folder.
        network: how the graph is fed and what it gives.
        labels: how its labels were understood.
    """

    folder: Path
    network: ImportedNetwork
    labels: str

    def lines(self) -> list[str]:
        """Return it for people, a line each for input, output and labels."""
        network = self.network
        step_ms = 1000 * network.frame_shift * network.subsampling / network.sample_rate
        beside = [name for name in (network.lengths, network.mask) if name]
        together = "batches" if network.batches else "one recording at a time"
        return [
            f"input: {network.audio} ({network.layout}), {_features_in_words(network.features)}"
            f"{', with ' + ' and '.join(beside) if beside else ''}",
            f"output: {network.scores} ({network.axes}), {network.scores_are}, a frame each "
            f"{step_ms:g} ms, {together}",
            f"labels: {self.labels}",
        ]


def import_model(
    model: str | Path, tokens: Any, output: str | Path, options: ImportOptions | None = None
) -> ImportReport:
    """Write a CTC network in ONNX as a model folder; return what was understood.

    Args:
        model: ONNX file of a network for whole recordings, that takes samples or features, and
            perhaps their number or a mask, and gives a score for each label and frame.
        tokens: its labels: a file or list, see :meth:`asr.decoding.vocabulary.Vocabulary.read`.
        output: the new folder.
        options: what the file does not say.

    Raises:
        ConfigError: something is not clear, and which option says it.
        DecodingError: the labels cannot be understood.
        ModelError: the file cannot be read or run, or is no such network.

    Example:
        >>> report = import_model("model.onnx", "tokens.txt", "models/other")  # doctest: +SKIP
        >>> report.lines()  # doctest: +SKIP
    """
    model, options = Path(model), options or ImportOptions()
    if not model.is_file():
        raise ModelError(f"There is no file {model}.", "Give an ONNX file.")
    session = new_session(model, "Give an ONNX file.")
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    hints = read_metadata(metadata, str(model), options.features, options.settings)
    if hints.streams:
        raise ModelError(
            f"{model} is a network for streams: {hints.streams}.",
            "Export the network for whole recordings.",
        )
    ports = find_ports(ports_of(session.get_inputs()), str(model), options.input)
    features = _front_end(ports, hints, options, str(model))
    tokenizer = ImportedTokenizer(tokens, _reading(hints, options))
    outputs, size = ports_of(session.get_outputs()), tokenizer.outputs.size
    probe = Probe(
        session=session,
        file=str(model),
        ports=ports,
        outputs=outputs,
        features=features,
        size=size,
    )
    network = probed(probe, options.output, options.scores_are)

    def write(folder: Path) -> None:
        shutil.copyfile(model, folder / ONNX_FILE)
        for other in _outside(model):
            shutil.copyfile(other, folder / other.name)
        tokenizer.save(folder)
        config = {
            "task": "ctc",
            "network": {ImportedNetwork.SECTION: _changed(network)},
            "import": {"file": model.name, "metadata": metadata},
        }
        atomic_write_text(folder / CONFIG, yaml_text(config))

    return ImportReport(write_bundle(output, write), network, tokenizer.outputs.summary)


def _front_end(ports: Ports, hints: Hints, options: ImportOptions, file: str) -> FrontEnd:
    """What the graph is given."""
    name = hints.front_end
    if name and name not in FRONT_ENDS:
        raise ConfigError(f"Unknown features {name!r}.", f"Choose of: {', '.join(FRONT_ENDS)}.")
    kind = "samples" if ports.takes_samples else "logmel"
    fitting = [key for key, value in FRONT_ENDS.items() if value.kind == kind]
    what = "samples" if ports.takes_samples else "features"
    if not name:
        how = "whether they are normalised" if ports.takes_samples else "which ones"
        raise ConfigError(
            f"{file} takes {what} ({ports.audio}) and does not say {how}.",
            f"Give --features, one of: {', '.join(fitting)}.",
        )
    if name not in fitting:
        raise ConfigError(
            f"{file} takes {what} ({ports.audio}), but the features are {name!r}.",
            f"Give --features, one of: {', '.join(fitting)}.",
        )
    settings = {**hints.settings, **options.settings}
    if ports.num_features is not None:
        settings.setdefault("n_mels", ports.num_features)
    features = build_config(FrontEnd, as_dict(FRONT_ENDS[name]), dict(settings), where="--feature")
    if ports.num_features not in (None, features.n_mels):
        raise ConfigError(
            f"{file} takes {ports.num_features} features a frame, not {features.n_mels}.",
            f"Give --feature n_mels={ports.num_features}.",
        )
    return features


def _reading(hints: Hints, options: ImportOptions) -> dict[str, Any]:
    """Arguments of :meth:`asr.decoding.vocabulary.Vocabulary.read`."""
    blank = hints.blank if options.blank is None else options.blank
    special = None if options.special is None else list(options.special)
    given = {
        "blank": blank,
        "word_boundary": options.word_boundary,
        "special": special,
        "case": options.case,
    }
    return {name: value for name, value in given.items() if value is not None}


def _features_in_words(features: FrontEnd) -> str:
    what = f"samples at {features.sample_rate} Hz"
    if features.kind == "logmel":
        what = f"{features.n_mels} log-Mel features of {what}"
    normalised = {
        "none": "",
        "recording": ", normalised over the recording",
        "feature": ", each normalised over the recording",
        "global": ", with a given mean and variance",
    }
    return what + normalised[features.normalization]


def _changed(network: ImportedNetwork) -> dict[str, Any]:
    """The network as a mapping, without the settings of features that samples have no use for."""
    section = as_dict(network)
    if network.features.kind == "samples":
        kept = ("kind", "sample_rate", "scale", "normalization", "epsilon")
        section["features"] = {key: section["features"][key] for key in kept}
    return section


def _outside(model: Path) -> list[Path]:
    """The files beside an ONNX file that hold its weights.

    Raises:
        ModelError: one is missing, or lies elsewhere.
    """
    content, files = model.read_bytes(), dict[str, Path]()
    for match in LOCATION.finditer(content):
        name = content[match.end() : match.end() + match[1][0]].decode("utf-8", "replace")
        files[name] = model.parent / name
    for name, path in files.items():
        if Path(name).name != name or not path.is_file():
            raise ModelError(
                f"{model} keeps its weights in {name!r}, which is not beside it.",
                "Put all files of the network into one folder.",
            )
    return list(files.values())
