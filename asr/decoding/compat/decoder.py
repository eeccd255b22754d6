"""pyctcdecode's decoder on this toolkit's search. T frames, V outputs, N tokens."""

from __future__ import annotations

import math
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from asr.decoding.beam import BeamDecoder
from asr.decoding.compat.alphabet import Alphabet
from asr.decoding.compat.constants import (
    DEFAULT_ALPHA,
    DEFAULT_BEAM_WIDTH,
    DEFAULT_BETA,
    DEFAULT_HOTWORD_WEIGHT,
    DEFAULT_MIN_TOKEN_LOGP,
    DEFAULT_PRUNE_BEAMS,
    DEFAULT_PRUNE_LOGP,
    DEFAULT_SCORE_LM_BOUNDARY,
    DEFAULT_UNK_LOGP_OFFSET,
    MIN_TOKEN_CLIP_P,
)
from asr.decoding.compat.language_model import LanguageModel, LMState
from asr.decoding.inputs import as_array, log_softmax
from asr.decoding.kenlm_binary import KenlmModel
from asr.decoding.types import Hypothesis
from asr.decoding.vocabulary import Vocabulary
from asr.errors import DecodingError, MissingDependencyError
from asr.files import atomic_write_text
from asr.lines import read_text

__all__ = ["BeamSearchDecoderCTC", "build_ctcdecoder"]

WordFrames = tuple[str, tuple[int, int]]
# text, state of the language model, words with frames, CTC score, score with everything
OutputBeam = tuple[str, "LMState | None", list[WordFrames], float, float]
OutputBeamMPSafe = tuple[str, list[WordFrames], float, float]  # without the state

_PREPARED = 8  # settings whose searches are kept
_SMALLEST_THRESHOLD = 1e-9  # the search needs one above 0
_R = TypeVar("_R")


