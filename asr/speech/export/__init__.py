"""Models to deploy: ONNX with features inside, 8-bit weights, pruning, torch.export."""
