"""CTC prefix beam search fused with an n-gram model. T frames, V vocabulary.

:class:`BeamDecoder` checks and prepares what the search reads. kernels/beam.py has the inner loop
and explains it; tests/support/reference_decoder.py is a slow search by the same rules, which the
tests compare with.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from asr.decoding.hotwords import build_hotwords, check_hotwords
from asr.decoding.inputs import penalise_blank, utterances
from asr.decoding.kenlm_binary import KenlmModel
from asr.decoding.kernels import layout as kernels
from asr.decoding.kernels.automaton import Ngrams
from asr.decoding.kernels.finish import Spelling
from asr.decoding.kernels.lexicon import Edges
from asr.decoding.known_words import know_sounds, know_words
from asr.decoding.language_models import AnyModel, load_lm
from asr.decoding.lexicon import Lexicon, build_lexicon, check_words, plain_lexicon
from asr.decoding.search import Compiled, SearchSpace
from asr.decoding.settings import Settings, with_numbers
from asr.decoding.sounds import Sounds, Speller
from asr.decoding.types import Hypothesis
from asr.decoding.vocabulary import BLANK_ID, Vocabulary
from asr.errors import DecodingError
from asr.lm.model import SPECIAL_WORDS, UNK

if TYPE_CHECKING:
    from asr.decoding.stream import Stream

__all__ = ["BeamDecoder"]


class BeamDecoder:
    """Prefix beam search over CTC log-probabilities, fused with an n-gram model.

    Args:
        tokens: N token strings, the blank first, or a vocabulary; those of other toolkits' models
            are read by :meth:`asr.decoding.vocabulary.Vocabulary.read`.
        lm: path (ARPA, gzipped ARPA, compiled automaton, KenLM binary),
            :class:`asr.lm.model.NgramModel`, or a model that
            :func:`asr.decoding.language_models.load_lm` returned. Without one, hypotheses are
            ranked by the acoustic model and ``lm_beta`` alone.
        lexicon: the only words that can be recognised, unless ``open_vocabulary``. Without one
            every word is possible. If tokens are phones: word -> its pronunciations, each a
            sequence of phones, such as :class:`asr.text.pronunciations.Pronunciations`; among words
            that sound alike the language model chooses.
        lm_unit: what ``lm`` predicts: ``"word"``, or ``"token"`` (the tokens themselves).
        open_vocabulary: allow words outside lexicon and model; by default only without a lexicon.
            ``False`` without a lexicon allows only the model's words.
        unigrams: words of the model that count as known, by default all; any other word gets
            ``unk_score``.
        hotwords: phrases, or phrase -> weight; each raises the score of a hypothesis by its weight.
        hotword_weight: weight of phrases that are given without one.
        threads: utterances of a list that are decoded in parallel.
        settings: settings of the search, see :class:`asr.decoding.settings.Settings`.
        numbers: single settings that differ from them, such as ``beam_size=50``.

    Raises:
        DecodingError: invalid tokens, words or settings.
        LanguageModelError: the model is missing, malformed, or fits the tokens in no word.

    Example:
        >>> import numpy as np
        >>> decoder = BeamDecoder(["<blank>", "▁", "h", "i"], beam_size=8)
        >>> probs = np.full((4, 4), 0.02)
        >>> probs[[0, 1, 2, 3], [2, 2, 0, 3]] = 0.94
        >>> decoder(np.log(probs))[0].text
        'hi'
    """

    def __init__(
        self,
        tokens: Sequence[str] | Vocabulary,
        lm: Any = None,
        lexicon: Iterable[str] | Mapping[str, Sequence[Sequence[str]]] | None = None,
        settings: Settings | None = None,
        *,
        lm_unit: str = "word",
        open_vocabulary: bool | None = None,
        unigrams: Iterable[str] | None = None,
        hotwords: Mapping[str, float] | Iterable[str] | None = None,
        hotword_weight: float = 10.0,
        threads: int = 1,
        **numbers: Any,
    ) -> None:
        self.vocabulary = Vocabulary.of(tokens)
        self.settings = with_numbers(settings or Settings(), numbers)
        self.lm: AnyModel | None = None if lm is None else load_lm(lm)
        if lm_unit not in ("word", "token"):
            raise DecodingError(f"lm_unit is {lm_unit!r}.", 'Choose "word" or "token".')
        self.lm_unit = lm_unit
        self.closed = lexicon is not None if open_vocabulary is None else not open_vocabulary
        self.threads = _checked_threads(threads)
        self.hotwords = check_hotwords(hotwords, hotword_weight)
        word_lm = self.lm if self.lm_unit == "word" else None
        self._sounds: Sounds | None = None
        if isinstance(lexicon, Mapping):
            self._check_sounds()
            self._sounds, self._known = know_sounds(lexicon, self.vocabulary, word_lm)
        else:
            self._known = know_words(self._spelled(lexicon), word_lm)
        self._doubted = self._unlisted(unigrams)
        self._compile()

    # setup ---------------------------------------------------------------------------------------

    def _spelled(self, lexicon: Iterable[str] | None) -> Lexicon:
        """Return the trie of the words that the search knows: of the lexicon and of the model."""
        uses_words = lexicon is not None or (self.lm is not None and self.lm_unit == "word")
        if uses_words and not self.vocabulary.has_boundaries:
            remedy = "Mark word starts with '▁', or use lm_unit='token'."
            raise DecodingError("No token starts a word, so words cannot be told apart.", remedy)
        words = [] if lexicon is None else check_words(lexicon)
        if self.lm is not None and self.lm_unit == "word" and (lexicon is None or not self.closed):
            known = [word for word in self.lm.words if word not in SPECIAL_WORDS]
            words = list(dict.fromkeys(words + known)) if words else known
        if words:
            return build_lexicon(words, self.vocabulary)
        if self.closed:
            raise DecodingError(
                "open_vocabulary=False needs words.", "Give a lexicon or a word language model."
            )
        return plain_lexicon()

    def _unlisted(self, unigrams: Iterable[str] | None) -> npt.NDArray[np.bool_]:
        """Return which words of the lexicon get ``unk_score``, (W,)."""
        if not self._word_lm:
            return np.zeros(len(self._known.ids), np.bool_)
        outside: npt.NDArray[np.bool_] = self._known.ids == UNK
        if unigrams is None:
            return outside
        if self._sounds is not None or isinstance(unigrams, str):
            raise DecodingError(
                "unigrams is not a list of words that the tokens spell.",
                "Leave it out for phones; else pass a list.",
            )
        listed = set(unigrams)
        return outside | np.array([word not in listed for word in self._known.lexicon.words], bool)

    def _check_sounds(self) -> None:
        if not self.closed:
            raise DecodingError(
                "A sound that no word has cannot be written.", "Leave open_vocabulary out."
            )
        if not self.vocabulary.has_boundaries:
            raise DecodingError(
                "No token starts a word, so words cannot be told apart.", "Mark them, as in '▁AH'."
            )

    def _compile(self) -> None:
        """Prepare what a search reads: options, and arrays of lexicon, model and hotwords."""
        lm = self.lm
        vocabulary = self.vocabulary if self._sounds is None else self._sounds.vocabulary
        scores, unknown = self._look_ahead_scores()
        lexicon = self._known.lexicon.weighted(scores)
        hot = build_hotwords(self._spoken_hotwords(), vocabulary)
        language = self._language(vocabulary, lexicon)
        # The table of a KenLM binary grows while the search runs, so its arrays may be replaced.
        growing = lm if isinstance(lm, KenlmModel) else None
        self._compiled = Compiled(
            vocabulary=vocabulary,
            speller=self._speller(),
            options=self._options(vocabulary, lexicon, unknown),
            language=(lambda: language)
            if growing is None
            else (lambda: language._replace(ngrams=growing.arrays)),
            hotwords=hot,
            spelling=Spelling(vocabulary.starts_word, *_characters(vocabulary)),
            bos_state=self._first_state(),
            hot_state=int(hot.follow[0, 1]) if self.hotwords else 0,
            resolve=growing.resolve if growing is not None else _nothing_to_resolve,
            settings=self.settings,
        )
        self._spaces: list[SearchSpace] = []

    def _first_state(self) -> int:
        if self.lm is None:
            return 0
        return self.lm.bos_state if self.settings.lm_boundary else self.lm.null_state

    @property
    def _word_lm(self) -> bool:
        return self.lm is not None and self.lm_unit == "word"

    def _look_ahead_scores(self) -> tuple[npt.NDArray[np.float64], float]:
        """Return the look-ahead score of each word of the lexicon, and that of an unknown word."""
        s = self.settings
        scores = np.full(len(self._known.ids), float(s.lm_beta))
        unknown = s.lm_beta
        if self._word_lm and self.lm is not None:
            scores += s.lm_alpha * self._known.unigrams + self._doubted * s.unk_score
            unknown += s.lm_alpha * float(self.lm.unigrams[UNK]) + s.unk_score
        if not s.lookahead:
            scores[:], unknown = 0.0, 0.0
        return scores, unknown

    def _options(self, vocabulary: Vocabulary, lexicon: Lexicon, unknown: float) -> kernels.Options:
        """Return the options of the kernels; ``unknown``: look-ahead score of an unknown word."""
        s = self.settings
        first_gains = lexicon.edges.view(np.float32)[: lexicon.edge_first[1], 2]  # of the root
        return kernels.Options(
            beam_size=int(s.beam_size),
            lm_alpha=float(s.lm_alpha),
            lm_beta=float(s.lm_beta),
            unk_token_score=float(s.unk_token_score) if self._word_lm else 0.0,
            unk_token_factor=math.exp(s.unk_token_score) if self._word_lm else 1.0,
            beam_factor=math.exp(-s.beam_threshold),
            alike_factor=math.exp(-s.alike_threshold),
            token_min_logp=float(s.token_min_logp),
            blank_skip_logp=_penalised_skip(s) if s.blank_skip < 1 else 1.0,
            use_max=s.merge == "max",
            word_lm=self._word_lm,
            token_lm=self.lm is not None and self.lm_unit == "token",
            closed=self.closed,
            boundary=bool(s.lm_boundary),
            lookahead=bool(s.lookahead),
            hot=bool(self.hotwords),
            exact_masks=len(vocabulary) <= 64,
            unknown_factor=math.exp(unknown),
            hot_limit=math.exp(max((2 * w for w in self.hotwords.values()), default=0.0)),
            root_limit=max(1.0, math.exp(unknown), float(first_gains.max(initial=0.0))),
        )

    def _language(self, vocabulary: Vocabulary, lexicon: Lexicon) -> kernels.Language:
        """Return the arrays of tokens, lexicon and n-gram model."""
        ids = self._known.ids
        words = ids[lexicon.ends] if len(ids) else np.full(len(lexicon.ends), kernels.NO_WORD)
        ending = lexicon.ends >= 0
        doubted = ~ending
        doubted[ending] = self._doubted[lexicon.ends[ending]]
        unk_score = float(self.settings.unk_score) if self._word_lm else 0.0
        return kernels.Language(
            starts=vocabulary.starts_word,
            lone=np.array([not p for p in vocabulary.pieces]),
            token_ids=self._token_ids(),
            edges=Edges(lexicon.edge_first, lexicon.edges, lexicon.masks),
            gains=lexicon.edges.view(np.float32),
            factors=lexicon.factors,
            node_words=np.where(ending, words, kernels.NO_WORD).astype(np.int32),
            node_extra=np.where(doubted, unk_score, 0.0).astype(np.float64),
            homophones=self._known.homophones,
            ngrams=self.lm.arrays if self.lm is not None else _no_model(),
        )

    def _spoken_hotwords(self) -> dict[str, float]:
        """Return the hotwords in the characters of the search's tokens."""
        if self._sounds is None:
            return self.hotwords
        return {
            spoken: weight
            for phrase, weight in self.hotwords.items()
            for spoken in self._sounds.phrases(phrase)
        }

    def _speller(self) -> Speller | None:
        if self._sounds is None:
            return None
        model = self.lm if self.lm_unit == "word" else None
        return Speller(
            self._sounds,
            model,
            {w: x for phrase, x in self.hotwords.items() for w in phrase.split()},
        )

    def _token_ids(self) -> npt.NDArray[np.int32]:
        if self.lm is None or self.lm_unit == "word":
            return np.zeros(len(self.vocabulary), np.int32)
        ids = self.lm.ids
        known = np.array([ids.get(token, UNK) for token in self.vocabulary.tokens], dtype=np.int32)
        known[BLANK_ID] = UNK
        if not known.any():
            raise DecodingError(
                "The token language model knows none of the tokens.", "Train it on the same tokens."
            )
        return known

    def replace(self, **changes: Any) -> BeamDecoder:
        """Return a decoder with other settings that shares tokens, words and model with this one.

        Args:
            changes: fields of :class:`asr.decoding.settings.Settings`, ``threads``, ``hotwords`` or
                ``hotword_weight``.
        """
        other = copy.copy(self)
        other.threads = _checked_threads(changes.pop("threads", self.threads))
        weight = changes.pop("hotword_weight", 10.0)
        if "hotwords" in changes:
            other.hotwords = check_hotwords(changes.pop("hotwords"), weight)
        other.settings = with_numbers(self.settings, changes)
        other._compile()
        return other

    # decoding ------------------------------------------------------------------------------------

    @overload
    def __call__(self, log_probs: npt.NDArray[Any], *, kind: str = ...) -> list[Hypothesis]: ...
    @overload
    def __call__(
        self,
        log_probs: Sequence[npt.NDArray[Any]],
        *,
        kind: str = ...,
        lengths: Any = ...,
        mask: Any = ...,
    ) -> list[list[Hypothesis]]: ...
    def __call__(
        self,
        log_probs: npt.NDArray[Any] | Sequence[npt.NDArray[Any]],
        *,
        kind: str = "log_probs",
        lengths: Any = None,
        mask: Any = None,
    ) -> list[Hypothesis] | list[list[Hypothesis]]:
        """Return the hypotheses of one utterance (T, V), best first, or a list of them for a batch.

        Args:
            log_probs: an array (T, V), a list of them, or a batch (B, T, V); of numpy or torch.
            kind: what they are: ``"log_probs"``, ``"logits"`` or ``"probs"``.
            lengths: frames of each utterance of a batch, (B,).
            mask: instead of lengths: whether a frame belongs to its utterance, (B, T).

        Raises:
            DecodingError: see :func:`asr.decoding.inputs.check_log_probs` and
                :func:`asr.decoding.inputs.utterances`.
        """
        batch = utterances(log_probs, lengths, mask)
        one = partial(self._one, kind=kind)
        if batch is None:
            return one(log_probs)
        if self.threads == 1 or len(batch) < 2 or isinstance(self.lm, KenlmModel):
            return list(map(one, batch))
        longest_first = sorted(range(len(batch)), key=lambda i: len(batch[i]), reverse=True)
        with ThreadPoolExecutor(self.threads) as pool:
            found = {i: pool.submit(one, batch[i]) for i in longest_first}
            return [found[i].result() for i in range(len(batch))]

    def _one(self, log_probs: Any, kind: str) -> list[Hypothesis]:
        return self.search(self._compiled.frames(log_probs, kind=kind))

    def search(
        self,
        frames: npt.NDArray[np.float32],
        first_state: int | None = None,
        margin: float = math.inf,
    ) -> list[Hypothesis]:
        """Return the hypotheses of one utterance that is known to be valid, best first.

        Args:
            frames: log-probabilities of the tokens, (T, N); they need not sum to one.
            first_state: of the language model, by default that of a new sentence.
            margin: hypotheses worse than the best one by more than this are left out.
        """
        try:
            space = self._spaces.pop()
        except IndexError:
            space = SearchSpace(self._compiled)
        space.reset(first_state)
        space.push(frames)
        hypotheses = space.finish(frames, margin)
        self._spaces.append(space)
        return hypotheses

    def stream(self) -> Stream:
        """Return a :class:`asr.decoding.stream.Stream`, which decodes an utterance in chunks."""
        from asr.decoding.stream import Stream

        return Stream(self._compiled)


