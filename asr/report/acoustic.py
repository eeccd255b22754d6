"""What a speech model computes on one utterance.

T frames, F features, T' output frames, V vocabulary, H units.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.report.audio import samples_of
from asr.report.run import Absent, Run
from asr.scoring import Utterance

if TYPE_CHECKING:
    from torch import Tensor, nn

    from asr.speech.recognizer import Recognizer

__all__ = ["Acoustics", "listen", "load_recognizer", "lstm_gates"]

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Acoustics:
    """One utterance inside the model.

    Attributes:
        features: (T, F).
        log_probs: (T', V).
        gates: of the first and the last LSTM layer's forward direction, layer -> gate -> (T', H);
            empty for other cells.
    """

    features: Array
    log_probs: Array
    gates: dict[str, dict[str, Array]]


def load_recognizer(run: Run) -> Recognizer:
    """Return the run's speech model, loaded once.

    Raises:
        Absent: the run has no model, or one of another task, or torch is not installed.
    """
    if "_recognizer" not in run.__dict__:
        if not run.model.is_dir():
            raise Absent("the run folder holds no model")
        if run.task != "ctc":
            raise Absent(f"it belongs to speech models, and this is a model for {run.task}")
        from asr.speech.recognizer import DecodingConfig, load_model

        run.__dict__["_recognizer"] = load_model(
            run.model, DecodingConfig(method="greedy"), backend="torch"
        )
    recognizer: Recognizer = run.__dict__["_recognizer"]
    return recognizer


def listen(recognizer: Recognizer, utterance: Utterance, source: Path | None) -> Acoustics:
    """Return features, posteriors and gates of an utterance, from its stored features or else from
    its recording.

    Raises:
        Absent: neither is there.
        AudioError: the recording cannot be read.
    """
    import torch

    stored = _stored_features(source, utterance.id)
    features = stored if stored is not None else _features(recognizer, utterance)
    x = torch.from_numpy(features)[None].to(recognizer.device)
    inputs: dict[str, Tensor] = {}
    cells = _watched_cells(recognizer)
    hooks = [cell.register_forward_pre_hook(_keeper(inputs, name)) for name, cell in cells.items()]
    try:
        with torch.inference_mode():
            log_probs, _ = recognizer.task(x, torch.tensor([len(features)], device=x.device))
    finally:
        for hook in hooks:
            hook.remove()
    gates = {name: lstm_gates(cell, inputs[name][:, 0]) for name, cell in cells.items()}
    return Acoustics(features, log_probs[0].cpu().numpy(), gates)


def _keeper(inputs: dict[str, Tensor], name: str) -> Any:
    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        inputs[name] = given[0]

    return keep


def _watched_cells(recognizer: Recognizer) -> dict[str, nn.LSTM]:
    from torch import nn

    layers = list(recognizer.task.network.encoder.layers)
    numbers = dict.fromkeys([0, len(layers) - 1])
    cells = {f"layer {n + 1}": layers[n].forward_cell for n in numbers}
    return {name: cell for name, cell in cells.items() if isinstance(cell, nn.LSTM)}


def lstm_gates(cell: nn.LSTM, x: Tensor) -> dict[str, Array]:
    """Return what happens inside a one-layer, one-direction LSTM over one sequence.

    Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, as torch.nn.LSTM has it.

    Args:
        cell: the layer.
        x: its input (T, D).

    Returns:
        ``input``, ``forget``, ``output`` (0 to 1), ``cell`` (the state) and ``hidden`` (what it
        puts out), each (T, H).
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


def _stored_features(source: Path | None, name: str) -> Array | None:
    if source is None or not (source / "features" / "meta.json").is_file():
        return None
    from asr.speech.store import FeatureStore

    store = FeatureStore.open(source)
    return next((store.features(n) for n in range(len(store)) if store.ids[n] == name), None)


def _features(recognizer: Recognizer, utterance: Utterance) -> Array:

    from asr.audio.reading import resample
    from asr.features.extraction import LogMel

    if not utterance.audio:
        raise Absent(
            f"neither stored features nor a recording of {utterance.id} is known: name the split with --data"
        )
    samples, rate = samples_of(utterance)
    if rate != recognizer.sample_rate:
        samples = resample(samples, rate, recognizer.sample_rate)
    return LogMel(recognizer.feature_config).extract(samples)