class BeamSearchDecoderCTC:
    """CTC beam search with pyctcdecode's calls, defaults and result fields.

    Args:
        alphabet: labels of the network's outputs.
        language_model: n-gram model; without one, beams are ranked by the network alone.

    Raises:
        DecodingError: labels and model do not fit.
    """

    model_container: ClassVar[dict[bytes, LanguageModel | None]] = {}
    _ALPHABET_SERIALIZED_FILENAME = "alphabet.json"
    _LANGUAGE_MODEL_SERIALIZED_DIRECTORY = "language_model"

    def __init__(self, alphabet: Alphabet, language_model: LanguageModel | None = None) -> None:
        if language_model is not None and not isinstance(language_model, LanguageModel):
            raise DecodingError(
                f"The language model is a {type(language_model).__name__}.",
                "Give one asr.decoding.compat.LanguageModel; several are interpolated beforehand "
                "(asr lm interpolate).",
            )
        self._alphabet = alphabet
        self._language_model = language_model
        self._searcher = BeamDecoder(
            alphabet.vocabulary,
            None if language_model is None else language_model.model,
            unigrams=None if language_model is None else language_model.unigrams,
            unk_token_score=0.0,
        )
        self._prepared: OrderedDict[Any, BeamDecoder] = OrderedDict()
        self._model_key = os.urandom(16)
        models = BeamSearchDecoderCTC.model_container
        models[self._model_key] = language_model
        weakref.finalize(self, models.pop, self._model_key, None)

    def reset_params(
        self,
        alpha: float | None = None,
        beta: float | None = None,
        unk_score_offset: float | None = None,
        lm_score_boundary: bool | None = None,
    ) -> None:
        """Change weights of the language model, if there is one."""
        if self._language_model is not None:
            self._language_model.reset_params(
                alpha=alpha,
                beta=beta,
                unk_score_offset=unk_score_offset,
                score_boundary=lm_score_boundary,
            )

    @classmethod
    def clear_class_models(cls) -> None:
        """Forget all models in ``model_container``; decoders keep theirs."""
        cls.model_container.clear()

    def cleanup(self) -> None:
        """Forget the model in ``model_container``."""
        self.model_container.pop(self._model_key, None)

    # decoding ---------------------------------------------------------------------------------

    def decode(
        self,
        logits: Any,
        beam_width: int = DEFAULT_BEAM_WIDTH,
        beam_prune_logp: float = DEFAULT_PRUNE_LOGP,
        token_min_logp: float = DEFAULT_MIN_TOKEN_LOGP,
        hotwords: Iterable[str] | None = None,
        hotword_weight: float = DEFAULT_HOTWORD_WEIGHT,
        lm_start_state: LMState | None = None,
    ) -> str:
        """Return the text of one utterance; the arguments are those of :meth:`decode_beams`."""
        searcher = self._prepare(
            beam_width=beam_width,
            beam_prune_logp=beam_prune_logp,
            token_min_logp=token_min_logp,
            hotwords=hotwords,
            hotword_weight=hotword_weight,
            n_best=1,
        )
        return self._search(searcher, logits, token_min_logp, lm_start_state)[0].text

    def decode_beams(
        self,
        logits: Any,
        beam_width: int = DEFAULT_BEAM_WIDTH,
        beam_prune_logp: float = DEFAULT_PRUNE_LOGP,
        token_min_logp: float = DEFAULT_MIN_TOKEN_LOGP,
        prune_history: bool = DEFAULT_PRUNE_BEAMS,
        hotwords: Iterable[str] | None = None,
        hotword_weight: float = DEFAULT_HOTWORD_WEIGHT,
        lm_start_state: LMState | None = None,
    ) -> list[OutputBeam]:
        """Return the beams of one utterance, best first: text, state of the language model, words
        with frames, CTC score, and score with language model and hotwords.

        Args:
            logits: (T, V), numpy or torch; probabilities if every frame sums to 1, else logits or
                log-probabilities.
            beam_width: prefixes kept after each frame.
            beam_prune_logp: beams worse than the best one by more than this (negative) are dropped.
            token_min_logp: less probable tokens are not tried, unless best in their frame.
            prune_history: without effect.
            hotwords: words, or phrases of them, each of whose words is a hotword.
            hotword_weight: score of each hotword.
            lm_start_state: second field of a beam of the part of the text before.

        Raises:
            DecodingError: the logits do not fit the labels, or a setting is out of its range.
        """
        searcher = self._prepare(
            beam_width=beam_width,
            beam_prune_logp=beam_prune_logp,
            token_min_logp=token_min_logp,
            hotwords=hotwords,
            hotword_weight=hotword_weight,
            n_best=beam_width,
        )
        found = self._search(searcher, logits, token_min_logp, lm_start_state)
        return [self._beam(beam, lm_start_state) for beam in found]

    def decode_batch(self, pool: Any, logits_list: Any, *args: Any, **options: Any) -> list[str]:
        """Return the text of each utterance.

        Args:
            pool: a ``multiprocessing`` pool, of which only the number of processes is used: as many
                threads decode; or None.
            logits_list: arrays (T, V).
            args: of :meth:`decode`.
            options: of :meth:`decode`.
        """
        return self._map(partial(_with, self.decode, args, options), pool, logits_list)

    def decode_beams_batch(
        self, pool: Any, logits_list: Any, *args: Any, **options: Any
    ) -> list[list[OutputBeamMPSafe]]:
        """Return the beams of each utterance, without the language model's states.

        The arguments are those of :meth:`decode_batch` and :meth:`decode_beams`.
        """
        lists = self._map(partial(_with, self.decode_beams, args, options), pool, logits_list)
        return [
            [(text, frames, logit, score) for text, _, frames, logit, score in beams]
            for beams in lists
        ]

    def _map(self, one: Callable[[Any], _R], pool: Any, logits_list: Any) -> list[_R]:
        threads = int(getattr(pool, "_processes", 1) or 1)
        if threads == 1 or isinstance(self._searcher.lm, KenlmModel):
            return [one(logits) for logits in logits_list]
        with ThreadPoolExecutor(threads) as executor:
            return list(executor.map(one, logits_list))

    def _prepare(
        self,
        *,
        beam_width: int,
        beam_prune_logp: float,
        token_min_logp: float,
        hotwords: Iterable[str] | None,
        hotword_weight: float,
        n_best: int,
    ) -> BeamDecoder:
        """Return a search with these settings; the last ones are kept."""
        if beam_prune_logp > 0:
            raise DecodingError(f"beam_prune_logp is {beam_prune_logp!r}.", "Give a number <= 0.")
        lm = self._language_model
        weights = {"lm_beta": 0.0} if lm is None else lm.settings
        # Tokens below token_min_logp are cut out: where the blank leaves less, it is alone.
        least = math.exp(min(token_min_logp, 0.0))
        settings = weights | {
            "beam_size": beam_width,
            "beam_threshold": max(-beam_prune_logp, _SMALLEST_THRESHOLD),
            "token_min_logp": -math.inf,
            "blank_skip": max(1.0 - least, 0.5),
            "n_best": n_best,
        }
        words = self._spellable(hotwords) if hotword_weight else []
        key = (*sorted(settings.items()), tuple(words), hotword_weight)
        if key in self._prepared:
            self._prepared.move_to_end(key)
            return self._prepared[key]
        prepared = self._searcher.replace(hotwords=words, hotword_weight=hotword_weight, **settings)
        self._prepared[key] = prepared
        while len(self._prepared) > _PREPARED:
            self._prepared.popitem(last=False)
        return prepared

    def _spellable(self, hotwords: Iterable[str] | None) -> list[str]:
        """Return the words of all hotwords that the labels can spell, each once."""
        if isinstance(hotwords, str):
            raise DecodingError("hotwords is a string.", "Pass a list of words.")
        vocabulary = self._searcher.vocabulary
        characters = set("".join(vocabulary.pieces))
        words = dict.fromkeys(word for phrase in hotwords or () for word in phrase.split())
        return [word for word in words if characters.issuperset(vocabulary.spell(word))]

    def _search(
        self, searcher: BeamDecoder, logits: Any, token_min_logp: float, state: LMState | None
    ) -> list[Hypothesis]:
        frames = _frames(logits, searcher.vocabulary, token_min_logp)
        if state is not None and self._language_model is None:
            raise DecodingError("lm_start_state needs a language model.", "Leave it out.")
        number = None if state is None else self._language_model.number(state)  # type: ignore[union-attr]
        return searcher.search(frames, number, margin=searcher.settings.beam_threshold)

    def _beam(self, found: Hypothesis, state: LMState | None) -> OutputBeam:
        lm = self._language_model
        words = [(word.word, (word.start_frame, word.end_frame)) for word in found.words]
        after = None if lm is None else lm.after(state, [word for word, _ in words])
        return found.text, after, words, found.acoustic_score, found.score

    # files ------------------------------------------------------------------------------------

    def save_to_dir(self, filepath: str | Path) -> None:
        """Write the decoder into a folder, in pyctcdecode's form.

        Raises:
            DecodingError: the language model cannot be written.
        """
        folder = Path(filepath)
        atomic_write_text(folder / self._ALPHABET_SERIALIZED_FILENAME, self._alphabet.dumps())
        if self._language_model is not None:
            target = folder / self._LANGUAGE_MODEL_SERIALIZED_DIRECTORY
            target.mkdir(exist_ok=True)
            self._language_model.save_to_dir(target)

    @staticmethod
    def parse_directory_contents(filepath: str | Path) -> dict[str, str | None]:
        """Return where a folder has the ``alphabet`` and the ``language_model``, or None.

        Raises:
            DecodingError: there is no alphabet.
        """
        folder = Path(filepath)
        alphabet = folder / BeamSearchDecoderCTC._ALPHABET_SERIALIZED_FILENAME
        model = folder / BeamSearchDecoderCTC._LANGUAGE_MODEL_SERIALIZED_DIRECTORY
        if not alphabet.is_file():
            raise DecodingError(f"There is no {alphabet}.", "Give a folder that save_to_dir wrote.")
        return {"alphabet": str(alphabet), "language_model": str(model) if model.exists() else None}

    @classmethod
    def load_from_dir(
        cls, filepath: str | Path, unigram_encoding: str | None = None
    ) -> BeamSearchDecoderCTC:
        """Return the decoder of a folder that :meth:`save_to_dir` or pyctcdecode wrote.

        Raises:
            DecodingError: a file is missing or damaged.
        """
        files = cls.parse_directory_contents(filepath)
        alphabet = Alphabet.loads(read_text(str(files["alphabet"])))
        folder = files["language_model"]
        if folder is None:
            return cls(alphabet)
        return cls(alphabet, LanguageModel.load_from_dir(folder, unigram_encoding))

    @classmethod
    def load_from_hf_hub(
        cls, model_id: str, cache_dir: str | None = None, **kwargs: Any
    ) -> BeamSearchDecoderCTC:
        """Return the decoder of a model on the Hugging Face hub.

        Raises:
            MissingDependencyError: ``huggingface_hub`` is not installed.
        """
        try:
            from huggingface_hub import snapshot_download
        except ImportError:
            raise MissingDependencyError(
                "This needs the package huggingface_hub, which is not installed.",
                "Install it, or fetch the folder and use load_from_dir.",
            ) from None
        return cls.load_from_dir(snapshot_download(model_id, cache_dir=cache_dir, **kwargs))


