"""The registry of models: what can be stored. A layer below records and changes, which stand on it."""
