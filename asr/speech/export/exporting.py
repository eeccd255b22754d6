"""A trained model folder -> a model folder to deploy, compared with the trained one first.

Legend: n samples, T' output frames, V vocabulary.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from asr.audio.synthetic import made_audio
from asr.config import yaml_text
from asr.decoding import greedy
from asr.errors import ConfigError, ModelError, require
from asr.files import atomic_write_text
from asr.model_folder import (
    CONFIG,
    INDEX,
    WEIGHTS,
    Bundle,
    check_apart,
    copy_files,
    open_model,
    write_bundle,
)
from asr.onnx.sessions import products_saturate
from asr.speech.acoustics.backends import choose_backend
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.onnx import OnnxAcoustics
from asr.speech.acoustics.protocol import ONNX_FILE, STREAM_FILE
from asr.text.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from asr.speech.acoustics.pytorch import TorchAcoustics
    from asr.speech.acoustics.ranges import Ranges

__all__ = ["FORMATS", "ExportReport", "ParityCheck", "export_model"]

FORMATS = ("onnx", "onnx-int8", "torch-export", "sherpa")
PROGRAM_FILE = "model.pt2"
LEFT_OUT = {WEIGHTS, ONNX_FILE, STREAM_FILE, PROGRAM_FILE, CONFIG, INDEX, "training.yaml"}
# Recordings of each check in seconds (at least a frame): alone, and batches with little padding,
# with much, and with more than half of it.
CHECKS = ((0.3,), (1.0,), (2.7,), (6.1,), (2.0, 1.99, 1.5), (4.0, 0.5), (0.1, 3.3, 0.025, 1.0))
RANGES_S, RANGES_CLIPS = 4.0, 8  # what the ranges of 8-bit activations are measured with
# Of a natural log-probability. Rounding alone makes 1e-5 to 1e-4, and 3e-3 where a recurrent layer
# multiplies it.
MAX_DIFFERENCE = 1e-2
MIN_AGREEMENT = 0.9  # of frames whose best token 8-bit weights must leave as it was

Array = npt.NDArray[np.float32]
LogProbs = Callable[[Sequence[Array]], list[Array]]


@dataclass(frozen=True)
class ParityCheck:
    """One comparison with the trained model.

    Attributes:
        clips_s: lengths of the recordings of the batch in seconds.
        max_difference: largest of a log-probability.
        agreement: share of output frames with the same best token.
        equal_texts: recordings with the same greedy text.
    """

    clips_s: tuple[float, ...]
    max_difference: float
    agreement: float
    equal_texts: int

    def __str__(self) -> str:
        clips = " + ".join(f"{s:g}" for s in self.clips_s)
        return (
            f"{clips} s: log-probabilities within {self.max_difference:.1e}, "
            f"{100 * self.agreement:.1f} % of frames agree, "
            f"{self.equal_texts} of {len(self.clips_s)} texts equal"
        )


@dataclass(frozen=True)
class ExportReport:
    """What was written and how it compares.

    Attributes:
        folder: the new model folder.
        format: of :data:`FORMATS`.
        network_bytes: size of the exported network.
        source_bytes: size of the trained network's weights.
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

    @property
    def comparisons(self) -> list[str]:
        """The comparisons for people to read, a line each."""
        return [str(check) for check in self.checks]


