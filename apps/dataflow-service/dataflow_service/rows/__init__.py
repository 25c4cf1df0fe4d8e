"""The rows of each model: create, read, change, delete, list, count."""
