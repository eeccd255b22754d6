"""Draws the figures of the documentation with the toolkit's own code, and prepares its pages (a
hook of mkdocs).

By hand: python docs/figures.py. Every figure is computed: nothing is sketched, and no recording is
needed.

Legend: T frames, V vocabulary, L labels, S = 2 L + 1 states of the CTC lattice.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from asr import plots
from asr.plots import style

FOLDER = Path(__file__).with_name("figures")
SUPPORT = str(Path(__file__).resolve().parent.parent / "tests" / "support")
TOKENS = ["<blank>", "a", "b", "c"]
Floats = npt.NDArray[Any]


# -------------------------------------------------------------------------------------------------
# LSTM


def latch() -> tuple[Floats, dict[str, Floats]]:
    """A one-unit LSTM with weights chosen by hand: it remembers the last pulse.

    Input (T, 1), activations by name.
    """
    import torch
    from torch import nn

    from asr.report.acoustic import lstm_gates

    rows = {
        "input": (12.0, -6.0),
        "forget": (-12.0, 6.0),
        "candidate": (3.0, 0.0),
        "output": (0.0, 4.0),
    }
    # A pulse of either sign must open the input gate and close the forget gate, so the gates look
    # at its size: the input carries |x| in a second column.
    cell = nn.LSTM(2, 1)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        for place, (name, (weight, bias)) in enumerate(rows.items()):
            cell.get_parameter("weight_ih_l0")[place, 0 if name == "candidate" else 1] = weight
            cell.get_parameter("bias_ih_l0")[place] = bias
    x = np.zeros((60, 2), np.float32)
    for step, value in ((8, 1.0), (25, -1.0), (45, 0.5)):
        x[step] = value, abs(value)
    return x[:, :1], lstm_gates(cell, torch.from_numpy(x))


def draw_latch() -> Any:
    """The latch over time."""
    x, found = latch()
    steps = list(range(len(x)))
    rows = {
        "x (input)": x,
        "i (input gate)": found["input"],
        "f (forget gate)": found["forget"],
        "c (state)": found["cell"],
    }
    return _stack({name: (steps, values[:, 0].tolist()) for name, values in rows.items()}, "step")


def _stack(rows: dict[str, tuple[list[int], list[float]]], xlabel: str) -> Any:
    def draw() -> Any:
        figure, axes = style.figure(len(rows), (7.0, 0.6 + 0.95 * len(rows)), sharex=True)
        for place, colour, (name, (x, y)) in zip(axes, plots.COLOURS, rows.items(), strict=False):
            place.step(x, y, where="mid", color=colour)
            place.set_ylabel(name, rotation=0, ha="right", va="center")
            place.margins(y=0.2)
        axes[-1].set_xlabel(xlabel)
        return figure

    return style.drawn(draw)()


# -------------------------------------------------------------------------------------------------
# CTC


def tones(rng: np.random.Generator, labels: list[int]) -> tuple[Floats, list[int]]:
    """Noisy features (T, 8) in which each label sounds as a bump in a band of its own for 5 to 9
    frames, with gaps.
    """
    parts = [np.zeros((int(rng.integers(2, 6)), 8))]
    for label in labels:
        sound = np.zeros((int(rng.integers(5, 10)), 8))
        sound[:, 2 * label - 1 : 2 * label + 1] = 2.0
        parts += [sound, np.zeros((int(rng.integers(2, 6)), 8))]
    clean = np.concatenate(parts)
    return (clean + 0.5 * rng.standard_normal(clean.shape)).astype(np.float32), labels


def train_toy(updates: tuple[int, ...]) -> tuple[Floats, list[int], dict[int, Floats]]:
    """Train a small BiLSTM with CTC on tones; return one held-out example and its log_probs after
    so many updates.
    """
    import torch
    from torch import nn

    from asr.sequence import RecurrentStack
    from asr.speech.acoustics.network import ctc_loss
    from asr.training.batching.padding import pad_sequences

    torch.manual_seed(1)
    rng = np.random.default_rng(2)
    stack = RecurrentStack(8, 24, num_layers=1, norm="none", residual=False)
    output = nn.Linear(stack.output_dim, len(TOKENS))
    optimizer = torch.optim.Adam([*stack.parameters(), *output.parameters()], lr=5e-3)
    held_out, labels = tones(np.random.default_rng(0), [3, 1, 1, 2])

    def forward(items: list[Floats]) -> tuple[torch.Tensor, torch.Tensor]:
        x, lens = pad_sequences(items)
        return output(stack(x, lens)[0]).log_softmax(-1), lens

    kept: dict[int, Floats] = {}
    for update in range(max(updates) + 1):
        if update in updates:
            with torch.inference_mode():
                kept[update] = forward([held_out])[0][0].numpy()
        batch = [
            tones(rng, rng.integers(1, 4, int(rng.integers(2, 6))).tolist()) for _ in range(16)
        ]
        log_probs, lens = forward([item for item, _ in batch])
        targets, target_lens = pad_sequences([np.array(t, np.int64) for _, t in batch])
        loss = ctc_loss(log_probs, lens, targets, target_lens) / target_lens.sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return held_out, labels, kept


def occupancy(log_probs: Floats, labels: list[int]) -> Floats:
    """Posterior probability (T, S) of every state of the CTC lattice: forward-backward (Graves et
    al. 2006, 4.1).
    """
    states = [0]
    for label in labels:
        states += [label, 0]
    forward = _forward(log_probs, states)
    backward = _forward(log_probs[::-1], states[::-1])[::-1, ::-1]
    total = forward + backward - log_probs[:, states]
    return np.asarray(np.exp(total - np.logaddexp.reduce(total[0])))


def _forward(log_probs: Floats, states: list[int]) -> Floats:
    alpha = np.full((len(log_probs), len(states)), -math.inf)
    alpha[0, :2] = log_probs[0, states[:2]]
    for t in range(1, len(log_probs)):
        for s, state in enumerate(states):
            before = [alpha[t - 1, s]] + ([alpha[t - 1, s - 1]] if s else [])
            if s > 1 and state != 0 and state != states[s - 2]:
                before.append(alpha[t - 1, s - 2])
            alpha[t, s] = np.logaddexp.reduce(before) + log_probs[t, state]
    return alpha


def draw_lattice(log_probs: Floats, labels: list[int]) -> Any:
    """Occupancy of the lattice's states as an image, states from top to bottom."""
    names = ["blank"]
    for label in labels:
        names += [TOKENS[label], "blank"]
    shares = occupancy(log_probs, labels)

    def draw() -> Any:
        figure, (axes,) = style.figure(size=(7.0, 2.9))
        picture = axes.imshow(shares.T, aspect="auto", cmap="viridis", vmin=0, vmax=1)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("frame")
        figure.colorbar(picture, ax=axes, pad=0.01)
        return figure

    return style.drawn(draw)()


