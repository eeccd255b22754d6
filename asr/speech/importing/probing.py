"""What an ONNX graph says about itself when it is run: its step, its scores, whether it batches.

Legend: B recordings, T steps of the input (feature frames or samples), T' output frames, V outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.synthetic import made_audio
from asr.errors import ConfigError, ModelError
from asr.features.front_end import FrontEnd
from asr.speech.acoustics.imported import ImportedGraph, log_probs_of
from asr.speech.acoustics.imported_network import AXES, ImportedNetwork
from asr.speech.acoustics.protocol import Array
from asr.speech.importing.ports import Port, Ports

__all__ = ["Probe", "probed"]

PROBE_S = 0.6  # of audio: long enough for any window, short for large networks
# Steps between the two lengths that are compared, a multiple of every usual subsampling.
SPAN = {"samples": 19200, "logmel": 96}
TOLERANCE = 1e-2  # of a sum of probabilities
# Of a log-probability that padding may make, see asr.speech.export, and the least that counts.
MAX_DIFFERENCE, LEAST = 1e-2, -20.0


@dataclass(frozen=True)
class Probe:
    """A graph to be tried.

    Attributes:
        session: an ``onnxruntime.InferenceSession``.
        file: its path, for errors.
        ports: its inputs.
        outputs: of the graph.
        features: what it is given.
        size: V that its labels have.
    """

    session: Any
    file: str
    ports: Ports
    outputs: Sequence[Port]
    features: FrontEnd
    size: int

    def input(self, steps: int, seed: int = 0) -> Array:
        """Return T steps of input for made-up audio."""
        samples = self.features.num_samples(steps)
        rate = self.features.sample_rate
        return self.features(made_audio(samples / rate, rate, seed)[:samples])


def probed(probe: Probe, output: str = "", scores_are: str = "") -> ImportedNetwork:
    """Return how a graph is fed and what it gives, from a few runs on made-up audio.

    Args:
        probe: the graph.
        output: name of the output with the scores, where several might be.
        scores_are: ``logits``, ``log_probs`` or ``probs``, where it is known.

    Raises:
        ConfigError: no output has as many scores as there are labels, or several have.
        ModelError: the graph cannot be run, or its frames have no regular step.
    """
    network = ImportedNetwork(
        features=probe.features,
        audio=probe.ports.audio.name,
        lengths=probe.ports.lengths,
        mask=probe.ports.mask,
    )
    network = _run_once(probe, network, output)
    network = _with_step(probe, network)
    kind = scores_are or _kind(probe, network)
    network = replace(network, scores_are=kind)
    return replace(network, batches=_batches(probe, network))


# --------------------------------------------------------------------------------------------------
# outputs


def _run_once(probe: Probe, network: ImportedNetwork, output: str) -> ImportedNetwork:
    """Return the network with its layout, the output of its scores and that of their number."""
    steps = probe.features.num_frames(round(PROBE_S * probe.features.sample_rate))
    x, failure = probe.input(steps), None
    for layout in probe.ports.layouts:
        tried = replace(network, layout=layout, scores=probe.outputs[0].name)
        try:
            results = _Everything(probe.session, tried)(x)
        except Exception as error:  # onnxruntime raises classes of its C++ side
            failure = error
            continue
        named = dict(zip([port.name for port in probe.outputs], results, strict=True))
        name, axes = _scores(probe, named, output)
        scores = named[name]
        count = scores.shape[axes.index("T")]
        counts = [n for n, array in named.items() if array.size == 1 and array.item() == count]
        return replace(tried, scores=name, axes=axes, frame_lens=counts[0] if counts else "")
    reason = " ".join(str(failure).split())[:300]
    raise ModelError(
        f"{probe.file} cannot be run on {_described(x, probe.ports)}: {reason}",
        "See whether --features is right.",
    ) from failure


class _Everything(ImportedGraph):
    """A graph with all its outputs, for one recording."""

    def __init__(self, session: Any, network: ImportedNetwork) -> None:
        super().__init__(session, network)
        self._all = session

    def __call__(self, x: Any) -> list[npt.NDArray[Any]]:
        results: list[npt.NDArray[Any]] = self._all.run(None, self.feed([x]))
        return [np.asarray(result) for result in results]


def _described(x: Array, ports: Ports) -> str:
    what = f"{len(x)} samples" if x.ndim == 1 else f"{x.shape[0]} frames of {x.shape[1]} features"
    return f"{what} as {ports.audio}"


def _scores(probe: Probe, results: dict[str, npt.NDArray[Any]], output: str) -> tuple[str, str]:
    """Name and axes of the output with V scores."""
    if output and output not in results:
        names = ", ".join(results)
        raise ConfigError(
            f"{probe.file} has no output {output!r}; its outputs are: {names}.",
            "Give --scores-output NAME.",
        )
    shaped = {n: a.shape for n, a in results.items() if a.ndim == 3 and n in (output or n)}
    fitting = [(n, _axes(shape, probe.size)) for n, shape in shaped.items()]
    fitting = [(name, axes) for name, axes in fitting if axes]
    listed = ", ".join(f"{n} {tuple(shape)}" for n, shape in shaped.items()) or "none of three axes"
    if not fitting:
        raise ConfigError(
            f"The labels are {probe.size}, but no output of {probe.file} has as many scores: "
            f"{listed}.",
            "Give the tokens file of this network (--tokens), or say which output is the blank "
            "where the file lacks it (--blank).",
        )
    if len(fitting) > 1:
        raise ConfigError(
            f"Several outputs of {probe.file} have {probe.size} scores: "
            f"{', '.join(name for name, _ in fitting)}.",
            "Give --scores-output NAME.",
        )
    return fitting[0]


def _axes(shape: Sequence[int], size: int) -> str:
    """Axes of an output for one recording; empty where none is of V."""
    for axes in AXES:
        if shape[axes.index("V")] == size and shape[axes.index("B")] == 1:
            return axes
    return ""


def _kind(probe: Probe, network: ImportedNetwork) -> str:
    """What the scores are: their sums say it."""
    (scores,) = ImportedGraph(probe.session, network)([probe.input(SPAN[probe.features.kind])])
    scores = np.asarray(scores, np.float64)
    if not np.isfinite(scores).all() and not (scores <= 0).all():
        raise ModelError(f"{probe.file} gives scores that are not finite.", "Export it again.")
    if scores.min() >= 0 and np.abs(scores.sum(-1) - 1).max() < TOLERANCE:
        return "probs"
    if scores.max() < TOLERANCE and np.abs(np.exp(scores).sum(-1) - 1).max() < TOLERANCE:
        return "log_probs"
    return "logits"


# --------------------------------------------------------------------------------------------------
# steps


def _with_step(probe: Probe, network: ImportedNetwork) -> ImportedNetwork:
    """Return the network with its subsampling, and the shortest input that it takes."""
    graph, span = ImportedGraph(probe.session, network), SPAN[probe.features.kind]

    def count(steps: int) -> int:
        try:
            return len(graph([probe.input(steps)])[0])
        except Exception:  # of onnxruntime's C++ side: too short, or of another length than fixed
            return 0

    base = span // 2
    first, second = count(base), count(base + span)
    if not 0 < first < second or span % (second - first):
        raise ModelError(
            f"{probe.file} gives {first} frames for {base} steps and {second} for {base + span}, "
            "which is no whole number of steps a frame.",
            "Only networks for recordings of any length, with a fixed step, can be imported.",
        )
    subsampling = span // (second - first)
    longest = _last(lambda steps: count(steps) == first, base, base + subsampling)
    refused = _last(lambda steps: not count(steps), 0, base)
    return replace(
        network,
        subsampling=subsampling,
        offset=longest + 1 - first * subsampling,
        shortest=refused + 1,
    )


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the largest number from ``low`` to below ``high`` for which ``holds``, by halving; it
    holds for ``low``.
    """
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _batches(probe: Probe, network: ImportedNetwork) -> bool:
    """Whether a recording has the same scores and frames alone and beside a longer one."""
    if not (network.lengths or network.mask):
        return False
    span = SPAN[probe.features.kind]
    longer, shorter = probe.input(span + span // 2, 1), probe.input(span // 2 + 1, 2)
    graph = ImportedGraph(probe.session, network)
    try:
        together = graph([longer, shorter])
    except Exception:  # of onnxruntime: a graph for one recording at a time
        return False
    for item, array in zip((longer, shorter), together, strict=True):
        (alone,) = graph([item])
        if alone.shape != array.shape:
            return False
        a, b = (log_probs_of(x, network.scores_are) for x in (alone, array))
        if np.abs(np.maximum(a, LEAST) - np.maximum(b, LEAST)).max(initial=0) > MAX_DIFFERENCE:
            return False
    return True
