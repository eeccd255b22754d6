"""Recordings -> transcripts with a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.audio import load_audio
from asr.bundle import Bundle, open_bundle
from asr.config import build_config
from asr.decoding import BeamDecoder, GreedyDecoder, Hypothesis
from asr.errors import AudioError, ConfigError, ModelError, require
from asr.runtime import ONNX_FILE, OnnxModel
from asr.text.tokenizers import Tokenizer, load_tokenizer
from asr.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    from asr.tasks.ctc import CtcTask

__all__ = ["DecodingConfig", "Recognizer", "choose_backend", "load_model"]

LM_FILES = ("lm.bin", "lm.arpa.gz", "lm.arpa")


@dataclass(frozen=True)
class DecodingConfig:
    """How log-probabilities become text.

    Attributes:
        method: ``greedy``, ``beam``, or ``auto``: beam where the model folder holds a language model.
        beam_size: hypotheses kept. lm_alpha: weight of the language model. lm_beta: bonus a word.
        open_vocabulary: words that the language model does not know may be recognised too.
        confidence_power: calibrates word confidences, see :func:`asr.decoding.tune.fit_confidence`.
    """

    method: str = "auto"
    beam_size: int = 100
    lm_alpha: float = 0.5
    lm_beta: float = 1.0
    open_vocabulary: bool = True
    confidence_power: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in ("auto", "greedy", "beam"):
            raise ConfigError(f"Unknown decoding method {self.method!r}.", "Choose greedy, beam or auto.")


class Recognizer:
    """A loaded model.

    Attributes:
        name: of the model folder. sample_rate: that the model hears; other rates are resampled. tokens: of its output.
        seconds_per_frame: of its output. backend: ``torch`` or ``onnxruntime``.

    Example:
        >>> import asr
        >>> model = asr.load_model("runs/an4")  # doctest: +SKIP
        >>> model.transcribe("talk.wav").text  # doctest: +SKIP
        'hello world'
    """

    def __init__(
        self,
        bundle: Bundle,
        decoding: DecodingConfig | None = None,
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 0,
    ) -> None:
        self.bundle, self.device = bundle, device
        self.name = bundle.path.name if bundle.path.name != "model" else bundle.path.parent.name
        self.tokenizer: Tokenizer = load_tokenizer(bundle.path)
        self.tokens = self.tokenizer.tokens
        self.backend = choose_backend(bundle, backend)
        self.onnx: OnnxModel | None = None
        if self.backend == "onnxruntime":
            self.onnx = OnnxModel(bundle, device, threads)
        else:
            self._load_torch(threads)
        features, model = bundle.config["network"]["features"], bundle.config["network"]["model"]
        self.sample_rate = int(features["sample_rate"])
        self.seconds_per_frame = features["frame_shift_ms"] / 1000 * model["subsampling"]
        stored = build_config(DecodingConfig, bundle.config.get("decoding") or {}, where=str(bundle.path))
        self.decoding = decoding or stored
        self.lm = next((bundle.path / name for name in LM_FILES if name in bundle.files), None)
        self.decoder = self.make_decoder(self.decoding)

    def _load_torch(self, threads: int) -> None:
        require("torch", "train")
        import torch

        from asr.features import LogMel

        if threads:
            torch.set_num_threads(threads)
        self.task: CtcTask = _load_task(self.bundle, len(self.tokenizer)).to(self.device)
        self.feature_config = self.task.config.features
        self.extractor = LogMel(self.feature_config)

    def make_decoder(self, decoding: DecodingConfig) -> BeamDecoder | GreedyDecoder:
        """Return the decoder that ``decoding`` describes, with the model folder's language model if it has one."""
        if decoding.method == "greedy" or (decoding.method == "auto" and self.lm is None):
            return GreedyDecoder(self.tokens)
        return self.make_beam_decoder(decoding)

    def make_beam_decoder(self, decoding: DecodingConfig) -> BeamDecoder:
        """Return the beam search with the numbers of ``decoding``."""
        return BeamDecoder(
            self.tokens, lm=self.lm, beam_size=decoding.beam_size, lm_alpha=decoding.lm_alpha,
            lm_beta=decoding.lm_beta, open_vocabulary=decoding.open_vocabulary or self.lm is None,
            confidence_power=decoding.confidence_power,
        )  # fmt: skip

    def transcribe(self, source: Any, sample_rate: int | None = None) -> Transcript:
        """Return the transcript of a recording.

        Args:
            source: path, bytes, binary file object, or samples (n,) or (n, channels) in [-1, 1].
            sample_rate: of ``source`` in Hz where it is an array of samples.

        Raises:
            AudioError: the recording is missing, empty, damaged, or shorter than one frame.
        """
        return self.transcribe_batch([source], sample_rate)[0]

    def transcribe_batch(self, sources: Sequence[Any], sample_rate: int | None = None) -> list[Transcript]:
        """Return the transcripts of several recordings, computed together; see :meth:`transcribe`."""
        if not sources:
            return []
        recordings = [load_audio(source, self.sample_rate, source_rate=sample_rate) for source in sources]
        durations = [len(r.samples) / self.sample_rate for r in recordings]
        hypotheses = self.decoder(self.log_probs([r.samples for r in recordings]))
        return [self._transcript(best[0], s) for best, s in zip(hypotheses, durations, strict=True)]

    def features(self, recordings: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        """Return features (T, F), before normalisation, of mono recordings (n,) at :attr:`sample_rate`.

        Raises:
            AudioError: a recording is shorter than one frame. ModelError: the model is exported.
        """
        if self.onnx is not None:
            raise ModelError(f"The exported model {self.name} hands out no features.", "Use the model it came from.")
        import torch

        from asr.batches.speech import pad_sequences

        shortest = min(len(recording) for recording in recordings)
        if self.feature_config.num_frames(shortest) < 1:
            raise AudioError(f"A recording of {shortest} samples is shorter than one frame.", "Give at least 25 ms.")
        samples, lens = pad_sequences(recordings)
        with torch.inference_mode():
            features, feature_lens = self.extractor(samples, lens)
        return [array[:n].numpy() for array, n in zip(features, feature_lens.tolist(), strict=True)]

    def log_probs(self, recordings: Sequence[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
        """Return log-probabilities (T', V) of mono recordings (n,) at :attr:`sample_rate`; see :meth:`features`."""
        if self.onnx is not None:
            return self.onnx.log_probs(recordings)
        import torch

        from asr.batches.speech import pad_sequences

        features, lens = pad_sequences(self.features(recordings))
        with torch.inference_mode():
            output, output_lens = self.task(features.to(self.device), lens.to(self.device))
        arrays = output.cpu().numpy()
        return [array[:n] for array, n in zip(arrays, output_lens.tolist(), strict=True)]

    def _transcript(self, hypothesis: Hypothesis, duration_s: float) -> Transcript:
        words = tuple(
            Word(
                w.word,
                round(w.start_frame * self.seconds_per_frame, 3),
                round(min(w.end_frame * self.seconds_per_frame, duration_s), 3),
                round(w.confidence, 4),
            )
            for w in hypothesis.words
        )
        if not words:
            return Transcript("", round(duration_s, 3), (), self.name)
        confidence = round(sum(w.confidence for w in words) / len(words), 4)
        segment = Segment(words[0].start, words[-1].end, hypothesis.text, confidence, words)
        return Transcript(hypothesis.text, round(duration_s, 3), (segment,), self.name)


def choose_backend(bundle: Bundle, backend: str = "auto") -> str:
    """Return what runs the network of a model folder, ``torch`` or ``onnxruntime``; ``auto`` goes by its files.

    Raises:
        ConfigError: another name. ModelError: the folder is not of that kind.
    """
    needed = {"torch": "model.safetensors", "onnxruntime": ONNX_FILE}
    if backend == "auto":
        backend = "torch" if needed["torch"] in bundle.files else "onnxruntime"
    if backend not in needed:
        raise ConfigError(f"Unknown back end {backend!r}.", f"Choose of: auto, {', '.join(needed)}.")
    if needed[backend] not in bundle.files:
        raise ModelError(
            f"The model {bundle.path} holds no {needed[backend]}, which the back end {backend} needs.",
            "Export it: asr export MODEL --format onnx -o OUT" if backend == "onnxruntime" else "Give a trained model.",
        )
    return backend


def _load_task(bundle: Bundle, vocab_size: int) -> CtcTask:
    from asr.tasks.base import first_difference
    from asr.tasks.ctc import CtcTask, CtcTaskConfig

    config = build_config(CtcTaskConfig, bundle.config["network"], where=str(bundle.path / "config.yaml"))
    task, weights = CtcTask(config, vocab_size), bundle.weights()
    if difference := first_difference(task.state_dict(), weights):
        raise ModelError(f"The weights in {bundle.path} do not fit its configuration: {difference}.", "Copy it again.")
    task.load_state_dict(weights)
    return task.eval()


def load_model(
    model: str | Path,
    decoding: DecodingConfig | None = None,
    device: str = "cpu",
    backend: str = "auto",
    threads: int = 0,
) -> Recognizer:
    """Return the speech model in a model folder (or in a run folder that holds one).

    Args:
        model: path of the folder. decoding: settings instead of those stored with the model.
        device: ``cpu`` or ``cuda``; for exported models also ``tensorrt`` and ``auto``.
        backend: ``torch``, ``onnxruntime``, or ``auto``: what the folder was made for. threads: of the processor for
            the network; 0 leaves it to the back end.

    Raises:
        ModelError: no model there, a damaged one, or one of another task.
    """
    return Recognizer(open_bundle(model, task="ctc"), decoding, device, backend, threads)
