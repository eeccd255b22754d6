"""What a request may ask for: one set of options for every route and every stream.

:func:`read_options` is the only reader. The protocols translate their own names into these, and say
which of them they take; what a route does not take is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from asr.serve.errors import BadOption
from asr.speech.streaming import EndpointConfig

__all__ = [
    "RECORDING",
    "SPOT",
    "STREAM",
    "WRITING",
    "RequestOptions",
    "form_schema",
    "query_parameters",
    "read_options",
]

MAX_SPOTTED = 200  # phrases that are looked for; each takes time in every frame
HOTWORD_WEIGHT = 10.0  # natural log, of a phrase that is given without a weight
MAX_HOTWORDS, MAX_WORDS, MAX_CHARACTERS, MAX_GRAMMAR = 500, 5000, 100, 20_000
SPOT_THRESHOLD = 0.5
RATES = (8000, 96000)  # Hz


def _phrases(given: Any) -> Any:
    """Return phrase -> weight of ``name:5, other name``, a JSON object or list of phrases."""
    return _numbered(given, HOTWORD_WEIGHT)


def _spotted(given: Any) -> Any:
    """Return phrase -> threshold, None where none is given; written as hotwords are."""
    return _numbered(given, None)


def _numbered(given: Any, default: float | None) -> Any:
    given = _from_json(given)
    if isinstance(given, str):
        given = [part for part in given.replace("\n", ",").split(",") if part.strip()]
    if isinstance(given, list) and all(isinstance(phrase, str) for phrase in given):
        given = dict(_weighted(phrase, default) for phrase in given)
    if isinstance(given, Mapping):
        return {" ".join(str(phrase).split()): weight for phrase, weight in given.items()}
    return given


def _weighted(phrase: str, default: float | None) -> tuple[str, Any]:
    text, colon, weight = phrase.rpartition(":")
    return (text, weight.strip()) if colon else (phrase, default)


def _word_list(given: Any) -> Any:
    """Return the words of a text, or of a JSON list of texts."""
    given = _from_json(given)
    if isinstance(given, str):
        given = [given.replace(",", " ")]
    if isinstance(given, list) and all(isinstance(text, str) for text in given):
        return [word for text in given for word in text.split()]
    return given


def _new_words(given: Any) -> Any:
    """Return new word -> what it sounds like of ``Kubernetes, nginx = engine x``, or JSON."""
    given = _from_json(given)
    if isinstance(given, str):
        given = [part for part in given.replace("\n", ",").split(",") if part.strip()]
    if isinstance(given, list) and all(isinstance(entry, str) for entry in given):
        pairs = (entry.partition("=") for entry in given)
        given = {word.strip(): sounds_like.strip() for word, _, sounds_like in pairs}
    if isinstance(given, Mapping) and any(str(word).split() != [word] for word in given):
        raise ValueError("each entry is one word, with = and what it sounds like behind it")
    return given


def _from_json(given: Any) -> Any:
    if not isinstance(given, str) or given.strip()[:1] not in ("[", "{"):
        return given
    try:
        return json.loads(given)
    except ValueError:
        raise ValueError("this is not JSON") from None


Phrase = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
Weight = Annotated[float, Field(gt=0, le=100)]
Hotwords = Annotated[
    dict[Phrase, Weight],
    BeforeValidator(_phrases),
    WithJsonSchema({"type": "string", "example": "Ishmael, white whale:5"}),
]
NewWordEntries = Annotated[
    dict[Phrase, Annotated[str, Field(max_length=MAX_CHARACTERS)]],
    BeforeValidator(_new_words),
    WithJsonSchema({"type": "string", "example": "Kubernetes, nginx = engine x"}),
]
Spotted = Annotated[
    dict[Phrase, Annotated[float | None, Field(ge=0, le=1)]],
    BeforeValidator(_spotted),
    WithJsonSchema({"type": "string", "example": "new york:0.6, refund"}),
]
Words = Annotated[
    tuple[Phrase, ...],
    BeforeValidator(_word_list),
    WithJsonSchema({"type": "string", "example": "yes no stop"}),
]


class RequestOptions(BaseModel):
    """What a request asks for; each default is what the model folder and the service say."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=()
    )
    model: str = Field("", description="Name of a model; by traffic split if not given.")
    hotwords: Hotwords = Field(
        default_factory=dict,
        max_length=MAX_HOTWORDS,
        description="Phrases to listen for, with commas. A weight may follow a colon: natural log "
        f"units above 0, at most 100; {HOTWORD_WEIGHT:g} if not given, 5 to 15 is usual. "
        "A JSON object of phrase and weight, or a list of phrases, works too.",
    )
    new_words: NewWordEntries = Field(
        default_factory=dict,
        max_length=MAX_WORDS,
        description="Words that the model does not know, with commas; what one sounds like may "
        "follow =. A JSON object of word and sound, or a list of words, works too.",
    )
    grammar: str = Field(
        "",
        max_length=MAX_GRAMMAR,
        description="The only sentences that can be recognised, as templates, one a line; a result "
        "has their slots.",
    )
    grammar_mode: Literal["replace", "join"] = Field(
        "replace",
        description="Beside a grammar. replace: nothing else is recognised; join: all other speech "
        "is too, and a result that is or has a sentence of the grammar has slots.",
    )
    words: Words = Field(
        (),
        max_length=MAX_WORDS,
        description="The only words that can be recognised, with blanks or as a JSON list.",
    )
    phrases: Spotted = Field(
        default_factory=dict,
        max_length=MAX_SPOTTED,
        description="Phrases whose times and scores are wanted, with commas. A threshold from 0 to "
        "1 may follow a colon. A JSON object of phrase and threshold, or a list, works too.",
    )
    threshold: float | None = Field(
        None, ge=0, le=1, description="Least score of phrases without one of their own; 0.5."
    )
    false_alarms: float | None = Field(
        None,
        ge=0,
        le=1000,
        description="Wanted an hour, of all phrases together: thresholds are set on recordings in "
        "background, which do not have the phrases; 1.",
    )
    n_best: int = Field(1, ge=1, le=20, description="Readings of each segment, best first.")
    lm_weight: float | None = Field(
        None, ge=0, le=10, description="Weight of the language model; 0 turns it off."
    )
    word_bonus: float | None = Field(
        None, ge=-20, le=20, description="Added to the score for every word: more or fewer words."
    )
    min_confidence: float = Field(
        0.0, ge=0, le=1, description="Words that are less sure than this are left out."
    )
    punctuation: bool | None = Field(
        None, description="Marks and capitals, beside the plain words; by default as the service."
    )
    numbers: bool | None = Field(
        None,
        description="English numbers, dates, money and times in figures, beside the plain words; "
        "by default as the service.",
    )
    speakers: bool = Field(False, description="Tell speakers apart: who says what.")
    num_speakers: int | None = Field(
        None, ge=1, le=100, description="How many speakers there are; as many as are found."
    )
    output_format: Literal["json", "txt", "srt", "vtt", "tsv", "ctm", "rttm"] = Field(
        "json",
        description="Format of the answer; all but json take one recording a request, rttm takes "
        "speakers.",
    )
    timestamps: Literal["word", "segment", "none"] = Field(
        "word", description="Times of words and segments, of segments, or the text alone; in JSON."
    )
    sample_rate: int | None = Field(
        None, ge=RATES[0], le=RATES[1], description="Hz of the samples; the model's by default."
    )
    silence_s: float | None = Field(
        None, ge=0, le=60, description="Silence that ends an utterance; 0: only the end does."
    )
    start_silence_s: float | None = Field(
        None,
        ge=0,
        le=300,
        description="Time without a word after which a final result without text comes; 0: never.",
    )
    max_utterance_s: float | None = Field(
        None, ge=1, le=300, description="Length at which an utterance is ended in any case."
    )

    @property
    def decoding(self) -> dict[str, Any]:
        """Fields of :class:`asr.speech.decoders.DecodingConfig` that differ from the model's."""
        asked = {"lm_alpha": self.lm_weight, "lm_beta": self.word_bonus}
        changes: dict[str, Any] = {k: value for k, value in asked.items() if value is not None}
        if self.hotwords:
            changes["hotwords"] = self.hotwords
        if self.n_best > 1:
            changes["n_best"] = self.n_best
        return changes

    @property
    def thresholds(self) -> dict[str, float]:
        """Least score of each phrase."""
        usual = SPOT_THRESHOLD if self.threshold is None else self.threshold
        return {p: usual if own is None else own for p, own in self.phrases.items()}

    @property
    def wants_speakers(self) -> bool:
        """Whether speakers are to be told apart; a number of them asks for it too."""
        return self.speakers or self.num_speakers is not None

    @property
    def endpoint(self) -> EndpointConfig:
        """When an utterance of a stream ends."""
        given = {name: getattr(self, name) for name in ENDPOINT}
        return EndpointConfig(**{name: value for name, value in given.items() if value is not None})


