"""Activations of a speech model on one utterance.

Legend: T frames, F features, T' output frames, V vocabulary, H units, D inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import require
from asr.model_folder import open_model
from asr.report.audio import samples_of
from asr.report.prepared import prepared_features
from asr.report.run import Absent, Run
from asr.scoring import Utterance
from asr.text.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from asr.speech.acoustics.pytorch import TorchAcoustics

__all__ = ["Activations", "listen", "load_acoustics", "lstm_gates"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Activations:
    """Activations of one utterance.

    Attributes:
        features: input features (T, F).
        log_probs: output (T', V).
        gates: layer -> gate -> (T', H), for the forward direction of the first and the last LSTM
            layer; empty for other cells.
    """

    features: Array
    log_probs: Array
    gates: dict[str, dict[str, Array]]


def load_acoustics(run: Run) -> TorchAcoustics:
    """Return the network of the run's speech model, loaded once.

    Raises:
        Absent: the run has no model, or one of another task.
        MissingDependencyError: torch is not installed.
    """
    if not run.model.is_dir():
        raise Absent("the run folder holds no model")
    if run.task != "ctc":
        raise Absent(f"only for speech models; this model is for {run.task}")
    return _loaded(run.model)


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> TorchAcoustics:
    require("torch", "train")
    from asr.speech.acoustics.pytorch import TorchAcoustics

    bundle = open_model(folder, task="ctc")
    return TorchAcoustics(bundle, load_tokenizer(bundle.path).tokens)


def listen(acoustics: TorchAcoustics, utterance: Utterance, source: Path | None) -> Activations:
    """Return the activations of an utterance, from its stored features or its recording.

    Raises:
        Absent: there are neither stored features nor a recording.
        AudioError: the recording cannot be read.
    """
    import torch

    stored = None if source is None else prepared_features(source, utterance.id)
    features = stored if stored is not None else _features(acoustics, utterance)
    x = torch.from_numpy(features)[None].to(acoustics.device)
    inputs: dict[str, Tensor] = {}
    cells = _watched_cells(acoustics)
    hooks = [cell.register_forward_pre_hook(_keeper(inputs, name)) for name, cell in cells.items()]
    try:
        with torch.inference_mode():
            log_probs, _ = acoustics.task(x, torch.tensor([len(features)], device=x.device))
    finally:
        for hook in hooks:
            hook.remove()
    gates = {name: lstm_gates(cell, inputs[name][:, 0]) for name, cell in cells.items()}
    return Activations(features, log_probs[0].cpu().numpy(), gates)


def _keeper(inputs: dict[str, Tensor], name: str) -> Any:
    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs[name] = given[0]

    return keep


def _watched_cells(acoustics: TorchAcoustics) -> dict[str, nn.LSTM]:
    from torch import nn

    layers = list(acoustics.task.network.encoder.layers)
    numbers = dict.fromkeys([0, len(layers) - 1])
    cells = {f"layer {n + 1}": layers[n].forward_cell for n in numbers}
    return {name: cell for name, cell in cells.items() if isinstance(cell, nn.LSTM)}


def lstm_gates(cell: nn.LSTM, x: Tensor) -> dict[str, Array]:
    """Return gates and states of a one-layer, unidirectional LSTM over one sequence.

    Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, as in torch.nn.LSTM.

    Args:
        cell: the layer.
        x: its input (T, D).

    Returns:
        The gates ``input``, ``forget`` and ``output`` (0 to 1), the ``cell`` state and the
        ``hidden`` state, each (T, H).
    """
    import torch

    with torch.inference_mode():
        weight, drive = cell.get_parameter("weight_hh_l0"), cell.get_parameter("weight_ih_l0")
        bias = cell.get_parameter("bias_ih_l0") + cell.get_parameter("bias_hh_l0")
        h, c = x.new_zeros(cell.hidden_size), x.new_zeros(cell.hidden_size)
        rows: list[tuple[Tensor, ...]] = []
        for driven in x @ drive.T + bias:
            i, f, g, o = (driven + weight @ h).chunk(4)
            i, f, o = i.sigmoid(), f.sigmoid(), o.sigmoid()
            c = f * c + i * g.tanh()
            h = o * c.tanh()
            rows.append((i, f, o, c, h))
    names = ("input", "forget", "output", "cell", "hidden")
    return {
        name: torch.stack(parts).cpu().numpy()
        for name, parts in zip(names, zip(*rows, strict=True), strict=True)
    }


def _features(acoustics: TorchAcoustics, utterance: Utterance) -> Array:
    from asr.audio.reading import resample
    from asr.features.extraction import LogMel

    if not utterance.audio:
        raise Absent(
            f"no stored features and no recording of {utterance.id}: name its prepared split with "
            "--data"
        )
    samples, rate = samples_of(utterance)
    if rate != acoustics.frames.sample_rate:
        samples = resample(samples, rate, acoustics.frames.sample_rate)
    return LogMel(acoustics.task.config.features).extract(samples)
