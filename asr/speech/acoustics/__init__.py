"""Samples in, log-probabilities out: the network, in torch or ONNX Runtime, and those of others."""
