"""Translation speed of an LSTM with attention and a Transformer of equal size, in one thread.

python benchmarks/translation/decoding.py [--beam-size 5] [--rounds 5]

Both have the vocabulary of recipes/multi30k, one table of embeddings tied to the output, and the
same number of parameters within 3 %, and both use the same beam search. Both compute the source
once per sentence, not once per beam; the Transformer caches its keys and values. Weights are
random, since speed does not depend on them. The end symbol is suppressed until an output is as long
as its source, so that both take the same number of steps. Times include the encoder.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from asr.language.translation.network import TARGET_END, TranslateModelConfig, TranslateTask
from asr.sequence.seq2seq import beam_search
from asr.training.batching.padding import pad_sequences

sys.path.insert(0, str(Path(__file__).parent))
from transformer import Transformer

VOCABULARY, TARGETS = 4000, 2420
MODEL = TranslateModelConfig(embedding_dim=192, encoder_dim=192, decoder_dim=256)
SHAPES = {
    2: {"dim": 192, "inner": 432, "layers": 2},
    3: {"dim": 160, "inner": 400, "layers": 3},
}  # as many parameters
SENTENCES = 128


def parameters(module: torch.nn.Module) -> int:
    """Return how many there are."""
    return sum(p.numel() for p in module.parameters())


def held_back(step: Callable[..., tuple[Tensor, object]]) -> Callable[..., tuple[Tensor, object]]:
    """Return a step that gives the end no chance before the greatest length."""

    def changed(tokens: Tensor, state: object) -> tuple[Tensor, object]:
        log_probs, state = step(tokens, state)
        log_probs[..., TARGET_END] = -1e4
        return log_probs, state

    return changed


def translate(
    model: TranslateTask | Transformer, batches: list[list[list[int]]], beam_size: int
) -> int:
    """Translate, and return how many pieces were written."""
    written = 0
    step = held_back(model.decoder.step if isinstance(model, TranslateTask) else model.step)
    for batch in batches:
        source, lens = pad_sequences(batch, np.int64)
        state = model.start(source, lens, beam_size)
        found = beam_search(
            step,
            state,
            num_sequences=len(batch),
            beam_size=beam_size,
            max_lens=lens,
            bos_id=TARGET_END,
            eos_id=TARGET_END,
        )
        written += sum(len(one[0].tokens) for one in found)
    return written


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--layers", type=int, choices=SHAPES, default=2, help="of the Transformer, a side"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pieces = list(range(1, TARGETS + 1))
    models = {
        "lstm": TranslateTask(MODEL, VOCABULARY, pieces).eval(),
        "transformer": Transformer(
            VOCABULARY, torch.tensor(pieces), **SHAPES[arguments.layers]
        ).eval(),
    }
    print({name: f"{parameters(model) / 1e6:.2f}M parameters" for name, model in models.items()})
    lengths = (
        torch.randint(9, 28, (SENTENCES,)).sort(descending=True).values.tolist()
    )  # as Multi30k's: 17.5 on average
    sentences = [torch.randint(2, VOCABULARY, (n,)).tolist() for n in lengths]
    for batch_size in (1, 32):
        batches = [sentences[i : i + batch_size] for i in range(0, SENTENCES, batch_size)]
        batches = batches[:: max(1, len(batches) // 16)]
        speeds: dict[str, list[float]] = {name: [] for name in models}
        with torch.inference_mode():
            for number in range(arguments.rounds + 1):  # the first warms up
                for name, model in models.items():
                    began = time.process_time()
                    written = translate(model, batches, arguments.beam_size)
                    if number:
                        speeds[name].append(written / (time.process_time() - began))
        medians = {name: statistics.median(values) for name, values in speeds.items()}
        ratios = [a / b for a, b in zip(speeds["lstm"], speeds["transformer"], strict=True)]
        print(
            f"batch {batch_size}, beam {arguments.beam_size}: "
            + ", ".join(
                f"{name} {value:.0f} pieces a processor second" for name, value in medians.items()
            )
            + f"; ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
