"""Recordings -> transcripts with a model folder."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr import kernels
from asr.audio.level import LevelledBlocks
from asr.audio.reading import Source, open_recording
from asr.audio.segmentation import Window
from asr.decoding import Hypothesis
from asr.errors import AsrError, ModelError
from asr.features.config import FeatureConfig
from asr.model_folder import DEFAULT_MODEL, Bundle, open_model
from asr.speech.acoustics.backends import open_acoustics
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.imported_tokens import open_tokenizer
from asr.speech.acoustics.windows import LONG_S, Hearing, RecordingReader
from asr.speech.decoders import DecodingConfig, open_decoders, stored_decoding
from asr.speech.new_words import NewWords
from asr.speech.options import ModelOptions
from asr.speech.segments import TranscriptBuilder
from asr.speech.transcriber import OnSegment, Progress, Transcriber
from asr.speech.transcripts.transcript import Transcript
from asr.speech.transcripts.writing import PLAIN, Writer, WritingConfig
from asr.text.said import SaidWord

if TYPE_CHECKING:  # imported when a text is aligned
    from asr.speech.aligner import AlignmentConfig, Spelling
    from asr.speech.alignment import ForcedAlignment

__all__ = ["DecodingConfig", "OnSegment", "Recognizer", "load_model", "open_recognizer"]

Samples = npt.NDArray[np.float32]


class Recognizer:
    """A loaded speech model.

    Args:
        bundle: its folder.
        options: how it runs; their ``model`` is not looked at.

    Attributes:
        name: of the model, in transcripts.
        acoustics: the network.
        decoding: how its log-probabilities become text.
        decoders: makes decoders with other settings.
        decoder: the one in use.
        builder: makes transcripts of hypotheses.

    Example:
        >>> import asr
        >>> model = asr.load_model("runs/an4")  # doctest: +SKIP
        >>> model.transcribe("talk.wav").text  # doctest: +SKIP
        'hello world'
    """

    def __init__(self, bundle: Bundle, options: ModelOptions) -> None:
        kernels.prepare()  # while the network is opened
        self.bundle, self.name = bundle, options.name or bundle.name
        tokenizer = open_tokenizer(bundle.path)
        self.acoustics = open_acoustics(
            bundle,
            tokenizer.tokens,
            device=options.device,
            backend=options.backend,
            threads=options.threads,
        )
        self.decoding = stored_decoding(bundle, tokenizer, options.decoding)
        self.decoders = open_decoders(bundle, tokenizer, self.decoding, options)
        self.decoder = self.decoders.make(self.decoding)
        writer = Writer(options.writing or PLAIN, bundle)
        self.builder = TranscriptBuilder(self.frames, self.name, self.decoding.n_best > 1, writer)
        self._reader = RecordingReader(self.acoustics)

    @property
    def frames(self) -> FrameShape:
        """Sample rate of the network, length and step of its frames."""
        return self.acoustics.frames

    @property
    def sample_rate(self) -> int:
        """Samples a second that the network takes; other rates are resampled."""
        return self.frames.sample_rate

    @property
    def tokens(self) -> Sequence[str]:
        """Tokens of the network's output, the blank first."""
        return self.acoustics.tokens

    @property
    def seconds_per_frame(self) -> float:
        """Seconds between the starts of two output frames."""
        return self.frames.seconds_per_frame

    @property
    def feature_config(self) -> FeatureConfig:
        """Settings of the features.

        Raises:
            ModelError: the model is imported, and has other ones.
        """
        features = self.frames.features
        if not isinstance(features, FeatureConfig):
            raise ModelError(
                f"The imported model {self.name} has features of another toolkit.",
                "Give it recordings.",
            )
        return features

    @property
    def backend(self) -> str:
        """What runs the network: ``torch`` or ``onnxruntime``."""
        return self.acoustics.backend

    def with_decoding(
        self,
        changes: Mapping[str, Any],
        words: Sequence[str] = (),
        further: NewWords = (),
        grammar: str | None = None,
        grammar_mode: str = "replace",
    ) -> Recognizer:
        """Return a recogniser with other settings of the decoder, which shares the network.

        Args:
            changes: fields of :class:`asr.speech.decoders.DecodingConfig` with their values.
            words: the only words that can be recognised; empty: those of this model.
            further: words that the model was not made with, see :func:`load_model`.
            grammar: the only sentences that can be recognised, see :func:`load_model`.
            grammar_mode: see :func:`load_model`.

        Raises:
            ConfigError: a value out of its range, or a word that the model cannot say.
            DecodingError: a hotword that the model cannot write or say.
        """
        other = copy.copy(self)
        config = replace(self.decoding, **changes)
        if words or config.needs_beam or grammar is not None:
            config = replace(config, method="beam")
        other.decoding = config
        other.decoders = other.decoders.adapted("", further, grammar, grammar_mode)
        if words:
            other.decoders = other.decoders.with_words(words)
        decoders, anew = other.decoders, bool(further) or grammar is not None
        other.decoder = decoders.make(config) if anew else decoders.variant(self.decoder, config)
        other.builder = replace(self.builder, all_readings=config.n_best > 1)
        return other

    def with_writing(self, punctuation: bool, numbers: bool) -> Recognizer:
        """Return a recogniser that writes otherwise; it shares everything else.

        Args:
            punctuation: marks and capitals, where this one has a text model.
            numbers: English numbers in figures.
        """
        writer = self.builder.writer.variant(punctuation, numbers)
        if writer is self.builder.writer:
            return self
        other = copy.copy(self)
        other.builder = replace(self.builder, writer=writer)
        return other

    def transcribe(
        self,
        source: Source,
        sample_rate: int | None = None,
        channel: str | int = "mix",
        progress: Progress | None = None,
        on_segment: OnSegment | None = None,
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
            on_segment: called with each segment of a long recording as soon as it is known; its
                times are from the first sample.

        Raises:
            AudioError: the recording is missing, empty, damaged, shorter than one frame, or has no
                such channel.
        """
        results = self.transcribe_many([source], sample_rate, channel, progress, on_segment)
        return _sound(next(results))

    def transcribe_batch(
        self, sources: Sequence[Source], sample_rate: int | None = None
    ) -> list[Transcript]:
        """Return the transcripts of several recordings, computed together.

        Raises:
            AudioError: see :meth:`transcribe`.
        """
        return [_sound(result) for result in self.transcribe_many(sources, sample_rate)]

    def transcribe_many(
        self,
        sources: Iterable[Source],
        sample_rate: int | None = None,
        channel: str | int = "mix",
        progress: Progress | None = None,
        on_segment: OnSegment | None = None,
    ) -> Iterator[Transcript | AsrError]:
        """Yield for each recording, in order, its transcript, or the error that it ended in.

        Short ones are computed together, and only a few are held at a time. Arguments: see
        :meth:`transcribe`.
        """
        search = Transcriber(self._reader, self.decoder, self.builder, self.decoders.threads)
        return search.transcribe(sources, sample_rate, channel, progress, on_segment)

    def align(
        self,
        source: Source,
        text: str,
        sample_rate: int | None = None,
        normalizer: str = "basic",
        config: AlignmentConfig | None = None,
    ) -> ForcedAlignment:
        """Return when each word and character of ``text`` is said in a recording of any length.

        Args:
            source: see :meth:`transcribe`.
            text: what is said.
            sample_rate: see :meth:`transcribe`.
            normalizer: key of :data:`asr.text.normalizers.NORMALIZERS` that makes it fit the
                model's characters; a word keeps its spelling in the result where one word is said
                for it.
            config: whether there may be words that are not said and speech that is not in the text;
                by default neither.

        Raises:
            AudioError: see :meth:`transcribe`.
            TokenError: characters or words that the model does not know; all are named. Where words
                may be left out, they stand for any speech.
            DataError: an empty text, one longer than what can have been said, or a long one of
                which hardly a word is heard.
        """
        from asr.text.said import said_words  # the normalisers' tables take 12 ms to make

        return self.align_said(source, said_words(text, normalizer), sample_rate, config)

    def align_said(
        self,
        source: Source,
        words: Sequence[SaidWord],
        sample_rate: int | None = None,
        config: AlignmentConfig | None = None,
    ) -> ForcedAlignment:
        """Return when words are said; see :meth:`align`."""
        from asr.speech.aligner import AlignmentConfig, align_words
        from asr.speech.viterbi.search import LogProbs

        config = config or AlignmentConfig()
        pairs = [  # as they are written, and as they are said
            (word.written if len(word.words) == 1 else said, said)
            for word in words
            for said in word.words
        ]
        spellings = self.spell([said for _, said in pairs], config.partial)
        with open_recording(source, sample_rate) as recording:
            heard = Hearing(recording.resampled(self.sample_rate, block_s=LONG_S))
            levels = LevelledBlocks(heard, self.sample_rate)
            log_probs = LogProbs(self._reader.whole_log_probs(levels), config.star_frame)
            heard.check(recording.name, self.frames)
            start_s = recording.start_s
        alignment = align_words(
            log_probs,
            [(written, ways) for (written, _), ways in zip(pairs, spellings, strict=True)],
            self.decoder.vocabulary,
            seconds_per_frame=self.seconds_per_frame,
            duration_s=heard.count / self.sample_rate,
            model=self.name,
            unit=self.decoders.tokenizer.unit,
            config=config,
        )
        return alignment.later(start_s)

    def spell(self, words: Sequence[str], any_word: bool = False) -> list[Spelling]:
        """Return the pronunciations of normalised words as ids of :attr:`tokens`.

        Args:
            words: normalised.
            any_word: a word that the model does not know stands for any speech.

        Raises:
            TokenError: words that the model does not know.
        """
        from asr.speech.aligner import spell_words

        star = len(self.tokens) if any_word else None
        return spell_words(words, self.decoders.tokenizer, self.decoder.vocabulary, star)

    def features(self, recordings: Sequence[Samples]) -> list[Samples]:
        """Return features (T, F), not normalised, of mono recordings (n,) at :attr:`sample_rate`.

        Raises:
            AudioError: a recording is shorter than one frame.
            ModelError: the model is exported.
        """
        return self.acoustics.features(recordings)

    def log_probs(self, recordings: Sequence[Samples]) -> list[Samples]:
        """Return log-probabilities (T', V) of mono recordings (n,) at :attr:`sample_rate`.

        Raises:
            AudioError: a recording is shorter than one frame.
        """
        return self.acoustics.log_probs(recordings)

    def parts(self, samples: Samples) -> list[Window]:
        """Return what of a short recording (n,) the network hears, each stretch by itself: all of
        it, or its speech where the network learned from speech alone (``features.trim``).
        """
        return self._reader.parts(samples)

    def transcript(
        self, parts: Sequence[Window], hypotheses: Sequence[Sequence[Hypothesis]], num_samples: int
    ) -> Transcript:
        """Return the transcript of a recording from the hypotheses of its :meth:`parts`."""
        segments = [
            self.builder.segment(best, part.start, num_samples)
            for part, best in zip(parts, hypotheses, strict=True)
        ]
        return self.builder.transcript(segments, num_samples)


def _sound(result: Transcript | AsrError) -> Transcript:
    if isinstance(result, AsrError):
        raise result
    return result


def open_recognizer(options: ModelOptions) -> Recognizer:
    """Return the speech model that options name; see :func:`load_model`."""
    return Recognizer(open_model(options.model, task="ctc"), options)


def load_model(
    model: str | Path | Bundle = DEFAULT_MODEL,
    decoding: DecodingConfig | Mapping[str, Any] | None = None,
    *,
    device: str = "cpu",
    backend: str = "auto",
    threads: int = 0,
    lm: str | Path | None = None,
    writing: WritingConfig | None = None,
    new_words: NewWords = (),
    grammar: str | Path | None = None,
    grammar_mode: str = "replace",
) -> Recognizer:
    """Return a speech model.

    Args:
        model: path of a model folder or of a run folder that holds one, or name of a model that
            comes with the project.
        decoding: settings instead of those stored with the model; a mapping changes some of them.
        device: ``cpu`` or ``cuda``; in ONNX Runtime also ``tensorrt`` and ``auto``.
        backend: ``torch``, ``onnxruntime``, or ``auto``: see
            :func:`asr.speech.acoustics.backends.choose_backend`.
        threads: of the processor; 0 leaves them to the back end.
        lm: n-gram model instead of the folder's own.
        writing: how words become text, such as ``WritingConfig(text_model="auto")``; None leaves
            them plain. :func:`asr.speech.transcripts.writing.write_transcript` does it later.
        new_words: words that the model was not made with: a list, or a mapping of word to what it
            sounds like; a model of phones says them by their letters.
        grammar: the only sentences that can be recognised, as text or the path of a file, see
            :func:`asr.text.grammars.parse_grammar`.
        grammar_mode: ``replace``, or ``join``: all other speech is recognised too.

    Raises:
        ModelError: no model there, a damaged one, or one of another task.
        ConfigError: unknown or contradictory settings.
        LanguageModelError: ``lm`` cannot be used.
    """
    options = ModelOptions(model, decoding, lm, device, backend, threads=threads, writing=writing)
    options = replace(options, new_words=new_words, grammar=grammar, grammar_mode=grammar_mode)
    return open_recognizer(options)
