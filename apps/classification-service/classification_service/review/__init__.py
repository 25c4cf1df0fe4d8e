"""The queue of answers that people should check."""