def occupations(log_probs: Floats, labels: list[int]) -> tuple[Floats, Floats]:
    """Shares (T, V) of every label in the paths of ``labels``, and in those of all sequences that a
    trigram allows.
    """
    import torch

    from asr.lm import estimate
    from asr.speech.losses.ctc import ctc_loss
    from asr.speech.losses.ctc_crf import log_denominators
    from asr.speech.losses.label_graph import LabelGraph

    rng = np.random.default_rng(3)
    follows = np.array([[0.2, 0.5, 0.3], [0.8, 0.1, 0.1], [0.8, 0.1, 0.1]])  # of a, b, c
    spoken = []
    for _ in range(300):
        text = [int(rng.integers(3))]
        while rng.random() < 0.75:
            text.append(int(rng.choice(3, p=follows[text[-1]])))
        spoken.append(" ".join("abc"[i] for i in text))
    graph = LabelGraph.of(estimate([spoken], order=3, notify=lambda _: None), TOKENS)
    given = torch.from_numpy(log_probs).float()[None].requires_grad_()
    lens = torch.tensor([len(log_probs)])
    log_denominators(given, lens, graph).sum().backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    every, given.grad = given.grad[0].numpy(), None
    ctc_loss(given, lens, torch.tensor([labels]), torch.tensor([len(labels)])).backward()  # type: ignore[no-untyped-call]
    return np.exp(log_probs) - given.grad[0].numpy(), every  # CTC's gradient: output less share


def draw_occupations(log_probs: Floats, labels: list[int]) -> Any:
    """Shares of the labels in numerator and denominator of CTC-CRF, and their difference, as
    images.
    """
    transcript, every = occupations(log_probs, labels)
    rows = {"transcript": transcript, "all sequences": every, "difference": transcript - every}

    def draw() -> Any:
        figure, axes = style.figure(3, (7.0, 4.2), sharex=True)
        for place, (name, shares) in zip(axes, rows.items(), strict=True):
            signed = name == "difference"
            limits = (
                {"cmap": "RdBu_r", "vmin": -1, "vmax": 1}
                if signed
                else {"cmap": "viridis", "vmin": 0, "vmax": 1}
            )
            picture = place.imshow(shares.T, aspect="auto", **limits)
            place.set_yticks(range(len(TOKENS)), ["blank", *TOKENS[1:]])
            place.set_title(name, fontsize=9)
            figure.colorbar(picture, ax=place, pad=0.01)
        axes[-1].set_xlabel("frame")
        return figure

    return style.drawn(draw)()


# -------------------------------------------------------------------------------------------------
# beam search

TOY = np.log(np.array([[0.4, 0.35, 0.25], [0.4, 0.35, 0.25], [0.4, 0.2, 0.4]]))
TOY_TOKENS = ["<blank>", "a", "b"]