def _with(one: Callable[..., _R], args: Sequence[Any], options: dict[str, Any], logits: Any) -> _R:
    return one(logits, *args, **options)


def _frames(logits: Any, vocabulary: Vocabulary, token_min_logp: float) -> npt.NDArray[np.float32]:
    """Return the log-probabilities of the tokens (T, N), without the improbable ones."""
    array = as_array(logits).astype(np.float64)
    if array.ndim != 2 or array.shape[1] != vocabulary.size:
        raise DecodingError(
            f"logits has the shape {array.shape} but there are {vocabulary.size} labels (blank "
            "included).",
            "Pass (frames, labels), and the labels of the network's outputs.",
        )
    if not np.isfinite(array.max(axis=1, initial=-np.inf)).all():
        raise DecodingError("logits has NaN or inf.", "Look for a diverged model.")
    if len(array) and array.min() >= 0 and np.allclose(array.sum(axis=1), 1, rtol=1e-6):
        log_probs = np.log(np.clip(array, MIN_TOKEN_CLIP_P, 1))
    else:
        log_probs = np.clip(log_softmax(array), math.log(MIN_TOKEN_CLIP_P), 0)
    frames = vocabulary.arrange(log_probs.astype(np.float32))
    kept = frames >= token_min_logp
    kept[np.arange(len(frames)), frames.argmax(axis=1)] = True
    return np.where(kept, frames, np.float32(-np.inf))


