"""From the settings that are stored with a model to the decoder that they describe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from asr.config import build_config, check_range
from asr.cores import usable_cores
from asr.decoding import BeamDecoder, GreedyDecoder, Settings, load_lm
from asr.decoding.coverage import check_coverage
from asr.decoding.grammar import GRAMMAR_SETTINGS, GrammarDecoder, compile_grammar
from asr.decoding.joined import JoinedDecoder
from asr.decoding.known_words import spelling
from asr.decoding.language_models import AnyModel
from asr.decoding.new_words import with_new_words
from asr.decoding.rescoring import RescoringDecoder, Scorer
from asr.decoding.settings import WIDE_BEAM
from asr.decoding.vocabulary import Vocabulary
from asr.errors import ConfigError, DecodingError, require
from asr.lm.model import SPECIAL_WORDS
from asr.model_folder import Bundle
from asr.speech.acoustics.backends import ONNX_DEVICES
from asr.speech.acoustics.imported_tokens import ImportedTokenizer
from asr.speech.new_words import NewWord, NewWords, Pronouncer, new_words
from asr.speech.options import ModelOptions
from asr.text.grammars import Grammar, parse_grammar, read_grammar
from asr.text.pronunciations import Pronunciations
from asr.text.tokenizers import PhoneTokenizer, Tokenizer

__all__ = [
    "LM_FILES",
    "Decoder",
    "DecoderFactory",
    "DecodingConfig",
    "open_decoders",
    "own_lm",
    "stored_decoding",
]

LM_FILES = (
    "lm.bin",
    "lm.lmz",
    "lm.arpa.gz",
    "lm.arpa",
)  # of a model folder; the first that is there counts
MAX_HOTWORD_WEIGHT = 100.0  # natural log; e^100 is all that anybody could mean
MAX_RESCORE_WEIGHT = 100.0

GRAMMAR_MODES = ("replace", "join")

Decoder = BeamDecoder | GreedyDecoder | GrammarDecoder | JoinedDecoder | RescoringDecoder


@dataclass(frozen=True)
class DecodingConfig(Settings):
    """How log-probabilities become text: the numbers of the beam search, and what is around it.

    A model of phones takes a beam of 1500 within 14 where nothing is said.

    Attributes:
        method: ``greedy``, ``beam``, or ``auto``: beam where the model folder holds a language
            model.
        open_vocabulary: words that the language model does not know may be recognised too.
        hotwords: phrase -> weight, by which the score of a hypothesis rises that holds it; in a
            closed vocabulary their words are added. They need the beam, as N-best does.
        lexicon: pronouncing dictionary of further words, for a model of phones.
        rescorer: model folder of an LSTM language model that re-ranks what the beam found.
        rescore_weight: of its log-probability, see :func:`asr.decoding.rescoring.rescore`.
        rescore_word_bonus: for every word, see :func:`asr.decoding.rescoring.rescore`.

    Raises:
        ConfigError: an unknown method, or a number outside its range.
    """

    method: str = "auto"
    open_vocabulary: bool = True
    hotwords: dict[str, float] = field(default_factory=dict)
    lexicon: str = ""
    rescorer: str = ""
    rescore_weight: float = 0.5
    rescore_word_bonus: float = 0.0

    def __post_init__(self) -> None:
        try:
            super().__post_init__()
        except DecodingError as error:
            raise ConfigError(f"decoding.{error.message}", error.remedy) from None
        if self.method not in ("auto", "greedy", "beam"):
            raise ConfigError(
                f"Unknown decoding method {self.method!r}.", "Choose greedy, beam or auto."
            )
        check_range("decoding.rescore_weight", self.rescore_weight, 0, MAX_RESCORE_WEIGHT)
        for phrase, weight in self.hotwords.items():
            check_range(f"decoding.hotwords[{phrase}]", weight, 0, MAX_HOTWORD_WEIGHT)

    @property
    def needs_beam(self) -> bool:
        """Whether greedy decoding could not do what is asked for."""
        return self.n_best > 1 or bool(self.hotwords) or bool(self.rescorer)


def stored_decoding(
    bundle: Bundle, tokenizer: Tokenizer, changes: DecodingConfig | Mapping[str, Any] | None
) -> DecodingConfig:
    """Return the settings stored with a model, changed by a mapping or replaced whole.

    Raises:
        ConfigError: unknown settings, or greedy decoding is to do what only the beam can.
    """
    if isinstance(changes, DecodingConfig):
        config = changes
    else:
        usual = {} if tokenizer.lexicon is None else WIDE_BEAM
        layers = (usual, bundle.config.get("decoding") or {}, dict(changes or {}))
        config = build_config(DecodingConfig, *layers, where=f"decoding of {bundle.name}")
    if config.method == "greedy" and config.needs_beam:
        raise ConfigError(
            "Greedy decoding knows no N-best, hotwords or second pass.", "Choose the method beam."
        )
    return config


def own_lm(bundle: Bundle) -> Path | None:
    """Return the path of the n-gram model in a model folder, None where there is none."""
    return next((bundle.path / name for name in LM_FILES if name in bundle.files), None)


@dataclass(frozen=True)
class DecoderFactory:
    """Makes decoders for one model. They share its language models, which are loaded once.

    Attributes:
        tokenizer: of the model.
        lm: n-gram model, None for none.
        device: where a second language model runs.
        threads: recordings that are decoded at the same time.
        words: the only words that can be recognised; empty: all that model and dictionary allow.
        new_words: words that the model was not made with.
        folder: of the model, for its letters and sounds.
        grammar: the only sentences that can be recognised; it replaces the n-gram model.
        commands: makes the decoder of a grammar that joins the n-gram model; None: there is none.
    """

    tokenizer: Tokenizer
    lm: Path | None = None
    device: str = "cpu"
    threads: int = 1
    words: tuple[str, ...] = ()
    new_words: tuple[NewWord, ...] = ()
    folder: Path | None = None
    grammar: Grammar | None = None
    commands: DecoderFactory | None = None
    _known: Tokenizer | None = None  # without the new words
    # language models by path: `replace` hands them on, so that factories made of one share them
    _ngrams: dict[str, AnyModel] = field(default_factory=dict, repr=False, compare=False)
    _scorers: dict[str, Scorer] = field(default_factory=dict, repr=False, compare=False)

    @property
    def _ngram(self) -> AnyModel | None:
        if self.lm is None:
            return None
        name = str(self.lm)
        if name not in self._ngrams:
            self._ngrams[name] = load_lm(self.lm)
        if not self.new_words:
            return self._ngrams[name]
        return with_new_words(self._ngrams[name], {new.word: new.like for new in self.new_words})

    def adapted(
        self,
        lexicon: str,
        words: NewWords,
        grammar: str | Path | Grammar | None,
        grammar_mode: str = "replace",
    ) -> DecoderFactory:
        """Return a factory with further words of a dictionary, new words, and a grammar.

        Args:
            lexicon: path of a pronouncing dictionary; empty: none.
            words: see :meth:`with_new_words`.
            grammar: see :meth:`with_grammar`.
            grammar_mode: see :meth:`with_grammar`.

        Raises:
            ConfigError: ``join`` without a grammar, or see the methods called.
        """
        factory = self.with_lexicon(lexicon) if lexicon else self
        factory = factory.with_new_words(words)
        if grammar is None and grammar_mode != "replace":
            raise ConfigError(
                f"The grammar mode {grammar_mode!r} has no grammar.", "Give a grammar, or no mode."
            )
        return factory if grammar is None else factory.with_grammar(grammar, grammar_mode)

    def with_grammar(self, grammar: str | Path | Grammar, mode: str = "replace") -> DecoderFactory:
        """Return a factory whose decoders recognise the sentences of a grammar.

        Args:
            grammar: its text, or the path of a file, see
                :func:`asr.text.grammars.parse_grammar`.
            mode: ``replace``: nothing else is recognised; ``join``: all other speech is too.

        Raises:
            DataError: it cannot be read.
            ConfigError: an unknown mode, or a word that the model can neither say nor write.
        """
        if mode not in GRAMMAR_MODES:
            raise ConfigError(f"Unknown grammar mode {mode!r}.", "Choose replace or join.")
        if isinstance(grammar, Path):
            grammar = read_grammar(grammar, self.cased)
        elif isinstance(grammar, str):
            grammar = parse_grammar(grammar, self.cased)
        characters = self._characters
        if self.tokenizer.lexicon is None:
            for word in grammar.words:
                if missing := [c for c in word if c not in characters]:
                    raise ConfigError(
                        f"The model cannot write {word!r} of the grammar: it has no "
                        f"{missing[0]!r}.",
                        "Write the grammar with the characters of transcripts.",
                    )
        limited = replace(self.with_words(grammar.words), grammar=grammar, lm=None)
        return limited if mode == "replace" else self._joined(limited, grammar.words)

    def _joined(self, commands: DecoderFactory, words: Sequence[str]) -> DecoderFactory:
        """Return a factory that recognises all that this one does, and what ``commands`` does."""
        factory = self.saying(words)
        if self.words:
            factory = factory.with_words([*self.words, *words])
        return replace(factory, commands=commands)

    def with_lexicon(self, path: str | Path) -> DecoderFactory:
        """Return a factory that also knows the words of a pronouncing dictionary.

        Raises:
            ConfigError: the model's tokens are no phones.
        """
        if not isinstance(self.tokenizer, PhoneTokenizer):
            raise ConfigError("This model spells its words.", "Leave the lexicon out.")
        return self.with_pronunciations(Pronunciations.load(path))

    def with_pronunciations(self, more: Pronunciations) -> DecoderFactory:
        """Return a factory that also knows words by their pronunciations, for a model of phones.

        Raises:
            TokenError: a phone is not one of the model's.
        """
        assert isinstance(self.tokenizer, PhoneTokenizer)
        return replace(self, tokenizer=self.tokenizer.with_words(more))

    def with_new_words(self, words: NewWords) -> DecoderFactory:
        """Return a factory that also knows words that the model was not made with; see
        :func:`asr.speech.new_words.new_words`.

        Raises:
            ConfigError: a word that the model can neither say nor write, or that it knows already
                because it spells all words.
            LanguageModelError: see :func:`asr.decoding.new_words.with_new_words`.
        """
        if not words:
            return self
        plain = self._known or self.tokenizer
        every = tuple(
            dict.fromkeys([*self.new_words, *(new.cased(self.cased) for new in new_words(words))])
        )
        if isinstance(plain, PhoneTokenizer):
            pronounce = Pronouncer(plain.lexicon, plain.phones, self.folder)
            tokenizer: Tokenizer = plain.with_words(pronounce(every))
        else:
            self._check_spelled(every)
            tokenizer = plain
        return replace(self, tokenizer=tokenizer, new_words=every, _known=plain)

    def _check_spelled(self, words: Sequence[NewWord]) -> None:
        """Refuse new words of a model that spells its words, where they have no effect."""
        if self.lm is None:
            raise ConfigError(
                "This model spells its words and has no language model: it knows every word.",
                "Give important words as hotwords.",
            )
        for new in words:
            if new.sounds_like:
                raise ConfigError(
                    f"This model spells its words, so {new.word!r} cannot sound like "
                    f"{new.sounds_like!r}.",
                    "Give the word alone.",
                )
            if missing := [c for c in new.word if c not in self._characters]:
                raise ConfigError(
                    f"The model cannot write {new.word!r}: it has no {missing[0]!r}.",
                    "Write the word with the characters of transcripts.",
                )

    def check_lm(self) -> None:
        """Say on standard error where words of the language model cannot be recognised.

        Raises:
            LanguageModelError: hardly any of them can.
        """
        if self.lm is None or self._ngram is None:
            return
        tokens = self._tokens
        vocabulary = tokens if isinstance(tokens, Vocabulary) else Vocabulary(tokens)
        note = check_coverage(self._ngram, self.lm.name, vocabulary, self.tokenizer.lexicon)
        if note:
            print(f"note: {note}", file=sys.stderr)

    def make(self, config: DecodingConfig) -> Decoder:
        """Return the decoder that ``config`` describes.

        Raises:
            ModelError: ``config.rescorer`` holds no language model.
            MissingDependencyError: a second pass needs torch.
        """
        if self.grammar is not None:
            return self._for_grammar(self.grammar, config)
        if self.commands is not None:
            opened = replace(self, commands=None).make(config)
            plain = replace(config, method="beam", hotwords={}, rescorer="")
            commands = self.commands.make(plain)
            assert isinstance(commands, GrammarDecoder)
            return JoinedDecoder(opened, commands, config.n_best)
        searched = config.needs_beam or bool(self.words) or self.lm is not None
        greedy = config.method == "auto" and not searched
        if greedy or config.method == "greedy":
            return GreedyDecoder(self._tokens, self.tokenizer.lexicon)
        search = self.beam(config)
        if not config.rescorer:
            return search
        scorer = self.scorer(config.rescorer)
        return RescoringDecoder(search, scorer, config.rescore_weight, config.rescore_word_bonus)

    def _for_grammar(self, grammar: Grammar, config: DecodingConfig) -> GrammarDecoder:
        """Return a decoder of the grammar's sentences.

        Raises:
            ConfigError: what a grammar has no use for is asked for.
        """
        if config.method == "greedy" or config.rescorer or config.hotwords:
            raise ConfigError(
                "A grammar goes with neither greedy decoding, nor hotwords, nor a second pass.",
                "Leave them out.",
            )
        settings = replace(config, **GRAMMAR_SETTINGS)
        return GrammarDecoder(self._search(settings, compile_grammar(grammar)), grammar)

    def with_words(self, words: Sequence[str]) -> DecoderFactory:
        """Return a factory whose decoders recognise these words only.

        Raises:
            ConfigError: a word that the model cannot say.
        """
        cased = tuple(dict.fromkeys(self.cased(word) for word in words))
        return replace(self.saying(cased), words=cased)

    def saying(self, words: Iterable[str]) -> DecoderFactory:
        """Return a factory of a model of phones whose dictionary has words."""
        known = self.tokenizer.lexicon
        if known is None:
            return self
        unknown = [NewWord(word) for word in words if word not in known]
        return self.with_new_words(unknown) if unknown else self

    def knows(self, phrase: str) -> bool:
        """Return whether a phrase can be a hotword: its words can be said or written."""
        cased, lexicon = self.cased(phrase), self.tokenizer.lexicon
        if isinstance(self.tokenizer, PhoneTokenizer) and lexicon is not None:
            pronounce = Pronouncer(lexicon, self.tokenizer.phones, self.folder)
            return bool(cased.split()) and all(map(pronounce.can_say, cased.split()))
        return bool(cased.strip()) and set(cased) <= self._characters

    @property
    def _characters(self) -> set[str]:
        return set("".join(self.tokenizer.tokens[1:])) | {" "}  # without the blank's name

    def variant(self, decoder: Decoder, config: DecodingConfig) -> Decoder:
        """Return the decoder that ``config`` describes.

        It shares words and language model with ``decoder``, one of this factory, where these stay
        the same: then it takes a fraction of a second.

        Raises:
            DecodingError: the model can neither write nor say a hotword.
            AsrError: see :meth:`make`.
        """
        known, hot = self.tokenizer.lexicon, self.cased(" ".join(config.hotwords)).split()
        adds_words = bool(self.words or (config.hotwords and not config.open_vocabulary))
        adds_words |= known is not None and not all(word in known for word in hot)
        if not isinstance(decoder, BeamDecoder) or config.method == "greedy" or adds_words:
            return self.make(config)
        numbers = {setting.name: getattr(config, setting.name) for setting in fields(Settings)}
        hotwords = {self.cased(phrase): weight for phrase, weight in config.hotwords.items()}
        return decoder.replace(hotwords=hotwords, **numbers)

    def beam(self, config: DecodingConfig) -> BeamDecoder:
        """Return the beam search alone, with the numbers of ``config``."""
        saying = self.saying(self.cased(" ".join(config.hotwords)).split())
        if saying is not self:
            return saying.beam(config)
        with spelling(None if self.words else self.tokenizer.lexicon, self._tokens):
            return self._search(config, self._ngram)

    def _search(self, config: DecodingConfig, lm: AnyModel | None) -> BeamDecoder:
        lexicon = self._lexicon()
        hotwords = {self.cased(phrase): weight for phrase, weight in config.hotwords.items()}
        open_vocabulary = lexicon is None and (config.open_vocabulary or lm is None)
        if lexicon is None and lm is not None and hotwords and not open_vocabulary:
            # closed by the model's words: those of the hotwords are let in
            known = (word for word in lm.words if word not in SPECIAL_WORDS)
            lexicon = list(dict.fromkeys([*known, *" ".join(hotwords).split()]))
        return BeamDecoder(
            self._tokens,
            lm,
            lexicon,
            config,
            open_vocabulary=open_vocabulary,
            hotwords=hotwords or None,
            threads=self.threads,
        )

    def _lexicon(self) -> Iterable[str] | Mapping[str, Sequence[Sequence[str]]] | None:
        """The words that decoders are limited to, with their phones where the tokens are phones."""
        known = self.tokenizer.lexicon
        if not self.words:
            return known
        return list(self.words) if known is None else {word: known[word] for word in self.words}

    def scorer(self, folder: str | Path) -> Scorer:
        """Return the log-probabilities of an LSTM language model, see
        :func:`asr.decoding.rescoring.rescore`.

        Raises:
            ModelError: the folder holds no language model.
            MissingDependencyError: torch is not installed.
        """
        name = str(folder)
        if name not in self._scorers:
            require("torch", "train")
            from asr.language.modelling.model import load_scorer

            in_onnx = self.device.partition(":")[0] in ONNX_DEVICES
            self._scorers[name] = load_scorer(folder, "cpu" if in_onnx else self.device)
        return self._scorers[name]

    @property
    def _tokens(self) -> Sequence[str] | Vocabulary:
        if isinstance(self.tokenizer, ImportedTokenizer):
            return self.tokenizer.vocabulary
        return self.tokenizer.tokens

    def cased(self, phrase: str) -> str:
        """The phrase in the letter case of the transcripts, if one of the two fits."""
        if self.tokenizer.lexicon is not None:
            return phrase.lower()
        cases = (phrase, phrase.lower(), phrase.upper())
        return next((p for p in cases if set(p) <= self._characters), phrase)


def open_decoders(
    bundle: Bundle, tokenizer: Tokenizer, decoding: DecodingConfig, options: ModelOptions
) -> DecoderFactory:
    """Return what makes the decoders of a model with the words, model and grammar of its options.

    Raises:
        ConfigError: a language model for greedy decoding, or see :meth:`DecoderFactory.adapted`.
        LanguageModelError: see :meth:`DecoderFactory.check_lm`.
    """
    if options.lm is not None and decoding.method == "greedy":
        raise ConfigError(
            "Greedy decoding uses no language model.", "Leave it out, or choose the method beam."
        )
    joins = options.grammar_mode == "join"
    if options.lm is not None and options.grammar is not None and not joins:
        raise ConfigError(
            "A grammar takes the place of a language model.",
            "Leave one of them out, or join them (--grammar-mode join).",
        )
    lm = own_lm(bundle) if options.lm is None else Path(options.lm)
    threads = options.threads or usable_cores()
    factory = DecoderFactory(tokenizer, lm, options.device, threads, folder=bundle.path)
    factory = factory.adapted(
        decoding.lexicon, options.new_words, options.grammar, options.grammar_mode
    )
    if options.lm is not None:
        factory.check_lm()
    return factory