def toy_beams(beam_size: int = 3) -> list[dict[tuple[int, ...], float]]:
    """Prefixes kept after each frame of ``TOY`` with their probabilities, from the reference
    decoder.
    """
    if SUPPORT not in sys.path:  # here, since mkdocs restores the path when a hook is loaded
        sys.path.insert(0, SUPPORT)
    from reference_decoder import ReferenceDecoder  # slow: an oracle of the tests

    beams: list[dict[tuple[int, ...], float]] = []

    class Recorder(ReferenceDecoder):
        def _prune(self, beam: Any) -> Any:
            kept = super()._prune(beam)
            beams.append(
                {prefix: float(np.exp(np.logaddexp(*scores))) for prefix, scores in kept.items()}
            )
            return kept

    Recorder(TOY_TOKENS, beam_size=beam_size, lm_beta=0.0)(TOY)
    return beams


def draw_beam() -> Any:
    """The beam over the frames: a column a frame, lines from each prefix to what became of it."""
    beams: list[dict[tuple[int, ...], float]] = [{(): 1.0}, *toy_beams()]

    def draw() -> Any:
        figure, (axes,) = style.figure(size=(7.0, 3.0))
        places: list[dict[tuple[int, ...], int]] = []
        for column, beam in enumerate(beams):
            ranked = sorted(beam, key=lambda prefix: -beam[prefix])
            places.append({prefix: row for row, prefix in enumerate(ranked)})
            for prefix, row in places[-1].items():
                name = "".join(TOY_TOKENS[token] for token in prefix) or "∅"
                box = {
                    "boxstyle": "round",
                    "facecolor": "none",
                    "edgecolor": plots.COLOURS[row % 8],
                }
                label = f"{name}  {beam[prefix]:.3f}"
                axes.text(column, -row, label, ha="center", va="center", fontsize=9, bbox=box)
        for column in range(1, len(beams)):
            for prefix, row in places[column].items():
                for source in (prefix, prefix[:-1]):
                    if source in places[column - 1] and (source == prefix or prefix):
                        start = places[column - 1][source]
                        ends = [column - 0.77, column - 0.23]
                        axes.plot(ends, [-start, -row], color="#8c96a0", linewidth=0.9)
        axes.set_xlim(-0.5, len(beams) - 0.5)
        axes.set_ylim(-2.6, 0.6)
        axes.set_xticks(range(len(beams)), ["start", *(f"frame {n}" for n in range(1, len(beams)))])
        axes.set_yticks([])
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        axes.tick_params(length=0)
        return figure

    return style.drawn(draw)()


# -------------------------------------------------------------------------------------------------
# all of them

UPDATES = (0, 20, 60, 450)
HALFWAY = 180  # updates, when the network hears the letters but is not sure of them


def figures() -> dict[str, Callable[[], Any]]:
    """Every figure by the name of its file."""
    from asr.training.threads import torch_threads

    with torch_threads(1):  # several would wait for each other at every time step
        held_out, labels, kept = train_toy((*UPDATES, HALFWAY))
    seconds = 0.01
    found: dict[str, Callable[[], Any]] = {
        f"ctc-after-{n}": partial(plots.posteriors, kept[n], TOKENS, seconds) for n in UPDATES
    }
    found["ctc-example"] = lambda: plots.ctc_alignment(
        held_out, kept[UPDATES[-1]], TOKENS, seconds, seconds
    )
    found["ctc-lattice"] = lambda: draw_lattice(kept[UPDATES[-1]].astype(np.float64), labels)
    found["ctc-crf-occupations"] = lambda: draw_occupations(
        kept[HALFWAY].astype(np.float64), labels
    )
    return found | {"lstm-latch": draw_latch, "beam-toy": draw_beam}


def main() -> None:
    """Write all figures into ``docs/figures``."""
    FOLDER.mkdir(exist_ok=True)
    for name, draw in figures().items():
        picture = plots.to_svg(draw(), name, name.replace("-", " "))
        picture = picture.replace("currentColor", "#5b6672")  # readable on light and on dark
        (FOLDER / f"{name}.svg").write_text(picture, encoding="utf-8")


def on_pre_build(config: Any) -> None:
    """Mkdocs calls this before it looks for pages and pictures."""
    main()


def on_page_content(html: str, **_: Any) -> str:
    """Formulas become MathML, which browsers draw by themselves: no script, no network."""
    from latex2mathml.converter import convert

    def formula(match: re.Match[str]) -> str:
        import html as escapes

        text, block = escapes.unescape(match[2]).strip(), match[1] == "div"
        inner = text.removeprefix("\\[" if block else "\\(").removesuffix("\\]" if block else "\\)")
        drawn = convert(inner, display="block" if block else "inline")
        return f'<div style="overflow-x:auto">{drawn}</div>' if block else drawn

    return re.sub(r'<(div|span) class="arithmatex">(.*?)</\1>', formula, html, flags=re.DOTALL)


if __name__ == "__main__":
    main()
