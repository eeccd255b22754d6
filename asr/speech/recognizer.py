"""Recordings -> transcripts with a model folder."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.audio.reading import Source, load_audio, open_recording
from asr.audio.segmentation import SegmentationConfig, Window, speech_windows
from asr.audio.trimming import trimmed_windows
from asr.config import build_config, check_range
from asr.decoding import BeamDecoder, GreedyDecoder, Hypothesis, load_lm
from asr.decoding.rescoring import RescoringDecoder, Scorer
from asr.errors import AsrError, ConfigError, ModelError, require
from asr.lm.model import SPECIAL_WORDS
from asr.model_folder import DEFAULT_MODEL, WEIGHTS, Bundle, find_model, open_bundle
from asr.speech.alignment import earlier_starts
from asr.speech.onnx import ONNX_FILE, OnnxModel, check_lengths
from asr.speech.stitching import Section, in_batches, stitched_sections, whole_log_probs
from asr.speech.transcript import Alternative, Segment, Transcript, Word, merge_channels
from asr.text.normalizers import normalize
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import PhoneTokenizer, Tokenizer, load_tokenizer

if TYPE_CHECKING:
    from asr.speech.alignment import Alignment
    from asr.speech.network import CtcTask

__all__ = ["Decoder", "DecodingConfig", "Recognizer", "choose_backend", "load_model", "load_task"]

LM_FILES = ("lm.bin", "lm.arpa.gz", "lm.arpa")
MAX_HOTWORD_WEIGHT = 100.0  # natural log; e^100 is all that anybody could mean
MAX_RESCORE_WEIGHT = 100.0
ONNX_DEVICES = ("cpu", "auto", "tensorrt")  # where a folder with both networks runs in ONNX Runtime
WIDE_BEAM = {
    "beam_size": 1500,
    "beam_threshold": 14.0,
}  # phones leave much open until a word is whole
LONG_S = 30.0  # from here on a recording is read in windows
BATCH_S = 160.0  # seconds, padding included, that the network gets at once
POOL_S, POOL_SIZE = (
    320.0,
    32,
)  # recordings that are looked at together, so that those of similar lengths share a batch

Samples = npt.NDArray[np.float32]
Progress = Callable[[float], None]
Decoder = BeamDecoder | GreedyDecoder | RescoringDecoder


@dataclass(frozen=True)
class DecodingConfig:
    """How log-probabilities become text.

    Attributes:
        method: ``greedy``, ``beam``, or ``auto``: beam where the model folder holds a language
            model.
        beam_size: hypotheses kept, those within beam_threshold (natural log) of the best one; a
            model of phones takes 1500 within 14 where nothing is said.
        lm_alpha: weight of the language model.
        lm_beta: bonus a word.
        blank_penalty: taken from the blank's log-probability, so that fewer words are left out.
        open_vocabulary: words that the language model does not know may be recognised too.
        confidence_power: calibrates word confidences, see :func:`asr.decoding.tune.fit_confidence`.
        n_best: readings of each segment that a transcript holds.
        hotwords: phrase -> weight, by which the score of a hypothesis rises that holds it; in a
            closed vocabulary their words are added. Both need the beam.
        lexicon: pronouncing dictionary of further words, for a model of phones.
        rescorer: model folder of an LSTM language model that re-ranks what the beam found.
        rescore_weight: of its log-probability and for every word, see
            :func:`asr.decoding.rescoring.rescore`.
        rescore_word_bonus: of its log-probability and for every word, see
            :func:`asr.decoding.rescoring.rescore`.
    """

    method: str = "auto"
    beam_size: int = 100
    beam_threshold: float = 12.0
    lm_alpha: float = 0.5
    lm_beta: float = 1.0
    blank_penalty: float = 0.0
    open_vocabulary: bool = True
    confidence_power: float = 1.0
    n_best: int = 1
    hotwords: dict[str, float] = field(default_factory=dict)
    lexicon: str = ""
    rescorer: str = ""
    rescore_weight: float = 0.5
    rescore_word_bonus: float = 0.0

    def __post_init__(self) -> None:
        if self.method not in ("auto", "greedy", "beam"):
            raise ConfigError(
                f"Unknown decoding method {self.method!r}.", "Choose greedy, beam or auto."
            )
        check_range("decoding.n_best", self.n_best, 1)
        check_range("decoding.rescore_weight", self.rescore_weight, 0, MAX_RESCORE_WEIGHT)
        for phrase, weight in self.hotwords.items():
            check_range(f"decoding.hotwords[{phrase}]", weight, 0, MAX_HOTWORD_WEIGHT)

    @property
    def needs_beam(self) -> bool:
        """Whether greedy decoding could not do what is asked for."""
        return self.n_best > 1 or bool(self.hotwords) or bool(self.rescorer)


class Recognizer:
    """A loaded model.

    Attributes:
        name: of the model folder.
        sample_rate: that the model hears; other rates are resampled.
        tokens: of its output.
        stride: of its output, in samples, and seconds_per_frame.
        frame_length: of its features, in samples.
        trims: whether it hears speech alone, see :meth:`parts`.
        backend: ``torch`` or ``onnxruntime``.

    Example:
        >>> import asr
        >>> model = asr.load_model("runs/an4")  # doctest: +SKIP
        >>> model.transcribe("talk.wav").text  # doctest: +SKIP
        'hello world'
    """

    def __init__(
        self,
        bundle: Bundle,
        decoding: DecodingConfig | Mapping[str, Any] | None = None,
        device: str = "cpu",
        backend: str = "auto",
        threads: int = 0,
        lm: str | Path | None = None,
    ) -> None:
        self.bundle, self.device = bundle, device
        self.name = bundle.path.name if bundle.path.name != "model" else bundle.path.parent.name
        self.tokenizer: Tokenizer = load_tokenizer(bundle.path)
        self.tokens = self.tokenizer.tokens
        self.backend = choose_backend(bundle, backend, device)
        self.onnx: OnnxModel | None = None
        if self.backend == "onnxruntime":
            self.onnx = OnnxModel(bundle, device, threads)
        else:
            self._load_torch(threads)
        features, model = bundle.config["network"]["features"], bundle.config["network"]["model"]
        self.sample_rate = int(features["sample_rate"])
        self.stride = (
            round(self.sample_rate * features["frame_shift_ms"] / 1000) * model["subsampling"]
        )
        self.seconds_per_frame = self.stride / self.sample_rate
        self.decoding = self._settings(decoding)
        if lm is not None and self.decoding.method == "greedy":
            raise ConfigError(
                "Greedy decoding uses no language model.",
                "Leave it out, or choose the method beam.",
            )
        if self.decoding.lexicon:
            self.tokenizer = self._with_words(self.decoding.lexicon)
        self.frame_length = round(self.sample_rate * features["frame_length_ms"] / 1000)
        self.trims = bool(features.get("trim"))
        self.segmentation = SegmentationConfig()
        self.threads = threads or os.cpu_count() or 1
        own_lm = next((bundle.path / name for name in LM_FILES if name in bundle.files), None)
        self.lm = own_lm if lm is None else Path(lm)
        self.decoder = self.make_decoder(self.decoding)

    def _settings(self, decoding: DecodingConfig | Mapping[str, Any] | None) -> DecodingConfig:
        if isinstance(decoding, DecodingConfig):
            settings = decoding
        else:
            usual = {} if self.tokenizer.lexicon is None else WIDE_BEAM
            layers = (usual, self.bundle.config.get("decoding") or {}, dict(decoding or {}))
            settings = build_config(DecodingConfig, *layers, where=f"decoding of {self.name}")
        if settings.method == "greedy" and settings.needs_beam:
            raise ConfigError(
                "Greedy decoding knows no N-best, hotwords or second pass.",
                "Choose the method beam.",
            )
        return settings

    def _with_words(self, lexicon: str) -> Tokenizer:
        if not isinstance(self.tokenizer, PhoneTokenizer):
            raise ConfigError(f"The model {self.name} spells its words.", "Leave the lexicon out.")
        return self.tokenizer.with_words(Pronunciations.load(lexicon))

    def _load_torch(self, threads: int) -> None:
        require("torch", "train")
        import torch

        from asr.features.extraction import LogMel

        if threads:
            torch.set_num_threads(threads)
        try:
            self.task: CtcTask = load_task(self.bundle, len(self.tokenizer)).to(self.device)
        except (RuntimeError, AssertionError) as error:  # torch's own words run on for pages
            raise ConfigError(
                f"torch cannot use the device {self.device!r} here ({str(error).strip().splitlines()[0][:200]}).",
                "Take --device cpu, or see what torch.cuda.is_available() says.",
            ) from error
        self.feature_config = self.task.config.features
        self.extractor = LogMel(self.feature_config)

    def make_decoder(self, decoding: DecodingConfig) -> Decoder:
        """Return the decoder that ``decoding`` describes, with the model folder's language model if
        it has one.

        Raises:
            ModelError: ``decoding.rescorer`` holds no language model. MissingDependencyError: it
            needs torch.
        """
        greedy = decoding.method == "greedy"
        if greedy or (decoding.method == "auto" and self.lm is None and not decoding.needs_beam):
            return GreedyDecoder(self.tokens, self.tokenizer.lexicon)
        search = self.make_beam_decoder(decoding)
        if not decoding.rescorer:
            return search
        weight, word_bonus = decoding.rescore_weight, decoding.rescore_word_bonus
        return RescoringDecoder(search, self.load_scorer(decoding.rescorer), weight, word_bonus)

    def load_scorer(self, folder: str | Path) -> Scorer:
        """Return the log-probabilities of an LSTM language model, see
        :func:`asr.decoding.rescoring.rescore`.
        """
        require("torch", "train")
        from asr.language.modelling.folder import load_scorer

        return load_scorer(
            folder, "cpu" if self.device.partition(":")[0] in ONNX_DEVICES else self.device
        )

    def make_beam_decoder(self, decoding: DecodingConfig) -> BeamDecoder:
        """Return the beam search with the numbers of ``decoding``."""
        lm = None if self.lm is None else load_lm(self.lm)
        lexicon: Iterable[str] | Pronunciations | None = self.tokenizer.lexicon
        hotwords = {
            self._in_our_letters(phrase): weight for phrase, weight in decoding.hotwords.items()
        }
        open_vocabulary = lexicon is None and (decoding.open_vocabulary or lm is None)
        if lexicon is None and lm is not None and hotwords and not open_vocabulary:
            known = (word for word in lm.words if word not in SPECIAL_WORDS)
            lexicon = list(dict.fromkeys([*known, *" ".join(hotwords).split()]))
        return BeamDecoder(
            self.tokens,
            lm=lm,
            lexicon=lexicon,
            beam_size=decoding.beam_size,
            lm_alpha=decoding.lm_alpha,
            lm_beta=decoding.lm_beta,
            beam_threshold=decoding.beam_threshold,
            blank_penalty=decoding.blank_penalty,
            open_vocabulary=open_vocabulary,
            confidence_power=decoding.confidence_power,
            n_best=decoding.n_best,
            hotwords=hotwords or None,
            threads=self.threads,
        )

    def _in_our_letters(self, phrase: str) -> str:
        """The phrase in the letter case of the transcripts, if one of the two fits."""
        if self.tokenizer.lexicon is not None:
            return phrase.lower()
        known = set("".join(self.tokens)) | {" "}
        return next(
            (p for p in (phrase, phrase.lower(), phrase.upper()) if set(p) <= known), phrase
        )

    def transcribe(
        self,
        source: Source,
        sample_rate: int | None = None,
        channel: str | int = "mix",
        progress: Progress | None = None,
    ) -> Transcript:
        """Return the transcript of a recording of any length.

        From 30 s on it is read in blocks, so that memory stays bounded, and each stretch of speech
        becomes a segment; a model that learned from speech alone makes segments of shorter
        recordings too, see :meth:`parts`.

        Args:
            source: path, bytes, binary file object, or samples (n,) or (n, channels) in [-1, 1].
            sample_rate: of ``source`` in Hz where it is an array of samples.
            channel: ``mix`` (mean of the channels), a channel's number from 0, or ``all``: each
                apart, segments of all.
            progress: called with the seconds of the recording that are done, now and then.

        Raises:
            AudioError: the recording is missing, empty, damaged, shorter than one frame, or has no
            such channel.
        """
        found = next(self.transcribe_many([source], sample_rate, channel, progress))
        if isinstance(found, AsrError):
            raise found
        return found

    def transcribe_batch(
        self, sources: Sequence[Source], sample_rate: int | None = None
    ) -> list[Transcript]:
        """Return the transcripts of several recordings, computed together; see :meth:`transcribe`."""
        transcripts = []
        for found in self.transcribe_many(sources, sample_rate):
            if isinstance(found, AsrError):
                raise found
            transcripts.append(found)
        return transcripts

    def transcribe_many(
        self,
        sources: Iterable[Source],
        sample_rate: int | None = None,
        channel: str | int = "mix",
        progress: Progress | None = None,
    ) -> Iterator[Transcript | AsrError]:
        """Yield for each recording, in order, its transcript, or the error that it ended in.

        Short ones are computed together, and only a few are held at a time. Arguments: see
        :meth:`transcribe`.
        """
        pool: list[Samples | AsrError] = []
        for source in sources:
            long: Transcript | None = None
            try:
                with open_recording(source, sample_rate) as recording:
                    blocks = recording.resampled(self.sample_rate, channel, LONG_S)
                    head = self._head(blocks)
                    if sum(map(len, head)) > LONG_S * self.sample_rate:
                        channels = recording.channels if channel == "all" else None
                        every = itertools.chain(head, blocks)
                        long = self._transcribe_long(every, channels, progress)
                    else:
                        pool.append(np.concatenate(head))
            except AsrError as error:
                pool.append(error)
            if long is not None or len(pool) >= POOL_SIZE or self._seconds(pool) > POOL_S:
                yield from self._transcribe_pool(pool)
                pool = []
            if long is not None:
                yield long
        yield from self._transcribe_pool(pool)

    def _seconds(self, pool: Iterable[Samples | AsrError]) -> float:
        return (
            sum(0 if isinstance(item, AsrError) else item.size for item in pool) / self.sample_rate
        )

    def _head(self, blocks: Iterator[Samples]) -> list[Samples]:
        """Return the blocks at the beginning of a recording: all of a short one, and of a long one
        as many as show that it is long.
        """
        head: list[Samples] = []
        for block in blocks:
            head.append(block)
            if sum(map(len, head)) > LONG_S * self.sample_rate:
                break
        return head

    def _transcribe_pool(
        self, pool: Sequence[Samples | AsrError]
    ) -> Iterator[Transcript | AsrError]:
        recordings = [item for item in pool if not isinstance(item, AsrError)]
        try:
            parts = [self._channel_parts(recording) for recording in recordings]
            arrays = in_batches(
                [p.samples for own in parts for p in own], self.log_probs, self._max_batch
            )
            best = iter(self.decoder(arrays))
            found: list[Transcript | AsrError] = []
            for own, recording in zip(parts, recordings, strict=True):
                count, channels = len(recording), recording.shape[1:]
                segments = [
                    (part.channel, self.segment(hypotheses, part.start, count))
                    for part, hypotheses in zip(own, itertools.islice(best, len(own)), strict=True)
                ]
                found.append(self._merged(segments, channels[0] if channels else None, count))
        except AsrError as error:
            if len(recordings) > 1:  # one of them is at fault, and the others are not to suffer
                found = [next(self._transcribe_pool([r])) for r in recordings]
            else:
                found = [error]
        results = iter(found)
        yield from (item if isinstance(item, AsrError) else next(results) for item in pool)

    def _channel_parts(self, recording: Samples) -> list[Window]:
        """Return the :meth:`parts` of each channel of (n,) or (n, channels)."""
        return [
            replace(part, channel=channel)
            for channel, samples in enumerate(np.atleast_2d(recording.T))
            for part in self.parts(np.ascontiguousarray(samples))
        ]

    def _merged(
        self, segments: Sequence[tuple[int, Segment | None]], channels: int | None, count: int
    ) -> Transcript:
        """Return the transcript of segments beside their channels; ``channels`` is None where the
        recording was heard as one.
        """
        if channels is None:
            return self._joined([segment for _, segment in segments], count)
        apart = [[s for c, s in segments if c == channel] for channel in range(channels)]
        return merge_channels([self._joined(own, count) for own in apart])

    def _transcribe_long(
        self, blocks: Iterator[Samples], channels: int | None, progress: Progress | None
    ) -> Transcript:
        count = 0

        def counted() -> Iterator[Samples]:
            nonlocal count
            for block in blocks:
                count += len(block)
                yield block

        segments: list[tuple[int, Segment | None]] = []
        sections = self._sections(counted())
        while some := list(itertools.islice(sections, 2 * self.threads)):
            for section, best in zip(some, self.decoder([s.log_probs for s in some]), strict=True):
                segments.append((section.channel, self.segment(best, section.start, count)))
            if progress is not None:
                progress(some[-1].start / self.sample_rate)
        return self._merged(segments, channels, count)

    def _sections(self, blocks: Iterable[Samples]) -> Iterator[Section]:
        stride, hop = self.stride, round(self.sample_rate / 100)
        windows = speech_windows(
            blocks, self.sample_rate, self.segmentation, math.lcm(stride, hop) // hop
        )
        if self.trims:
            windows = trimmed_windows(windows, self.sample_rate)
        vocabulary = self.decoder.vocabulary
        return stitched_sections(
            windows, self._padded_log_probs, stride, vocabulary.starts_word, self._max_batch
        )

    @property
    def _max_batch(self) -> int:
        return round(BATCH_S * self.sample_rate)

    def _padded_log_probs(self, recordings: Sequence[Samples]) -> list[Samples]:
        """As :meth:`log_probs`; what is shorter than a frame, as the end of a recording may be, is
        filled up.
        """
        return self.log_probs(
            [np.pad(r, (0, max(0, self.frame_length - len(r)))) for r in recordings]
        )

    def align(
        self, source: Source, text: str, sample_rate: int | None = None, normalizer: str = "basic"
    ) -> Alignment:
        """Return when each word and character of ``text`` is said in a recording.

        Args:
            source: see :meth:`transcribe`.
            sample_rate: see :meth:`transcribe`.
            text: what is said.
            normalizer: key of :data:`asr.text.normalizers.NORMALIZERS` that makes it fit the
                model's characters; the words keep their spelling in the result where the normaliser
                leaves their number as it is.

        Raises:
            AudioError: see :meth:`transcribe`. TokenError: a character that the model does not
            know. DataError: an empty text, one longer than what can have been said, or too much to
            be aligned at once.
        """
        from asr.speech.alignment import Alignment, aligned_words, forced_align

        normal = normalize(text, normalizer)
        ids = self.tokenizer.encode(normal)
        audio = load_audio(source, self.sample_rate, source_rate=sample_rate)
        log_probs = self._whole_log_probs(audio.samples)
        frames = forced_align(log_probs, ids)
        vocabulary = self.decoder.vocabulary
        words = aligned_words(frames, ids, vocabulary, self.seconds_per_frame, audio.duration_s)
        spelled, said = text.split(), normal.split()
        given = spelled if len(spelled) == len(said) else said
        words = tuple(replace(word, word=name) for word, name in zip(words, given, strict=True))
        score = sum(f.log_prob * (f.end - f.start) for f in frames) / sum(
            f.end - f.start for f in frames
        )
        written = " ".join(word.word for word in words)
        return Alignment(written, round(audio.duration_s, 3), words, round(score, 4), self.name)

    def _whole_log_probs(self, samples: Samples) -> Samples:
        stride = self.stride
        window, context = (
            round(s * self.sample_rate / stride) * stride
            for s in (self.segmentation.max_window_s, self.segmentation.context_s)
        )
        if len(samples) <= LONG_S * self.sample_rate:
            return self.log_probs([samples])[0]
        return whole_log_probs(
            samples, self._padded_log_probs, stride, window, context, self._max_batch
        )

    def features(
        self, recordings: Sequence[npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """Return features (T, F), before normalisation, of mono recordings (n,) at
        :attr:`sample_rate`.

        Raises:
            AudioError: a recording is shorter than one frame. ModelError: the model is exported.
        """
        if self.onnx is not None:
            here = WEIGHTS in self.bundle.files
            remedy = "Load it with backend='torch'." if here else "Use the model it came from."
            raise ModelError(f"The exported model {self.name} hands out no features.", remedy)
        import torch

        from asr.training.batching.padding import pad_sequences

        check_lengths(recordings, self.frame_length, self.sample_rate)
        samples, lens = pad_sequences(recordings)
        with torch.inference_mode():
            features, feature_lens = self.extractor(samples, lens)
        return [array[:n].numpy() for array, n in zip(features, feature_lens.tolist(), strict=True)]

    def log_probs(
        self, recordings: Sequence[npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """Return log-probabilities (T', V) of mono recordings (n,) at :attr:`sample_rate`; see
        :meth:`features`.
        """
        if self.onnx is not None:
            return self.onnx.log_probs(recordings)
        import torch

        from asr.training.batching.padding import pad_sequences

        features, lens = pad_sequences(self.features(recordings))
        with torch.inference_mode():
            output, output_lens = self.task(features.to(self.device), lens.to(self.device))
        arrays = output.cpu().numpy()
        return [array[:n] for array, n in zip(arrays, output_lens.tolist(), strict=True)]

    def parts(self, samples: Samples) -> list[Window]:
        """Return what of a short recording (n,) the network hears, each stretch by itself: all of
        it, or its speech.

        The latter where the network learned from speech alone (``features.trim``).
        """
        whole = [Window(0, samples)]
        speech_alone = self.trims and len(samples) >= self.frame_length
        return list(trimmed_windows(whole, self.sample_rate)) if speech_alone else whole

    def transcript(
        self, parts: Sequence[Window], best: Sequence[Sequence[Hypothesis]], count: int
    ) -> Transcript:
        """Return the transcript of a recording of ``count`` samples from the hypotheses of its
        :meth:`parts`.
        """
        return self._joined(
            [self.segment(h, part.start, count) for part, h in zip(parts, best, strict=True)], count
        )

    def segment(self, hypotheses: Sequence[Hypothesis], start: int, stop: int) -> Segment | None:
        """Return what was said from sample ``start`` on, before sample ``stop``; None if nothing."""
        readings = []
        for hypothesis in hypotheses:
            words = self.words(hypothesis, start / self.sample_rate, stop / self.sample_rate)
            confidence = round(sum(w.confidence for w in words) / len(words), 4) if words else 0.0
            readings.append(
                Alternative(hypothesis.text, confidence, round(hypothesis.score, 4), words)
            )
        best = readings[0]
        if not best.words:
            return None
        asked = tuple(readings) if self.decoding.n_best > 1 else ()
        return Segment(
            best.words[0].start, best.words[-1].end, best.text, best.confidence, best.words, asked
        )

    def words(
        self, hypothesis: Hypothesis, start_s: float, stop_s: float = math.inf
    ) -> tuple[Word, ...]:
        """Return the words of a hypothesis with their times; its first frame is at ``start_s``, and
        none ends later.
        """
        step = self.seconds_per_frame
        spans = earlier_starts(
            [(w.start_frame * step, w.end_frame * step) for w in hypothesis.words]
        )
        times = [
            (round(max(0.0, start_s + start), 3), round(min(start_s + end, stop_s), 3))
            for start, end in spans
        ]
        return tuple(
            Word(w.word, start, end, round(w.confidence, 4))
            for w, (start, end) in zip(hypothesis.words, times, strict=True)
        )

    def _joined(self, segments: Sequence[Segment | None], count: int) -> Transcript:
        spoken = tuple(segment for segment in segments if segment is not None)
        text = " ".join(segment.text for segment in spoken)
        return Transcript(text, round(count / self.sample_rate, 3), spoken, self.name)


def choose_backend(bundle: Bundle, backend: str = "auto", device: str = "cpu") -> str:
    """Return what runs the network of a model folder, ``torch`` or ``onnxruntime``.

    ``auto`` takes what the folder holds. Where it holds both, ONNX Runtime has the processor, which
    it serves without the seconds that importing torch takes, and torch has the other devices;
    ``tensorrt`` is ONNX Runtime's.

    Raises:
        ConfigError: another name. ModelError: the folder is not of that kind.
    """
    needed = {"torch": WEIGHTS, "onnxruntime": ONNX_FILE}
    if backend == "auto":
        choice = [name for name, file in needed.items() if file in bundle.files] or ["onnxruntime"]
        backend = choice[-1] if device.partition(":")[0] in ONNX_DEVICES else choice[0]
    if backend not in needed:
        raise ConfigError(
            f"Unknown back end {backend!r}.", f"Choose of: auto, {', '.join(needed)}."
        )
    if needed[backend] not in bundle.files:
        raise ModelError(
            f"The model {bundle.path} holds no {needed[backend]}, which the back end {backend} needs.",
            "Export it: asr export MODEL --format onnx -o OUT"
            if backend == "onnxruntime"
            else "Give a trained model.",
        )
    return backend


def load_task(bundle: Bundle, vocab_size: int) -> CtcTask:
    """Return the trained network of a model folder, for inference.

    Raises:
        ModelError: no weights there, or others than the configuration describes.
        MissingDependencyError: no torch.
    """
    require("torch", "train")
    from asr.speech.network import CtcTask, CtcTaskConfig
    from asr.training.task import load_weights

    config = build_config(
        CtcTaskConfig, bundle.config["network"], where=str(bundle.path / "config.yaml")
    )
    task, weights = CtcTask(config, vocab_size), bundle.weights()
    load_weights(task, weights, bundle.path)
    return task.eval()


def load_model(
    model: str | Path = DEFAULT_MODEL,
    decoding: DecodingConfig | Mapping[str, Any] | None = None,
    device: str = "cpu",
    backend: str = "auto",
    threads: int = 0,
    lm: str | Path | None = None,
) -> Recognizer:
    """Return a speech model.

    Args:
        model: path of a model folder or of a run folder that holds one, or name of a model that
            comes with the project.
        decoding: settings instead of those stored with the model; a mapping changes some of them.
        device: ``cpu`` or ``cuda``; in ONNX Runtime also ``tensorrt`` and ``auto``.
        backend: ``torch``, ``onnxruntime``, or ``auto``: see :func:`choose_backend`.
        threads: of the processor; 0 leaves them to the back end.
        lm: n-gram model instead of the folder's own.

    Raises:
        ModelError: no model there, a damaged one, or one of another task.
        ConfigError: unknown or contradictory settings. LanguageModelError: ``lm`` cannot be used.
    """
    return Recognizer(
        open_bundle(find_model(model), task="ctc"), decoding, device, backend, threads, lm
    )
