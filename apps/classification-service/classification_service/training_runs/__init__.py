"""Training of models on what people decided, by trainers that take turns at a queue."""
