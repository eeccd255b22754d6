"""ONNX: files of networks, and their sessions in ONNX Runtime; of any task."""

import os

# ONNX Runtime 1.31 reports to Microsoft on Linux, too: the processor, versions, an id of the
# machine. It looks at this variable when it is imported; who sets it to 0 lets it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
