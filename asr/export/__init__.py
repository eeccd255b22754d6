"""Models to deploy: ONNX with features inside, 8-bit weights, pruning; each compared with the model it comes from."""

from asr.export.exporting import FORMATS, ExportReport, ParityCheck, export_model

__all__ = ["FORMATS", "ExportReport", "ParityCheck", "export_model"]
