"""Networks of other toolkits: an ONNX file is looked at, tried, and becomes a model folder."""