def _penalised_skip(settings: Settings) -> float:
    """Return the logarithm of ``blank_skip`` after the blank penalty, which the search sees."""
    frame = np.log([settings.blank_skip, 1 - settings.blank_skip])
    return float(penalise_blank(frame, settings.blank_penalty)[0])


def _checked_threads(threads: Any) -> int:
    if not isinstance(threads, (int, np.integer)) or threads < 1:
        raise DecodingError(f"threads is {threads!r}.", "Give a whole number >= 1.")
    return int(threads)


def _characters(vocabulary: Vocabulary) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    lengths = [len(piece) for piece in vocabulary.pieces]
    codes = np.array([ord(c) for piece in vocabulary.pieces for c in piece] + [0], dtype=np.int32)
    return codes, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _no_model() -> Ngrams:
    """Return an automaton that is never queried, for searches without a language model."""
    slots = np.full((4, 4), 0xFFFFFFFF, np.uint32)
    zero, none = np.zeros(3, np.float32), np.zeros(3, np.int32)
    return Ngrams(
        slots=slots,
        probs=slots.view(np.float32),
        unigrams=zero,
        after=none,
        backoffs=zero,
        shorter=none,
    )


def _nothing_to_resolve(misses: npt.NDArray[np.int32]) -> None:
    raise AssertionError("only KenLM binaries are filled lazily")
