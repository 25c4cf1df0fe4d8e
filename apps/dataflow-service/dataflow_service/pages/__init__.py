"""The pages of models and their rows, which the gateway serves under /pages/data."""
