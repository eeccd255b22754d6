"""ONNX: files of networks, and their sessions in ONNX Runtime; of any task."""
