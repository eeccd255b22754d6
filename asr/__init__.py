"""Speech recognition that you can train: CNN + BiLSTM + CTC, beam search with an n-gram model, WER.

>>> import asr
>>> model = asr.load_model("runs/an4")  # doctest: +SKIP
>>> model.transcribe("talk.wav").text  # doctest: +SKIP
'hello world'
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from asr.lazy import lazily

if TYPE_CHECKING:
    from asr.errors import AsrError
    from asr.language.classification.classifier import TextClassifier
    from asr.language.modelling.estimator import LanguageModel
    from asr.language.punctuation.restorer import Restorer
    from asr.language.tagging.tagger import Tagger
    from asr.language.translation.translator import Translator
    from asr.series.anomalies.detector import AnomalyDetector
    from asr.series.forecasting.forecaster import Forecaster
    from asr.signals.classifier import SequenceClassifier
    from asr.speakers.embedder import SpeakerEmbedder
    from asr.speech.aligner import AlignmentConfig
    from asr.speech.alignment import ForcedAlignment
    from asr.speech.decoders import DecodingConfig
    from asr.speech.recognizer import Recognizer, load_model
    from asr.speech.streaming import StreamingRecognizer
    from asr.speech.transcripts.subtitles import SubtitleConfig
    from asr.speech.transcripts.transcript import Segment, Transcript, Word
    from asr.speech.transcripts.writing import WritingConfig

__version__ = "0.1.0"

# No telemetry: ONNX Runtime 1.31 sends Microsoft the processor, versions and an id of the machine
# from Linux too, unless it finds this variable as it is imported. Set it to 0 to allow that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Public name -> module; imported on first use, so that `import asr` costs nothing.
_PUBLIC = {
    "AlignmentConfig": "asr.speech.aligner",
    "AnomalyDetector": "asr.series.anomalies.detector",
    "AsrError": "asr.errors",
    "DecodingConfig": "asr.speech.decoders",
    "ForcedAlignment": "asr.speech.alignment",
    "Forecaster": "asr.series.forecasting.forecaster",
    "LanguageModel": "asr.language.modelling.estimator",
    "Recognizer": "asr.speech.recognizer",
    "Restorer": "asr.language.punctuation.restorer",
    "Segment": "asr.speech.transcripts.transcript",
    "SequenceClassifier": "asr.signals.classifier",
    "SpeakerEmbedder": "asr.speakers.embedder",
    "StreamingRecognizer": "asr.speech.streaming",
    "SubtitleConfig": "asr.speech.transcripts.subtitles",
    "Tagger": "asr.language.tagging.tagger",
    "TextClassifier": "asr.language.classification.classifier",
    "Transcript": "asr.speech.transcripts.transcript",
    "Translator": "asr.language.translation.translator",
    "Word": "asr.speech.transcripts.transcript",
    "WritingConfig": "asr.speech.transcripts.writing",
    "load_model": "asr.speech.recognizer",
}

__all__ = [
    "AlignmentConfig",
    "AnomalyDetector",
    "AsrError",
    "DecodingConfig",
    "ForcedAlignment",
    "Forecaster",
    "LanguageModel",
    "Recognizer",
    "Restorer",
    "Segment",
    "SequenceClassifier",
    "SpeakerEmbedder",
    "StreamingRecognizer",
    "SubtitleConfig",
    "Tagger",
    "TextClassifier",
    "Transcript",
    "Translator",
    "Word",
    "WritingConfig",
    "__version__",
    "load_model",
]

__getattr__ = lazily(__name__, _PUBLIC)
