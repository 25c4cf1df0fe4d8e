"""Texts as vectors: the sentence encoder, on ONNX Runtime or torch."""