def export_model(
    model: str | Path | Bundle,
    output: str | Path,
    output_format: str = "onnx",
    fixed_ranges: bool = False,
) -> ExportReport:
    """Write a trained speech model as a model folder to deploy; return how the two compare.

    Args:
        model: model or run folder with trained weights.
        output: the new folder.
        output_format: ``onnx`` (fp32), ``onnx-int8`` (8-bit weights of the recurrent and linear
            layers), ``torch-export`` (``model.pt2`` for programs that load it with
            ``torch.export.load``), or ``sherpa``: no model folder, but the two files that
            sherpa-onnx loads, see :mod:`asr.speech.export.sherpa`.
        fixed_ranges: of 8-bit activations, measured now, so that a text does not depend on what is
            computed in the same batch; a tenth slower. Otherwise each batch has its own.

    Raises:
        ConfigError: unknown format, fixed ranges of another format than ``onnx-int8``, or
            ``output`` is the model itself.
        ModelError: no trained model there, or what was exported computes something else; nothing is
            written then.

    Example:
        >>> report = export_model("runs/an4", "an4-int8", "onnx-int8")  # doctest: +SKIP
        >>> report.network_bytes / report.source_bytes  # doctest: +SKIP
        0.27
    """
    _check_format(output_format, fixed_ranges)
    bundle, output = open_model(model, task="ctc"), Path(output)
    source = _trained(bundle)
    check_apart(bundle, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    if output_format == "sherpa":
        return _export_sherpa(bundle, source, output)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as temporary:
        made = write_bundle(
            Path(temporary) / output.name,
            lambda folder: _write(bundle, source, folder, output_format, fixed_ranges),
        )
        checks = compare(source, _log_probs(made, source.tokens, output_format))
        _refuse(checks, output_format)
        write_bundle(output, lambda folder: copy_files(made, folder))
    name = PROGRAM_FILE if output_format == "torch-export" else ONNX_FILE
    return ExportReport(
        folder=output,
        format=output_format,
        network_bytes=(output / name).stat().st_size,
        source_bytes=(bundle.path / WEIGHTS).stat().st_size,
        checks=tuple(checks),
        streams=(output / STREAM_FILE).is_file(),
    )


def _export_sherpa(bundle: Bundle, source: TorchAcoustics, output: Path) -> ExportReport:
    from asr.speech.export import sherpa

    repeats = sherpa.frames_of_20_ms(bundle)
    if (output / INDEX).exists():
        raise ConfigError(f"{output} is a model folder.", "Give another output folder.")
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as temporary:
        folder = Path(temporary)
        sherpa.write_sherpa(source, folder, repeats)
        exported = sherpa.as_sherpa_calls(folder / ONNX_FILE, repeats)
        checks = compare(sherpa.WithoutMean(source), exported)
        _refuse(checks, "sherpa")
        output.mkdir(exist_ok=True)
        for name in (ONNX_FILE, sherpa.TOKENS_FILE):
            (folder / name).replace(output / name)
    return ExportReport(
        folder=output,
        format="sherpa",
        network_bytes=(output / ONNX_FILE).stat().st_size,
        source_bytes=(bundle.path / WEIGHTS).stat().st_size,
        checks=tuple(checks),
        streams=False,
    )


def _check_format(output_format: str, fixed_ranges: bool) -> None:
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
    require("torch", "train")


def _trained(bundle: Bundle) -> TorchAcoustics:
    from asr.speech.acoustics.pytorch import TorchAcoustics

    choose_backend(bundle, "torch")  # refuses a folder without weights
    return TorchAcoustics(bundle, load_tokenizer(bundle.path).tokens)


class Reference(Protocol):
    """What an exported network is compared with."""

    @property
    def frames(self) -> FrameShape:
        """Shape of its frames."""

    @property
    def tokens(self) -> Sequence[str]:
        """Tokens of its output."""

    def log_probs(self, recordings: Sequence[Array]) -> list[Array]:
        """Return log-probabilities (T', V) of recordings (n,)."""


def compare(
    source: Reference, exported: LogProbs, batches: Sequence[Sequence[float]] = CHECKS
) -> list[ParityCheck]:
    """Return how an exported network compares with the trained one on generated audio.

    Args:
        source: the trained network.
        exported: recordings (n,) -> log-probabilities (T', V).
        batches: lengths of the recordings of each batch in seconds.
    """
    rate = source.frames.sample_rate
    shortest = source.frames.frame_length / rate
    checks = []
    for number, clips_s in enumerate(batches):
        recordings = [
            made_audio(max(seconds, shortest), rate, 100 * number + n)
            for n, seconds in enumerate(clips_s)
        ]
        expected = source.log_probs(recordings)
        checks.append(_check(tuple(clips_s), source.tokens, expected, exported(recordings)))
    return checks


def _check(
    clips_s: tuple[float, ...],
    tokens: Sequence[str],
    expected: Sequence[Array],
    given: Sequence[Array],
) -> ParityCheck:
    pairs = list(zip(expected, given, strict=True))
    for a, b in pairs:
        if a.shape != b.shape:
            raise ModelError(
                f"The exported model gives {b.shape}, the trained one {a.shape} for the same "
                "recording."
            )
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
                f"The exported model differs from the trained one by {check.max_difference:.2g} "
                f"{where}.",
                "Nothing was written; please report this with the model's config.yaml.",
            )
    agreement = float(np.mean([check.agreement for check in checks]))
    if agreement < MIN_AGREEMENT:
        lacks = (
            " This processor has no VNNI; ONNX Runtime's exact products were used."
            if products_saturate()
            else ""
        )
        raise ModelError(
            f"With 8-bit weights only {100 * agreement:.1f} % of the frames keep their best "
            f"token.{lacks}",
            "Nothing was written; export with --format onnx.",
        )


