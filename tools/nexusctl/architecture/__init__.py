"""The rules of docs/concepts/architecture.md that a program can check: who imports whom, and what runs in the event loop."""