def build_ctcdecoder(
    labels: list[str],
    kenlm_model_path: str | None = None,
    unigrams: Collection[str] | None = None,
    alpha: float = DEFAULT_ALPHA,
    beta: float = DEFAULT_BETA,
    unk_score_offset: float = DEFAULT_UNK_LOGP_OFFSET,
    lm_score_boundary: bool = DEFAULT_SCORE_LM_BOUNDARY,
) -> BeamSearchDecoderCTC:
    """Return a decoder.

    Args:
        labels: one for each output of the network; a blank that is not among them comes last.
        kenlm_model_path: n-gram model (ARPA, KenLM binary, or a file of this toolkit).
        unigrams: words that count as known; by default all of the model.
        alpha: weight of the language model.
        beta: bonus per word.
        unk_score_offset: added to log10 p of a word that is not known.
        lm_score_boundary: whether begin and end of the sentence are scored.

    Raises:
        DecodingError: labels and model do not fit.
        LanguageModelError: the model is missing or damaged.
    """
    model = None
    if kenlm_model_path is not None:
        model = LanguageModel(
            kenlm_model_path,
            unigrams,
            alpha=alpha,
            beta=beta,
            unk_score_offset=unk_score_offset,
            score_boundary=lm_score_boundary,
        )
    return BeamSearchDecoderCTC(Alphabet.build_alphabet(labels), model)
