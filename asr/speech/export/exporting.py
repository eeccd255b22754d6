"""A trained model folder -> a model folder to deploy, compared with the trained one before it
appears.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asr.audio.synthetic import made_audio
from asr.config import yaml_text
from asr.decoding import greedy
from asr.errors import ConfigError, ModelError, require
from asr.files import atomic_write_text
from asr.model_folder import CONFIG, WEIGHTS, check_apart, write_bundle
from asr.speech.onnx import ONNX_FILE, STREAM_FILE
from asr.speech.recognizer import Recognizer, load_model

if TYPE_CHECKING:
    from torch import Tensor

    from asr.speech.graphs import StreamingGraph
    from asr.speech.ranges import Ranges

__all__ = ["FORMATS", "ExportReport", "ParityCheck", "export_model"]

FORMATS = ("onnx", "onnx-int8", "torch-export")
PROGRAM_FILE = "model.pt2"
LEFT_OUT = {WEIGHTS, ONNX_FILE, STREAM_FILE, PROGRAM_FILE, CONFIG, "bundle.json", "training.yaml"}
# Recordings of each check in seconds (at least a frame): alone, and batches whose padding is short,
# long, over half
CHECKS = ((0.3,), (1.0,), (2.7,), (6.1,), (2.0, 1.99, 1.5), (4.0, 0.5), (0.1, 3.3, 0.025, 1.0))
RANGES_S, RANGES_CLIPS = 4.0, 8  # what the ranges of 8-bit activations are measured with
# Of a natural log-probability. Rounding alone makes 1e-5 to 1e-4, and 3e-3 where a recurrent layer
# multiplies it
MAX_DIFFERENCE = 1e-2
MIN_AGREEMENT = 0.9  # of frames whose best token 8-bit weights must leave as it was

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ParityCheck:
    """One comparison with the trained model.

    Attributes:
        clips_s: lengths of the recordings of the batch.
        max_difference: of a log-probability.
        agreement: share of output frames with the same best token.
        equal_texts: recordings with the same greedy text.
    """

    clips_s: tuple[float, ...]
    max_difference: float
    agreement: float
    equal_texts: int


@dataclass(frozen=True)
class ExportReport:
    """What was written and how it compares.

    Attributes:
        folder: the new model folder.
        format: of :data:`FORMATS`.
        network_bytes: of the exported network, and source_bytes: of the trained one's weights.
        checks: comparisons that it passed.
        streams: whether the model can be used by :class:`asr.speech.streaming.StreamingRecognizer`.
    """

    folder: Path
    format: str
    network_bytes: int
    source_bytes: int
    checks: tuple[ParityCheck, ...]
    streams: bool

    @property
    def agreement(self) -> float:
        """Mean share of frames with the same best token."""
        return float(np.mean([check.agreement for check in self.checks]))


def export_model(
    model: str | Path, output: str | Path, output_format: str = "onnx", fixed_ranges: bool = False
) -> ExportReport:
    """Write a trained speech model as a model folder to deploy; return how it compares with the
    trained one.

    Args:
        model: model or run folder with trained weights.
        output: the new folder.
        output_format: ``onnx`` (fp32), ``onnx-int8`` (8-bit weights of the recurrent and linear
            layers), or ``torch-export`` (``model.pt2`` for programs that load it with
            ``torch.export.load``).
        fixed_ranges: of 8-bit activations, measured now, so that a text does not depend on what is
            computed beside it; a tenth slower. Otherwise they are measured as they pass.

    Raises:
        ConfigError: unknown format, fixed ranges of another format than ``onnx-int8``, or
        ``output`` is the model
            itself. ModelError: no trained model there, or what was exported computes something
            else; nothing is written then.

    Example:
        >>> report = export_model("runs/an4", "an4-int8", "onnx-int8")  # doctest: +SKIP
        >>> report.network_bytes / report.source_bytes  # doctest: +SKIP
        0.27
    """
    if output_format not in FORMATS:
        raise ConfigError(
            f"Unknown export format {output_format!r}.", f"Choose of: {', '.join(FORMATS)}."
        )
    if fixed_ranges and output_format != "onnx-int8":
        raise ConfigError(
            f"The format {output_format} has no ranges to fix.",
            "Give --format onnx-int8, or leave it.",
        )
    if output_format != "torch-export":
        require("onnx", "export")
    source, output = load_model(model, backend="torch"), Path(output)
    check_apart(source.bundle, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as temporary:
        made = write_bundle(
            Path(temporary) / output.name,
            lambda folder: _write(source, folder, output_format, fixed_ranges),
        )
        checks = compare(source, _log_probs(made, output_format))
        _refuse(checks, output_format)
        write_bundle(output, lambda folder: _copy(made, folder))
    name = PROGRAM_FILE if output_format == "torch-export" else ONNX_FILE
    size, trained = (output / name).stat().st_size, (source.bundle.path / WEIGHTS).stat().st_size
    return ExportReport(
        output, output_format, size, trained, tuple(checks), (output / STREAM_FILE).is_file()
    )


def compare(
    source: Recognizer,
    exported: Callable[[Sequence[Samples]], list[npt.NDArray[np.float32]]],
    batches: Sequence[Sequence[float]] = CHECKS,
) -> list[ParityCheck]:
    """Return how ``exported`` (recordings -> log-probabilities) compares with the model on
    generated audio.

    Args:
        source: the trained model.
        exported: function from recordings (n,) to log-probabilities (T', V).
        batches: lengths of the recordings of each batch in seconds.
    """
    checks = []
    for number, clips_s in enumerate(batches):
        lengths = [max(s, source.frame_length / source.sample_rate) for s in clips_s]
        recordings = [
            made_audio(s, source.sample_rate, 100 * number + n) for n, s in enumerate(lengths)
        ]
        checks.append(
            _check(
                tuple(clips_s), source.tokens, source.log_probs(recordings), exported(recordings)
            )
        )
    return checks


def _check(
    clips_s: tuple[float, ...],
    tokens: Sequence[str],
    expected: Sequence[npt.NDArray[np.float32]],
    given: Sequence[npt.NDArray[np.float32]],
) -> ParityCheck:
    for a, b in zip(expected, given, strict=True):
        if a.shape != b.shape:
            raise ModelError(
                f"The exported model gives {b.shape}, the trained one {a.shape} for the same recording."
            )
    pairs = list(zip(expected, given, strict=True))
    difference = max(float(np.abs(a - b).max(initial=0)) for a, b in pairs)
    same = sum(int((a.argmax(1) == b.argmax(1)).sum()) for a, b in pairs)
    texts = sum(greedy(a, tokens).text == greedy(b, tokens).text for a, b in pairs)
    return ParityCheck(clips_s, difference, same / max(1, sum(map(len, expected))), texts)


def _refuse(checks: Sequence[ParityCheck], output_format: str) -> None:
    for check in checks:
        where = f"on recordings of {', '.join(f'{s:g}' for s in check.clips_s)} s"
        if output_format != "onnx-int8" and not (
            check.max_difference <= MAX_DIFFERENCE and check.equal_texts == len(check.clips_s)
        ):
            raise ModelError(
                f"The exported model differs from the trained one by {check.max_difference:.2g} {where}.",
                "Nothing was written; please report this with the model's config.yaml.",
            )
    agreement = float(np.mean([check.agreement for check in checks]))
    if agreement < MIN_AGREEMENT:
        raise ModelError(
            f"With 8-bit weights only {100 * agreement:.1f} % of the frames keep their best token.",
            "Nothing was written; export with --format onnx.",
        )


def _log_probs(
    folder: Path, output_format: str
) -> Callable[[Sequence[Samples]], list[npt.NDArray[np.float32]]]:
    if output_format == "torch-export":
        return _program_log_probs(folder / PROGRAM_FILE)
    return load_model(folder, backend="onnxruntime").log_probs


# -------------------------------------------------------------------------------------------------
# writing


def _write(source: Recognizer, folder: Path, output_format: str, fixed_ranges: bool) -> None:
    bundle = source.bundle
    for name in set(bundle.files) - LEFT_OUT:
        shutil.copyfile(bundle.path / name, folder / name)
    how = {"format": output_format, "model": source.name} | (
        {"fixed_ranges": True} if fixed_ranges else {}
    )
    config = {**bundle.config, "export": how}
    atomic_write_text(folder / CONFIG, yaml_text(config))
    if output_format == "torch-export":
        _write_program(source, folder / PROGRAM_FILE)
    else:
        _write_onnx(source, folder, output_format == "onnx-int8", fixed_ranges)


def _copy(source: Path, folder: Path) -> None:
    for path in source.iterdir():
        if path.name != "bundle.json":
            shutil.copyfile(path, folder / path.name)


def _write_onnx(source: Recognizer, folder: Path, int8: bool, fixed_ranges: bool) -> None:
    import torch

    from asr.speech.export.onnx_files import export_onnx
    from asr.speech.frames import streams
    from asr.speech.graphs import OfflineGraph, StreamingGraph

    ranges = _ranges(source) if fixed_ranges else None
    graph = OfflineGraph(source.task, ranges).eval()
    second = source.sample_rate
    inputs = (torch.randn(2, second) * 0.1, torch.tensor([second, second // 2]))
    config, bins = source.feature_config, graph.features.bins
    with _weights_of(int8, folder / ONNX_FILE) as path:
        export_onnx(graph, inputs, graph.INPUTS, graph.OUTPUTS, graph.DYNAMIC, config, bins, path)
    if streams(source.bundle):
        stream = StreamingGraph(source.task, ranges).eval()
        with _weights_of(int8, folder / STREAM_FILE) as path:
            outputs = ("log_probs", *(f"next_{name}" for name in stream.state_names))
            dynamic = _stream_axes(stream)
            export_onnx(
                stream,
                _stream_inputs(stream),
                stream.input_names,
                outputs,
                dynamic,
                config,
                bins,
                path,
            )


def _ranges(source: Recognizer) -> Ranges:
    from asr.speech.ranges import measured

    with measured(source.task.network) as ranges:
        source.log_probs(
            [made_audio(RANGES_S, source.sample_rate, seed) for seed in range(RANGES_CLIPS)]
        )
    return ranges


class _weights_of:  # noqa: N801 - a context, read as a word
    """Gives a path to write fp32 ONNX to; on leaving, ``target`` is that file or its 8-bit version."""

    def __init__(self, int8: bool, target: Path) -> None:
        self.int8, self.target = int8, target
        self.path = target.with_name(f"fp32-{target.name}") if int8 else target

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, kind: object, *_: object) -> None:
        if self.int8 and kind is None:
            from asr.speech.export.onnx_files import quantize_onnx

            quantize_onnx(self.path, self.target)
            self.path.unlink()


def _stream_inputs(graph: StreamingGraph) -> tuple[Tensor, ...]:
    import torch

    config = graph.features.config
    samples = (
        torch.randn(1, config.frame_length + config.frame_shift * (graph.first_frames - 1 + 4 * 8))
        * 0.1
    )
    return samples, torch.zeros(1, 1, 0, 1), *graph.initial_state()


def _stream_axes(graph: StreamingGraph) -> dict[str, dict[int, str]]:
    axes = {"samples": {1: "N"}, "tail": {2: "R"}, "log_probs": {1: "T"}}
    for number, _ in enumerate(
        graph.conv.strides
    ):  # a stream begins with more zeros than it carries over later
        axes |= {f"cache{number}": {2: f"K{number}"}, f"next_cache{number}": {2: f"M{number}"}}
    return axes


def _write_program(source: Recognizer, path: Path) -> None:
    """Write the model as a ``torch.export`` program: (samples (B, N), lens (B,)) -> (log_probs,
    lens).
    """
    import copy

    import torch
    from torch.export import Dim, save

    from asr.speech.export.program import Program

    samples, lens = (
        torch.randn(2, source.sample_rate),
        torch.tensor([source.sample_rate, source.sample_rate // 2]),
    )
    shapes = {"samples": {0: Dim.AUTO, 1: Dim.AUTO}, "lens": {0: Dim.AUTO}}
    graph = Program(copy.deepcopy(source.task)).eval().requires_grad_(False)
    with torch.no_grad():
        save(torch.export.export(graph, (samples, lens), dynamic_shapes=shapes, strict=False), path)


def _program_log_probs(path: Path) -> Callable[[Sequence[Samples]], list[npt.NDArray[np.float32]]]:
    import torch

    from asr.training.batching.padding import pad_sequences

    with (
        warnings.catch_warnings()
    ):  # torch reads its own archive through a buffer that it then calls read-only
        warnings.simplefilter("ignore")
        module = torch.export.load(path).module()

    def log_probs(recordings: Sequence[Samples]) -> list[npt.NDArray[np.float32]]:
        with torch.no_grad():
            output, lens = module(*pad_sequences(recordings))
        return [array[:n].numpy() for array, n in zip(output, lens.tolist(), strict=True)]

    return log_probs
