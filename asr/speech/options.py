"""Which speech model to load and how to run it.

That is what `transcribe`, `align`, `evaluate`, `listen`, `bench` and the service have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.model_folder import DEFAULT_MODEL, Bundle

if TYPE_CHECKING:
    from asr.speech.decoders import DecodingConfig
    from asr.speech.new_words import NewWords
    from asr.speech.transcripts.writing import WritingConfig

__all__ = ["ModelOptions"]


@dataclass(frozen=True)
class ModelOptions:
    """A speech model and how it runs.

    Attributes:
        model: path of a model folder or of a run folder that holds one, name of a model that comes
            with the project, or an opened model folder.
        decoding: settings instead of those stored with the model; a mapping changes some of them.
        lm: n-gram model instead of the folder's own.
        device: ``cpu`` or ``cuda``; in ONNX Runtime also ``tensorrt`` and ``auto``.
        backend: ``torch``, ``onnxruntime``, or ``auto``: see
            :func:`asr.speech.acoustics.backends.choose_backend`.
        threads: of the processor; 0 leaves them to the back end.
        writing: how words become text; None leaves them plain.
        name: of the model in transcripts, by default that of its folder.
        new_words: words that the model was not made with, see
            :func:`asr.speech.new_words.new_words`.
        grammar: the only sentences that can be recognised, as text or the path of a file.
        grammar_mode: ``replace``, or ``join``: all other speech is recognised too.
    """

    model: str | Path | Bundle = DEFAULT_MODEL
    decoding: DecodingConfig | Mapping[str, Any] | None = None
    lm: str | Path | None = None
    device: str = "cpu"
    backend: str = "auto"
    threads: int = 0
    writing: WritingConfig | None = None
    name: str = ""
    new_words: NewWords = ()
    grammar: str | Path | None = None
    grammar_mode: str = "replace"

    @property
    def decoding_fields(self) -> dict[str, Any]:
        """The settings of ``decoding`` as a mapping; empty where there are none."""
        if self.decoding is None or isinstance(self.decoding, Mapping):
            return dict(self.decoding or {})
        return asdict(self.decoding)
