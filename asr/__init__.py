"""Speech recognition that you can train: CNN + BiLSTM + CTC, beam search with an n-gram model, WER.

>>> import asr
>>> model = asr.load_model("runs/an4")  # doctest: +SKIP
>>> model.transcribe("talk.wav").text  # doctest: +SKIP
'hello world'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.lazy import lazily

if TYPE_CHECKING:
    from asr.errors import AsrError
    from asr.estimators.anomaly_detector import AnomalyDetector
    from asr.estimators.forecaster import Forecaster
    from asr.estimators.language_model import LanguageModel
    from asr.estimators.signals import SequenceClassifier
    from asr.estimators.tagger import Tagger
    from asr.estimators.text_classifier import TextClassifier
    from asr.estimators.translator import Translator
    from asr.recognizer import DecodingConfig, Recognizer, load_model
    from asr.streaming import StreamingRecognizer
    from asr.transcript import Segment, Transcript, Word

__version__ = "0.1.0"

# Public name -> module; imported on first use, so that `import asr` costs nothing.
_PUBLIC = {
    "AnomalyDetector": "asr.estimators.anomaly_detector",
    "AsrError": "asr.errors",
    "DecodingConfig": "asr.recognizer",
    "Forecaster": "asr.estimators.forecaster",
    "LanguageModel": "asr.estimators.language_model",
    "Recognizer": "asr.recognizer",
    "Segment": "asr.transcript",
    "SequenceClassifier": "asr.estimators.signals",
    "StreamingRecognizer": "asr.streaming",
    "Tagger": "asr.estimators.tagger",
    "TextClassifier": "asr.estimators.text_classifier",
    "Transcript": "asr.transcript",
    "Translator": "asr.estimators.translator",
    "Word": "asr.transcript",
    "load_model": "asr.recognizer",
}

__all__ = [
    "AnomalyDetector",
    "AsrError",
    "DecodingConfig",
    "Forecaster",
    "LanguageModel",
    "Recognizer",
    "Segment",
    "SequenceClassifier",
    "StreamingRecognizer",
    "Tagger",
    "TextClassifier",
    "Transcript",
    "Translator",
    "Word",
    "__version__",
    "load_model",
]

__getattr__ = lazily(__name__, _PUBLIC)
