"""A CTC model in the form that ``torch.export`` takes with any length, on CPU.

``torch.export`` of ``nn.LSTM`` fixes the number of steps (torch 2.11), so the kernel below it is
called; of GRUs there is none.

Legend: B batch, N samples, T frames, D input size, T' output frames, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.errors import ModelError
from asr.features.extraction import LogMel
from asr.sequence import RecurrentStack
from asr.sequence.lengths import reverse_index
from asr.sequence.recurrent import Feedback, RecurrentLayer
from asr.speech.acoustics.graph_layers import GraphConv, GraphLogMel
from asr.speech.acoustics.network import CtcTask, label_feedback

__all__ = ["Program"]

LSTM_MODE = 2  # of mkldnn_rnn_layer


class ProgramRecurrent(nn.Module):
    """:class:`asr.sequence.RecurrentStack` of LSTMs, in time-major order."""

    def __init__(self, stack: RecurrentStack) -> None:
        super().__init__()
        self.stack = stack
        layers = [layer for layer in stack.layers if isinstance(layer, RecurrentLayer)]
        if any(layer.cell != "lstm" for layer in layers):
            raise ModelError(
                f"torch.export has no {layers[0].cell} of any length.", "Use --format onnx."
            )

    def forward(self, x: Tensor, x_lens: Tensor, feedback: Feedback) -> Tensor:
        """(T, B, D), (B,) -> (T, B, output_dim)."""
        stack = self.stack
        # the backward direction runs over each sequence reversed within its own length
        index = reverse_index(x_lens, x.size(0)).t().unsqueeze(-1)
        for number, layer in enumerate(stack.layers):
            y = stack.norms[number](x, x_lens)
            assert isinstance(layer, RecurrentLayer)
            outputs = [_lstm(layer.forward_cell, y)]
            if layer.backward_cell is not None:
                reversed_y = y.gather(0, index.expand(-1, -1, y.size(-1)))
                z = _lstm(layer.backward_cell, reversed_y)
                outputs.append(z.gather(0, index.expand(-1, -1, z.size(-1))))
            y = stack.projections[number](torch.cat(outputs, dim=-1))
            x = stack.after_layer(number, x, y, x_lens, feedback)
        normed: Tensor = stack.output_norm(x, x_lens)
        return normed


def _lstm(cell: nn.Module, x: Tensor) -> Tensor:
    """(T, B, D) -> (T, B, H) of one direction, from a state of zeros."""
    assert isinstance(cell, nn.LSTM)
    H = cell.hidden_size
    zeros = x.new_zeros(1, x.size(1), H)
    weights = [
        cell.get_parameter(f"{kind}_l0")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]
    outputs: tuple[Tensor, ...] = torch.ops.aten.mkldnn_rnn_layer.default(
        x.contiguous(),
        *weights,
        zeros,
        zeros,
        reverse=False,
        batch_sizes=[],
        mode=LSTM_MODE,
        hidden_size=H,
        num_layers=1,
        has_biases=True,
        bidirectional=False,
        batch_first=False,
        train=False,
    )
    return outputs[0]


class Program(nn.Module):
    """Samples and lengths -> log-probabilities and lengths."""

    def __init__(self, task: CtcTask) -> None:
        super().__init__()
        network = task.network
        self.features, self.normalizer = GraphLogMel(LogMel(task.config.features)), task.normalizer
        self.conv, self.input_projection = GraphConv(network.conv), network.input_projection
        self.encoder, self.output = ProgramRecurrent(network.encoder), network.output
        self.conditioning = network.conditioning

    def forward(self, samples: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N), (B,) -> (B, T', V), (B,)."""
        x_lens = self.features.frame_lens(lens)
        x, x_lens = self.conv(self.normalizer(self.features(samples), x_lens), x_lens)
        feedback = label_feedback(self.conditioning, self.output)
        x = self.encoder(self.input_projection(x).transpose(0, 1), x_lens, feedback)
        return self.output(x).log_softmax(-1).transpose(0, 1), x_lens
