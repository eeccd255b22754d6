"""Models to deploy: ONNX with the features inside, 8-bit weights, pruning, torch.export."""