WRITING = frozenset({"punctuation", "numbers"})
"""How words become text."""
COMMON = {
    "model",
    "hotwords",
    "new_words",
    "grammar",
    "grammar_mode",
    "words",
    "n_best",
    "lm_weight",
    "word_bonus",
    "min_confidence",
}
COMMON |= WRITING
RECORDING = frozenset(COMMON | {"output_format", "timestamps", "speakers", "num_speakers"})
"""Options of a recording."""
ENDPOINT = frozenset({"silence_s", "start_silence_s", "max_utterance_s"})
STREAM = frozenset(
    COMMON | ENDPOINT | {"sample_rate", "phrases", "threshold", "speakers", "num_speakers"}
)
"""Options of a stream."""
SPOT = frozenset({"model", "new_words", "phrases", "threshold", "false_alarms"})
"""Options of a search for phrases in recordings."""


def read_options(given: Iterable[tuple[str, Any]], takes: frozenset[str]) -> RequestOptions:
    """Return checked options.

    Args:
        given: names and values, text or JSON.
        takes: names that have an effect where they were given.

    Raises:
        BadOption: a name is unknown, has no effect here or comes twice, or a value is wrong.
    """
    values: dict[str, Any] = {}
    for name, value in given:
        if name not in takes:
            elsewhere = name in RequestOptions.model_fields
            what = "has no effect here" if elsewhere else "is not an option"
            raise BadOption(name, f"{name} {what}.", f"Options are: {', '.join(sorted(takes))}.")
        if name in values:
            raise BadOption(name, f"{name} is given twice.", "Give it once.")
        values[name] = value
    try:
        return RequestOptions.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part)[:40] for part in first["loc"])
        message = f"{place}: {first['msg']}, not {str(first['input'])[:60]!r}."
        raise BadOption(str(first["loc"][0]), message) from None


def query_parameters(takes: frozenset[str]) -> list[dict[str, Any]]:
    """Return the options as query parameters of the OpenAPI description."""
    return [
        {"name": name, "in": "query", "required": False, **_split(schema)}
        for name, schema in _schemas(takes).items()
    ]


def form_schema(takes: frozenset[str], files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options beside file fields as a form of the OpenAPI description."""
    properties = {**files, **_schemas(takes)}
    form = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"content": {"multipart/form-data": {"schema": form}}, "required": True}


def _split(schema: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"description": schema["description"], "schema": rest}


def _schemas(takes: frozenset[str]) -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = RequestOptions.model_json_schema()["properties"]
    return {name: _plain(properties[name]) for name in properties if name in takes}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without null, which neither a query nor a form can hold."""
    kept = {key: value for key, value in schema.items() if key not in ("title", "default")}
    if "anyOf" in kept:
        kept |= next(choice for choice in kept.pop("anyOf") if choice.get("type") != "null")
    return kept
