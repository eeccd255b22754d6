"""A model with the options of a request: decoders are kept, since making one takes time."""

from __future__ import annotations

import threading
from collections import OrderedDict

from asr.decoding import GreedyDecoder
from asr.errors import AsrError
from asr.serve.config import ServeConfig
from asr.serve.errors import BadOption
from asr.serve.options import RequestOptions
from asr.speech.recognizer import Recognizer

__all__ = ["Variants"]

KEPT = 8


class Variants:
    """The recogniser of a model under the options of requests; the network is shared.

    Args:
        recognizer: as the model folder describes it, with its text model.
        config: what is written where a request does not say.
    """

    def __init__(self, recognizer: Recognizer, config: ServeConfig) -> None:
        self.recognizer, self.config = recognizer, config
        self._made: OrderedDict[str, Recognizer] = OrderedDict()
        self._lock = threading.Lock()  # one is made at a time, which bounds processor and memory

    @property
    def has_text_model(self) -> bool:
        """Whether marks and capitals can be asked for."""
        return self.recognizer.builder.writer.restorer is not None

    def get(self, options: RequestOptions) -> Recognizer:
        """Return the recogniser that a request asks for; blocks while it is made.

        Raises:
            BadOption: the model cannot do what is asked.
        """
        if options.punctuation and not self.has_text_model:
            raise BadOption(
                "punctuation",
                "This model has no text model, which sets marks and capitals.",
                "Start the service with --text-model, or leave it out.",
            )
        config = self.config
        punctuation = config.punctuation if options.punctuation is None else options.punctuation
        numbers = config.numbers if options.numbers is None else options.numbers
        return self._decoding(options).with_writing(punctuation, numbers)

    def _decoding(self, options: RequestOptions) -> Recognizer:
        """Return the recogniser with the decoder that a request asks for."""
        changes, words, grammar = options.decoding, options.words, options.grammar
        if options.grammar_mode != "replace" and not grammar:
            raise BadOption("grammar_mode", "grammar_mode goes with a grammar.", "Give a grammar.")
        if not (changes or words or grammar or options.new_words):
            return self.recognizer
        if options.lm_weight is not None and self.recognizer.decoders.lm is None:
            raise BadOption("lm_weight", "This model has no language model.", "Leave it out.")
        key = repr(
            (sorted(changes.items(), key=lambda item: item[0]), words, options.new_words, grammar)
        )
        key += options.grammar_mode
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(options)
                while len(self._made) > KEPT:
                    self._made.popitem(last=False)
            self._made.move_to_end(key)
            return self._made[key]

    def _make(self, options: RequestOptions) -> Recognizer:
        given = {name: getattr(options, name) for name in ("grammar", "words", "new_words")}
        alone = options.grammar and options.grammar_mode == "replace"
        if alone and (options.words or options.lm_weight or options.word_bonus):
            raise BadOption(
                "grammar",
                "A grammar goes with neither words, nor lm_weight, nor word_bonus.",
                "Leave them out, or join it (grammar_mode=join).",
            )
        try:
            made = self.recognizer.with_decoding(
                options.decoding,
                options.words,
                options.new_words,
                grammar=options.grammar or None,
                grammar_mode=options.grammar_mode,
            )
        except AsrError as error:
            name = next((name for name, value in given.items() if value), "hotwords")
            raise BadOption(name, error.message, error.remedy) from error
        if isinstance(made.decoder, GreedyDecoder):
            name = "word_bonus" if options.lm_weight is None else "lm_weight"
            raise BadOption(
                name, "This model is decoded greedily, without scores.", "Leave it out."
            )
        return made