def _log_probs(folder: Path, tokens: Sequence[str], output_format: str) -> LogProbs:
    if output_format == "torch-export":
        return _program_log_probs(folder / PROGRAM_FILE)
    return OnnxAcoustics(open_model(folder), tokens).log_probs


# --------------------------------------------------------------------------------------------------
# writing


def _write(
    bundle: Bundle, source: TorchAcoustics, folder: Path, output_format: str, fixed_ranges: bool
) -> None:
    for name in set(bundle.files) - LEFT_OUT:
        shutil.copyfile(bundle.path / name, folder / name)
    how = {"format": output_format, "model": bundle.name}
    fixed = {"fixed_ranges": True} if fixed_ranges else {}
    atomic_write_text(folder / CONFIG, yaml_text({**bundle.config, "export": how | fixed}))
    if output_format == "torch-export":
        _write_program(source, folder / PROGRAM_FILE)
    else:
        ranges = _ranges(source) if fixed_ranges else None
        _write_onnx(source, folder, ranges, int8=output_format == "onnx-int8")


def _ranges(source: TorchAcoustics) -> Ranges:
    from asr.speech.acoustics.ranges import measured

    rate = source.frames.sample_rate
    recordings = [made_audio(RANGES_S, rate, seed) for seed in range(RANGES_CLIPS)]
    with measured(source.task.network) as ranges:
        source.log_probs(recordings)
    return ranges


def _write_onnx(source: TorchAcoustics, folder: Path, ranges: Ranges | None, *, int8: bool) -> None:
    from asr.speech.acoustics.graphs import OfflineGraph, StreamingGraph
    from asr.speech.export.onnx_files import export_onnx

    with _perhaps_quantized(folder / ONNX_FILE, int8) as path:
        export_onnx(OfflineGraph(source.task, ranges).eval(), path)
    if source.streams:
        with _perhaps_quantized(folder / STREAM_FILE, int8) as path:
            export_onnx(StreamingGraph(source.task, ranges).eval(), path)


@contextlib.contextmanager
def _perhaps_quantized(target: Path, int8: bool) -> Iterator[Path]:
    """Yield a path to write fp32 ONNX to; afterwards ``target`` is it, or its 8-bit version."""
    if not int8:
        yield target
        return
    from asr.speech.export.onnx_files import quantize_onnx

    full = target.with_name(f"fp32-{target.name}")
    yield full
    quantize_onnx(full, target)
    full.unlink()


def _write_program(source: TorchAcoustics, path: Path) -> None:
    """Write the model as a ``torch.export`` program.

    It maps samples (B, N) and lens (B,) to log_probs (B, T', V) and lens (B,).
    """
    import torch
    from torch.export import Dim, save

    from asr.speech.export.program import Program

    rate = source.frames.sample_rate
    samples, lens = torch.randn(2, rate), torch.tensor([rate, rate // 2])
    shapes = {"samples": {0: Dim.AUTO, 1: Dim.AUTO}, "lens": {0: Dim.AUTO}}
    graph = Program(copy.deepcopy(source.task)).eval().requires_grad_(False)
    with torch.no_grad():
        save(torch.export.export(graph, (samples, lens), dynamic_shapes=shapes, strict=False), path)


def _program_log_probs(path: Path) -> LogProbs:
    import torch

    from asr.training.batching.padding import pad_sequences

    with warnings.catch_warnings():
        # torch reads its own archive through a buffer that it then calls read-only
        warnings.simplefilter("ignore")
        module = torch.export.load(path).module()

    def log_probs(recordings: Sequence[Array]) -> list[Array]:
        with torch.no_grad():
            output, lens = module(*pad_sequences(recordings))
        return [array[:n].numpy() for array, n in zip(output, lens.tolist(), strict=True)]

    return log_probs
