"""SpeechBrain's side of against_speechbrain.py: trains epochs of the same network.

That script starts it in SpeechBrain's environment: python speechbrain_worker.py MANIFEST.json
SETTINGS.json. Each line of standard input names a variant, ``padded``, ``padded-bf16`` or
``packed``; each answer is a JSON object of seconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict

import speechbrain as sb
import torch
from speechbrain.augment.freq_domain import SpectrogramDrop
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.dataio.dataio import read_audio
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.sampler import DynamicBatchSampler
from speechbrain.lobes.features import Fbank
from speechbrain.processing.features import InputNormalization

CHANNELS = 32
LAYERS = 5


class Network(torch.nn.Module):
    """Two strided convolutions, five bidirectional LSTM layers with layer normalisation and
    residuals, CTC output.
    """

    def __init__(self, hidden: int, vocab_size: int, packed: bool) -> None:
        super().__init__()
        self.packed = packed
        conv = {
            "out_channels": CHANNELS,
            "kernel_size": (3, 3),
            "stride": (2, 2),
            "padding": "same",
        }
        self.convs = torch.nn.ModuleList(
            sb.nnet.CNN.Conv2d(in_channels=c, **conv) for c in (1, CHANNELS)
        )
        self.conv_norms = torch.nn.ModuleList(
            sb.nnet.normalization.BatchNorm2d(input_size=CHANNELS) for _ in range(2)
        )
        self.input = torch.nn.Linear(CHANNELS * 20, 2 * hidden)
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(2 * hidden) for _ in range(LAYERS + 1))
        self.layers = torch.nn.ModuleList(
            sb.nnet.RNN.LSTM(hidden_size=hidden, input_size=2 * hidden, bidirectional=True)
            for _ in range(LAYERS)
        )
        self.dropout = torch.nn.Dropout(0.2)
        self.output = torch.nn.Linear(2 * hidden, vocab_size)

    def forward(self, x: torch.Tensor, lens: torch.Tensor) -> torch.Tensor:
        x = x.unsqueeze(-1)
        for conv, norm in zip(self.convs, self.conv_norms, strict=True):
            x = torch.relu(norm(conv(x)))
        x = self.dropout(self.input(x.flatten(2)))
        for norm, layer in zip(self.norms, self.layers, strict=False):
            x = x + self.dropout(self.recurrent(layer, norm(x), lens))
        return self.output(self.norms[LAYERS](x)).log_softmax(-1)

    def recurrent(
        self, layer: torch.nn.Module, x: torch.Tensor, lens: torch.Tensor
    ) -> torch.Tensor:
        if not self.packed:
            return layer(x)[
                0
            ]  # as SpeechBrain's own CRDNN calls it: the backward direction begins in the padding
        y = layer(x, lengths=lens + 1e-4)[
            0
        ]  # their packing cuts the product with the length off to an integer
        return torch.nn.functional.pad(y, (0, 0, 0, x.size(1) - y.size(1)))


class Recognizer(sb.Brain):
    """Fbank, normalisation, SpecAugment, network, CTC; seconds of each part in ``spent``."""

    def compute_forward(
        self, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[torch.Tensor, torch.Tensor]:
        wavs, lens = batch.sig
        start = time.perf_counter()
        with torch.no_grad():
            features = self.hparams.fbank(wavs)
            features = self.modules.normalize(features, lens, epoch=0)
            for drop in self.hparams.drops:
                features = drop(features)
        self.spent["features"] += time.perf_counter() - start
        start = time.perf_counter()
        log_probs = self.modules.network(features, lens)
        self.spent["forward"] += time.perf_counter() - start
        return log_probs, lens

    def compute_objectives(
        self, outputs: tuple[torch.Tensor, torch.Tensor], batch: PaddedBatch, stage: sb.Stage
    ) -> torch.Tensor:
        log_probs, lens = outputs
        labels, label_lens = batch.labels
        return sb.nnet.losses.ctc_loss(log_probs, labels, lens, label_lens, blank_index=0)

    def fit_batch(self, batch: PaddedBatch) -> torch.Tensor:
        start = time.perf_counter()
        loss = super().fit_batch(batch)
        self.spent["steps"] += time.perf_counter() - start
        self.spent["batches"] += 1
        return loss


def make_brain(settings: dict[str, float], packed: bool, precision: str) -> Recognizer:
    hparams = {
        "fbank": Fbank(sample_rate=16000, n_fft=512, n_mels=80, win_length=25, hop_length=10),
        "drops": [
            SpectrogramDrop(
                drop_length_low=0, drop_length_high=20, drop_count_low=2, drop_count_high=2, dim=2
            ),
            SpectrogramDrop(
                drop_length_low=0, drop_length_high=40, drop_count_low=2, drop_count_high=2, dim=1
            ),
        ],
    }
    network = Network(int(settings["hidden"]), int(settings["vocab_size"]), packed)
    return Recognizer(
        modules={"network": network, "normalize": InputNormalization(norm_type="global")},
        opt_class=lambda parameters: torch.optim.AdamW(
            parameters, lr=1e-3, betas=(0.9, 0.98), fused=True
        ),
        hparams=hparams,
        run_opts={"device": "cpu", "noprogressbar": True, "precision": precision},
    )


def make_loader(manifest: str, settings: dict[str, float]) -> SaveableDataLoader:
    def labels(tokens: list[int]) -> torch.Tensor:
        return torch.tensor(tokens)

    data = DynamicItemDataset.from_json(manifest, dynamic_items=[], output_keys=[])
    data.add_dynamic_item(read_audio, takes="wav", provides="sig")
    data.add_dynamic_item(labels, takes="tokens", provides="labels")
    data.set_output_keys(["id", "sig", "labels"])
    sampler = DynamicBatchSampler(
        data,
        max_batch_length=settings["max_batch_s"],
        num_buckets=30,
        length_func=lambda item: item["duration"],
        max_batch_ex=int(settings["max_batch_size"]),
    )
    workers = int(settings["workers"])
    return SaveableDataLoader(
        data,
        batch_sampler=sampler,
        collate_fn=PaddedBatch,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def main() -> None:
    with open(sys.argv[2]) as file:
        settings = json.load(file)
    torch.set_num_threads(int(settings["threads"]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    loader = make_loader(sys.argv[1], settings)
    brains = {
        "padded": make_brain(settings, packed=False, precision="fp32"),
        "padded-bf16": make_brain(settings, packed=False, precision="bf16"),
        "packed": make_brain(settings, packed=True, precision="fp32"),
    }
    parameters = sum(p.numel() for p in brains["padded"].modules.parameters())
    for epoch, line in enumerate(sys.stdin, 1):
        brain = brains[line.strip()]
        brain.spent = defaultdict(float)
        start, cpu = time.perf_counter(), time.process_time()
        brain.fit([epoch], loader)
        answer = {
            "total": time.perf_counter() - start,
            "cpu": time.process_time() - cpu,
            "parameters": parameters,
        }
        print(json.dumps(answer | brain.spent), file=answers, flush=True)


if __name__ == "__main__":
    main()
