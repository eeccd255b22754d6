"""Small ONNX graphs in the forms of other toolkits, which recognise tones: each letter is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from asr.features.front_end import FrontEnd
from asr.features.mel_filters import mel_filters

RATE = 16000
LETTERS = "|ABCDE"  # the first stands between words
TONES_HZ = dict(zip(LETTERS, (400, 700, 1100, 1700, 2600, 3900), strict=True))
TONE_S, PAUSE_S = 0.12, 0.1
HEARD = 8.0  # score of a letter that is heard; the blank's is half of it
NEVER = -30.0  # score of special labels
WINDOW, STEP = 400, 320  # samples, as in wav2vec2


def spoken(text: str, level: float = 0.3) -> np.ndarray:
    """Return samples that say ``text``: a tone for each letter, with pauses around."""
    n, pause = round(TONE_S * RATE), np.zeros(round(PAUSE_S * RATE))
    pieces = [pause]
    for letter in text.replace(" ", "|"):
        tone = np.sin(2 * np.pi * TONES_HZ[letter] * np.arange(n) / RATE) * np.hanning(n) ** 0.25
        pieces += [level * tone, pause]
    noise = np.random.default_rng(0).normal(0, 1e-4, sum(map(len, pieces)))
    return (np.concatenate(pieces) + noise).astype(np.float32)


def samples_graph(
    path: Path,
    labels: Sequence[str],
    *,
    inputs: Sequence[str] = ("input_values",),
    threshold: float = 0.15,
    scores: str = "logits",
    channel: bool = False,
    over_the_recording: bool = False,
    perm: Sequence[int] = (0, 1, 2),
) -> Path:
    """Write a graph that takes samples (B, N), or (B, 1, N), and gives scores (B, T', V).

    Args:
        path: of the file.
        labels: of its outputs; those that are no letters are never heard, but for the first.
        inputs: names: the samples, then perhaps ``attention_mask`` or ``lengths``.
        threshold: amplitude from which a tone is heard.
        scores: ``logits``, ``log_probs`` or ``probs``.
        channel: whether the samples have an axis for the channel.
        over_the_recording: whether every frame sees the mean of all, padding included.
        perm: how the axes of the scores are turned.
    """
    times = np.arange(WINDOW) / RATE
    window = np.hanning(WINDOW) / (np.hanning(WINDOW).sum() / 2)  # a tone gives its amplitude
    waves = np.zeros((2 * len(labels), 1, WINDOW))
    for v, label in enumerate(labels):
        if label in TONES_HZ:
            phase = 2 * np.pi * TONES_HZ[label] * times
            waves[2 * v, 0], waves[2 * v + 1, 0] = np.cos(phase) * window, np.sin(phase) * window
    pairs = np.kron(np.eye(len(labels)), [[1, 1]])[:, :, None] * HEARD / threshold**2 / 2
    nodes = [
        node("Conv", ["wave", "waves"], ["parts"], strides=[STEP]),
        node("Mul", ["parts", "parts"], ["squares"]),
        node("Conv", ["squares", "pairs", "bias"], ["energies"]),
        node("Transpose", ["energies"], ["scores"], perm=[0, 2, 1]),
    ]
    if over_the_recording:
        nodes[-1] = node("Transpose", ["energies"], ["plain"], perm=[0, 2, 1])
        nodes += [
            node("ReduceMean", ["plain"], ["mean"], axes=[1]),
            node("Add", ["plain", "mean"], ["scores"]),
        ]
    axes = ["B", 1, "N"] if channel else ["B", "N"]
    if channel:
        nodes.insert(0, node("Identity", [inputs[0]], ["wave"]))
    else:
        nodes.insert(0, node("Unsqueeze", [inputs[0], "one"], ["wave"]))
    values = {"waves": waves, "pairs": pairs, "bias": biases(labels), "one": np.array([1])}
    ports = [value(inputs[0], TensorProto.FLOAT, axes)]
    for name in inputs[1:]:
        ports.append(value(name, TensorProto.INT64, ["B", "N"] if "mask" in name else ["B"]))
        nodes.append(node("Identity", [name], [f"unused_{name}"]))
    return written(path, nodes, ports, values, len(labels), scores, perm=perm)


def features_graph(
    path: Path,
    labels: Sequence[str],
    features: FrontEnd,
    *,
    floor: float,
    inputs: Sequence[str] = ("x", "x_lens"),
    channels_first: bool = False,
    scores: str = "log_probs",
    counts: bool = True,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a graph that takes features (B, T, F), or (B, F, T), and gives scores (B, T', V).

    Args:
        path: of the file.
        labels: see :func:`samples_graph`.
        features: what it is given.
        floor: feature of a tone's band from which it is heard.
        inputs: names: the features, then perhaps their number.
        channels_first: whether the features come as (B, F, T).
        scores: see :func:`samples_graph`.
        counts: whether the graph gives the number of frames too.
        metadata: of the file.
    """
    filters = mel_filters(
        features.mel_scale,
        n_mels=features.n_mels,
        n_fft=features.n_fft,
        sample_rate=RATE,
        f_min=features.f_min,
        f_max=features.f_max,
    )
    picked = np.zeros((features.n_mels, len(labels)))
    bias = biases(labels)
    for v, label in enumerate(labels):
        if label in TONES_HZ:
            picked[filters[round(TONES_HZ[label] * features.n_fft / RATE)].argmax(), v] = 1
            bias[v] = HEARD / 2 - floor
    step = {"starts": [0], "ends": [2**31], "axes": [1], "steps": [4]}
    values = {"picked": picked, "bias": bias, **{k: np.array(v) for k, v in step.items()}}
    nodes = [
        node("Slice", ["frames", "starts", "ends", "axes", "steps"], ["fewer"]),
        node("MatMul", ["fewer", "picked"], ["heard"]),
        node("Add", ["heard", "bias"], ["scores"]),
    ]
    how = node("Transpose", [inputs[0]], ["frames"], perm=[0, 2, 1])
    nodes.insert(0, how if channels_first else node("Identity", [inputs[0]], ["frames"]))
    axes = ["B", features.n_mels, "T"] if channels_first else ["B", "T", features.n_mels]
    ports = [value(inputs[0], TensorProto.FLOAT, axes)]
    outputs = []
    for name in inputs[1:]:
        ports.append(value(name, TensorProto.INT64, ["B"]))
        values |= {"three": np.array(3), "four": np.array(4)}
        nodes += [
            node("Add", [name, "three"], ["more"]),
            node("Div", ["more", "four"], ["frame_lens"]),
        ]
        outputs = [value("frame_lens", TensorProto.INT64, ["B"])] if counts else []
    return written(path, nodes, ports, values, len(labels), scores, outputs, metadata)


def biases(labels: Sequence[str]) -> np.ndarray:
    """Scores (V,) of silence: the first label that is no letter is the blank."""
    blank = next(v for v, label in enumerate(labels) if label not in TONES_HZ)
    bias = np.array([0.0 if label in TONES_HZ else NEVER for label in labels])
    bias[blank] = HEARD / 2
    return bias


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object):
    return helper.make_node(kind, inputs, outputs, **attributes)


def value(name: str, kind: int, axes: Sequence[object]):
    return helper.make_tensor_value_info(name, kind, axes)


def written(
    path, nodes, inputs, values, size, scores, outputs=(), metadata=None, perm=(0, 1, 2)
) -> Path:
    """Write a graph whose node ``scores`` holds logits (B, T', V)."""
    last = {"logits": "Identity", "log_probs": "LogSoftmax", "probs": "Softmax"}[scores]
    more = {} if last == "Identity" else {"axis": -1}
    nodes = [
        *nodes,
        node(last, ["scores"], ["in order"], **more),
        node("Transpose", ["in order"], ["out"], perm=list(perm)),
    ]
    tensors = [
        numpy_helper.from_array(
            np.asarray(v, np.int64 if np.asarray(v).dtype.kind == "i" else np.float32), name
        )
        for name, v in values.items()
    ]
    outputs = [value("out", TensorProto.FLOAT, [["B", "T", size][i] for i in perm]), *outputs]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
