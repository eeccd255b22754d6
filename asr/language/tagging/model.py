"""A trained tagger: prediction, and the model folder.

Legend: T words, K tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config
from asr.language.batches import TokenBatch, TokenLoader
from asr.language.folders import training_of, write_text_model
from asr.language.tagging.data import Sentences
from asr.language.tagging.encoder import SentenceEncoder
from asr.language.tagging.network import TagModelConfig, TagTask
from asr.language.tagging.scheme import tag_rules
from asr.model_folder import Bundle, open_model
from asr.sequence.crf import LinearChainCrf
from asr.training.task import load_weights

__all__ = ["FittedTagger", "likeliest_paths", "make_network"]

BATCH_SIZE, BATCH_TOKENS = 64, 4000  # of predictions


@dataclass(frozen=True)
class SavedConfig:
    """``config.yaml`` of a model folder."""

    task: str = "tag"
    scheme: str = "auto"
    network: TagModelConfig = field(default_factory=TagModelConfig)


@dataclass(frozen=True)
class FittedTagger:
    """A network with the vocabularies that it reads and writes: the content of a model folder.

    Attributes:
        network: the network.
        encoder: vocabularies of words, characters, tags and labels.
        scheme: of the tags; see :class:`asr.language.tagging.config.TagDataConfig`.
        training: the configuration of its training, as YAML.
    """

    network: TagTask
    encoder: SentenceEncoder
    scheme: str = "auto"
    training: str = ""

    def predict(self, sentences: Sentences) -> tuple[list[list[str]], list[str] | None]:
        """Return the tags of each sentence, and the label of each where labels were learned."""
        tags: list[list[str]] = [[] for _ in sentences]
        labels = ["" for _ in sentences]
        with torch.inference_mode():
            for batch in self._batches(sentences):
                output = self.network(batch)
                paths, _ = self.network.crf.best_paths(output.scores.float(), batch.lens)
                for item, path in zip(batch.items.tolist(), paths, strict=True):
                    tags[item] = [self.encoder.tags[k] for k in path]
                if output.label_log_probs is not None:
                    best = output.label_log_probs.argmax(-1).tolist()
                    for item, label in zip(batch.items.tolist(), best, strict=True):
                        labels[item] = self.encoder.labels[label]
        return tags, labels if self.encoder.labels else None

    def marginals(self, sentences: Sentences) -> list[npt.NDArray[np.float32]]:
        """Return p(tag | sentence) of each word of each sentence: arrays (T, K)."""
        arrays = [np.zeros((0, len(self.encoder.tags)), np.float32) for _ in sentences]
        for batch in self._batches(sentences):
            with torch.no_grad():
                scores = self.network(batch).scores.float()
            # The marginals are gradients of the log-partition: no inference mode here.
            probabilities = self.network.crf.marginals(scores, batch.lens).detach().cpu().numpy()
            for row, item in enumerate(batch.items.tolist()):
                arrays[item] = probabilities[row, : int(batch.lens[row])]
        return arrays

    def _batches(self, sentences: Sentences) -> Iterator[TokenBatch]:
        spelled = self.network.config.words.spelling != "none"
        items = self.encoder.items(sentences, spelled=spelled)
        loader = TokenLoader(items, BATCH_SIZE, BATCH_TOKENS, shuffle=False)
        device = next(self.network.parameters()).device
        self.network.eval()
        for position in range(loader.num_batches(0)):
            yield loader.load(0, position).to(device)

    def save(self, folder: str | Path) -> Path:
        """Write the model folder; return its path."""
        config = SavedConfig(scheme=self.scheme, network=self.network.config)
        weights = self.network.state_dict()
        return write_text_model(folder, config, self.encoder, weights, training=self.training)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedTagger:
        """Return the tagger of a model folder.

        Raises:
            ModelError: no model there, a damaged one, or one of another task.
        """
        bundle = open_model(folder, task="tag")
        saved = build_config(SavedConfig, bundle.config, where=str(bundle.path / "config.yaml"))
        encoder = SentenceEncoder.load(bundle.path)
        network = make_network(saved.network, encoder, saved.scheme)
        load_weights(network, bundle.weights(), bundle.path)
        return cls(network.eval(), encoder, saved.scheme, training_of(bundle))


def make_network(config: TagModelConfig, encoder: SentenceEncoder, scheme: str = "auto") -> TagTask:
    """Return an untrained network for an encoder's vocabularies."""
    return TagTask(
        config,
        num_words=len(encoder.words),
        num_chars=len(encoder.chars),
        num_tags=len(encoder.tags),
        num_labels=len(encoder.labels),
        rules=tag_rules(encoder.tags, scheme),
    )


def likeliest_paths(
    probabilities: Sequence[npt.NDArray[np.floating[Any]]],
    tags: Sequence[str],
    scheme: str = "auto",
) -> list[list[str]]:
    """Return for each array (T, K) of p(tag) the likeliest tags that keep the scheme's rules."""
    crf = LinearChainCrf(len(tags), tag_rules(tags, scheme))
    paths: list[list[str]] = []
    for table in probabilities:
        if not len(table):
            paths.append([])
            continue
        # log(0) would make a forced path of zeros worth NaN
        scores = torch.from_numpy(np.log(np.maximum(table, 1e-30))).float()[None]
        best, _ = crf.best_paths(scores, torch.tensor([len(table)]))
        paths.append([tags[k] for k in best[0]])
    return paths
