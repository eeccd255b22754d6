"""Speech recognition that you can train: CNN + BiLSTM + CTC, beam search with an n-gram model, WER.

>>> import asr
>>> model = asr.load_model("runs/an4")  # doctest: +SKIP
>>> model.transcribe("talk.wav").text  # doctest: +SKIP
'hello world'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asr.errors import AsrError
    from asr.estimators.signals import SequenceClassifier
    from asr.estimators.tagger import Tagger
    from asr.recognizer import DecodingConfig, Recognizer, load_model
    from asr.transcript import Segment, Transcript, Word

__version__ = "0.1.0"

# Public name -> module; imported on first use, so that `import asr` costs nothing.
_PUBLIC = {
    "AsrError": "asr.errors",
    "DecodingConfig": "asr.recognizer",
    "Recognizer": "asr.recognizer",
    "SequenceClassifier": "asr.estimators.signals",
    "Segment": "asr.transcript",
    "Tagger": "asr.estimators.tagger",
    "Transcript": "asr.transcript",
    "Word": "asr.transcript",
    "load_model": "asr.recognizer",
}

__all__ = ["AsrError", "DecodingConfig", "Recognizer", "Segment", "Transcript", "Word", "__version__", "load_model"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'asr' has no attribute {name!r}")
