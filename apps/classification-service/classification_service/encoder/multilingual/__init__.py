"""Texts of 16 languages as vectors: Universal Sentence Encoder multilingual v3, on ONNX Runtime."""
