"""The product catalogue: one file per model, each found at start through the setting DATAFLOW_MODELS."""
